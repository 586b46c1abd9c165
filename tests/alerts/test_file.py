"""Files of JSON lines: whole lines, on the disk, whatever happens to the file."""

# ruff: noqa: ASYNC230, ASYNC240  # the file is looked at between two sends: nothing else runs in the loop

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from alerts.file import KIND, STDOUT, File, FileConfig, StdoutConfig
from alerts.notice import Delivered, Failed, Notice
from tests.alerts.stream_alerts import CONTEXT, alert, notice


def ids(path: Path) -> list[str]:
    """The alerts of a file whose every line must be whole."""
    return [json.loads(line)["alert_id"] for line in path.read_text().splitlines()]


def notices(*numbers: int) -> list[Notice]:
    return [notice(alert(number)) for number in numbers]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "alerts.jsonl"


def opened(path: Path, **more: Any) -> File:
    made = KIND.make(FileConfig(path=str(path), **more), CONTEXT)
    assert isinstance(made, File)
    return made


async def test_lines_are_appended_and_the_file_is_for_its_owner_only(path: Path) -> None:
    sink = opened(path)
    await sink.start()
    outcomes = await sink.send(notices(1, 2))
    assert all(isinstance(each, Delivered) for each in outcomes)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    await sink.send(notices(3))
    await sink.stop()
    assert ids(path) == [alert(number).alert_id for number in (1, 2, 3)]
    assert json.loads(path.read_text().splitlines()[0])["person"] == alert().person


@pytest.mark.parametrize(("form", "key"), [("ocsf", "class_uid"), ("ecs", "@timestamp")])
async def test_other_formats(path: Path, form: str, key: str) -> None:
    sink = opened(path, format=form)
    assert isinstance((await sink.send(notices(1)))[0], Delivered)
    await sink.stop()
    assert key in json.loads(path.read_text())


async def test_it_is_on_the_disk_before_it_counts(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order of system calls is what the promise rests on; nothing else can show it short of a power cut."""
    calls: list[str] = []
    for name in ("write", "fsync"):
        real = getattr(os, name)

        def noted(*given: Any, real: Any = real, name: str = name) -> Any:
            calls.append(name)
            return real(*given)

        monkeypatch.setattr(os, name, noted)
    sink = opened(path)
    await sink.send(notices(1))
    assert calls == ["fsync", "write", "fsync"]  # the folder's entry, the line, the file
    await sink.stop()


async def test_a_line_that_a_crash_tore_is_ended(path: Path) -> None:
    path.write_bytes(b'{"alert_id":"whole"}\n{"alert_id":"to')
    sink = opened(path)
    await sink.send(notices(1))
    await sink.stop()
    lines = path.read_text().splitlines()
    assert lines[1] == '{"alert_id":"to'
    assert json.loads(lines[2])["alert_id"] == alert(1).alert_id


async def test_a_renamed_file_is_left_and_a_new_one_begun(path: Path) -> None:
    sink = opened(path)
    await sink.send(notices(1))
    path.rename(path.with_suffix(".1"))
    await sink.send(notices(2))
    path.rename(path.with_suffix(".2"))
    path.write_text("")  # `create` of logrotate
    await sink.send(notices(3))
    path.unlink()
    await sink.send(notices(4))
    await sink.stop()
    assert [ids(path.with_suffix(end))[0] for end in (".1", ".2", ".jsonl")] == [
        alert(number).alert_id for number in (1, 2, 4)
    ]


async def test_what_was_written_just_before_a_truncation_is_written_again(path: Path) -> None:
    """It may not be in the copy that logrotate made before it truncated."""
    sink = opened(path)
    await sink.send(notices(1, 2))
    os.truncate(path, 0)
    await sink.send(notices(3))
    await sink.stop()
    assert ids(path) == [alert(number).alert_id for number in (1, 2, 3)]


async def test_what_was_written_long_before_a_truncation_is_not(path: Path) -> None:
    sink = opened(path)
    await sink.send(notices(1, 2))
    os.truncate(path, 0)
    later = time.time() + 60
    os.utime(path, (later, later))  # truncated a minute later
    await sink.send(notices(3))
    await sink.stop()
    assert ids(path) == [alert(3).alert_id]


async def test_a_folder_that_is_gone_is_a_failure_until_it_is_back(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "alerts.jsonl"
    sink = opened(path)
    (outcome,) = await sink.send(notices(1))
    assert outcome == Failed(f"{path} cannot be written: No such file or directory")
    path.parent.mkdir()
    assert isinstance((await sink.send(notices(1)))[0], Delivered)
    await sink.stop()


async def test_a_folder_or_a_pipe_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        sink = opened(path)
        (outcome,) = await sink.send(notices(1))
        assert isinstance(outcome, Failed)
        await sink.stop()


FULL = """
import asyncio, resource, signal, sys
from alerts.file import KIND, FileConfig
from tests.alerts.test_file import CONTEXT, notices, Failed, Delivered

async def main(path):
    sink = KIND.make(FileConfig(path=path), CONTEXT)
    assert all(isinstance(each, Delivered) for each in await sink.send(notices(1)))
    size = len(open(path, "rb").read())
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, resource.RLIM_INFINITY))
    outcomes = await sink.send(notices(2, 3))
    assert all(isinstance(each, Failed) for each in outcomes), outcomes
    assert len(open(path, "rb").read()) == size, "half a line remained"
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert all(isinstance(each, Delivered) for each in await sink.send(notices(2, 3)))
    await sink.stop()

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.slow
def test_a_write_that_takes_only_a_part_leaves_nothing_behind(path: Path) -> None:
    """As on a full disk: the system takes 100 octets and then no more (here by a limit of the process)."""
    done = subprocess.run([sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert ids(path) == [alert(number).alert_id for number in (1, 2, 3)]


def test_a_full_device_is_a_failure() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    code = (
        "import asyncio\nfrom alerts.file import STDOUT, StdoutConfig\n"
        "from tests.alerts.test_file import CONTEXT, notices\n"
        "async def main():\n"
        "    sink = STDOUT.make(StdoutConfig(), CONTEXT)\n"
        "    import sys; print(await sink.send(notices(1)), file=sys.stderr)\n"
        "asyncio.run(main())\nimport os; os._exit(0)\n"
    )
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert "No space left on device" in done.stderr


async def test_standard_output(capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    with open(1, "w", closefd=False) as out:  # descriptor 1, whatever pytest made of sys.stdout
        monkeypatch.setattr(sys, "stdout", out)
        sink = STDOUT.make(StdoutConfig(), CONTEXT)
        await sink.start()
        outcomes = await sink.send(notices(1, 2))
        await sink.stop()
    assert outcomes == [Delivered({"to": "stdout"})] * 2
    lines = capfdbinary.readouterr().out.splitlines()
    assert [json.loads(line)["alert_id"] for line in lines] == [alert(number).alert_id for number in (1, 2)]

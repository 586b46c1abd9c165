"""What opening a log accepts, mends and refuses; and that a reader finds every changed byte."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agents.audit.tlog import BadLogError, InconsistentLogError, Log, LogBusyError, LogReader, NoteSigner
from agents.audit.tlog.store import http_fetch
from schemas.errors import ConfigurationError
from tests.audit.tlog import naive
from tests.audit.tlog.disks import clock

SIGNER = NoteSigner("example.com/log", b"k" * 32)
ENTRIES = [f"entry {n}".encode() for n in range(700)]


def log(folder: Path, **more: object) -> Log:
    return Log(folder, SIGNER, clock, **more)  # type: ignore[arg-type]


def filled(folder: Path, count: int = 700, **more: object) -> Path:
    with log(folder, **more) as made:
        for at in range(0, count, 150):
            made.append(ENTRIES[at : min(at + 150, count)])
    return folder


def test_the_tree_is_that_of_the_rfc_and_superfluous_files_go(tmp_path: Path) -> None:
    reader = LogReader(filled(tmp_path / "log"))
    assert reader.checkpoint([SIGNER.public]).root == naive.root(ENTRIES)
    assert list(reader.entries(255, 258)) == ENTRIES[255:258]
    assert not (tmp_path / "log/tile/0/000.p").exists()
    assert (tmp_path / "log/tile/0/002.p/188").exists()


def test_an_entry_that_is_too_long_and_an_empty_append_change_nothing(tmp_path: Path) -> None:
    with log(tmp_path) as made:
        assert made.append([]) == range(0)
        with pytest.raises(ValueError, match="entry 1 has 65536 bytes; allowed: 0 to 65535"):
            made.append([b"", bytes(65_536)])
        assert made.size == 0
        assert made.append([b"", bytes(65_535)]) == range(2)


def test_there_is_one_writer(tmp_path: Path) -> None:
    with log(tmp_path), pytest.raises(LogBusyError):
        log(tmp_path)
    log(tmp_path).close()


def test_a_log_that_was_put_back_is_refused(tmp_path: Path) -> None:
    state = tmp_path / "state"
    filled(tmp_path / "log", 300, state=state)
    shutil.copytree(tmp_path / "log", tmp_path / "backup")
    filled_more = log(tmp_path / "log", state=state)
    filled_more.append(ENTRIES[300:600])
    filled_more.close()
    shutil.rmtree(tmp_path / "log")
    (tmp_path / "backup").rename(tmp_path / "log")
    with pytest.raises(InconsistentLogError, match=r"remembered 600 entries.*put back to an earlier state"):
        log(tmp_path / "log", state=state)
    shutil.rmtree(tmp_path / "log")
    with pytest.raises(InconsistentLogError, match=r"published None, remembered 600 entries"):
        log(tmp_path / "log", state=state)


def test_another_history_under_the_same_key_is_refused(tmp_path: Path) -> None:
    filled(tmp_path / "log", 300, state=tmp_path / "state")
    for count in (300, 450):
        shutil.rmtree(tmp_path / "log")
        with log(tmp_path / "log", state=tmp_path / f"state {count}") as made:
            made.append([b"other"] * count)
        with pytest.raises(InconsistentLogError, match=r"two roots of one size|not one history"):
            log(tmp_path / "log", state=tmp_path / "state")


def test_tiles_that_are_gone_or_torn_are_made_anew(tmp_path: Path) -> None:
    for at, name in enumerate(("tile/0/002.p/188", "tile/1/000.p/2")):
        folder, said = filled(tmp_path / str(at)), list[str]()
        before = (folder / name).read_bytes()
        (folder / name).write_bytes(before[:-5]) if at else (folder / name).unlink()
        log(folder, tell=said.append).close()
        assert (folder / name).read_bytes() == before
        assert any("made anew" in each for each in said)


def test_a_torn_bundle_at_the_edge_is_refused(tmp_path: Path) -> None:
    filled(tmp_path)
    bundle = tmp_path / "tile/entries/002.p/188"
    bundle.write_bytes(bundle.read_bytes()[:-3])
    with pytest.raises(InconsistentLogError, match=r"tile/entries/002.p/188: .*must not go on"):
        log(tmp_path)


@pytest.mark.parametrize("seed", range(40))
def test_a_reader_finds_a_changed_bit_anywhere(seed: int, tmp_path: Path) -> None:
    filled(tmp_path)
    chance = random.Random(seed)
    files = sorted(path for path in (tmp_path / "tile").rglob("*") if path.is_file())
    # Partial files of older sizes are no part of the log as it is now signed.
    files = [path for path in files if ".p/" not in str(path) or path.name in {"188", "2"}]
    chosen = chance.choice(files)
    data = bytearray(chosen.read_bytes())
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    chosen.write_bytes(data)
    reader = LogReader(tmp_path)
    try:
        found = [str(each) for each in reader.tree(reader.checkpoint([SIGNER.public])).problems()]
    except BadLogError as error:  # at the edge: nothing of the tree can be checked without it
        found = [str(error)]
    assert found
    named = str(chosen.relative_to(tmp_path))
    assert any(named in each or "rightmost tiles" in each for each in found), (named, found)


def test_a_url_that_is_none_of_a_log() -> None:
    for url in ("ftp://x/y", "http://", "http://user@x/", "http://x/?a"):
        with pytest.raises(ConfigurationError, match="allowed"):
            http_fetch(url)


APPENDING = """
import sys, time
from pathlib import Path
from agents.audit.tlog import Log, NoteSigner
log = Log(Path(sys.argv[1]), NoteSigner("example.com/log", b"k" * 32), time.time)
while True:
    begin = log.size
    log.append([f"entry {n}".encode() for n in range(begin, begin + 97)])
    print(log.size, flush=True)
"""


@pytest.mark.faults
def test_a_process_that_is_killed_while_it_appends(tmp_path: Path) -> None:
    acknowledged, chance = 0, random.Random(7)
    for _ in range(6):
        process = subprocess.Popen(
            [sys.executable, "-c", APPENDING, tmp_path], stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
        )
        assert process.stdout is not None
        for _ in range(chance.randrange(2, 12)):
            acknowledged = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().split("\n")[:-1]
        acknowledged = int(rest[-1]) if rest else acknowledged
        process.wait()
        process.stdout.close()
        reader = LogReader(tmp_path)
        found = reader.checkpoint([SIGNER.public])
        assert acknowledged <= found.size <= acknowledged + 97
        assert list(reader.entries()) == [f"entry {n}".encode() for n in range(found.size)]
        with log(tmp_path) as opened:
            assert acknowledged <= opened.size <= acknowledged + 97

"""`audit prove`: one entry's proof, in a file that holds by itself."""

from __future__ import annotations

from base64 import b64decode, b64encode
from pathlib import Path

import pytest

from agents.cli import main
from tests.audit.making import KEY, World, write_log


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(seed=3, partitions=1)
    made.in_force()
    made.start(0)
    for _ in range(300):  # more than one bundle
        made.decide()
    made.judge(0, alerts=3)
    write_log(tmp_path / "log", made.entries)
    return made


def prove(*arguments: object) -> int:
    return main(["audit", "prove", *map(str, arguments), "--key", KEY])


def test_an_entry_is_proven_to_somebody_who_has_the_key_alone(
    world: World, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "entry.tlog-proof"
    assert prove(tmp_path / "log", "--index", 270, "--to", path) == 0
    (tmp_path / "log").rename(tmp_path / "gone")
    capfd.readouterr()
    assert prove("--check", path) == 0
    said = capfd.readouterr().out
    assert said.startswith(f"entry 270 of {len(world.entries)} of audit.example/cloverwatch, root ")
    assert f'"offset":{world.entries[270].offset}' in said


def test_an_alert_is_found_by_its_id(world: World, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "alert.tlog-proof"
    index, alert = [(at, each) for at, each in enumerate(world.entries) if each.kind == "alert"][1]
    assert prove(tmp_path / "log", "--alert", alert.about["alert_id"], "--to", path) == 0
    assert f"entry {index} of" in capfd.readouterr().out
    assert prove(tmp_path / "log", "--alert", "nobody's", "--to", path) == 2
    assert "nobody's" in capfd.readouterr().err


def test_another_entry_and_another_place_do_not_hold(
    world: World, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "entry.tlog-proof"
    assert prove(tmp_path / "log", "--index", 5, "--to", path) == 0
    head, extra, *rest = path.read_bytes().split(b"\n")
    entry = b64decode(extra.removeprefix(b"extra "))
    edited = b64encode(entry.replace(b'"effect":"allow"', b'"effect":"deny"'))
    assert edited != b64encode(entry)
    for changed in ([head, b"extra " + edited, *rest], [head, extra, b"index 6", *rest[1:]], [head, *rest]):
        path.write_bytes(b"\n".join(changed))
        capfd.readouterr()
        assert prove("--check", path) == 1
        assert "it does not hold" in capfd.readouterr().out


@pytest.mark.parametrize("arguments", [["--index", "1"], ["LOG", "--index", "1"], ["LOG", "--check", "x"]])
def test_use_that_makes_no_sense_is_refused(arguments: list[str]) -> None:
    assert prove(*arguments) == 2


def test_an_entry_that_is_not_there(world: World, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert prove(tmp_path / "log", "--index", len(world.entries), "--to", tmp_path / "p") == 2
    assert "--index" in capfd.readouterr().err

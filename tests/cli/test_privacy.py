"""The keys of pseudonyms on the command line, and workers that do not start without them."""

from __future__ import annotations

import stat
import sys
import time
from pathlib import Path

import orjson
import pytest

import agents.pseudonym_keys
from agents.pseudonym_keys import KEYS_MAX, new_keys, read_keys
from agents.settings import Settings
from alerts.keyring import parse
from schemas.errors import ConfigurationError
from tests.cli.conftest import Run


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "pseudonyms.json"


def test_new_keys_are_for_their_owner_alone_and_replace_nothing(run: Run, file: Path) -> None:
    said = run("privacy", "keys", "--new", file)
    assert said.code == 0, said.err
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = file.read_bytes()
    again = run("privacy", "keys", "--new", file)
    assert again.code == 2
    assert "is there already, and stays as it is" in again.err
    assert run("privacy", "keys", "--new", file, "--if-absent").code == 0
    assert file.read_bytes() == before
    assert [each.name for each in file.parent.iterdir()] == [file.name], "nothing is left lying about"
    for each in orjson.loads(before)["epochs"][0]["key"], orjson.loads(before)["ids"]:
        assert each not in said.out + said.err + again.err


def test_an_epoch_is_announced_a_day_ahead(run: Run, file: Path) -> None:
    run("privacy", "keys", "--new", file)
    before = parse(file.read_bytes(), "before")
    said = run("privacy", "keys", "--rotate", file)
    assert said.code == 0, said.err
    after = parse(file.read_bytes(), "after")
    assert (after.ids, after.wrap, after.epochs[:1]) == (before.ids, before.wrap, before.epochs)
    assert abs(after.epochs[1].since - time.time() * 1000 - 86_400_000) < 60_000
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    shown = run("privacy", "keys", pseudonym_keys=file)
    assert "p1           from" in shown.out
    assert "p2           from" in shown.out
    assert "to come; alerts carry the pseudonyms of p1 too until" in shown.out
    assert run("privacy", "keys", "--rotate", file, "--from", "2020-01-01T00:00:00Z").code == 2
    assert run("privacy", "keys", "--rotate", file, "--from", "soon").code == 2
    assert parse(file.read_bytes(), "after") == after


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610])
def test_a_file_that_others_may_read_is_refused(run: Run, file: Path, policy: Path, mode: int) -> None:
    new_keys(file)
    file.chmod(mode)
    for command in (["worker"], ["privacy", "keys"]):
        said = run(*command, pseudonym_keys=file, policy=policy, web_port=0)
        assert said.code == 2
        assert f"{file} has mode {mode:04o}: others than its owner may read it; allowed: 0600" in said.err


def test_a_worker_without_keys_says_what_to_do(run: Run, policy: Path) -> None:
    said = run("worker", policy=policy, web_port=0)
    assert said.code == 2
    assert "pseudonym_keys: not set" in said.err
    assert "cloverwatch privacy keys --new FILE" in said.err
    assert "CLOVERWATCH_IDENTITIES=clear" in said.err


def test_keys_come_from_a_command_too(file: Path) -> None:
    ring = new_keys(file)
    assert read_keys(Settings(pseudonym_keys_command=f"cat '{file}'")) == ring
    with pytest.raises(ConfigurationError, match="one of the two"):
        Settings(pseudonym_keys_command="cat", pseudonym_keys=file)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("", "empty"),
        ("no-such-program-at-all", "cannot be run: No such file"),
        ("sh -c 'echo secret-part; exit 3'", "sh ended with 3"),
        ("sh -c 'echo secret-part'", "no keys"),
        ("sh 'unclosed", "No closing quotation"),
        (f"{sys.executable} -c 'print(\"x\" * 10_000_000)'", f"longer than {KEYS_MAX} bytes"),
        ("sh -c 'sleep 60 & sleep 60'", "did not end within 0.5 s"),
    ],
)
def test_a_command_that_fails_is_told_without_what_it_printed(
    monkeypatch: pytest.MonkeyPatch, command: str, said: str
) -> None:
    slow = "sleep" in command
    monkeypatch.setattr(agents.pseudonym_keys, "COMMAND_WITHIN_S", 0.5 if slow else 20.0)
    began = time.monotonic()
    with pytest.raises(ConfigurationError, match=said) as found:
        read_keys(Settings(pseudonym_keys_command=command or " "))
    assert "secret-part" not in str(found.value)
    assert time.monotonic() - began < 20


def test_a_replay_has_the_ids_of_the_stream_where_there_are_keys(
    run: Run, file: Path, policy: Path, people: Path, events: Path
) -> None:
    ring = new_keys(file)
    asked = ("replay", "--policy", policy, "--directory", people, events)
    (plain,) = run(*asked).records
    (keyed,) = run(*asked, pseudonym_keys=file).records
    assert keyed["alert_id"] == ring.keyed("alert", plain["alert_id"])
    assert keyed["dedup_key"] == ring.keyed("incident", plain["dedup_key"])
    assert keyed["person"] == plain["person"] == "e-1", "on the operator's own terminal"
    (clear,) = run(*asked, pseudonym_keys=file, identities="clear").records
    assert clear["alert_id"] == plain["alert_id"]


def test_who_may_not_write_is_told(run: Run, tmp_path: Path) -> None:
    said = run("privacy", "keys", "--new", tmp_path / "nowhere" / "keys.json")
    assert said.code == 2
    assert "cannot be written: No such file or directory" in said.err
    assert list(tmp_path.iterdir()) == []

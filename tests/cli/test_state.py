"""`replay --state`: history that warms up the judgement of behaviour."""

from __future__ import annotations

import stat
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from agents.state_file import load_state
from benchmarks.evaluation.engine import event_of
from benchmarks.evaluation.worlds import build
from rules.cases import DATASET
from rules.habits.saved import restore
from rules.habits.saved_peers import restore_peers, save_peers
from schemas.codec import encode
from tests.cli.conftest import Run, Said, write
from tests.rules.streams import access


def test_half_the_history_a_state_and_the_other_half_are_the_whole_history(
    run: Run, life: Path, watching: Path, tmp_path: Path
) -> None:
    events = (life / "events.jsonl").read_bytes().splitlines()
    half = len(events) // 2
    first, second = write(tmp_path / "1.jsonl", *events[:half]), write(tmp_path / "2.jsonl", *events[half:])
    given = ["replay", "--policy", watching, "--directory", life / "people"]
    whole = told(run(*given, "--state", tmp_path / "whole", life / "events.jsonl"))
    parts: list[list[tuple[str, int, str]]] = []
    for path in (first, second):
        said = run(*given, "--state", tmp_path / "halves", path)
        assert said.code == 0, said.err
        parts.append(told(said))
    assert parts[0] + parts[1] == whole
    assert {each[2] for each in whole} >= {"behaviour.volume", "behaviour.peer_volume"}
    assert any(revision for _, revision, _ in whole)
    assert told(run(*given, second)) != parts[1], "without the state it is another story"
    one, two = load_state(tmp_path / "whole"), load_state(tmp_path / "halves")
    assert (one.now, one.people, one.peers) == (two.now, two.people, two.peers), "to the last byte"
    assert len(one.across) > 1_000, "sources have rhythms"
    assert [Path(each.name).name for each in two.inputs] == ["1.jsonl", "2.jsonl"]
    assert save_peers(restore_peers(one.peers)) == one.peers


def told(said: Said) -> list[tuple[str, int, str]]:
    return [(each["alert_id"], each["revision"], each["rule_id"]) for each in said.records]


def test_what_was_applied_already_is_warned_of_and_counts_twice(
    run: Run, watching: Path, people: Path, tmp_path: Path
) -> None:
    events = write(tmp_path / "a.jsonl", access(record_count=7))
    given = ["replay", "--policy", watching, "--directory", people, "--state", tmp_path / "state"]
    assert "already applied" not in run(*given, events).err
    other = tmp_path / "b.jsonl"
    other.write_bytes(events.read_bytes())
    said = run(*given, other)
    assert said.code == 0
    assert f"{other}: already applied to this state, as {events}: its events count twice" in said.err
    said = run(*given, write(tmp_path / "c.jsonl", access(event_id="c")), tmp_path / "c.jsonl")
    assert f"c.jsonl: already applied to this state, as {tmp_path / 'c.jsonl'}" in said.err
    ((name, saved),) = load_state(tmp_path / "state").people
    assert (name, restore(saved).records) == ("e-1", 15), "within one run a repetition is told by its id"


def test_a_state_is_for_its_owner_alone_and_replaced_whole(
    run: Run, watching: Path, people: Path, events: Path, tmp_path: Path
) -> None:
    given = ["replay", "--policy", watching, "--directory", people]
    path = tmp_path / "state"
    assert run(*given, "--state", path, events).code == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert b"s-1" not in path.read_bytes(), "no token of a data subject"
    assert [each.name for each in tmp_path.iterdir() if "state" in each.name] == ["state"]
    before = path.read_bytes()
    assert run(*given, "--state", path, tmp_path / "none.jsonl").code == 2
    assert path.read_bytes() == before, "a run that fails leaves it as it was"
    said = run(*given, "--state", tmp_path / "nowhere" / "state", events)
    assert said.code == 2
    assert "nowhere/state cannot be written: No such file" in said.err


def _damaged(content: bytes) -> bytes:
    return content[:-3] + bytes([content[-3] ^ 1]) + content[-2:]


def _of_another_version(content: bytes) -> bytes:
    return content.replace(b"cloverwatch-state 1 ", b"cloverwatch-state 9 ", 1)


def _with(habit: bytes, content: bytes) -> bytes:
    rest = msgspec.msgpack.encode([5, [["e-1", habit]], b"", b"", []])
    del content
    return b"cloverwatch-state 1 %s\n%s" % (blake2b(rest, digest_size=16).hexdigest().encode(), rest)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_damaged, "is damaged: its content is not that of its hash"),
        (lambda content: content[:-40], "is damaged"),
        (lambda _: b"", "is no state that `cloverwatch replay --state` wrote"),
        (lambda _: b"[1, 2]", "is no state that"),
        (_of_another_version, "is of version '9': this program reads version 1"),
        (lambda content: _with(msgspec.msgpack.encode([7, []]), content), "version 7: this program reads version 1"),
        (lambda content: _with(b"nothing", content), "not a saved habit"),
    ],
)
def test_a_state_that_cannot_be_used_is_named_and_left_alone(
    run: Run, watching: Path, people: Path, events: Path, tmp_path: Path, change: Any, said: str
) -> None:
    path = tmp_path / "state"
    given = ["replay", "--policy", watching, "--directory", people, "--state", path, events]
    assert run(*given).code == 0
    content = change(path.read_bytes())
    path.write_bytes(content)
    found = run(*given)
    assert (found.code, found.out) == (2, "")
    assert f"--state: {path}" in found.err
    assert said in found.err
    assert path.read_bytes() == content


def test_without_behaviour_there_is_nothing_to_remember(
    run: Run, policy: Path, people: Path, events: Path, tmp_path: Path
) -> None:
    said = run("replay", "--policy", policy, "--directory", people, "--state", tmp_path / "state", events)
    assert said.code == 2
    assert "has no [behaviour]: there is nothing to remember" in said.err
    assert not (tmp_path / "state").exists()


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two months of a small population with incidents of every kind, as files."""
    folder = tmp_path_factory.mktemp("life")
    world = build(5, 40, 1, 75)
    acts = world.acts
    write(folder / "events.jsonl", *(encode(event_of(act, number)) for number, act in enumerate(acts)))
    by_topic: dict[str, list[bytes]] = {}
    for topic, row in world.rows:
        by_topic.setdefault(topic, []).append(orjson.dumps(row))
    start = {"valid_from": acts[0].at - 86_400_000}
    by_topic["directory.datasets"] = [
        orjson.dumps({"dataset_id": name, **start, **DATASET}) for name in sorted({act.dataset for act in acts})
    ]
    for topic, lines in by_topic.items():
        write(folder / "people" / f"{topic.rsplit('.', 1)[1]}.jsonl", *lines)
    return folder


def test_a_line_that_is_refused_moves_no_clock_and_loses_no_habit(
    run: Run, watching: Path, people: Path, tmp_path: Path
) -> None:
    given = ["replay", "--policy", watching, "--directory", people, "--state", tmp_path / "state"]
    run(*given, write(tmp_path / "a.jsonl", access(record_count=7)))
    said = run(*given, write(tmp_path / "bad.jsonl", {"occurred_at": "2031-01-01T00:00:00Z", "nonsense": 1}))
    assert "the habits of 1 people" in said.err
    assert not said.records
    late = {**access(event_id="z"), "occurred_at": "2031-01-01T00:00:00Z", "employee_id": "e-2"}
    run(*given, write(tmp_path / "c.jsonl", late))
    assert {name for name, _ in load_state(tmp_path / "state").people} >= {"e-1"}

"""`audit verify` says which processes of the monitor ran and when, which crashed, and when none of a kind ran."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from agents.cli import main
from schemas.coverage import Started
from schemas.fields import iso
from tests.audit.making import KEY, T, World, write_log

MINUTE = 60_000


@pytest.fixture
def world() -> World:
    made = World(seed=5, partitions=1)
    made.in_force()
    made.start(0)
    return made


def verified(world: World, folder: Path, capfd: pytest.CaptureFixture[str]) -> tuple[dict[str, Any], str]:
    """The report for a machine and the one for a person; nothing of it is a finding."""
    write_log(folder, world.entries)
    arguments = ["audit", "verify", str(folder), "--key", KEY]
    capfd.readouterr()
    assert main([*arguments, "--json"]) == 0
    document = orjson.loads(capfd.readouterr().out)
    assert main(arguments) == 0
    return document, capfd.readouterr().out


def when(at: int) -> str:
    return iso(at).replace(".000Z", "Z")


def at(world: World, minutes: int) -> None:
    world.now = T + minutes * MINUTE


def lives(world: World, kind: Any, process: str, first: int, last: int) -> None:
    """Say once a minute that it runs."""
    for minute in range(first, last):
        at(world, minute)
        world.say(kind, process, "running")


def test_from_when_to_when_a_process_ran(world: World, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    at(world, 1)
    world.say("gateway", "aa", "started", policy="1" * 64)
    lives(world, "gateway", "aa", 2, 10)
    at(world, 10)
    world.say("gateway", "aa", "stopped", policy="2" * 64)
    document, text = verified(world, tmp_path / "log", capfd)
    (run,) = document["processes"][1:]
    assert run == {
        "kind": "gateway", "process": "aa", "since": T + MINUTE, "until": T + 10 * MINUTE, "started": True,
        "stopped": True, "crashed": False, "version": "0.1.0", "program": "", "policies": ["1" * 64, "2" * 64],
    }  # fmt: skip
    assert "gateway: 1 runs, 0 of them without a stop" in text
    assert f"{when(T + MINUTE)} to {when(T + 10 * MINUTE)}, stopped; version 0.1.0, policy 1111111111111111" in text
    assert "match: no start is in the log" in text


def test_a_start_without_a_stop_is_a_crash_and_the_time_until_the_next_start_a_gap(
    world: World, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    at(world, 1)
    world.say("match", "aa", "started")
    lives(world, "match", "aa", 2, 6)
    at(world, 20)
    world.say("match", "bb", "started")
    document, text = verified(world, tmp_path / "log", capfd)
    crashed, running = (run for run in document["processes"] if run["kind"] == "match")
    assert (crashed["crashed"], running["crashed"]) == (True, False)
    assert document["without_process"]["match"] == [[T + 5 * MINUTE, T + 20 * MINUTE]]
    assert "match: 2 runs, 1 of them without a stop" in text
    assert f"to {when(T + 5 * MINUTE)} or soon after, crashed: a start without a stop" in text
    assert f"none ran from {when(T + 5 * MINUTE)} to {when(T + 20 * MINUTE)} (900.0 s)" in text
    assert "still running" in text


def test_a_crash_beside_another_of_its_kind_leaves_no_gap(
    world: World, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for minute in range(1, 30):
        at(world, minute)
        world.say("gateway", "aa", "running" if minute > 1 else "started")
        if minute < 9:
            world.say("gateway", "bb", "running" if minute > 1 else "started")
    document, _ = verified(world, tmp_path / "log", capfd)
    assert [run["process"] for run in document["processes"] if run["crashed"]] == ["bb"]
    assert document["without_process"]["gateway"] == []


def test_a_kind_of_which_none_runs_at_the_logs_end_is_told(
    world: World, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    at(world, 1)
    world.say("deliver", "aa", "started")
    at(world, 2)
    world.say("deliver", "aa", "stopped")
    at(world, 9)
    world.judge(0)
    document, _ = verified(world, tmp_path / "log", capfd)
    assert document["without_process"]["deliver"] == [[T + 2 * MINUTE, document["until"]]]


def test_a_log_of_before_processes_spoke_is_read_and_its_workers_are_known_by_their_work(
    world: World, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for minute in range(1, 40, 10):
        at(world, minute)
        world.judge(0)
    document, text = verified(world, tmp_path / "log", capfd)
    (run,) = document["processes"]
    assert (run["kind"], run["process"], run["started"], run["crashed"]) == ("worker", world.worker, False, False)
    assert all(gaps == [] for gaps in document["without_process"].values())
    assert f"by what it judged: run {world.worker}" in text


def test_a_clock_that_is_ahead_is_not_believed(world: World, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    at(world, 500)
    stored = world.now
    world.say("gateway", "aa", "started")
    entry = world.entries[-1]
    at(world, 1)
    world.entries[-1] = type(entry)(
        kind=entry.kind, topic=entry.topic, partition=entry.partition, offset=entry.offset, at=T + MINUTE,
        sha256=entry.sha256, about=entry.about,
    )  # fmt: skip
    assert entry.about["at"] == stored
    document, _ = verified(world, tmp_path / "log", capfd)
    assert document["processes"][-1]["until"] == T + MINUTE


def test_a_program_that_changed_is_told_with_its_times(
    world: World, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Two gateways, the same version, other files: who reads the report sees when."""
    for minute, process, step, program in (
        (1, "g1", "started", "a" * 64), (2, "g1", "running", "a" * 64), (3, "g1", "stopped", "a" * 64),
        (4, "g2", "started", "b" * 64), (5, "g2", "running", "b" * 64),
    ):  # fmt: skip
        at(world, minute)
        world.say("gateway", process, step, program=program)  # type: ignore[arg-type]  # one of the steps
    document, text = verified(world, tmp_path, capfd)
    assert [run["program"] for run in document["processes"] if run["kind"] == "gateway"] == ["a" * 64, "b" * 64]
    told = [line.strip() for line in text.splitlines() if line.startswith("  program ")]
    assert [line.partition(":")[0] for line in told] == [
        f"program {each * 64} (version 0.1.0), by its own word" for each in "ab"
    ]


def test_the_ranges_of_matching_are_matchings_and_hide_no_time_without_workers(
    world: World, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The one worker stops after ten minutes, and matching goes on for an hour: no worker ran."""
    at(world, 1)
    world.say("worker", "w1", "started")
    world.say("match", "m1", "started")
    at(world, 10)
    world.stop(0)
    world.say("worker", "w1", "stopped")
    for minute in range(11, 60):
        at(world, minute)
        world.say("match", "m1", "running")
        world.cover(
            Started(
                topic="access.events", partition=0, offset=0, policy="p", version="1", worker="m1", at=world.now,
                by="match",
            )
        )  # fmt: skip
    write_log(tmp_path, world.entries)
    main(["audit", "verify", str(tmp_path), "--key", KEY, "--json"])
    document = orjson.loads(capfd.readouterr().out)
    assert {run["process"] for run in document["processes"] if run["kind"] == "match"} == {"m1"}
    assert "m1" not in {run["process"] for run in document["processes"] if run["kind"] == "worker"}
    ((begin, _),) = document["without_process"]["worker"]
    assert T + 10 * MINUTE <= begin < T + 11 * MINUTE

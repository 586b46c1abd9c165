"""Snapshots against a log of lists: through any kills, hand-overs and pauses every event counts exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.files import Line
from agents.snapshots import BUCKETS, Snapshots
from rules.habits.saved import StateVersionError, restore, save
from rules.habits.shelf import FORGET_DAYS, HabitShelf
from schemas.topics import STATE_HABITS
from tests.habits.world import DAY, HOUR, MONDAY
from tests.rules.streams import access, complete, dataset, line, session

PEOPLE = tuple(f"e-{number}" for number in range(5))
BEHAVIOUR = "\n[behaviour]\npeers_least = 1_000_000\n"
CALM, WILD = 35, 12


def partition_of(person: str) -> int:
    return int(person[-1]) % 2


class KilledError(Exception):
    """The process dies at this write."""


class Log:
    """The state's topic. `dies_after`: so many writes from now on the process dies."""

    def __init__(self) -> None:
        self.records: dict[int, list[Any]] = {0: [], 1: []}
        self.dies_after: int | None = None

    async def send(self, topic: str, *, key: bytes, value: bytes | None, partition: int) -> asyncio.Future[None]:
        assert topic == STATE_HABITS
        if self.dies_after is not None:
            self.dies_after -= 1
            if self.dies_after < 0:
                self.dies_after = None
                raise KilledError
        offset = len(self.records[partition])
        self.records[partition].append(Line(value, 0, offset, topic, partition, key))
        done = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    def compact(self) -> None:
        """Keep the last record of each key, and no tombstones."""
        for partition, records in self.records.items():
            last = {record.key: record for record in records}
            self.records[partition] = [each for each in records if last[each.key] is each and each.value is not None]


class Reader:
    """Stands in for a consumer of the log."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def assign(self, tps: Sequence[Any]) -> None:
        self._at = dict.fromkeys(tps, 0)

    async def seek_to_beginning(self, *_: Any) -> None:
        """It stands there."""

    async def end_offsets(self, tps: Sequence[Any]) -> dict[Any, int]:
        return {tp: len(self._log.records[tp.partition]) for tp in tps}

    def highwater(self, tp: Any) -> int:
        return len(self._log.records[tp.partition])

    async def position(self, tp: Any) -> int:
        return self._at[tp]

    async def getmany(self, *tps: Any, timeout_ms: int) -> dict[Any, list[Any]]:
        assert timeout_ms
        found = {tp: self._log.records[tp.partition][self._at[tp] :][:3] for tp in tps}
        for tp, records in found.items():
            self._at[tp] += len(records)
        return found


async def _nothing_to_wait_for() -> None:
    """Alerts are stored as soon as they are told."""


class Owner:
    """A worker: a session and its snapshots, and how far it has read."""

    def __init__(self, log: Log, committed: dict[int, int], clock: int = MONDAY) -> None:
        made = session((*_rows(),), more=BEHAVIOUR, partition_of=partition_of)
        shelf = HabitShelf(made.knowledge, lambda: clock)
        self.snapshots = Snapshots(STATE_HABITS, shelf, log, _nothing_to_wait_for, 0.0, lambda _: None)
        made.touched = self.snapshots.touched
        made.adopt(made.judge)
        self.session, self.log, self.at = made, log, dict(committed)

    async def load(self) -> int:
        return await self.snapshots.load(Reader(self.log), [0, 1])

    def judge(self, count: int) -> set[tuple[str, int]]:
        """Judge so many events of each partition; return the alerts that are stored then."""
        told = set()
        for partition, lines in _events().items():
            batch = lines[self.at[partition] :][:count]
            if batch:
                haul = self.session.take(batch, batch[-1].timestamp, partition)
                told |= {(alert.alert_id, alert.revision) for alert in haul.alerts if alert.family == "behaviour"}
                self.at[partition] += len(batch)
        return told

    def habits(self) -> dict[str, bytes]:
        people = {name: self.session.knowledge.find(name).habit for name in PEOPLE}
        return {name: save(msgspec.structs.replace(habit, applied=-1)) for name, habit in people.items()}


@cache
def _rows() -> tuple[Any, ...]:
    return (*(row for name in PEOPLE for row in complete(name)), dataset())


@cache
def _events() -> dict[int, list[Line]]:
    """Weeks of calm work, then some wild days; by partition, in order."""
    random = Random(4)
    events = []
    for day in range(CALM + WILD):
        for person in PEOPLE:
            for number in range(3):
                wild = day >= CALM and random.random() < 0.25
                at = MONDAY + day * DAY + (9 + number * 3) * HOUR + random.randrange(HOUR)
                count = random.randrange(2_000, 90_000) if wild else random.randrange(1, 9)
                fields = {"record_count": count, "outcome": "denied" if random.random() < 0.1 else None}
                events.append((at, access(event_id=f"{person}-{at}", occurred_at=at, employee_id=person, **fields)))
    found: dict[int, list[Line]] = {0: [], 1: []}
    for _, event in sorted(events, key=lambda each: each[0]):
        partition = partition_of(event["employee_id"])
        found[partition].append(line(event, len(found[partition]), partition=partition))
    return found


@cache
def _undisturbed() -> tuple[frozenset[tuple[str, int]], dict[str, bytes]]:
    owner = Owner(Log(), {0: 0, 1: 0})
    return frozenset(owner.judge(10_000)), owner.habits()


STEP = st.one_of(
    st.tuples(st.just("judge"), st.integers(1, 120)),
    st.tuples(st.sampled_from(["commit", "written, not committed", "kill", "hand over", "compact"]), st.just(0)),
    st.tuples(st.just("dies while writing"), st.integers(0, 6)),
    st.tuples(st.just("the former owner writes"), st.integers(0, 60)),
)


@pytest.mark.slow
@given(st.lists(STEP, max_size=25))
@settings(max_examples=100, deadline=None)
def test_any_interleaving_counts_every_event_exactly_once(steps: list[tuple[str, int]]) -> None:
    alerts, habits = _undisturbed()
    assert len(alerts) > 10
    found = asyncio.run(_lived_through(steps))
    assert found[0] == alerts
    assert found[1] == habits


async def _lived_through(steps: list[tuple[str, int]]) -> tuple[set[tuple[str, int]], dict[str, bytes]]:
    log, committed = Log(), {0: 0, 1: 0}
    told: set[tuple[str, int]] = set()
    former: Owner | None = None
    owner = Owner(log, committed)
    await owner.load()
    for step, number in [*steps, ("judge", 10_000), ("commit", 0), ("kill", 0)]:
        if step == "judge":
            told |= owner.judge(number)
        elif step == "commit":
            reached = dict(owner.at)
            await owner.snapshots.before_commit({})
            committed = reached
        elif step == "compact":
            log.compact()
        elif step == "the former owner writes":
            if former is not None:  # it goes on as if nothing had happened; its commit is refused
                told |= former.judge(number)
                await former.snapshots.before_commit({})
        else:
            if step == "written, not committed":
                await owner.snapshots.before_commit({})
            elif step == "dies while writing":
                log.dies_after = number
                with suppress(KilledError):
                    await owner.snapshots.before_commit({})
                log.dies_after = None
            elif step == "hand over":
                former = owner
            owner = Owner(log, committed)
            await owner.load()
    return told, owner.habits()


@pytest.mark.parametrize("further", [0, 10, 200], ids=["not at all", "behind", "ahead"])
async def test_a_former_owner_that_goes_on_writing_replaces_nothing(further: int) -> None:
    steps = [("judge", 60), ("hand over", 0), ("judge", 90), ("commit", 0), ("the former owner writes", further)]
    alerts, habits = _undisturbed()
    assert await _lived_through([*steps, ("kill", 0)]) == (set(alerts), habits)
    assert await _lived_through([*steps, ("compact", 0), ("kill", 0)]) == (set(alerts), habits)


async def test_what_is_read_is_what_was_written() -> None:
    log = Log()
    owner = Owner(log, {0: 0, 1: 0})
    assert await owner.load() == 0
    owner.judge(10_000)
    await owner.snapshots.before_commit({})
    assert owner.snapshots.items == len(PEOPLE)
    assert len(log.records[0]) + len(log.records[1]) <= len(PEOPLE), "a bucket is written once"
    other = Owner(log, {0: 0, 1: 0})
    assert await other.load() == len(PEOPLE)
    assert other.habits() == owner.habits()
    written = sum(map(len, log.records.values()))
    await other.snapshots.before_commit({})
    assert sum(map(len, log.records.values())) > written, "written under its own term"
    log.compact()
    last = Owner(log, {0: 0, 1: 0})
    await last.load()
    assert last.habits() == owner.habits()
    assert {record.key for record in log.records[0]} != set(), "the former term's keys are gone, its own stay"
    assert sum(map(len, log.records.values())) <= len(PEOPLE)


async def test_nothing_is_written_of_partitions_that_are_gone() -> None:
    log = Log()
    owner = Owner(log, {0: 0, 1: 0})
    await owner.load()
    owner.judge(50)
    owner.snapshots.forget()
    await owner.snapshots.before_commit({})
    assert not any(log.records.values())


async def test_a_habit_that_nobody_needs_is_left_out() -> None:
    log = Log()
    owner = Owner(log, {0: 0, 1: 0}, clock=MONDAY + (CALM + WILD + FORGET_DAYS + 1) * DAY)
    await owner.load()
    owner.judge(10_000)
    await owner.snapshots.before_commit({})
    assert all(record.value is None for records in log.records.values() for record in records)
    assert owner.snapshots.items == 0


@pytest.mark.parametrize("value", [b"", b"not msgpack", b"\x91\x92\xa3e-1\xc4\x01x"])
async def test_what_is_no_state_is_refused(value: bytes) -> None:
    log = Log()
    await log.send(STATE_HABITS, key=b"0|x", value=value, partition=0)
    with pytest.raises(StateVersionError, match="state: "):
        await Owner(log, {0: 0, 1: 0}).load()


async def test_the_state_of_a_newer_program_is_refused() -> None:
    log = Log()
    owner = Owner(log, {0: 0, 1: 0})
    await owner.load()
    owner.judge(5)
    await owner.snapshots.before_commit({})
    ((name, saved),) = msgspec.msgpack.decode(log.records[0][0].value)
    version, fields = msgspec.msgpack.decode(saved)
    newer = msgspec.msgpack.encode([(name, msgspec.msgpack.encode([version + 1, fields]))])
    await log.send(STATE_HABITS, key=b"0|newer", value=newer, partition=0)
    with pytest.raises(StateVersionError, match="run the one that wrote it"):
        await Owner(log, {0: 0, 1: 0}).load()
    assert restore(saved).applied >= 0
    assert BUCKETS > 1

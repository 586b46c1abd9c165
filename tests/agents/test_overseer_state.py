"""The overseer's state in a real log: through crashes in the middle of a write, uncompacted, no version changes."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from agents.snapshots import Snapshots
from rules.habits.overseer import CLOCK, PeersVersion, Report
from schemas.fields import TIME_MAX
from schemas.topics import STATE_HABITS
from tests.agents.test_snapshots import KilledError, Log, Reader
from tests.habits.test_overseer import Owner, clocks, day
from tests.habits.world import DAY, HOUR, MONDAY

HOURS = 24 * 9


def reports() -> list[Report]:
    """Nine days in which people's days end every few hours."""
    found = []
    for hour in range(HOURS):
        at = MONDAY + hour * HOUR
        found.append(Report(clocks=clocks(at, at)))
        if hour % 3 == 0:
            found.append(Report(days=(day(hour % 7, at), day(100 + hour, at))))
    return found


REPORTS = reports()


class Keeper:
    """An overseer and its snapshots over a log."""

    def __init__(self, log: Log, at: int) -> None:
        self.owner, self.at = Owner(), at
        self.alerts_stored: list[int] = []

        async def stored() -> None:
            self.alerts_stored.append(len(log.records[0]))

        self.snapshots = Snapshots(STATE_HABITS, self.owner.overseer, log, stored, 0.0, lambda _: None, first=CLOCK)
        self.owner.overseer._touched = lambda name: self.snapshots.touched(name, 0)

    def read(self, until: int) -> dict[str, PeersVersion]:
        before = dict(self.owner.versions)
        while self.at < until:
            self.owner.take(self.at, REPORTS[self.at])
            self.at += 1
        return {key: version for key, version in self.owner.versions.items() if key not in before}


def undisturbed() -> dict[str, PeersVersion]:
    owner = Owner()
    for offset, report in enumerate(REPORTS):
        owner.take(offset, report)
    return owner.versions


WHOLE = undisturbed()


def test_the_whole_makes_a_version_a_day() -> None:
    assert len(WHOLE) == 8
    assert TIME_MAX > MONDAY + 9 * DAY


STEP = st.tuples(
    st.sampled_from(["read", "commit", "kill", "dies while writing", "written, not committed"]), st.integers(0, 60)
)


@given(st.lists(STEP, max_size=20))
@settings(max_examples=60, deadline=None)
def test_a_version_is_made_once_whatever_becomes_of_the_overseer(steps: list[tuple[str, int]]) -> None:
    asyncio.run(_lived_through(steps))


async def _lived_through(steps: list[tuple[str, int]]) -> None:
    log, committed = Log(), 0
    made: dict[str, PeersVersion] = {}
    keeper = Keeper(log, committed)
    await keeper.snapshots.load(Reader(log), [0])
    for step, number in [*steps, ("read", len(REPORTS))]:
        if step == "read":
            for key, version in keeper.read(min(len(REPORTS), keeper.at + number)).items():
                assert made.setdefault(key, version) == version, "a version never changes"
            continue
        if step == "commit":
            reached = keeper.at
            await keeper.snapshots.before_commit({})
            committed = reached
            continue
        if step == "written, not committed":
            await keeper.snapshots.before_commit({})
        elif step == "dies while writing":
            log.dies_after = number % 4
            with suppress(KilledError):
                await keeper.snapshots.before_commit({})
            log.dies_after = None
        keeper = Keeper(log, committed)
        await keeper.snapshots.load(Reader(log), [0])
    assert made == WHOLE


async def test_nothing_is_written_before_what_it_rests_on_is_stored() -> None:
    log = Log()
    keeper = Keeper(log, 0)
    await keeper.snapshots.load(Reader(log), [0])
    keeper.read(40)
    await keeper.snapshots.before_commit({})
    assert keeper.alerts_stored == [0], "asked before the first record was written"
    assert log.records[0]

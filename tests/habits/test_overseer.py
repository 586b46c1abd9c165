"""What workers report is added up once: peers' versions and silences, whoever reads the reports, however often."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.habits.across import Across
from rules.habits.habit import MEASURES
from rules.habits.overseer import VERSION, Clock, Overseer, PeersVersion, Report
from rules.habits.peers import EndedDay
from rules.habits.rhythm import Heard
from rules.habits.saved import StateVersionError
from schemas.alert import JudgedWith
from schemas.fields import TIME_MAX
from tests.habits.world import DAY, HOUR, MONDAY
from tests.rules.streams import session

JUDGED_WITH = JudgedWith(policy="p", legal_table="l", geo_table="g", directories="d", known={})
GATE = "gateway:gw-1"
MINUTE = 60_000


class Owner:
    """A worker that is the overseer, and the state that it keeps."""

    def __init__(self, saved: dict[str, bytes] | None = None, partitions: int = 2) -> None:
        across = Across(lambda: JUDGED_WITH)
        across.adopt(session((), more="\n[behaviour]\n").policy)
        self.touched: set[str] = set()
        self.overseer = Overseer(across, partitions, self.touched.add)
        for name, item in (saved or {}).items():
            self.overseer.restore(name, 0, item)
        self.versions: dict[str, PeersVersion] = {}
        self.alerts: dict[tuple[str, int], str] = {}
        self.saved = dict(saved or {})

    def take(self, offset: int, report: Report) -> None:
        found = self.overseer.take(report, offset, TIME_MAX, 0)
        for key, version in found.versions:
            assert self.versions.setdefault(key, version) == version
        self.alerts |= {(alert.alert_id, alert.revision): alert.status for alert in found.alerts}

    def commit(self) -> None:
        for name in self.touched:
            item = self.overseer.save(name)
            if item is None:
                self.saved.pop(name, None)
            else:
                self.saved[name] = item
        self.touched.clear()


def clocks(*times: int) -> tuple[Clock, ...]:
    return tuple(Clock(partition, at, at) for partition, at in enumerate(times))


def test_history_that_is_filled_in_is_not_over_because_its_reader_waits() -> None:
    owner = Owner()
    now = MONDAY + 40 * DAY
    idle = tuple(Clock(partition, now, 0, read=True) for partition in (0, 1))
    owner.take(0, Report(clocks=idle))
    owner.take(1, Report(days=(day(1, MONDAY + HOUR),)))
    owner.take(2, Report(clocks=(Clock(0, now, 0, read=True, delay=40 * DAY - HOUR),)))
    assert not owner.versions, "what comes next is as old"
    owner.take(3, Report(clocks=idle))
    assert not owner.versions, "a new owner has seen nothing yet"
    owner.take(4, Report(clocks=(Clock(0, now, 0, read=True, delay=39 * DAY - HOUR),)))
    assert list(owner.versions) == [f"{MONDAY // DAY}|0"]


def test_a_partition_of_whose_backlog_nothing_is_judged_yet_holds_up_the_versions() -> None:
    """A worker that begins with a backlog comes to one partition before the other."""
    owner = Owner()
    owner.take(0, Report(days=(day(1, MONDAY + HOUR),)))
    owner.take(1, Report(clocks=(Clock(0, MONDAY + 9 * DAY, MONDAY + 9 * DAY), Clock(1, 0, 0))))
    assert not owner.versions, "the days of its people are not told"
    owner.take(2, Report(days=(day(2, MONDAY + HOUR),)))
    owner.take(3, Report(clocks=(Clock(1, MONDAY + 9 * DAY, MONDAY + DAY),)))
    (version,) = owner.versions.values()
    assert version.groups[0].people == (1, 2)


def test_a_partition_in_which_nothing_ever_was_holds_up_nothing() -> None:
    owner = Owner()
    owner.take(0, Report(days=(day(1, MONDAY + HOUR),)))
    empty = Clock(1, MONDAY + 2 * DAY, 0, read=True)
    owner.take(1, Report(clocks=(Clock(0, MONDAY + 2 * DAY, MONDAY + 2 * DAY), empty)))
    assert len(owner.versions) == 1


def day(person: int, at: int) -> EndedDay:
    return EndedDay(7, person, at // DAY - 1, at, bytes([10]) * MEASURES)


def test_a_version_is_made_when_every_partition_is_past_its_day() -> None:
    owner = Owner()
    owner.take(0, Report(days=(day(1, MONDAY + HOUR), day(2, MONDAY + 2 * HOUR))))
    owner.take(1, Report(clocks=clocks(MONDAY + 2 * DAY)))
    assert not owner.versions, "the other partition has not said anything"
    owner.take(2, Report(clocks=clocks(MONDAY + 2 * DAY, MONDAY + DAY - 1)))
    assert not owner.versions, "the other partition is still on that day"
    owner.take(3, Report(clocks=clocks(MONDAY + 2 * DAY, MONDAY + DAY)))
    (version,) = owner.versions.values()
    assert (version.day, version.groups[0].people) == (MONDAY // DAY, (1, 2))
    owner.take(4, Report(days=(day(3, MONDAY + 3 * HOUR),)))
    assert owner.overseer.dropped == 1
    assert owner.overseer.save(f"days|{MONDAY // DAY}|7") is None, "what is closed is not kept"


def rhythmic() -> list[Report]:
    """Four weeks of a gateway, a silence at noon, and its end; days of people in between."""
    reports = []
    for number in range(28 * 48):
        at = MONDAY + number * 30 * MINUTE
        reports.append(Report(clocks=clocks(at, at), heard=(Heard(GATE, 60, at, at + 29 * MINUTE),)))
        if number % 48 == 0:
            reports.append(Report(days=(day(number % 5, at), day(9, at))))
    end = MONDAY + 28 * DAY
    reports += [Report(clocks=clocks(end + hour * HOUR, end + hour * HOUR)) for hour in range(5)]
    reports.append(
        Report(clocks=clocks(end + 5 * HOUR, end + 5 * HOUR), heard=(Heard(GATE, 9, end + 5 * HOUR, end + 5 * HOUR),))
    )
    return reports


REPORTS = rhythmic()


def undisturbed() -> Owner:
    owner = Owner()
    for offset, report in enumerate(REPORTS):
        owner.take(offset, report)
    owner.commit()
    return owner


WHOLE = undisturbed()


def test_a_silence_opens_and_is_resolved() -> None:
    assert sorted(WHOLE.alerts.values()) == ["open", "resolved"]
    assert len({alert for alert, _ in WHOLE.alerts}) == 1


def test_a_partition_that_lags_makes_nobody_silent() -> None:
    owner = Owner()
    for offset, report in enumerate(REPORTS[:-6]):
        owner.take(offset, report)
    late = MONDAY + 29 * DAY
    owner.take(len(REPORTS), Report(clocks=(Clock(0, late, late),)))
    assert not owner.alerts


@given(st.lists(st.integers(0, len(REPORTS)), max_size=6), st.lists(st.integers(0, len(REPORTS)), max_size=6))
@settings(max_examples=25, deadline=None)
def test_any_kills_between_any_commits_give_what_an_undisturbed_overseer_gives(
    commits: list[int], kills: list[int]
) -> None:
    saved: dict[str, bytes] = {}
    committed = at = 0
    alerts: dict[tuple[str, int], str] = {}
    versions: dict[str, PeersVersion] = {}
    owner = Owner()
    for stop in sorted({*((each, "commit") for each in commits), *((each, "kill") for each in kills)}):
        for offset in range(at, stop[0]):
            owner.take(offset, REPORTS[offset])
        at = max(at, stop[0])
        if stop[1] == "commit":
            owner.commit()
            saved, committed = dict(owner.saved), at
        else:
            alerts |= owner.alerts
            versions |= owner.versions
            owner, at = Owner(saved), committed
    for offset in range(at, len(REPORTS)):
        owner.take(offset, REPORTS[offset])
    owner.commit()
    assert alerts | owner.alerts == WHOLE.alerts
    assert versions | owner.versions == WHOLE.versions
    assert owner.saved == WHOLE.saved


def test_the_state_of_a_newer_program_is_refused() -> None:
    name = f"source|{GATE}"
    _, item = msgspec.msgpack.decode(WHOLE.saved[name])
    newer = msgspec.msgpack.encode((VERSION + 1, item))
    with pytest.raises(StateVersionError, match="run the one that wrote it"):
        Owner({name: newer})
    with pytest.raises(StateVersionError, match="not a saved item"):
        Owner({name: b"\x92\x01\x01"})

"""Versions of what peers do: made once a day, the same whoever makes them, used from the next day on."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rules.habits.habit import MEASURES, Measure
from rules.habits.peers import AFTER_MS, PEER_DAYS, EndedDay, GroupDay, Peers
from tests.habits.world import DAY, HOUR, MONDAY, Life

GROUP = 7


def ended(person: int, at: int, amount: int = 10) -> EndedDay:
    return EndedDay(GROUP, person, at // DAY, at, bytes([amount]) * MEASURES)


def test_a_day_counts_when_it_is_known_and_is_used_from_the_next_day_on() -> None:
    life = Life()
    for number in range(6):
        life.hire(f"e-{number}")
        for hour in range(9, 17):
            life.does(MONDAY + hour * HOUR, f"e-{number}", record_count=10)
        life.does(MONDAY + DAY + 9 * HOUR, f"e-{number}")  # Monday is known to be over
    group = life.habits["e-0"].group
    wednesday = MONDAY + 2 * DAY
    assert life.peers.of(group, wednesday + AFTER_MS - 1, 5) is None
    found = life.peers.of(group, wednesday + AFTER_MS, 5)
    assert found is not None
    assert (found.size, found.days) == (6, 6)


def test_what_is_closed_never_changes() -> None:
    peers = Peers()
    for person in range(5):
        peers.end(ended(person, MONDAY))
    before = peers.of(GROUP, MONDAY + DAY + AFTER_MS, 5)
    peers.end(ended(9, MONDAY + HOUR, 200))
    assert peers.open.dropped == 1
    assert peers.of(GROUP, MONDAY + DAY + AFTER_MS, 5) == before


def test_a_day_told_twice_counts_once() -> None:
    peers = Peers()
    for _ in range(3):
        peers.end(ended(1, MONDAY))
    found = peers.of(GROUP, MONDAY + DAY + AFTER_MS, 1)
    assert found is not None
    assert found.days == 1


def test_fewer_than_the_least_say_nothing() -> None:
    peers = Peers()
    peers.end(ended(1, MONDAY))
    assert peers.of(GROUP, MONDAY + DAY + AFTER_MS, 2) is None
    assert peers.of(99, MONDAY + DAY + AFTER_MS, 1) is None


def test_days_older_than_four_weeks_do_not_count() -> None:
    peers = Peers()
    for number in range(60):
        peers.end(ended(number, MONDAY + number * DAY))
    found = peers.of(GROUP, MONDAY + 60 * DAY + AFTER_MS, 1)
    assert found is not None
    assert found.days == PEER_DAYS
    assert len(peers.versions()) <= PEER_DAYS + 1


def test_an_older_time_asks_for_the_version_of_then() -> None:
    """An event that is judged again a day later is judged by what held when it happened."""
    peers = Peers(report=lambda _: None)
    for day in (0, 1):
        rows = GroupDay(GROUP, bytes([10 * (day + 1)]) * MEASURES, (day,))
        peers.publish(MONDAY // DAY + day, [rows])
    later = peers.of(GROUP, MONDAY + 2 * DAY + AFTER_MS, 1)
    then = peers.of(GROUP, MONDAY + DAY + AFTER_MS, 1)
    assert later is not None
    assert then is not None
    assert (then.days, later.days) == (1, 2)
    assert then.quantile(Measure.RECORDS, 0.99) == 10.0
    assert later.quantile(Measure.RECORDS, 0.99) == 20.0


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5), st.integers(0, 23)), max_size=40), st.randoms())
def test_the_order_in_which_people_report_changes_nothing(days: list[tuple[int, int, int]], random: object) -> None:
    reports = [ended(person, MONDAY + day * DAY + hour * HOUR) for person, day, hour in dict.fromkeys(days)]
    first, second = Peers(), Peers()
    for peers in (first, second):
        for each in reports:
            peers.open.add(each)
        random.shuffle(reports)  # type: ignore[attr-defined]  # hypothesis types it as object here
    assert first.open.close(1 << 40) == second.open.close(1 << 40)

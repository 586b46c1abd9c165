"""Several people around one data subject, none with a ticket: by subject, through midnight, in any order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.behaviour import split_people
from rules.habits import crowds as module
from rules.habits.crowds import Crowds, Gathering, Visit
from schemas.alert import EventRef
from tests.habits.world import DAY, HOUR, MONDAY

LEAST = 4


def visit(person: int, at: int = MONDAY, subject: int = 1) -> Visit:
    return Visit(subject, f"e-{person}", at, at, "d-1", EventRef(event_id=f"{person}-{at}"))


def told(*visits: Visit) -> list[Gathering]:
    crowds = Crowds(split_people.RULE, lambda: LEAST)
    return [found for each in visits if (found := crowds.take(each)) is not None]


def test_four_people_are_a_crowd_and_three_are_not() -> None:
    assert not told(*(visit(person) for person in range(3)))
    (found,) = told(*(visit(person) for person in range(4)))
    assert found.people == ("e-0", "e-1", "e-2", "e-3")
    assert (found.revision, found.signal.score) == (0, 1.0)


def test_one_person_again_and_again_is_no_crowd() -> None:
    assert not told(*(visit(1, MONDAY + number * 60_000) for number in range(50)))


def test_each_subject_has_a_crowd_of_its_own() -> None:
    assert not told(*(visit(person, subject=person % 2) for person in range(6)))


def test_midnight_hides_nobody_and_two_days_are_enough_to_forget() -> None:
    assert told(*(visit(person, MONDAY + 22 * HOUR + person * HOUR) for person in range(4)))
    assert not told(*(visit(person, MONDAY + person * DAY) for person in range(8)))


def test_more_people_amend_it_with_every_doubling() -> None:
    found = told(*(visit(person) for person in range(20)))
    assert [(each.revision, len(each.people)) for each in found] == [(0, 4), (1, 8), (2, 16)]
    assert len({each.since for each in found}) == 1


def test_the_next_day_it_is_the_same_crowd_and_after_a_pause_another() -> None:
    goes_on = told(*(visit(person) for person in range(4)), *(visit(person, MONDAY + DAY) for person in range(4)))
    assert len(goes_on) == 1
    again = told(*(visit(person) for person in range(4)), *(visit(person, MONDAY + 9 * DAY) for person in range(4)))
    assert [each.revision for each in again] == [0, 0]
    assert again[0].since != again[1].since


def test_one_look_a_day_afterwards_hides_no_other_crowd() -> None:
    eight = [visit(person) for person in range(8)]
    daily = [visit(0, MONDAY + number * DAY) for number in range(1, 30)]
    others = [visit(100 + person, MONDAY + 30 * DAY) for person in range(6)]
    found = told(*eight, *daily, *others)
    assert [each.since for each in found][-1] >= MONDAY // DAY + 29


@given(st.permutations(range(12)))
def test_days_in_any_order_give_the_same_crowds(order: list[int]) -> None:
    """A backlog is read partition by partition: a week of one person may come before the week of another."""
    visits = [visit(number, MONDAY + number % 3 * 2 * DAY) for number in range(12)]
    expected = {(each.since, each.revision) for each in told(*visits)}
    assert {(each.since, each.revision) for each in told(*(visits[at] for at in order))} == expected
    assert len(expected) == 3


@given(st.permutations(range(9)))
def test_the_order_of_visits_of_a_day_changes_nothing(order: list[int]) -> None:
    expected = [(each.since, each.revision) for each in told(*(visit(person) for person in range(9)))]
    found = told(*(visit(person, MONDAY + person * HOUR) for person in order))
    assert [(each.since, each.revision) for each in found] == expected


def test_visits_that_come_again_change_nothing() -> None:
    once = [visit(person) for person in range(6)]
    assert len(told(*once, *once, *once)) == 1


def test_memory_is_bounded_and_yesterdays_subjects_go(monkeypatch: pytest.MonkeyPatch) -> None:
    crowds = Crowds(split_people.RULE, lambda: LEAST)
    monkeypatch.setattr(module, "SUBJECTS_MAX", 100)
    for number in range(1_000):
        crowds.take(visit(1, subject=number))
    assert len(crowds) == 100
    crowds.take(visit(1, MONDAY + (module.KEPT_DAYS + 1) * DAY, subject=1))
    assert len(crowds) == 1


def test_a_visit_that_waited_while_weeks_were_caught_up_counts() -> None:
    """Others are two weeks on when it comes: a worker that reads a backlog passes them in the ten seconds of a wait."""
    crowds = Crowds(split_people.RULE, lambda: LEAST)
    for person in range(LEAST - 1):
        assert crowds.take(visit(person)) is None
    for day in range(1, 15):
        crowds.take(visit(99, MONDAY + day * DAY, subject=day + 50))
    assert crowds.take(visit(LEAST)) is not None

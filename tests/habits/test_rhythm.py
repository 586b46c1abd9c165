"""A source that goes quiet against its own rhythm, and the nights and weekends on which it always was."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from rules.behaviour import silence
from rules.habits import rhythm as module
from rules.habits.rhythm import FORGET_MS, SOURCES_MAX, Heard, Rhythm, Rhythms, Told
from rules.habits.thresholds import Behaviour
from tests.habits.world import DAY, HOUR, MONDAY

MINUTE = 60_000
GATE = "gateway:gw-1"


def office(days: int, first: int = 0) -> Iterator[Heard]:
    """Heard every two minutes from eight to six on working days."""
    for day in range(first, first + days):
        if day % 7 < 5:
            for number in range(300):
                at = MONDAY + day * DAY + 8 * HOUR + number * 2 * MINUTE
                yield Heard(GATE, 5, at, at)


def lived(days: int) -> Rhythms:
    rhythms = Rhythms(silence.RULE, Behaviour())
    for each in office(days):
        assert not rhythms.silent(each.first)
        assert rhythms.heard(each) is None
    return rhythms


@pytest.fixture(scope="module")
def usual() -> Rhythms:
    """Four weeks without any silence that is not usual: nights and weekends say nothing."""
    return lived(28)


def copy(of: Rhythms) -> Rhythms:
    other = Rhythms(silence.RULE, Behaviour())
    other.sources = {name: msgspec.convert(msgspec.to_builtins(each), Rhythm) for name, each in of.sources.items()}
    return other


def silent_at(rhythms: Rhythms, day: int, hours: float) -> list[Told]:
    return rhythms.silent(MONDAY + day * DAY + round(hours * HOUR))


def test_a_silence_at_noon_is_told_once_and_ends_when_it_is_heard(usual: Rhythms) -> None:
    rhythms = copy(usual)
    monday = list(office(1, 28))
    for each in monday[:120]:  # until noon
        rhythms.heard(each)
    assert not silent_at(rhythms, 28, 12 + 5 / 60)
    (found,) = silent_at(rhythms, 28, 12.4)
    assert found.ended is None
    assert found.quiet.since == monday[119].last
    assert found.quiet.missing > 30
    assert not silent_at(rhythms, 28, 13)
    ended = rhythms.heard(monday[240])
    assert ended is not None
    assert ended.ended == monday[240].first
    assert ended.quiet.since == found.quiet.since


def test_nights_weekends_and_the_first_two_weeks_say_nothing(usual: Rhythms) -> None:
    rhythms = copy(usual)
    for day in (26, 27):  # a weekend
        assert not silent_at(rhythms, day, 12)
    assert not silent_at(rhythms, 28, 3)
    young = lived(10)
    assert not silent_at(young, 11, 12)


def test_a_whole_working_day_without_a_word(usual: Rhythms) -> None:
    assert silent_at(copy(usual), 28, 11)


def test_a_silence_that_was_told_is_not_learned(usual: Rhythms) -> None:
    rhythms = copy(usual)
    for week in range(4, 8):
        days = list(office(5, week * 7))
        for each in days[:120]:
            rhythms.heard(each)
        assert silent_at(rhythms, week * 7, 13.5), f"week {week}"
        for each in days[240:]:
            rhythms.silent(each.first)
            rhythms.heard(each)


def test_a_source_that_is_rarely_heard_is_silent_by_chance() -> None:
    rhythms = Rhythms(silence.RULE, Behaviour())
    for number in range(60):
        rhythms.heard(Heard(GATE, 1, MONDAY + number * 9 * HOUR, MONDAY + number * 9 * HOUR))
    assert not rhythms.silent(MONDAY + 60 * 9 * HOUR + 30 * HOUR)


def test_a_source_that_is_gone_is_forgotten_and_their_number_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    rhythms = Rhythms(silence.RULE, Behaviour())
    rhythms.heard(Heard("gateway:old", 1, MONDAY, MONDAY))
    rhythms.silent(MONDAY + FORGET_MS + 1)
    assert not rhythms.sources
    assert SOURCES_MAX > 100
    monkeypatch.setattr(module, "SOURCES_MAX", 5)
    for number in range(9):
        rhythms.heard(Heard(f"gateway:{number}", 1, MONDAY, MONDAY))
    assert (len(rhythms.sources), rhythms.refused) == (5, 4)

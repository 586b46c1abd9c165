"""The rhythm of a source (a gateway, another system's topic, a partition): when it is usually heard, how long it rests.

For every hour of the week it is kept how many records usually come, and the longest silence that a source was in at
that hour and that ended by itself. A silence is told when it is far longer than any at this hour and the hours beside
it, and so many records are missing that chance is no explanation. What was told as a silence is never learned.
"""

from __future__ import annotations

from typing import Annotated, Final, NamedTuple

import msgspec
from msgspec import Meta

from rules.habits.calendar import public_holiday
from rules.habits.signal import BehaviourRule, Signal
from rules.habits.thresholds import Behaviour
from schemas.fields import TIME_MAX

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
WEEK_HOURS: Final = 168

SOURCES_MAX: Final = 2_000
"""Sources whose rhythm is kept, some 6 KB each: more gateways than a company has. Further ones are not watched, and
counted."""

LEARN_MS: Final = 14 * 24 * HOUR_MS
"""Before so long nothing is said of a source: two weeks, so that every hour of the week was seen twice."""

FORGET_MS: Final = 60 * 24 * HOUR_MS
"""A source not heard for so long is gone: it is forgotten."""

SHARE_OF_NEW: Final = 0.3
"""What the last week counts in the usual number of an hour: the last four weeks make up three quarters."""

VOTES_MAX: Final = 50
"""Votes for a country that are kept: a gateway that moves has another country within a day."""

GAP_FADES: Final = 0.9
"""What is left of an hour's longest silence a week later: after two months half of it."""


Moment = Annotated[int, Meta(ge=0, le=TIME_MAX)]
"""Milliseconds, of a time that calendars know."""


class Heard(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A source was heard: so many records, the first and the last append time in milliseconds."""

    source: Annotated[str, Meta(max_length=300)]
    count: Annotated[int, Meta(ge=0, le=1 << 40)]
    first: Moment
    last: Moment
    country: Annotated[str, Meta(max_length=2)] = ""
    """Home of one of the people whose accesses these were, where that is known."""


class Rhythm(msgspec.Struct, array_like=True):
    """What is usual of one source, by hour of the week (UTC, Thursday 0:00 first: the epoch's weekday)."""

    applied: int = -1
    """Offset of the last report that is counted in here."""
    first_at: int = 0
    last_at: int = 0
    hour: int = 0
    """The hour that is being counted, since 1970."""
    count: int = 0
    """Records in it so far."""
    usual: list[float] = []
    """Records an hour."""
    gaps: list[int] = []
    """The longest silence in milliseconds, as it stood at the end of each hour."""
    told_since: int = 0
    """The last record before the silence that is told of; 0: none is."""
    country: str = ""
    """Where most of the people are whose accesses it brings: their public holidays are its quiet days."""
    votes: int = 0
    """For that country, against others (Boyer and Moore's majority vote), up to `VOTES_MAX`."""


class Quiet(NamedTuple):
    """A source that is not heard."""

    source: str
    since: int
    """Append time of the last record heard, milliseconds."""
    now: int
    usual_gap: float
    """Milliseconds."""
    missing: float
    """Records that would have come."""
    days: int
    """Over how long its rhythm was learned."""
    to: Behaviour


class Told(NamedTuple):
    """What is to be told of a source; `ended` says when it was heard again, None while it is silent."""

    quiet: Quiet
    signal: Signal
    ended: int | None


class Rhythms:
    """All sources. `heard` learns, `silent` says which of them have gone quiet."""

    def __init__(self, rule: BehaviourRule, to: Behaviour) -> None:
        """Take the rule and the thresholds."""
        self._rule = rule
        self.judge_by(to)
        self.sources: dict[str, Rhythm] = {}
        self._open: dict[str, Told] = {}
        self.forgotten: list[str] = []
        """Sources that are gone, since whoever keeps the state was last told."""
        self.refused = 0
        """Reports of sources beyond `SOURCES_MAX`."""

    def judge_by(self, to: Behaviour) -> None:
        """Judge by other thresholds from now on."""
        self.to = to
        self._never_long = round(to.silence_least_min * MINUTE_MS)

    def clear(self) -> None:
        """Forget every source: its rhythm is read anew, or judged elsewhere."""
        self.sources.clear()
        self._open.clear()

    def heard(self, what: Heard) -> Told | None:
        """Learn that a source was heard; return the end of a silence that was told of."""
        rhythm = self.sources.get(what.source)
        if rhythm is None:
            if len(self.sources) >= SOURCES_MAX:
                self.refused += 1
                return None
            rhythm = self.sources[what.source] = Rhythm(
                first_at=what.first,
                last_at=what.first,
                hour=what.first // HOUR_MS,
                usual=[0.0] * WEEK_HOURS,
                gaps=[0] * WEEK_HOURS,
            )
        _vote(rhythm, what.country)
        ended = None
        if rhythm.told_since:
            ended = self._open.pop(what.source, None)
            if ended is None:
                ended = self._judge(what.source, rhythm, what.first, least=0.0)
            rhythm.told_since = 0
            _count_hours(rhythm, what.last // HOUR_MS, learn=False)
        else:
            _learn_gap(rhythm, what.first)
            _count_hours(rhythm, what.last // HOUR_MS, learn=True)
        rhythm.count += what.count
        rhythm.last_at = max(rhythm.last_at, what.last)
        return None if ended is None else ended._replace(ended=what.first)

    def silent(self, now: int) -> list[Told]:
        """Return the sources that have gone quiet as of a time up to which everything was heard; each once."""
        found = []
        for source, rhythm in list(self.sources.items()):
            if now - rhythm.last_at < self._never_long:
                continue
            if now - rhythm.last_at > FORGET_MS:
                del self.sources[source]
                self._open.pop(source, None)
                self.forgotten.append(source)
                continue
            if rhythm.told_since:
                continue
            told = self._judge(source, rhythm, now, least=1.0)
            if told is not None:
                rhythm.told_since = rhythm.last_at
                self._open[source] = told
                found.append(told)
        return found

    def _judge(self, source: str, rhythm: Rhythm, now: int, least: float) -> Told | None:
        if rhythm.last_at - rhythm.first_at < LEARN_MS:
            return None
        hour = now // HOUR_MS
        gap = max(rhythm.gaps[_slot(rhythm, hour + beside)] for beside in (-1, 0, 1))
        days = (rhythm.last_at - rhythm.first_at) // (24 * HOUR_MS)
        quiet = Quiet(source, rhythm.last_at, now, gap, _missing(rhythm, now), days, self.to)
        signal = self._rule.check(quiet)
        return None if signal is None or signal.score < least else Told(quiet, signal, None)


def _vote(rhythm: Rhythm, country: str) -> None:
    if not country:
        return
    if country == rhythm.country:
        rhythm.votes = min(VOTES_MAX, rhythm.votes + 1)
    elif rhythm.votes:
        rhythm.votes -= 1
    else:
        rhythm.country, rhythm.votes = country, 1


def _slot(rhythm: Rhythm, hour: int) -> int:
    """Return which hour of the week an hour is like: on a public holiday, the same hour of the quietest day."""
    slot = hour % WEEK_HOURS
    if not rhythm.country or not public_holiday(rhythm.country, hour):
        return slot
    return min(range(slot % 24, WEEK_HOURS, 24), key=lambda each: sum(rhythm.usual[each - each % 24 :][:24]))


def _missing(rhythm: Rhythm, now: int) -> float:
    """Return how many records would have come since the last one."""
    first, last = rhythm.last_at // HOUR_MS, now // HOUR_MS
    if last - first > WEEK_HOURS:
        return sum(rhythm.usual) * (last - first) / WEEK_HOURS
    total = 0.0
    for hour in range(first, last + 1):
        share = (min(now, (hour + 1) * HOUR_MS) - max(rhythm.last_at, hour * HOUR_MS)) / HOUR_MS
        total += share * rhythm.usual[_slot(rhythm, hour)]
    return total


def _learn_gap(rhythm: Rhythm, until: int) -> None:
    """Remember a silence that ended: how long it had lasted at the end of every hour that it reached into."""
    began = rhythm.last_at
    if until <= began:
        return
    last = until // HOUR_MS
    for hour in range(max(began // HOUR_MS, last - WEEK_HOURS), last + 1):
        lasted = min(until, (hour + 1) * HOUR_MS) - began
        slot = _slot(rhythm, hour)
        rhythm.gaps[slot] = max(rhythm.gaps[slot], lasted)


def _count_hours(rhythm: Rhythm, hour: int, *, learn: bool) -> None:
    """End the hours before one: what came in them is what is usual, a little more each week."""
    if hour <= rhythm.hour:
        return
    if learn:
        first_week = (rhythm.last_at - rhythm.first_at) < WEEK_HOURS * HOUR_MS
        for each in range(max(rhythm.hour, hour - WEEK_HOURS), hour):
            slot = _slot(rhythm, each)
            came = float(rhythm.count) if each == rhythm.hour else 0.0
            before = rhythm.usual[slot]
            rhythm.usual[slot] = came if first_week else before + SHARE_OF_NEW * (came - before)
            ahead = (each + 2) % WEEK_HOURS  # before it is its turn: what it will be told by has faded once a week
            rhythm.gaps[ahead] = int(rhythm.gaps[ahead] * GAP_FADES)
    rhythm.hour, rhythm.count = hour, 0

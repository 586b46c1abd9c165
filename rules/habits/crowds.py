"""Who else looked up the same data subject: judged by subject, not by person, on visits without a ticket.

A visit belongs to the UTC day on which it happened; the people of that day and of the one before count together, so
that midnight hides nobody. The order in which visits come changes nothing, as long as none comes more than a month
after later ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from rules.habits.signal import BehaviourRule, Signal
from schemas.alert import EventRef
from schemas.fields import TIME_MAX

DAY_MS: Final = 86_400_000

SUBJECTS_MAX: Final = 500_000
"""Data subjects watched by one worker, of one visitor (some 200 bytes each) and of several (500); beyond it the one not
visited longest goes."""

KEPT_DAYS: Final = 31
"""Days of visits that are kept beside the latest. Where a backlog is, partitions are read at different speeds, and what
waits for the facts of an access (`facts_grace`, 10 s) comes that much later than what was appended behind it: in ten
seconds a worker that catches up passes a week of accesses, and a crowd of which one visit waited was missed."""

PEOPLE_MAX: Final = 64
"""People remembered of one data subject and day: beyond so many it does not matter how many more."""


class Visit(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Somebody looked up a data subject without a ticket."""

    subject: Annotated[int, Meta(ge=0)]
    """Marked token."""
    person: str
    at: Annotated[int, Meta(ge=0, le=TIME_MAX)]
    """When it happened, milliseconds."""
    appended_at: Annotated[int, Meta(ge=0, le=TIME_MAX)]
    """When its record was appended, milliseconds."""
    dataset_id: str
    ref: EventRef


class Crowd:
    """The people of one data subject, by UTC day."""

    __slots__ = ("days", "told")

    def __init__(self, day: int, person: str) -> None:
        self.days: dict[int, set[str]] = {day: {person}}
        self.told: dict[int, int] = {}
        """First day of a crowd → how many people there were when it was last told of."""

    @property
    def last(self) -> int:
        """The latest day."""
        return max(self.days)

    def add(self, day: int, person: str) -> bool:
        """Take a visit; return whether somebody new of that day came by it."""
        last = max(self.last, day)
        if day < last - KEPT_DAYS:
            return False  # older than what is remembered
        people = self.days.setdefault(day, set())
        if person in people or len(people) >= PEOPLE_MAX:
            return False
        people.add(person)
        if len(self.days) > 2:
            self.days = {each: found for each, found in self.days.items() if each >= last - KEPT_DAYS}
            self.told = {each: count for each, count in self.told.items() if each >= last - KEPT_DAYS}
        return True

    def around(self, end: int) -> tuple[int, set[str]]:
        """Return the first day and the people of a day and the one before."""
        before = self.days.get(end - 1, set())
        return end - 1 if before else end, before | self.days.get(end, set())

    def told_of(self, since: int) -> tuple[int, int]:
        """Return the crowd that one goes on from, and how many were told of; (since, 0) where it is another one."""
        for each in (since, since - 1, since + 1):
            if each in self.told:
                return each, self.told[each]
        return since, 0


@dataclass(frozen=True, slots=True)
class Gathering:
    """What is to be told of a data subject: the first word (revision 0), or that more people joined."""

    visit: Visit
    since: int
    """UTC day, days since 1970."""
    revision: int
    people: tuple[str, ...]
    signal: Signal


class Crowds:
    """All data subjects that somebody looked up without a ticket of late."""

    def __init__(
        self, rule: BehaviourRule, least: Callable[[], int], hidden: Callable[[Visit, set[str]], bool] | None = None
    ) -> None:
        """Take the rule, where the policy says how many people are a crowd, and whether somebody answers for one."""
        self._rule, self._least, self._hidden = rule, least, hidden
        self.alone: dict[int, tuple[int, str]] = {}
        """Data subjects that one person looked up on one day, as nearly all are: the day and the person."""
        self.several: dict[int, Crowd] = {}
        self._swept = 0

    def __len__(self) -> int:
        return len(self.alone) + len(self.several)

    def clear(self) -> None:
        """Forget everybody: others judge them now."""
        self.alone.clear()
        self.several.clear()

    def take(self, visit: Visit) -> Gathering | None:
        """Take one visit; return what is to be told."""
        day = min(visit.at, visit.appended_at) // DAY_MS
        if day > self._swept:
            self._sweep(day)
        crowd = self.several.pop(visit.subject, None)
        if crowd is None:
            alone = self.alone.pop(visit.subject, None)
            if alone is None or alone == (day, visit.person):
                self._bound(self.alone)
                self.alone[visit.subject] = day, visit.person
                return None
            crowd = Crowd(*alone)
            self._bound(self.several)
        self.several[visit.subject] = crowd  # at the end: the one not visited longest stands first
        return self._judge(crowd, day, visit) if crowd.add(day, visit.person) else None

    def _judge(self, crowd: Crowd, day: int, visit: Visit) -> Gathering | None:
        """Look at the two pairs of days that a new visitor belongs to."""
        least = self._least()
        for end in (day, day + 1):
            since, people = crowd.around(end)
            if len(people) < least:
                continue
            first, told = crowd.told_of(since)
            if len(people) < 2 * told or (self._hidden is not None and self._hidden(visit, people)):
                continue
            signal = self._rule.check((len(people), least))
            if signal is None:
                continue
            crowd.told[first] = len(people)
            revision = (len(people) // least).bit_length() - 1  # one more with every doubling
            return Gathering(visit, first, revision, tuple(sorted(people)), signal)
        return None

    @staticmethod
    def _bound(of: dict[int, Any]) -> None:
        if len(of) >= SUBJECTS_MAX:
            del of[next(iter(of))]

    def _sweep(self, day: int) -> None:
        """Once a day: who was not visited for so long says nothing any more."""
        self._swept = day
        since = day - KEPT_DAYS
        self.alone = {subject: alone for subject, alone in self.alone.items() if alone[0] >= since}
        for subject in [subject for subject, crowd in self.several.items() if crowd.last < since]:
            del self.several[subject]

"""Who else looked up the same data subject: judged by subject, not by person, on visits without a ticket.

A visit belongs to the UTC day on which it happened; the people of that day and of the one before count together, so
that midnight hides nobody. The order in which the visits of a day come changes nothing; one that comes more than a day
after later ones is left out.
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
    """The people of one data subject, of a UTC day and the day before."""

    __slots__ = ("before", "day", "since", "today", "told")

    def __init__(self, day: int) -> None:
        self.day = day
        self.today: set[str] = set()
        self.before: set[str] = set()
        self.told = 0
        """How many people there were when it was last told of; 0: never."""
        self.since = 0
        """The first day of the crowd that was told of."""

    @property
    def people(self) -> set[str]:
        """Everybody who counts."""
        return self.today | self.before

    def add(self, visit: Visit) -> bool:
        """Take a visit; return whether somebody new came by it."""
        day = min(visit.at, visit.appended_at) // DAY_MS
        if day > self.day:
            self.before = self.today if day == self.day + 1 else set()
            self.today = set()
            self.day = day
            if not self.before:
                self.told = 0
        elif day < self.day - 1:
            return False  # older than what is remembered
        into = self.today if day == self.day else self.before
        if visit.person in into or len(into) >= PEOPLE_MAX:
            return False
        into.add(visit.person)
        return True


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
            crowd = Crowd(alone[0])
            crowd.today.add(alone[1])
            self._bound(self.several)
        self.several[visit.subject] = crowd  # at the end: the one not visited longest stands first
        if not crowd.add(visit):
            return None
        people = crowd.people
        if len(people) < self._least():
            crowd.told = 0  # what was told of has gone
            return None
        if len(people) < 2 * crowd.told or (self._hidden is not None and self._hidden(visit, people)):
            return None
        signal = self._rule.check((len(people), self._least()))
        if signal is None:
            return None
        revision = (len(people) // self._least()).bit_length() - 1  # one more with every doubling
        if not crowd.told:
            crowd.since = crowd.day - 1 if crowd.before else crowd.day
        crowd.told = len(people)
        return Gathering(visit, crowd.since, revision, tuple(sorted(people)), signal)

    @staticmethod
    def _bound(of: dict[int, Any]) -> None:
        if len(of) >= SUBJECTS_MAX:
            del of[next(iter(of))]

    def _sweep(self, day: int) -> None:
        """Once a day: whoever was not visited yesterday or today says nothing any more."""
        self._swept = day
        self.alone = {subject: alone for subject, alone in self.alone.items() if alone[0] >= day - 1}
        for subject in [subject for subject, crowd in self.several.items() if crowd.day < day - 1]:
            del self.several[subject]

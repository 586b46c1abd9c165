"""What a behaviour rule sees and says: a moment of somebody's habit, and a signal with everything to check it by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from rules.habits.cases import Story
from rules.habits.habit import Habit, Measure
from rules.habits.limits import Limit, own_limit
from rules.habits.observer import Before, Setting
from rules.habits.peers import PeerGroup
from rules.habits.thresholds import Behaviour
from schemas.access import AccessEvent
from schemas.alert import Severity
from schemas.directory import EmployeeRow, SubjectRow

HEAVY_DUTIES: Final = frozenset({"quarter_end", "migration"})
"""Duties that explain far more work than usual."""

DUTY_EXPLAINS: Final = 10.0
"""So many times the usual work a heavy duty explains; it is no licence to copy everything."""


@dataclass(frozen=True, slots=True)
class Signal:
    """Something unusual. A score of 1 is where it is told by itself; less counts for `composite`."""

    score: float
    sentence: str
    expected: str
    seen: str
    history_days: int
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Moment:
    """A person's habit after an event was applied to it, with what the directories say for that time."""

    person: str
    habit: Habit
    event: AccessEvent
    at: int
    setting: Setting
    before: Before
    look: int
    to: Behaviour
    peers: PeerGroup | None
    """None: there are no peers, or too few of them."""
    employee: EmployeeRow | None
    duties: frozenset[str]
    announced: frozenset[str]
    """Countries that location rows of any kind name for this time."""
    leaves_at: int | None
    """When the employment ends, as far as is known."""
    absent_until: int | None
    """End of the last leave, where there was one since the last access."""
    subjects: tuple[SubjectRow, ...]
    """What the directory says of the data subjects of the event."""

    @property
    def ease(self) -> float:
        """By how much more work than usual a duty explains: sums are divided by it before they are judged."""
        return DUTY_EXPLAINS if self.duties & HEAVY_DUTIES else 1.0

    def own(self, measure: Measure) -> Limit | None:
        """Return the limit by the person's own days."""
        return own_limit(self.habit, measure, self.to)


@dataclass(frozen=True, slots=True, kw_only=True)
class BehaviourRule:
    """One rule about behaviour. `check` is pure: it reads the moment and changes nothing."""

    id: str
    version: int = 1
    title: str
    why: str
    example: str
    tune: str
    severity: Severity
    looks: int
    """Any of these (`Look`) makes it look."""
    check: Callable[[Any], Signal | None] = field(repr=False)
    """Takes a `Moment`; of rules that look at no person, what they say they look at."""
    reset: Callable[[Habit], None] | None = field(default=None, repr=False)
    """Called once it was told: what it adds up begins anew."""
    cases: tuple[Story, ...] = field(default=(), repr=False)
    """Tested by `tests/habits/test_cases.py`; rules that look at no person have tests of their own."""


def amount(value: float, unit: str) -> str:
    """Return a number with its unit, as a sentence has it."""
    return f"{value:,.0f} {unit}"

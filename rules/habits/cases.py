"""Cases beside the behaviour rules: weeks of usual work, and what one case does after them.

Usual work: an employee in Ireland, ten to fourteen accesses on working days between nine and five, five records each,
case by case with tickets. A case's days count from the Monday after it, in UTC (winter time in Ireland).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

NO_TICKET: Final[dict[str, Any]] = {"ticket": None}
"""Fields of an access that belongs to no case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acts:
    """Some accesses, one like the other."""

    day: int = 0
    hour: float = 10.0
    count: int = 1
    every_s: float = 60.0
    country: str | None = "IE"
    """What the device says."""
    fields: dict[str, Any] = field(default_factory=dict)
    """Fields of the event; None removes one, `{n}` in a text is the access's number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One named case: what is done, and whether the rule speaks."""

    name: str
    fires: bool
    acts: tuple[Acts, ...]
    history: int = 30
    """Working days of usual work before."""
    peers: int = 0
    """Colleagues of the same role and team, with as much history."""
    rows: tuple[tuple[str, dict[str, Any]], ...] = ()
    """Directory rows: (topic without `directory.`, fields). Times count in days from the case's Monday."""
    thresholds: dict[str, Any] = field(default_factory=dict)

"""What a session is given and what comes of a batch: counts are added up once, and given to metrics once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from rules.habits.crowds import Visit
from rules.habits.peers import EndedDay
from rules.habits.rhythm import Heard
from schemas.access import AccessEvent
from schemas.alert import Alert, EventRef
from schemas.errors import BadRecordError

Tally = tuple[str, str, str]
"""(class of place, sensitivity, outcome): what every event is counted by."""


class Message(Protocol):
    """What is judged: bytes with their place in a log. A Kafka record has these, a line of a file is given them."""

    @property
    def value(self) -> bytes | None:
        """The record."""

    @property
    def timestamp(self) -> int:
        """Append time, milliseconds."""

    @property
    def offset(self) -> int:
        """Place in its partition or file."""


class Describe(Protocol):
    """Says where a message came from, for the alert."""

    def __call__(self, message: Any, event: AccessEvent) -> EventRef:
        """Return the reference of an event."""


@dataclass(slots=True)
class Pending:
    """An event that waits for a directory row, or behind one of the same person."""

    message: Any
    event: AccessEvent
    content: int
    token: Any
    deadline: int
    identified: bool = False
    reused: bool = False


@dataclass(slots=True)
class Haul:
    """What came of a batch. Counts are added up here once and given to metrics once."""

    alerts: list[Alert] = field(default_factory=list)
    shadow: list[Alert] = field(default_factory=list)
    """What rules in shadow found (`rules/shadow.py`)."""
    bad: list[tuple[Any, BadRecordError]] = field(default_factory=list)
    misplaced: list[tuple[Any, str]] = field(default_factory=list)
    """Messages in a partition that is not their person's, with the person."""
    released: list[Any] = field(default_factory=list)
    """Tokens of events that waited and are judged now, one for each."""
    held: int = 0
    judged: int = 0
    duplicates: int = 0
    ahead: int = 0
    late: int = 0
    overflowed: int = 0
    memo_hits: int = 0
    tally: dict[Tally, int] = field(default_factory=dict)
    exempted: dict[tuple[str, str], int] = field(default_factory=dict)
    approved: dict[str, int] = field(default_factory=dict)
    """Findings that approvals covered, by rule."""
    failures: dict[str, int] = field(default_factory=dict)
    delays: list[int] = field(default_factory=list)
    """Milliseconds from occurrence to the verdict, one an event."""
    habit_late: int = 0
    """Accesses of an earlier local day than their person's present one: in no habit."""
    habit_known: int = 0
    """Accesses that their person's habit held already, as of a snapshot: read again after a restart."""
    # For those who judge across people; empty where the session does it itself.
    days: list[EndedDay] = field(default_factory=list)
    visits: list[Visit] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)


def heard(gates: Iterable[tuple[str, int, str]], home: Callable[[str, int], str]) -> list[Heard]:
    """Return which gateways were heard, of (gateway, append time, person) in order.

    Args:
        gates: one an access.
        home: says in which country a person is at home; asked once for each gateway.
    """
    found: dict[str, list[int]] = {}
    people: dict[str, str] = {}
    for gate, at, person in gates:
        times = found.get(gate)
        if times is None:
            found[gate] = [1, at, at]
            people[gate] = person
        else:
            times[0] += 1
            times[2] = at
    return [
        Heard(f"gateway:{gate}", count, first, last, home(people[gate], first))
        for gate, (count, first, last) in found.items()
    ]

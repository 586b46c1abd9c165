"""Reads faster than a person can ask, by a tool that the policy does not name: of those who have no history yet.

How much somebody reads says nothing while nobody knows what is usual for them. How it is read does: a hand cannot do
it, so a program did, and the policy says which programs there are (`behaviour.automation`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from fnmatch import translate
from functools import lru_cache
from typing import Final

from msgspec import UNSET

from rules.habits.habit import Habit, Pace
from rules.habits.thresholds import Behaviour
from schemas.access import AccessEvent

PAUSE_MS: Final = 1_000
"""The longest pause within a machine's pace. Audit logs tell whole seconds: what is so far apart may be closer."""

CALLS_LEAST: Final = 3
"""Calls in a row before they have a pace: two may be a double click."""

HANDS_OUT: Final = frozenset({"read", "query", "export"})
"""Actions that hand out data. A decryption goes with a read, and would count it twice; a list gives names."""

WHOSE: Final = "restricted"
"""Sensitivity of the data of which this is asked: without a history, only what must not leave."""

CLIENTS_MAX: Final = 4_096
"""Clients whose answer is remembered: user agents carry versions and, of some tools, an id of the run."""

Named = Callable[[str], bool]


def named_by(patterns: Sequence[str]) -> Named:
    """Return what says whether a client is one that the patterns (globs, as they are written) name."""
    found = re.compile("|".join(translate(each) for each in patterns)).match
    return lru_cache(maxsize=CLIENTS_MAX)(lambda client: found(client) is not None)


def kept_on(habit: Habit, event: AccessEvent, sensitivity: str, records: int, automation: Named, to: Behaviour) -> bool:
    """Count a read that hands out data; return whether so many at such a pace should be looked at (anew)."""
    client = event.client
    if client is UNSET or sensitivity != WHOSE or event.action not in HANDS_OUT or event.result != "success":
        return False
    if automation(client):
        return False
    at, pace = event.occurred_at, habit.pace
    if pace is None or abs(at - pace.last_at) > PAUSE_MS:
        habit.pace = Pace(at, 1, records, max(1, int(to.weak * to.floor_pace)))
        return False
    calls, total, again = pace.calls + 1, min(pace.records + records, 1 << 60), pace.again
    if looks := calls >= CALLS_LEAST and total >= again:
        again = total + max(1, total // 4)  # as wires are lifted: not at every further read
    habit.pace = Pace(at, calls, total, again)
    return looks

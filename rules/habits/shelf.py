"""Habits where they are in use: on their persons. What keeps states reads and writes them here."""

from __future__ import annotations

from collections.abc import Callable, Set
from typing import Final

from rules.habits.observer import DAY_MS
from rules.habits.saved import restore, save
from rules.knowledge import Knowledge

FORGET_DAYS: Final = 365
"""Without an access for so long, a habit is forgotten: it says nothing any more, and is personal data."""


class HabitShelf:
    """The habits of everybody that a worker knows."""

    def __init__(self, knowledge: Knowledge, clock: Callable[[], int]) -> None:
        """Take the people, and the time in milliseconds: habits that nobody needs any more are left out."""
        self._knowledge, self._clock = knowledge, clock

    def save(self, name: str) -> bytes | None:
        """Return a habit as bytes; None where it is gone, or not used for `FORGET_DAYS`."""
        person = self._knowledge.known(name)
        if person is None or person.habit is None:
            return None
        if self._clock() - person.habit.seen_at > FORGET_DAYS * DAY_MS:
            person.habit = None
            return None
        return save(person.habit)

    def restore(self, name: str, partition: int, saved: bytes) -> None:
        """Put a habit back where it is newer than what is there.

        Raises:
            StateVersionError: it is of a version that this program does not know.
        """
        habit = restore(saved)
        person = self._knowledge.find(name)
        person.partition = partition
        if person.habit is None or person.habit.applied < habit.applied:
            person.habit = habit

    def rewound(self, partition: int, first: int) -> None:
        """Take note that a partition's log went back, so that `first` comes next: what comes is new."""
        for person in self._knowledge.everybody():
            if person.partition == partition and person.habit is not None:
                person.habit.applied = min(person.habit.applied, first - 1)

    def clear(self, partitions: Set[int]) -> None:
        """Drop the habits of the people of some partitions."""
        for person in self._knowledge.everybody():
            if person.partition in partitions:
                person.habit = None

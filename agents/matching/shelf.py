"""Where the memories of people are while they are in use, as `agents/snapshots.py` keeps them."""

from __future__ import annotations

from collections.abc import Callable, Set

from rules.habits.saved import StateVersionError
from rules.matching.matcher import Matcher
from rules.matching.memory import restore, save


class MatchShelf:
    """The matchers of the partitions that this process owns.

    Args:
        make: makes an empty one for a partition.
        partition_of: where a person belongs.
    """

    def __init__(self, make: Callable[[int], Matcher], partition_of: Callable[[str], int]) -> None:
        self._make, self._partition_of = make, partition_of
        self.matchers: dict[int, Matcher] = {}

    def of(self, partition: int) -> Matcher:
        """Return the matcher of a partition."""
        found = self.matchers.get(partition)
        if found is None:
            found = self.matchers[partition] = self._make(partition)
        return found

    def save(self, name: str) -> bytes | None:
        """Return a person's memory; None where no decision is left in it."""
        matcher = self.matchers.get(self._partition_of(name))
        memory = None if matcher is None else matcher.people.get(name)
        return save(memory) if memory is not None and memory.decisions else None

    def restore(self, name: str, partition: int, saved: bytes) -> None:
        """Put a person's memory back where it is newer than what is there.

        Raises:
            StateVersionError: another program wrote it.
        """
        try:
            self.of(partition).restore(name, restore(saved))
        except ValueError as error:
            raise StateVersionError(f"state: partition {partition}: {error}") from None

    def clear(self, partitions: Set[int]) -> None:
        """Drop whatever is there of some partitions."""
        for partition in partitions:
            self.matchers.pop(partition, None)

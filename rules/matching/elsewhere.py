"""Which decisions there were, anybody's, at 16 bytes each: whose decision is it that an access names?

A decision lies in its person's partition, so an access that names somebody else's finds nothing in its own. Every
process therefore reads the ids of all decisions. For each it keeps a hash of the id and one of id and person; the first
without the second is somebody else's. Hashes of 64 bits: among ten million decisions an invented id is taken for one
with a probability of 10⁻¹².
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import deque
from typing import Final, Literal

from xxhash import xxh3_64_intdigest

CHUNK: Final = 65_536
"""Decisions in a piece that is sorted once and forgotten as a whole: 1 MB."""

KEPT_MS: Final = 3_600_000
"""How long ids are kept after a decision could have ended: an hour."""


def _hashes(decision_id: str, person: str) -> tuple[int, int]:
    return xxh3_64_intdigest(decision_id.encode()), xxh3_64_intdigest(
        f"{len(decision_id)} {decision_id} {person}".encode()
    )


class Elsewhere:
    """The ids of all decisions of the last hour and `valid_for`.

    Args:
        kept: how long an id is remembered, milliseconds.
    """

    def __init__(self, kept: int) -> None:
        self.kept = kept
        self._old: deque[tuple[int, array[int]]] = deque()
        """(append time of the newest in it, its hashes sorted), oldest first."""
        self._new: set[int] = set()
        self._newest = 0

    def add(self, decision_id: str, person: str, appended_at: int) -> None:
        """Remember a decision; one that is remembered already adds nothing that matters."""
        self._new.update(_hashes(decision_id, person))
        self._newest = max(self._newest, appended_at)
        if len(self._new) >= 2 * CHUNK:
            self._old.append((self._newest, array("Q", sorted(self._new))))
            self._new = set()
        while self._old and self._old[0][0] < self._newest - self.kept:
            self._old.popleft()

    def whose(self, decision_id: str, person: str) -> Literal["theirs", "another's", "nobody's"]:
        """Return whether it was made for the person, for somebody else, or never (or too long ago)."""
        one, both = _hashes(decision_id, person)
        if self._has(both):
            return "theirs"
        return "another's" if self._has(one) else "nobody's"

    def _has(self, value: int) -> bool:
        if value in self._new:
            return True
        for _, piece in self._old:
            at = bisect_left(piece, value)
            if at < len(piece) and piece[at] == value:
                return True
        return False

    def __len__(self) -> int:
        """How many decisions are remembered."""
        return (len(self._new) + sum(len(piece) for _, piece in self._old)) // 2

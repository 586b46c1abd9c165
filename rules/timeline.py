"""Versions of one fact over time, and which of them was valid at a moment.

Rows arrive in any order. A row holds from its `valid_from` until its `valid_until` or the `valid_from` of the next
row, whichever is first; among rows with the same `valid_from` the one recorded last wins. Superseded rows are kept:
a tombstone for a correction brings the former row back.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Final, Generic, NamedTuple, TypeVar

from msgspec import UNSET

from schemas.directory import Row

R = TypeVar("R", bound=Row)

ALWAYS: Final = -(2**62)
"""Before every time that a record can carry."""

NEVER: Final = 2**62
"""After every time that a record can carry."""


class Version(NamedTuple, Generic[R]):
    """What was valid at a moment, and the interval [`since`, `until`) on which the answer is the same."""

    row: R | None
    since: int
    until: int


class Span(NamedTuple, Generic[R]):
    """One version with the time on which it holds."""

    row: R
    since: int
    until: int


def _order(row: Row) -> tuple[int, int]:
    return row.valid_from, row.recorded_at  # type: ignore[return-value]  # filled when the row was decoded


def _valid_from(row: Row) -> int:
    return row.valid_from


class Timeline(Generic[R]):
    """An immutable history: a change makes a new one, so that whoever holds the old one can tell."""

    __slots__ = ("rows",)

    def __init__(self, rows: tuple[R, ...] = ()) -> None:
        """Take rows in the order of (`valid_from`, `recorded_at`)."""
        self.rows = rows

    def with_row(self, row: R) -> Timeline[R]:
        """Return the history with one more row; a row of the same two times is replaced.

        The same history where the very same row is in it.
        """
        kept, at = self._without(_order(row))
        if len(kept) < len(self.rows) and self.rows[at] == row:
            return self
        return Timeline((*kept[:at], row, *kept[at:]))

    def without(self, valid_from: int, recorded_at: int) -> Timeline[R]:
        """Return the history without the row of these two times; the same history where there is none."""
        kept, _ = self._without((valid_from, recorded_at))
        return self if len(kept) == len(self.rows) else Timeline(kept)

    def at(self, moment: int) -> Version[R]:
        """Return the version valid at `moment` (milliseconds)."""
        rows = self.rows
        after = bisect_right(rows, moment, key=_valid_from)
        until = rows[after].valid_from if after < len(rows) else NEVER
        if not after:
            return Version(None, ALWAYS, until)
        row = rows[after - 1]
        if row.valid_until is not UNSET and row.valid_until < until:
            end: int = row.valid_until
            if end <= moment:
                return Version(None, end, until)
            until = end
        return Version(row, row.valid_from, until)

    def spans(self) -> list[Span[R]]:
        """Return every version that ever holds, in the order of time."""
        starts = dict.fromkeys(row.valid_from for row in self.rows)
        versions = [self.at(start) for start in starts]
        return [Span(v.row, v.since, v.until) for v in versions if v.row is not None]

    def _without(self, order: tuple[int, int]) -> tuple[tuple[R, ...], int]:
        rows = self.rows
        at = bisect_left(rows, order, key=_order)
        if at < len(rows) and _order(rows[at]) == order:
            return rows[:at] + rows[at + 1 :], at
        return rows, at

    def __len__(self) -> int:
        return len(self.rows)

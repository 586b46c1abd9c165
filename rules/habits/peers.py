"""What is usual among people of the same role and team: counted by day, used from the day after the next on.

A day's counts are complete when the last of its people has begun another day; until then some are missing, so a day is
used only when a whole day lies between. Counts of one day never change again: every later look sees the same.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import Final

from rules.habits.habit import MEASURES, Measure
from rules.habits.history import code

DAYS: Final = 28
"""Days of the peers that count: four weeks."""

LAG: Final = 2
"""A day is used from so many days later on."""


class PeerGroup:
    """What the days of a group's people came to, of the last weeks."""

    __slots__ = ("_codes", "_members")

    def __init__(self) -> None:
        self._codes: list[Counter[int]] = [Counter() for _ in range(MEASURES)]
        self._members: Counter[int] = Counter()

    @property
    def size(self) -> int:
        """How many people it speaks of."""
        return len(self._members)

    def others(self, person: int) -> int:
        """How many people it speaks of beside one."""
        return len(self._members) - (person in self._members)

    @property
    def days(self) -> int:
        """How many people's days."""
        return self._codes[0].total()

    def add(self, day: Day, sign: int = 1) -> None:
        """Count a day in, or (-1) out."""
        for measure, codes in enumerate(day.codes):
            self._count(self._codes[measure], codes, sign)
        self._count(self._members, day.members, sign)

    @staticmethod
    def _count(into: Counter[int], what: Counter[int], sign: int) -> None:
        for key, number in what.items():
            left = into[key] + sign * number
            if left:
                into[key] = left
            else:
                del into[key]

    def quantile(self, measure: Measure, share: float) -> float:
        """Return the code at or below which so large a share of the people's days lies."""
        codes = self._codes[measure]
        wanted = share * codes.total()
        seen = 0
        for each in sorted(codes):
            seen += codes[each]
            if seen >= wanted:
                return float(each)
        return 0.0


class Day:
    """One group's one day."""

    __slots__ = ("codes", "day", "members")

    def __init__(self, day: int) -> None:
        self.day = day
        self.codes: list[Counter[int]] = [Counter() for _ in range(MEASURES)]
        self.members: Counter[int] = Counter()


class Peers:
    """All groups. `ended` takes people's days as they end; `of` says what is usual in a group on a day."""

    def __init__(self) -> None:
        self._open: dict[int, dict[int, Day]] = {}
        self._used: dict[int, deque[Day]] = {}
        self._groups: dict[int, PeerGroup] = {}
        self._until: dict[int, int] = {}

    def ended(self, group: int, person: int, day: int, sums: tuple[int, ...]) -> None:
        """Count one person's day."""
        found = self._open.setdefault(group, {}).get(day)
        if found is None:
            found = self._open[group][day] = Day(day)
        for measure, total in enumerate(sums):
            found.codes[measure][code(total)] += 1
        found.members[person] += 1

    def of(self, group: int, today: int, least: int) -> PeerGroup | None:
        """Return what is usual in a group as of a day; None where fewer than `least` people are known."""
        if self._until.get(group, -1) < today:
            self._advance(group, today)
        found = self._groups.get(group)
        return found if found is not None and found.size >= least else None

    def _advance(self, group: int, today: int) -> None:
        self._until[group] = today
        usable = self._open.get(group, {})
        ready = sorted(day for day in usable if day <= today - LAG)
        whole = self._groups.setdefault(group, PeerGroup())
        used = self._used.setdefault(group, deque())
        for day in ready:
            each = usable.pop(day)
            whole.add(each)
            used.append(each)
        while used and used[0].day < today - LAG - DAYS:
            whole.add(used.popleft(), -1)

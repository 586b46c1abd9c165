"""What is usual among people of the same role and team, as versions: one a day, made once, the same for everybody.

A person's day counts on the UTC day of the access that ended it (most people's Friday is known on Monday). When a UTC
day is over its counts are closed and never change again; they are used from an hour after its end on (`AFTER_MS`), so
that every worker has them by then. Until they are closed nothing is said of them: late days are dropped and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import ceil
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from rules.habits.habit import MEASURES, Measure
from schemas.fields import TIME_MAX

DAY_MS: Final = 86_400_000

NO_GROUP: Final = 0
"""Of people without team and role: they are nobody's peers."""

PEER_DAYS: Final = 28
"""Days of the peers that count: four weeks."""

AFTER_MS: Final = 3_600_000
"""A version is used from so long after its day's end on: making and reading it takes seconds."""


Mark = Annotated[int, Meta(ge=0)]
"""A marked id (`sketch.mark`): 64 bits."""


class EndedDay(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One person's day that is over, and what it came to."""

    group: Mark
    person: Mark
    day: Annotated[int, Meta(ge=0, le=1 << 24)]
    """The local day, as `date.toordinal` counts."""
    at: Annotated[int, Meta(ge=0, le=TIME_MAX)]
    """When the access that ended it happened, milliseconds."""
    codes: Annotated[bytes, Meta(min_length=MEASURES, max_length=MEASURES)]
    """By measure (`history.code`)."""


class GroupDay(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What the days of one group's people came to that ended on one UTC day."""

    group: Mark
    rows: bytes
    """`MEASURES` codes a person's day, one after the other."""
    people: tuple[Mark, ...]
    """Marked ids, one a row."""

    @property
    def sound(self) -> bool:
        """Whether there is a row for each of the people."""
        return len(self.rows) == MEASURES * len(self.people)


class PeerGroup:
    """What the days of a group's people came to, of the last weeks."""

    __slots__ = ("_quantiles", "people", "rows")

    def __init__(self, rows: bytes, people: frozenset[int]) -> None:
        """Take rows of `MEASURES` codes, one a person's day."""
        self.rows, self.people = rows, people
        self._quantiles: dict[tuple[Measure, float], float] = {}

    @property
    def size(self) -> int:
        """How many people it speaks of."""
        return len(self.people)

    @property
    def days(self) -> int:
        """How many people's days."""
        return len(self.rows) // MEASURES

    def others(self, person: int) -> int:
        """How many people it speaks of beside one."""
        return len(self.people) - (person in self.people)

    def quantile(self, measure: Measure, share: float) -> float:
        """Return the code at or below which so large a share of the people's days lies."""
        known = self._quantiles.get((measure, share))
        if known is None:
            ordered = sorted(self.rows[measure::MEASURES])
            known = float(ordered[max(0, ceil(share * len(ordered)) - 1)]) if ordered else 0.0
            self._quantiles[measure, share] = known
        return known


class OpenDays:
    """Collects people's days until the UTC days on which they ended are over."""

    def __init__(self) -> None:
        self._open: dict[int, dict[int, dict[tuple[int, int], bytes]]] = {}
        """UTC day → group → (person, local day) → codes."""
        self.closed_before = 0
        """Days before this one are closed."""
        self.dropped = 0
        """People's days that came after theirs was closed."""

    def add(self, ended: EndedDay) -> int | None:
        """Take one; the same one again changes nothing. Returns the UTC day, None where that is closed."""
        utc = ended.at // DAY_MS
        if utc < self.closed_before:
            self.dropped += 1
            return None
        rows = self._open.setdefault(utc, {}).setdefault(ended.group, {})
        rows.setdefault((ended.person, ended.day), ended.codes)
        return utc

    def close(self, before: int) -> list[tuple[int, list[GroupDay]]]:
        """Close the UTC days before one; return them in order, each with its groups."""
        since = self.closed_before
        if before <= since:
            return []
        self.closed_before = before
        ready = sorted(day for day in self._open if since <= day < before)
        return [(day, [_group_day(*each) for each in sorted(self._open.pop(day).items())]) for day in ready]

    def restore(self, day: EndedDay) -> None:
        """Put one back that was saved, where its day is not closed: a state may hold what was closed later."""
        if day.at // DAY_MS >= self.closed_before:
            self.add(day)

    def closed(self, before: int) -> None:
        """Take note that days were closed, by whoever made their versions; what is here of them goes."""
        if before > self.closed_before:
            self.closed_before = before
            for day in [day for day in self._open if day < before]:
                del self._open[day]

    def of(self, utc: int, group: int) -> list[EndedDay]:
        """Return what is open of a group on a UTC day: what a saved state holds."""
        rows = self._open.get(utc, {}).get(group, {})
        return [EndedDay(group, person, day, utc * DAY_MS, codes) for (person, day), codes in rows.items()]

    def all(self) -> list[EndedDay]:
        """Return everything that is open."""
        return [each for utc, groups in self._open.items() for group in groups for each in self.of(utc, group)]


def _group_day(group: int, rows: dict[tuple[int, int], bytes]) -> GroupDay:
    ordered = sorted(rows)
    return GroupDay(group, b"".join(rows[each] for each in ordered), tuple(person for person, _ in ordered))


class Peers:
    """All groups. `end` takes people's days as they end; `of` says what is usual in a group as of a time.

    Args:
        report: told of every day that ended, where versions are made elsewhere and come back by `publish`. Without
            it they are made here, as time goes on.
    """

    def __init__(self, report: Callable[[EndedDay], None] | None = None) -> None:
        self.open = OpenDays()
        self._report = report
        self._versions: dict[int, dict[int, GroupDay]] = {}
        self._made = 0
        self._groups: dict[int, tuple[int, int, PeerGroup]] = {}
        """Group → (last day counted, versions known then, the sum of them)."""

    @property
    def latest(self) -> int:
        """The last UTC day of which a version is known, 0 without one."""
        return max(self._versions, default=0)

    def end(self, ended: EndedDay) -> None:
        """Count one person's day."""
        if ended.group == NO_GROUP:
            return
        if self._report is not None:
            self._report(ended)
            return
        self._close(ended.at)
        self.open.add(ended)

    def publish(self, day: int, groups: Iterable[GroupDay]) -> None:
        """Take the version of a day, or a part of its groups; drop what is too old to count."""
        self._made += 1
        self._versions.setdefault(day, {}).update({each.group: each for each in groups if each.sound})
        for old in [each for each in self._versions if each <= self.latest - PEER_DAYS - 1]:
            del self._versions[old]

    def versions(self) -> dict[int, list[GroupDay]]:
        """Return every version that is kept, by day."""
        return {day: list(groups.values()) for day, groups in sorted(self._versions.items())}

    def of(self, group: int, at: int, least: int) -> PeerGroup | None:
        """Return what is usual in a group as of a time; None where fewer than `least` people are known."""
        if group == NO_GROUP:
            return None
        if self._report is None:
            self._close(at)
        last = (at - AFTER_MS) // DAY_MS - 1
        known = self._groups.get(group)
        if known is None or known[:2] != (last, self._made):
            days = [
                groups[group]
                for day, groups in self._versions.items()
                if last - PEER_DAYS < day <= last and group in groups
            ]
            people = frozenset(person for each in days for person in each.people)
            known = self._groups[group] = last, self._made, PeerGroup(b"".join(each.rows for each in days), people)
        found = known[2]
        return found if found.size >= least else None

    def _close(self, at: int) -> None:
        for day, groups in self.open.close((at - AFTER_MS) // DAY_MS):
            self.publish(day, groups)

"""How far both topics are read, in append times: what may be judged, what may be forgotten, what is read next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

from agents.clients import LOG_APPEND_TIME
from agents.delivering.group import Group
from agents.watching import wall_clock
from rules.matching.matcher import Matcher
from schemas.gateway_topics import GATEWAY_DECISIONS
from schemas.topics import ACCESS_EVENTS

PATIENCE_MS: Final = 200
"""The longest wait for records: how late a stop or a new policy is noticed."""

IMPATIENCE_MS: Final = 10
"""The wait for records while an access is due: an alert is that much later at most."""

AHEAD_MS: Final = 60_000
"""How far decisions are read ahead of accesses, in append time: beyond it they would only fill memory while a backlog
is read."""

ENDS_EVERY_MS: Final = 2_000
"""How often it is asked how far both topics go while nothing waits: what is remembered is forgotten by it."""


class Tail(Protocol):
    """Reads everybody's decisions."""

    known_to: int
    """Every decision that was appended until then is taken, milliseconds."""

    def want(self, at: int) -> None:
        """Ask that `known_to` reach a time, which is past."""


class _Partition:
    """How far one partition is read."""

    __slots__ = ("accesses_to", "decisions_to", "ends", "last")

    def __init__(self) -> None:
        self.decisions_to = self.accesses_to = 0
        """Everything that was appended until then is read."""
        self.last = {GATEWAY_DECISIONS: 0, ACCESS_EVENTS: 0}
        """Append time of the last record that was read."""
        self.ends: tuple[int, int, int] | None = None
        """When it was asked how far both topics go, and the answers: decisions, accesses."""


class ReadTo:
    """Of all partitions that are held.

    Args:
        group: reads both topics.
        tail: reads everybody's decisions.
        settle: how old an answer of the brokers must be before it is believed, milliseconds.
    """

    def __init__(self, group: Group, tail: Tail, settle: int) -> None:
        self._group, self._tail, self._settle = group, tail, settle
        self._partitions: dict[int, _Partition] = {}
        self._asked_at = 0

    def begin(self, partition: int) -> None:
        """Begin with a partition."""
        self._partitions[partition] = _Partition()

    def clear(self) -> None:
        """Partitions change hands."""
        self._partitions.clear()

    def to(self, partition: int) -> tuple[int, int]:
        """Return until when all decisions, and all accesses, of a partition are read."""
        found = self._partitions[partition]
        return min(found.decisions_to, self._tail.known_to), found.accesses_to

    async def look_ahead(self, matchers: Mapping[int, Matcher]) -> int:
        """Ask how far the topics go where an access is due, or nobody asked for long; return how long to wait."""
        now = wall_clock()
        dues = [due for each in matchers.values() if (due := each.due()) is not None]
        first = min(dues, default=None)
        pending = any(each.ends is not None for each in self._partitions.values())
        overdue = first is not None and now > first
        if not pending and (overdue or (first is None and now - self._asked_at >= ENDS_EVERY_MS)):
            self._asked_at = now
            ends = await self._group.ends()
            for partition, found in self._partitions.items():
                decisions, accesses = (ends.get((topic, partition)) for topic in (GATEWAY_DECISIONS, ACCESS_EVENTS))
                if decisions is not None and accesses is not None:
                    found.ends = now, decisions, accesses
            pending = True
        if overdue:
            self._tail.want(now)
        if pending or overdue:
            return IMPATIENCE_MS
        return PATIENCE_MS if first is None else max(1, min(PATIENCE_MS, first - now + 1))

    def note(self) -> None:
        """Take note of the ends that are reached."""
        now = wall_clock()
        for partition, found in self._partitions.items():
            if found.ends is None:
                continue
            at, decisions, accesses = found.ends
            if now < at + self._settle or (self._group.position(GATEWAY_DECISIONS, partition) or 0) < decisions:
                continue
            found.decisions_to = max(found.decisions_to, at)
            if (self._group.position(ACCESS_EVENTS, partition) or 0) >= accesses:
                found.accesses_to = max(found.accesses_to, at)
            found.ends = None

    def took(self, topic: str, last: Any) -> None:
        """Take note of the last record of a batch."""
        found = self._partitions.get(last.partition)
        if found is None:
            return  # given up meanwhile
        found.last[topic] = max(found.last[topic], last.timestamp)
        if last.timestamp_type == LOG_APPEND_TIME:
            if topic == GATEWAY_DECISIONS:
                found.decisions_to = max(found.decisions_to, last.timestamp - 1)
            else:
                found.accesses_to = max(found.accesses_to, last.timestamp - 1)

    def skipped(self, matchers: Mapping[int, Matcher]) -> set[tuple[str, int]]:
        """Return what is not to be read now: accesses where many wait, decisions far ahead of accesses."""
        skipped = set()
        for partition, matcher in matchers.items():
            found = self._partitions[partition]
            if matcher.full:
                skipped.add((ACCESS_EVENTS, partition))
            elif found.last[GATEWAY_DECISIONS] > max(found.accesses_to, found.last[ACCESS_EVENTS]) + AHEAD_MS:
                skipped.add((GATEWAY_DECISIONS, partition))
        return skipped

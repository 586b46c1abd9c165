"""Why offsets that a group reads over hold no record: what the log showed of them, else what the broker still has."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition

from agents.ledger import TP, Hole, HoleKind, Ledger
from agents.transport.holes import SkippedRanges, WatchedRecords


class Observer(Protocol):
    """Is told where reading begins, and of every offset that is not read."""

    def positioned(self, tp: TP, offset: int, committed: int | None) -> None:
        """Take note of where reading begins, and of what was committed."""

    def hole(self, hole: Hole) -> None:
        """Take note of offsets without a record."""


class Skipping:
    """Accounts for the offsets of a group's partitions that hold no record for it.

    Args:
        ledger: of the group.
        observer: is told.
    """

    def __init__(self, ledger: Ledger, observer: Observer) -> None:
        self._ledger, self._observer = ledger, observer
        self._skipped = SkippedRanges()

    def watch(self, consumer: AIOKafkaConsumer) -> None:
        """See what a started client passes over: it drops markers and aborted records without a trace."""
        consumer._fetcher._records = WatchedRecords(self._skipped)

    def positioned(self, tp: TP, offset: int, committed: int | None) -> None:
        """Tell where reading begins; what retention deleted before it was read is lost."""
        self._skipped.forget(tp)
        self._observer.positioned(tp, offset, committed)
        if committed is not None and committed < offset:
            self._ledger.count_hole(Hole(tp, committed, offset - 1, HoleKind.LOST_BY_RETENTION))

    async def account(self, consumer: AIOKafkaConsumer, tp: TP, records: Sequence[Any]) -> None:
        """Tell of what is missing before, and within, a run of records that is about to be delivered."""
        expected, first = self._ledger.expected(tp), records[0].offset
        if expected is not None and expected < first:
            for hole in await self._why(consumer, tp, expected, first - 1):
                if self._ledger.expected(tp) == hole.first:  # else the partition was given up meanwhile
                    self._ledger.note_hole(tp, hole.last, hole.kind)
        if records[-1].offset - first + 1 == len(records):
            return
        for before, after in pairwise(records):
            if after.offset != before.offset + 1:
                for hole in await self._why(consumer, tp, before.offset + 1, after.offset - 1):
                    self._ledger.count_hole(hole)

    def to_end(self, tp: TP) -> None:
        """Pass markers and aborted records behind the last record: nothing of them is to be waited for."""
        while (expected := self._ledger.expected(tp)) is not None:
            end = self._skipped.take_at(tp, expected)
            if end is None:
                return
            self._ledger.note_hole(tp, end, HoleKind.CONTROL_OR_ABORTED)

    async def _why(self, consumer: AIOKafkaConsumer, tp: TP, first: int, last: int) -> list[Hole]:
        """Cut offsets into holes by what is known of them."""
        found: list[Hole] = []
        starts: int | None = None
        at = first
        while at <= last:
            end = self._skipped.take_at(tp, at)
            if end is not None:
                kind, end = HoleKind.CONTROL_OR_ABORTED, min(end, last)
            else:
                if starts is None:
                    (starts,) = (await consumer.beginning_offsets([TopicPartition(*tp)])).values()
                lost = starts > at
                kind, end = (HoleKind.LOST_BY_RETENTION, min(starts - 1, last)) if lost else (HoleKind.UNEXPLAINED, at)
            if found and found[-1].kind is kind:
                found[-1] = Hole(tp, found[-1].first, end, kind)
            else:
                found.append(Hole(tp, at, end, kind))
            at = end + 1
        return found

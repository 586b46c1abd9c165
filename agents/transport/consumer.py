"""The reading side of the consumer: record batches, in order, with every hole accounted for.

aiokafka counts as consumed what it handed out, and Faust drops some of that: fetched for an assignment that is
gone, while the flow is suspended, or cancelled. Each of these raises a flag here to seek back, and a partition is
handed on only from the offset that the ledger expects.
"""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from time import monotonic
from typing import Any

from aiokafka.errors import IllegalStateError, KafkaError
from faust.types.tuples import ConsumerMessage

from agents.ledger import TP, Hole, HoleKind
from agents.transport.batch import RecordBatch
from agents.transport.committing import LedgerConsumer, faust_tp
from agents.transport.thread import BatchConsumerThread

__all__ = ["BatchConsumer"]

IDLE_POLL = 0.05
"""Seconds between looks for an assignment. Faust sleeps a whole second, which adds to every start and
rebalance."""


class BatchConsumer(LedgerConsumer):
    """Delivers `RecordBatch`es."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._epoch = 0
        """Counts repositionings: a fetch from before one must not be delivered after it."""
        self._must_seek = False
        """Something fetched was not delivered, so the client's position is ahead of the ledger."""
        self._read_again: dict[TP, int] = {}
        """Where a hole was seen once: there the log was read a second time before the hole was believed."""
        self._seeking = asyncio.Lock()

    def _new_consumer_thread(self) -> Any:
        return BatchConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[Any, Any]]:  # noqa: ASYNC109 - Faust's signature
        """Fetch once and yield one message for each partition that had records."""
        if not self.flow_active:
            await self.wait(self.can_resume_flow)  # type: ignore[arg-type]  # as Faust does; any event will do
        if self._must_seek and self.flow_active:
            await self._seek_again()
        active = self._get_active_partitions()
        if not active or self._seeking.locked() or any(self.ledger.expected(tp) is None for tp in active):
            # Nothing assigned, or not positioned yet.
            await self.sleep(IDLE_POLL)
            return
        before = self._state()
        complete = False
        try:
            records, _active = await self._wait_next_records(timeout)
            for tp, run in self.scheduler.iterate(records or {}):
                deliver = await self._fill_holes(tp, run)
                if self._state() != before or not self.flow_active:
                    # Fetched for an assignment or a position that is no longer: delivering it could pass over
                    # records of the one that is.
                    return
                if deliver:
                    yield tp, self._to_message(tp, run)
            if self._state() == before:
                self._skip_to_ends()
                complete = True
        finally:
            # The client counts as consumed what it handed out, be it dropped here or lost to a cancellation.
            self._must_seek = self._must_seek or not complete

    def _state(self) -> tuple[Any, int]:
        return self.app.consumer_generation_id, self._epoch

    def _to_message(self, tp: Any, record: Any) -> ConsumerMessage:
        """One message for a run of records; from here on the ledger holds the run."""
        first, last = record[0].offset, record[-1].offset
        span = self.ledger.deliver(tp, first, last, now=monotonic())
        batch = RecordBatch(tp.topic, tp.partition, record, span)
        self.listener.on_batch(tp, first, last, len(record))
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            first,
            record[0].timestamp / 1000.0,
            record[0].timestamp_type,
            None,
            None,
            batch,  # type: ignore[arg-type]  # Faust means the undecoded bytes; RawSchema passes it through
            None,
            tp=tp,
            generation_id=self.app.consumer_generation_id,
        )

    async def _fill_holes(self, tp: TP, run: list[Any]) -> bool:
        """Account for each offset without a record up to the end of `run`. False where it is not to be delivered."""
        expected = self.ledger.expected(tp)
        if expected is None:
            self._must_seek = True
            return False
        first, last = run[0].offset, run[-1].offset
        if first < expected:
            # The log went back: deleted and created anew, or truncated. Reading on from there is right, and
            # the offsets committed before mean nothing any more.
            self.log.error("%s: the log went back from offset %d to %d", tp, expected, first)
            self.listener.on_rewind(tp, expected, first)
            self._thread.skipped.forget(tp)
            self.ledger.position(tp, first, fresh=True)
            self._committed_offset[faust_tp(tp)] = None
            self._read_offset[faust_tp(tp)] = None
        elif first > expected:
            epoch = self._epoch
            holes = await self._explain(tp, expected, first - 1)
            unexplained = any(hole.kind is HoleKind.UNEXPLAINED for hole in holes)
            if unexplained and self._read_again.get(tp) != expected:
                # A second look, before records are called missing: the client's position may be what is
                # wrong.
                self.log.warning("%s: offset %d came for %d, reading again", tp, first, expected)
                self._read_again[tp] = expected
                await super().seek(faust_tp(tp), expected)
                return False
            if epoch != self._epoch:
                return False  # repositioned while the broker was asked; getmany drops the rest too
            for hole in holes:
                self.ledger.note_hole(tp, hole.last, hole.kind)
        if last - first + 1 != len(run):
            for before, after in pairwise(run):
                if after.offset != before.offset + 1:
                    for hole in await self._explain(tp, before.offset + 1, after.offset - 1):
                        self.ledger.count_hole(hole)
        return True

    async def _explain(self, tp: TP, first: int, last: int) -> list[Hole]:
        """Cut first..last into holes by what is known of them."""
        holes: list[Hole] = []
        log_start: int | None = None
        at = first
        while at <= last:
            end = self._thread.skipped.take_at(tp, at)
            if end is not None:
                kind, end = HoleKind.CONTROL_OR_ABORTED, min(end, last)
            else:
                if log_start is None:
                    log_start = (await self._thread.log_starts([tp]))[tp]
                kind, end = (
                    (HoleKind.LOST_BY_RETENTION, min(log_start - 1, last))
                    if log_start > at
                    else (HoleKind.UNEXPLAINED, at)
                )
            if holes and holes[-1].kind is kind:
                holes[-1] = Hole(tp, holes[-1].first, end, kind)
            else:
                holes.append(Hole(tp, at, end, kind))
            at = end + 1
        return holes

    def _skip_to_ends(self) -> None:
        """Pass markers and aborted records at the end of the log, so that an idle group has no lag."""
        for tp in self.ledger.partitions():
            expected = self.ledger.expected(tp)
            while expected is not None and (end := self._thread.skipped.take_at(tp, expected)) is not None:
                self.ledger.note_hole(tp, end, HoleKind.CONTROL_OR_ABORTED)
                expected = end + 1

    async def perform_seek(self) -> None:
        """Read every assigned partition from what the group committed, or else from the start of the log."""
        async with self._seeking:
            # Lowered before the client seeks, not after: a fetch dropped meanwhile raises it again, and for
            # good reason, since it may have moved the client on from the new position.
            self._must_seek = False
            self._epoch += 1
            self.ledger.drop(self.ledger.partitions())
            generation = self.app.consumer_generation_id
            try:
                starts = await self._thread.starts()
            except BaseException as exc:
                self._must_seek = True
                if not isinstance(exc, KafkaError | TimeoutError):
                    raise
                if not getattr(exc, "retriable", True):
                    raise
                # Faust would crash. A broker that does not answer is waited for: nothing is delivered
                # meanwhile, since `_must_seek` still stands, and getmany tries again.
                self.log.warning("The broker does not tell where to start, trying again: %r", exc)
                await self.sleep(IDLE_POLL)
                return
            if generation != self.app.consumer_generation_id:
                self._must_seek = True
                return
            self._epoch += 1
            for tp, start in starts.items():
                self.ledger.position(tp, start.offset, fresh=start.committed is None)
                self._read_offset[faust_tp(tp)] = None
                self._committed_offset[faust_tp(tp)] = start.committed
                self.listener.on_positioned(tp, start.offset, start.committed)
                if start.committed is not None and start.log_start > start.committed:
                    lost = Hole(tp, start.committed, start.log_start - 1, HoleKind.LOST_BY_RETENTION)
                    self.ledger.count_hole(lost)

    async def _seek_again(self) -> None:
        try:
            await self.perform_seek()
        except IllegalStateError as exc:
            # The assignment changed meanwhile; the next one is positioned by Faust.
            self.log.info("Not seeking: %r", exc)
            await self.sleep(IDLE_POLL)

    async def seek(self, partition: Any, offset: int) -> None:
        """Read `partition` from `offset`; what was open there is given up."""
        self._epoch += 1
        await super().seek(partition, offset)
        self.ledger.position(partition, offset)
        self._read_offset[faust_tp(partition)] = None

    async def on_partitions_assigned(self, assigned: set[Any], generation_id: int = 0) -> None:
        """What was fetched before is of another assignment."""
        self._epoch += 1
        await super().on_partitions_assigned(assigned, generation_id)

"""The consumer: record batches in, the ledger's offsets out.

Replaces the commit side of `faust.transport.consumer.Consumer` (tests/agents/test_faust_contract.py holds
the names and signatures). Faust's own bookkeeping can commit past unfinished work (faust issue #606), so
nothing of it is used: `_new_offset` asks the ledger, `_add_gap` does nothing, and acking by Faust's stream
iterator is refused.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from itertools import pairwise
from time import monotonic
from typing import Any, NoReturn

from aiokafka.errors import IllegalStateError, KafkaError
from faust.transport.drivers.aiokafka import Consumer
from faust.types import TP as FaustTP  # noqa: N811 - a class, whatever its letters
from faust.types.tuples import ConsumerMessage
from mode.utils.futures import notify

from agents.ledger import TP, Hole, HoleKind, Ledger
from agents.transport.batch import RecordBatch
from agents.transport.thread import BatchConsumerThread, CommitRefusedError

__all__ = ["BatchConsumer"]

IDLE_POLL = 0.05
"""Seconds between looks for an assignment. Faust sleeps a whole second, which adds to every start and
rebalance."""

SETTLE_TIMEOUT = 3.0
"""Seconds that a rebalance or a stop waits for the batches agents work on right now. A batch takes
milliseconds; what takes longer is stuck, and giving it up costs a second reading, never a loss. Well under
the session timeout."""

SETTLE_POLL = 0.05
"""Seconds between looks at those batches where no ack wakes the wait."""


class _AutoAckRefused(dict[Any, Any]):
    """In place of the index that Faust's compiled stream iterator writes acks to, bypassing `Consumer.ack`.

    That iterator acks whatever the agent did, raising included, so a batch must never come to it for an ack.
    """

    def __missing__(self, tp: Any) -> NoReturn:
        raise RuntimeError(f"{tp}: a batch was acked by the stream; read it with agents.transport.deliveries()")


class BatchConsumer(Consumer):
    """Delivers `RecordBatch`es and commits the end of the finished prefix."""

    app: Any
    _thread: Any  # BatchConsumerThread, whose base is only partly typed

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._acked_index = _AutoAckRefused()
        self.ledger: Ledger = self.app.ledger
        self.listener = self.app.listener
        self.assigned_since: float | None = None
        """Since when (monotonic seconds) this worker has an assignment, be it an empty one; None without."""
        self._epoch = 0
        """Counts repositionings: a fetch from before one must not be delivered after it."""
        self._must_seek = False
        """Something fetched was not delivered, so the client's position is ahead of the ledger."""
        self._read_again: dict[TP, int] = {}
        """Where a hole was seen once: there the log was read a second time before the hole was believed."""
        self._seeking = asyncio.Lock()
        self._commit_lock = asyncio.Lock()

    def _new_consumer_thread(self) -> Any:
        return BatchConsumerThread(self, loop=self.loop, beacon=self.beacon)

    # --- reading

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
            self.ledger.position(tp, first)
            self._committed_offset[_faust(tp)] = None
            self._read_offset[_faust(tp)] = None
        elif first > expected:
            epoch = self._epoch
            holes = await self._explain(tp, expected, first - 1)
            unexplained = any(hole.kind is HoleKind.UNEXPLAINED for hole in holes)
            if unexplained and self._read_again.get(tp) != expected:
                # A second look, before records are called missing: the client's position may be what is
                # wrong.
                self.log.warning("%s: offset %d came for %d, reading again", tp, first, expected)
                self._read_again[tp] = expected
                await super().seek(_faust(tp), expected)
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

    # --- positions

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
                self.ledger.position(tp, start.offset)
                self._read_offset[_faust(tp)] = None
                self._committed_offset[_faust(tp)] = start.committed
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
        self._read_offset[_faust(partition)] = None

    async def _add_gap(self, tp: Any, offset_from: int, offset_to: int) -> None:
        """Faust counts a gap as done, the event that revealed it included. The ledger accounts for holes."""

    # --- committing

    def ack(self, message: Any) -> bool:
        """Finish the message's span. False where it was given up: a rebalance or a seek came first."""
        if message.acked:
            return False
        message.acked = True
        self._unacked_messages.discard(message)
        notify(self._waiting_for_ack)
        return self.ledger.finish(_batch(message).span, now=monotonic())

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[Any]:
        return (_faust(tp) for tp in self.ledger.partitions() if topics is None or tp in topics or tp[0] in topics)

    def _new_offset(self, tp: Any) -> int | None:
        return self.ledger.committable(tp)

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:  # noqa: FBT001, FBT002
        """Commit the finished prefixes. A call during another one waits its turn; Faust swallows it."""
        async with self._commit_lock:
            return bool(await self.force_commit(topics, start_new_transaction=start_new_transaction))

    async def _commit_offsets(
        self,
        offsets: Mapping[Any, int],
        start_new_transaction: bool = True,  # noqa: ARG002, FBT001, FBT002 - Faust's signature
    ) -> bool:
        """What depends on the offsets first, then the offsets, then the news."""
        held = self.assignment()
        wanted = {tp: offset for tp, offset in offsets.items() if tp in held}
        if not wanted:
            return False
        generation = self.app.consumer_generation_id
        if self.app.before_commit is not None:
            await self.app.before_commit.before_commit(wanted)
        if generation != self.app.consumer_generation_id:
            return False
        if not await self._commit(wanted):
            return False
        self._committed_offset.update(wanted)
        at = monotonic()
        for tp, offset in wanted.items():
            self.listener.on_commit(tp, offset, at)
        return True

    def committed(self, tp: TP) -> int | None:
        """The offset last known to be committed, None for a group that never committed there."""
        return self._committed_offset.get(_faust(tp))

    async def _commit(self, offsets: Mapping[Any, int]) -> bool:
        try:
            await self._thread.commit_offsets(offsets)
        except CommitRefusedError as exc:
            self.log.warning("Commit not taken, to be repeated: %s (%s)", exc, dict(offsets))
            self.listener.on_commit_refused(offsets, str(exc))
            return False
        return True

    # --- rebalance and stop

    async def on_partitions_revoked(self, revoked: set[Any]) -> None:
        """Commit, let Faust settle what is being worked on, then give up the rest."""
        self.assigned_since = None
        await self.commit()
        await super().on_partitions_revoked(revoked)
        self.ledger.drop(revoked)
        self.listener.on_revoked(frozenset(revoked))

    async def on_partitions_assigned(self, assigned: set[Any], generation_id: int = 0) -> None:
        """Tell about it; positions are found later, when Faust calls `perform_seek`."""
        self._epoch += 1
        self.listener.on_assigned(frozenset(assigned), generation_id)
        await super().on_partitions_assigned(assigned, generation_id)
        self.assigned_since = monotonic()

    async def wait_empty(self) -> None:
        """Wait for batches that agents work on, not for those held open by waiting events; then commit.

        Faust's waits for every unacked message without a bound, which a waiting event would turn into a hang.
        """
        deadline = monotonic() + SETTLE_TIMEOUT
        while self._being_worked_on() and not self.should_stop and not self.crashed and monotonic() < deadline:
            await self._wait_for_ack(SETTLE_POLL)
        given_up = self._being_worked_on()
        if given_up:
            self.log.warning("Given up unfinished, to be read again: %s", given_up)
        # They stay in the ledger as unfinished, so nothing is committed past them.
        self._unacked_messages.clear()
        await self.commit()

    def _being_worked_on(self) -> list[tuple[TP, int, int]]:
        return [
            (span.tp, span.first, span.last)
            for span in (_batch(message).span for message in list(self._unacked_messages))
            if span.open and not span.held
        ]


def _batch(message: Any) -> RecordBatch:
    batch: RecordBatch = message.value
    return batch


def _faust(tp: Iterable[Any]) -> FaustTP:
    return FaustTP(*tp)

"""The commit side of the consumer: acks go to the ledger, and only its offsets are committed.

Replaces that of `faust.transport.consumer.Consumer` (tests/agents/test_faust_contract.py holds the names and
signatures). Faust's own bookkeeping can commit past unfinished work (faust issue #606), so nothing of it is
used: `_new_offset` asks the ledger, `_add_gap` does nothing, and acking by Faust's stream iterator is refused.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from time import monotonic
from typing import Any, NoReturn

from faust.transport.drivers.aiokafka import Consumer
from faust.types import TP as FaustTP  # noqa: N811 - a class, whatever its letters
from mode.utils.futures import notify

from agents.ledger import TP, Ledger
from agents.transport.batch import RecordBatch
from agents.transport.thread import CommitRefusedError

__all__ = ["LedgerConsumer", "faust_tp"]

SETTLE_TIMEOUT = 3.0
"""Seconds that a rebalance or a stop waits for the batches agents work on right now. A batch takes
milliseconds; what takes longer is stuck, and giving it up costs a second reading, never a loss. Well under
the session timeout."""


class _AutoAckRefused(dict[Any, Any]):
    """In place of the index that Faust's compiled stream iterator writes acks to, bypassing `Consumer.ack`.

    That iterator acks whatever the agent did, raising included, so a batch must never come to it for an ack.
    """

    def __missing__(self, tp: Any) -> NoReturn:
        raise RuntimeError(f"{tp}: a batch was acked by the stream; read it with agents.transport.deliveries()")


class LedgerConsumer(Consumer):
    """Commits the end of the finished prefix, at intervals, before a revocation and at a stop."""

    app: Any
    _thread: Any  # BatchConsumerThread, whose base is only partly typed

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._acked_index = _AutoAckRefused()
        self.ledger: Ledger = self.app.ledger
        self.listener = self.app.listener
        self.assigned_since: float | None = None
        """Since when (monotonic seconds) this worker has an assignment, be it an empty one; None without."""
        self._commit_lock = asyncio.Lock()

    async def _add_gap(self, tp: Any, offset_from: int, offset_to: int) -> None:
        """Faust counts a gap as done, the event that revealed it included. The ledger accounts for holes."""

    def ack(self, message: Any) -> bool:
        """Finish the message's span. False where it was given up: a rebalance or a seek came first."""
        if message.acked:
            return False
        message.acked = True
        self._unacked_messages.discard(message)
        notify(self._waiting_for_ack)
        return self.ledger.finish(_batch(message).span, now=monotonic())

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[Any]:
        return (faust_tp(tp) for tp in self.ledger.partitions() if topics is None or tp in topics or tp[0] in topics)

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
        return self._committed_offset.get(faust_tp(tp))

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
        try:
            await self.commit()
        except Exception as exc:  # noqa: BLE001 - whatever it is, aiokafka would log it and carry on
            await self.crash(exc)
        await super().on_partitions_revoked(revoked)
        self.ledger.drop(revoked)
        self.listener.on_revoked(frozenset(revoked))

    async def on_partitions_assigned(self, assigned: set[Any], generation_id: int = 0) -> None:
        """Tell about it; positions are found later, when Faust calls `perform_seek`."""
        self.listener.on_assigned(frozenset(assigned), generation_id)
        await super().on_partitions_assigned(assigned, generation_id)
        self.assigned_since = monotonic()

    async def wait_empty(self) -> None:
        """Wait for batches that agents work on, not for those held open by waiting events; then commit.

        Faust's waits for every unacked message without a bound, which a waiting event would turn into a hang.
        """
        deadline = monotonic() + SETTLE_TIMEOUT
        while self._being_worked_on() and not self.should_stop and not self.crashed and monotonic() < deadline:
            await self._wait_for_ack(timeout=1.0)  # or a second at most: `hold` wakes nobody
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


def faust_tp(tp: Iterable[Any]) -> FaustTP:
    """Faust's named tuple for a partition: its bookkeeping tells `TP` from a plain tuple here and there."""
    return FaustTP(*tp)

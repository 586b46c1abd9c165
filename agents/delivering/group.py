"""A member of a consumer group whose partitions have a past: read that, hand over records, commit what is done.

Partitions change hands at any await. So there are terms: each assignment and each revocation begins one, and whoever
goes on with something of an earlier term gives it up. What is handed over in a term and not done in it is read again,
by whoever has the partition then.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from contextlib import suppress
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import IllegalStateError, KafkaError

from agents.clients import consumer_of, within_start
from agents.delivering.refs import Run
from agents.delivering.skipping import Observer, Skipping
from agents.ledger import TP, Ledger, Span
from agents.settings import Settings

log = logging.getLogger(__name__)

COMMIT_EVERY_S: Final = 1.0
"""How often offsets are committed: what a kill makes be looked at again."""

FETCH_WAIT_MS: Final = 100
"""How long a broker may hold back a fetch while there is nothing: ten questions a second and member. Brokers answer at
once when a record comes; the embedded one looks when half of the time is over."""

NEVER_POLLED_S: Final = 86_400
"""How long a member may go without reading: while its destination is down it does not, and is no dead member."""

Past = Callable[[Mapping[int, int]], Awaitable[Callable[[], None]]]
"""Reads the past of partitions, given with the offset at which reading goes on; returns what takes it over."""


class Batch(NamedTuple):
    """A run of records of one partition."""

    topic: str
    records: Sequence[Any]
    run: Run
    """Has one part for each record."""
    term: int
    """In which it was read."""

    @property
    def partition(self) -> int:
        """Whose records these are."""
        return int(self.records[0].partition)

    @property
    def span(self) -> Span:
        """Their offsets."""
        return self.run.span


class Group(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Reads topics that have the same partitions, in one group.

    Args:
        settings: how the brokers are reached.
        name: of the group, behind the settings' own.
        topics: the first one is that whose past is read.
        past: as `Past` says.
        lost: called when partitions are given up: everything that is known of them is.
        before: awaited with offsets before they are committed, what they cover being done; False: they are not to be.
        observer: told where reading begins and which offsets hold no record, and why; None: nobody asks.
    """

    def __init__(
        self,
        settings: Settings,
        name: str,
        topics: Sequence[str],
        past: Past,
        lost: Callable[[], None],
        before: Callable[[Mapping[TP, int]], Awaitable[bool]] | None = None,
        observer: Observer | None = None,
    ) -> None:
        self._settings, self._name, self._topics = settings, f"{settings.group}.{name}", tuple(topics)
        self._past, self._lost, self._before = past, lost, before
        self._ledger = Ledger(None if observer is None else observer.hole)
        self._skipping = None if observer is None else Skipping(self._ledger, observer)
        self._begins: dict[tuple[str, int], int] = {}
        """Where reading began in this term."""
        self.term = 0
        self.loaded: set[int] = set()
        """Partitions whose past is known."""
        self.given: frozenset[int] | None = None
        """Partitions that the group gave it, maybe none; None while it does not say."""
        self.committed: dict[TopicPartition, int] = {}
        self._consumer: AIOKafkaConsumer | None = None
        self._committing: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Join.

        Raises:
            ReferenceUnavailableError: no broker answers.
        """
        session = int(self._settings.session_timeout_s * 1000)
        self._consumer = consumer_of(
            self._settings,
            group_id=self._name,
            session_timeout_ms=session,
            heartbeat_interval_ms=session // 3,
            max_poll_interval_ms=NEVER_POLLED_S * 1000,
            fetch_max_wait_ms=FETCH_WAIT_MS,
            partition_assignment_strategy=[RangePartitionAssignor],  # the same partitions of all topics
        )
        await within_start(self._settings, self._consumer.start)
        if self._skipping is not None:
            self._skipping.watch(self._consumer)
        # After the start, which would wait for an assignment: after a kill that takes a session's time.
        self._consumer.subscribe(self._topics, listener=self)
        self._committing = asyncio.create_task(self._commit_for_ever())

    async def stop(self) -> None:
        """Commit and leave."""
        if self._committing is not None:
            self._committing.cancel()
            with suppress(asyncio.CancelledError):
                await self._committing
        if self._consumer is not None:
            await self.commit()
            await self._consumer.stop()

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        """Give everything up: whoever gets the partitions begins at what is committed."""
        if revoked:
            await self.commit()
        self.given = None
        self._give_up()

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """Begin a term: the past is read with the next `read`."""
        self._give_up()
        self.given = frozenset(tp.partition for tp in assigned if tp.topic == self._topics[0])

    def _give_up(self) -> None:
        self.term += 1
        self._ledger.drop(self._ledger.partitions())
        self._begins.clear()
        self.loaded.clear()
        self.committed = {}
        self._lost()

    async def read(self, wait_ms: int, most: int | None, skip: Set[tuple[str, int]] = frozenset()) -> list[Batch]:
        """Return records, waiting for some at most so long; all of the present term.

        Args:
            wait_ms: how long to wait for the first.
            most: how many at most.
            skip: topics and partitions of which none are wanted now, never all of them.
        """
        consumer = self._consumer
        assert consumer is not None  # noqa: S101  # started
        await self._load(consumer)
        only = [tp for tp in consumer.assignment() if tp not in skip] if skip else ()
        try:
            found = await consumer.getmany(*only, timeout_ms=wait_ms, max_records=most)
        except IllegalStateError:
            return []  # given up meanwhile
        batches: list[Batch] = []
        term = self.term
        for tp, records in found.items():
            held = (tp.topic, tp.partition)
            if held in self._begins and tp.partition in self.loaded:
                if self._skipping is not None:
                    await self._skipping.account(consumer, held, records)
                    if term != self.term:
                        return []  # changed hands while it was asked what is missing
                span = self._ledger.deliver(held, records[0].offset, records[-1].offset)
                batches.append(Batch(tp.topic, records, Run(self._ledger, span, len(records)), self.term))
            elif tp in consumer.assignment():
                consumer.seek(tp, records[0].offset)  # it came before its past was read
        if self._skipping is not None:
            for held in self._begins:
                self._skipping.to_end(held)
        return batches

    async def _load(self, consumer: AIOKafkaConsumer) -> None:
        """Read the past of what is given and not known; everything of it counts only if nothing changed meanwhile."""
        missing = (self.given or frozenset()) - self.loaded
        if not missing:
            return
        term = self.term
        at: dict[TopicPartition, tuple[int, int | None]] = {}
        for topic in self._topics:
            for partition in missing:
                tp = TopicPartition(topic, partition)
                try:
                    committed = await consumer.committed(tp)
                except IllegalStateError:
                    return  # not ours any more
                begins = (await consumer.beginning_offsets([tp]))[tp]
                at[tp] = begins if committed is None else max(committed, begins), committed
        first = {tp.partition: offset for tp, (offset, _) in at.items() if tp.topic == self._topics[0]}
        take_over = await self._past(first)
        if term != self.term or not at.keys() <= consumer.assignment():
            return
        for tp, (offset, committed) in at.items():
            self._ledger.position((tp.topic, tp.partition), offset, fresh=committed is None)
            if self._skipping is not None:
                self._skipping.positioned((tp.topic, tp.partition), offset, committed)
            self._begins[tp.topic, tp.partition] = offset
            consumer.seek(tp, offset)
        take_over()
        self.loaded |= missing

    async def _commit_for_ever(self) -> None:
        while True:
            await asyncio.sleep(COMMIT_EVERY_S)
            await self.commit()

    async def commit(self) -> None:
        """Commit the end of what is done without a gap. Where that fails it is done again later, or somewhere else."""
        offsets = {}
        for topic, partition in self._ledger.partitions():
            offset = self._ledger.committable((topic, partition))
            if offset is not None and offset != self.committed.get(TopicPartition(topic, partition)):
                offsets[TopicPartition(topic, partition)] = offset
        if not offsets or self._consumer is None:
            return
        term = self.term
        if self._before is not None and not await self._before(offsets):
            return
        try:
            await self._consumer.commit(offsets)
        except (KafkaError, IllegalStateError) as error:
            log.info("%s: offsets are not committed: %s", self._name, type(error).__name__)
        else:
            if term == self.term:
                self.committed |= offsets

    async def ends(self) -> dict[tuple[str, int], int]:
        """Return the offset behind the last record of what is held, as it is now; nothing where nobody answers.

        The embedded broker's answer can be short: believe the larger.
        """
        consumer, held = self._consumer, [TopicPartition(*each) for each in self._begins]
        if consumer is None or not held:
            return {}
        try:
            ends = await consumer.end_offsets(held)
            return {(tp.topic, tp.partition): max(end, consumer.highwater(tp) or 0) for tp, end in ends.items()}
        except (KafkaError, IllegalStateError):
            return {}

    def position(self, topic: str, partition: int) -> int | None:
        """Return the offset at which reading goes on; None where the partition is not held."""
        return self._ledger.expected((topic, partition))

    @property
    def ahead(self) -> int:
        """Records read of the first topic that stand behind one which is not done: a kill makes them be read again."""
        return sum(
            (self._ledger.expected(held) or 0) - (self._ledger.committable(held) or begins)
            for held, begins in self._begins.items()
            if held[0] == self._topics[0]
        )

    @property
    def reading(self) -> bool:
        """Whether the group has said which partitions are given, maybe none, and their past is known."""
        return self.given is not None and self.given <= self.loaded

    @property
    def lag(self) -> int:
        """Records of the first topic that are there and not read."""
        consumer, topic = self._consumer, self._topics[0]
        if consumer is None:
            return 0
        return sum(
            max(0, (consumer.highwater(tp) or 0) - (self._ledger.expected((topic, tp.partition)) or 0))
            for tp in consumer.assignment()
            if (tp.topic, tp.partition) in self._begins and tp.topic == topic
        )

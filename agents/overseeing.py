"""Agents that judge what is seen only across people: the overseer of reports, and crowds by data subject.

Visits of the last days are all the state that crowds need, and the log holds them: on assignment it is read again,
silently. The overseer's state is kept in snapshots (`agents/snapshots.py`), as habits are.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from mode import Service

from agents.gave import Gave, attribute
from agents.publisher import Publisher
from agents.reporting import decode_report
from agents.settling import Open, Settler
from agents.snapshots import Snapshots
from agents.transport import Delivery, RecordBatch
from rules.habits.across import Across
from rules.habits.crowds import Visit
from rules.habits.overseer import VERSION, Overseer, PeersVersion
from rules.habits.peers import Peers
from rules.habits.saved import StateVersionError
from rules.haul import Haul
from schemas.alert import Alert
from schemas.errors import BadRecordError
from schemas.topics import ACCESS_VISITS, STATE_PEERS

log = logging.getLogger(__name__)

READ_WITHIN_S: Final = 60.0
"""Within which the visits of the last days are read again: a busy partition has some hundred thousand. Longer is not
waited for: judging late is worse than a crowd that is told late."""

VERSION_POLL_MS: Final = 200
"""How long one fetch of peers' versions may wait: an hour lies between a version and its first use."""

_versions = msgspec.msgpack.Decoder(PeersVersion).decode
_visits = msgspec.msgpack.Decoder(tuple[int, tuple[Visit, ...]]).decode


class Overseeing:
    """Handles what the two agents are handed. All calls on the event loop."""

    def __init__(
        self,
        across: Across,
        overseer: Overseer,
        state: Snapshots,
        publisher: Publisher,
        settler: Settler,
        consumer: Callable[[], AIOKafkaConsumer],
        told: Callable[[Haul], None],
        bad: Callable[[Any, BadRecordError], Any],
        gave: Callable[[RecordBatch], Gave] = Gave.of,
    ) -> None:
        """Take what judges, what keeps the state, what writes, and what is told.

        `told` counts what is stored; `gave` takes note of a batch that is about to be judged.
        """
        self._across, self._overseer, self._state = across, overseer, state
        self._publisher, self._settler, self._consumer = publisher, settler, consumer
        self._told, self._bad, self._gave = told, bad, gave
        self._read_reports = False
        self._read_visits: set[int] = set()

    def forget(self) -> None:
        """Partitions change hands: what is remembered of them is read again by their next owners."""
        self._read_reports = False
        self._read_visits.clear()
        self._across.crowds.clear()
        self._state.forget()

    async def oversee(self, delivery: Delivery) -> None:
        """Take a batch of `monitor.reports`."""
        batch = delivery.batch
        if not self._read_reports:
            consumer = self._consumer()
            await consumer.start()
            try:
                await self._state.load(consumer, [batch.partition])
            finally:
                await consumer.stop()
            if batch.span.open:
                self._read_reports = True
        if not batch.span.open:
            return
        done = self._settler.begin()
        with self._settler.or_broken():
            await self._take(delivery, done)

    async def _take(self, delivery: Delivery, done: Callable[[], None]) -> None:
        clock = time.time_ns() // 1_000_000
        gave = self._gave(delivery.batch)
        sends, alerts = [], []
        for record in delivery.batch.records:
            try:
                report = decode_report(record.value or b"")
                if report.version != VERSION:
                    raise msgspec.ValidationError(f"version {report.version}, this program reads {VERSION}")
            except msgspec.MsgspecError as error:
                sends.append(await self._bad(record, BadRecordError("wrong_type", f"report: {error}")))
                gave.dead_letters += 1
                continue
            outcome = self._overseer.take(report, record.offset, record.timestamp, clock)
            alerts += outcome.alerts
            sends += [await self._publisher.peers(key, version) for key, version in outcome.versions]
        await self._store(alerts, sends, Open(delivery, gave=gave), done)

    async def visit(self, delivery: Delivery) -> None:
        """Take a batch of `access.visits`."""
        batch = delivery.batch
        if batch.partition not in self._read_visits:
            await self._read_again(batch.partition, batch.span.first)
            if batch.span.open:
                self._read_visits.add(batch.partition)
        if not batch.span.open:
            return
        clock = time.time_ns() // 1_000_000
        gave = self._gave(batch)
        sends, alerts = [], []
        for record in batch.records:
            try:
                visits = unpack_visits(record.value)
            except BadRecordError as error:
                sends.append(await self._bad(record, error))
                gave.dead_letters += 1
                continue
            alerts += [alert for each in visits if (alert := self._across.visit(each, clock)) is not None]
        await self._store(alerts, sends, Open(delivery, gave=gave))

    async def _store(
        self, alerts: list[Alert], sends: list[Any], item: Open, done: Callable[[], None] = lambda: None
    ) -> None:
        """Publish alerts where they belong; settle the batch when all is stored."""
        haul = Haul()
        self._across.hand_over(alerts, haul)
        told = await self._publisher.told(haul.alerts, haul.shadow)
        attribute(haul, told[: len(haul.alerts)], item.gave, ())
        sends += [each.sent for each in told]

        def then() -> None:
            self._told(haul)
            done()

        await self._settler.put(sends, [item], then)

    async def _read_again(self, partition: int, first: int) -> None:
        """Take the visits before the first one that is to be judged; what they came to was told then."""
        tp = TopicPartition(ACCESS_VISITS, partition)
        consumer = self._consumer()
        await consumer.start()
        try:
            async with asyncio.timeout(READ_WITHIN_S):
                consumer.assign([tp])
                await consumer.seek_to_beginning(tp)
                while await consumer.position(tp) < first:
                    for records in (await consumer.getmany(tp, timeout_ms=200)).values():
                        for record in records:
                            if record.offset < first:
                                self._take_silently(record.value)
        except TimeoutError:
            log.warning("Visits of the last days: not all of partition %d read within %g s", partition, READ_WITHIN_S)
        finally:
            await consumer.stop()

    def _take_silently(self, value: bytes | None) -> None:
        try:
            for each in unpack_visits(value):
                self._across.crowds.take(each)
        except BadRecordError:
            return  # put away when it was judged


def unpack_visits(value: bytes | None) -> tuple[Visit, ...]:
    """Return the visits of a message.

    Raises:
        BadRecordError: it is none, or of another version.
    """
    try:
        version, visits = _visits(value or b"")
    except msgspec.MsgspecError as error:
        raise BadRecordError("wrong_type", f"visits: {error}") from None
    if version != VERSION:
        raise BadRecordError("wrong_type", f"visits: version {version}, this program reads {VERSION}")
    return visits


class PeerVersions(Service):
    """Reads `state.peers` whole at the start and tails it for ever.

    Args:
        consumer: of the topic, without a group, not started.
        peers: takes the versions.
    """

    def __init__(self, consumer: AIOKafkaConsumer, peers: Peers, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._consumer, self._peers = consumer, peers
        self.ready = asyncio.Event()

    async def on_start(self) -> None:
        """Begin at the beginning."""
        await self._consumer.start()
        await self._consumer.seek_to_beginning(TopicPartition(STATE_PEERS, 0))

    async def on_stop(self) -> None:
        """Leave the brokers."""
        await self._consumer.stop()

    @Service.task
    async def _tail(self) -> None:
        tp = TopicPartition(STATE_PEERS, 0)
        end = (await self._consumer.end_offsets([tp]))[tp]
        while not self.should_stop:
            for records in (await self._consumer.getmany(timeout_ms=VERSION_POLL_MS)).values():
                for record in records:
                    if record.value is not None:
                        self._take(record.value)
            if not self.ready.is_set() and await self._consumer.position(tp) >= max(
                end, self._consumer.highwater(tp) or 0
            ):
                self.ready.set()

    def _take(self, value: bytes) -> None:
        """Take a version; what is none is left out, as no worker could have used it.

        Raises:
            StateVersionError: a newer program wrote it.
        """
        try:
            version, *_ = msgspec.msgpack.decode(value)
            if isinstance(version, int) and version > VERSION:
                raise StateVersionError(
                    f"state: {STATE_PEERS}: version {version}: this program reads version {VERSION}; run the one that "
                    "wrote it, or newer"
                )
            found = _versions(value)
        except (msgspec.MsgspecError, ValueError, TypeError):
            log.warning("A record of %s is no version of the peers: left out", STATE_PEERS)
            return
        self._peers.publish(found.day, found.groups)

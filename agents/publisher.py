"""Everything a worker writes: alerts, dead letters, records put where they belong."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import murmur2

from rules.habits.crowds import Visit
from rules.habits.overseer import VERSION, PeersVersion, Report
from schemas.alert import Alert
from schemas.codec import encode
from schemas.coverage import Coverage, Holding, InForce, Process
from schemas.deadletter import DeadLetter
from schemas.errors import BadRecordError
from schemas.gateway_topics import COVERAGE
from schemas.topics import ACCESS_EVENTS, ACCESS_VISITS, ALERTS, ALERTS_SHADOW, DEAD_LETTERS, REPORTS, STATE_PEERS

Sent = asyncio.Future[Any]
Hidden = Callable[[Sequence[Alert]], Awaitable[Sequence[tuple[Alert, bytes]]]]
"""Makes alerts name nobody; returns them with their records."""

AT_ONCE: Final = 400
"""Visits, people's days or sources in one message: 2 KB each at the very most, so far below what a topic takes."""


class Told(NamedTuple):
    """An alert as it is published."""

    alert: Alert
    value: bytes
    """The record."""
    sent: Sent


def partition_of(key: str, partitions: int) -> int:
    """Return where a person's accesses, or an incident's alerts, belong: Kafka's default partitioner (murmur2)."""
    return int((murmur2(key.encode()) & 0x7FFFFFFF) % partitions)


class Publisher:
    """Hands messages to the producer. Every method returns a future that is done when the brokers have stored it."""

    def __init__(self, producer: AIOKafkaProducer, partitions: int, hidden: Hidden | None = None) -> None:
        """Take a started producer (idempotent, all replicas) and the partitions of `access.events`.

        `hidden` makes alerts name nobody (`agents/privacy.py`); None publishes them as they are: in clear, or by
        whoever has read them hidden.
        """
        self._producer = producer
        self._partitions = partitions
        self._hidden = hidden
        self._in_order = asyncio.Lock()

    async def alert(self, alert: Alert) -> Sent:
        """Publish one revision of an alert."""
        (sent,) = await self.alerts([alert])
        return sent

    async def shadow(self, alert: Alert) -> Sent:
        """Publish one revision of what a rule in shadow found."""
        (sent,) = await self.alerts([], [alert])
        return sent

    async def alerts(self, alerts: Sequence[Alert], shadow: Sequence[Alert] = ()) -> list[Sent]:
        """Publish alerts and those of the shadow, in order; what is published later comes later, whoever waits."""
        return [each.sent for each in await self.told(alerts, shadow)]

    async def told(self, alerts: Sequence[Alert], shadow: Sequence[Alert] = ()) -> list[Told]:
        """Publish as `alerts` does; return them as they stand in the topics, in this order."""
        if not alerts and not shadow:
            return []
        async with self._in_order:  # somebody new takes a round trip: no later revision overtakes an earlier one
            both = [*alerts, *shadow]
            told = [(each, encode(each)) for each in both] if self._hidden is None else await self._hidden(both)
            return [
                Told(*each, await self._alert(ALERTS if number < len(alerts) else ALERTS_SHADOW, *each))
                for number, each in enumerate(told)
            ]

    async def _alert(self, topic: str, alert: Alert, value: bytes) -> Sent:
        """Publish under the alert's id, in its incident's partition: whoever delivers has an incident's in order."""
        partition = partition_of(alert.dedup_key, self._partitions)
        return await self._send(topic, key=alert.alert_id.encode(), value=value, partition=partition)

    async def dead_letter(self, message: Any, error: BadRecordError, index: int | None = None) -> Sent:
        """Put away a message that cannot be used; `index` tells which record of many it was."""
        letter = DeadLetter(
            reason=error.reason,
            detail=error.detail,
            topic=message.topic,
            partition=message.partition,
            offset=message.offset,
            timestamp=message.timestamp,
            index=index,
            key=message.key,
            value=message.value,
            headers=tuple(message.headers),
        )
        return await self._send(DEAD_LETTERS, key=letter.key, value=letter.value, headers=letter.to_headers())

    async def access(self, person: str, value: bytes | None, headers: Sequence[tuple[str, bytes]] = ()) -> Sent:
        """Write an access to its person's partition."""
        return await self._send(
            ACCESS_EVENTS,
            key=person.encode(),
            value=value,
            headers=list(headers),
            partition=partition_of(person, self._partitions),
        )

    async def report(self, report: Report) -> list[Sent]:
        """Tell the overseer something, in parts where it is much; how far one is comes last."""
        parts = [Report(days=report.days[at : at + AT_ONCE]) for at in range(0, len(report.days), AT_ONCE)]
        parts += [Report(heard=report.heard[at : at + AT_ONCE]) for at in range(0, len(report.heard), AT_ONCE)]
        if report.clocks:
            parts.append(Report(clocks=report.clocks))
        return [await self._send(REPORTS, value=msgspec.msgpack.encode(part), partition=0) for part in parts]

    async def peers(self, key: str, version: PeersVersion) -> Sent:
        """Publish a part of the peers' version of a day."""
        return await self._send(STATE_PEERS, key=key.encode(), value=msgspec.msgpack.encode(version), partition=0)

    async def coverage(self, record: Coverage) -> Sent:
        """Say what was judged, or by what."""
        match record:
            case InForce(worker=who) | Holding(worker=who) | Process(process=who):
                key = who
            case _:
                key = f"{record.topic}|{record.partition}"
        return await self._send(COVERAGE, key=key.encode(), value=msgspec.json.encode(record), partition=0)

    async def visits(self, visits: Sequence[Visit]) -> list[Sent]:
        """Hand visits on to whoever judges the crowds of their data subjects: a message a partition."""
        by_partition: dict[int, list[Visit]] = {}
        for visit in visits:
            by_partition.setdefault(visit.subject % self._partitions, []).append(visit)
        return [
            await self._send(
                ACCESS_VISITS,
                value=msgspec.msgpack.encode((VERSION, some[at : at + AT_ONCE])),
                partition=partition,
            )
            for partition, some in by_partition.items()
            for at in range(0, len(some), AT_ONCE)
        ]

    async def _send(self, topic: str, **message: Any) -> Sent:
        sent: Sent = await self._producer.send(topic, **message)
        return sent

"""What a delivering process writes: receipts, parked alerts, and their removal. Stored before offsets are committed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaProducer

from agents.delivering.metrics import DeliveryMetrics
from agents.delivering.refs import Ref
from agents.publisher import Sent
from schemas.alert import Alert
from schemas.deadletter import DeadLetter
from schemas.errors import BadRecordError
from schemas.receipt import ANSWER_MAX, Receipt, ReceiptState
from schemas.topics import DEAD_LETTERS, PARKED, RECEIPTS

_encode: Final = msgspec.json.Encoder().encode

ANSWERS_MAX: Final = 16
"""Parts of an answer that a receipt keeps."""


class ParkedAlert(msgspec.Struct, frozen=True, kw_only=True):
    """One record of `alerts.parked`, keyed by `destination|alert_id|revision`."""

    destination: str
    group: str
    """The key under which it waits."""
    alert: Alert
    partition: int
    offset: int
    """Of the alert's record in `alerts`: they are sent in this order."""
    published_at: int
    parked_at: int
    reason: str


@dataclass(slots=True)
class _Batch:
    """Receipts of one destination and partition that leave together: one by one they cost three times as much."""

    builder: Any
    stored: list[tuple[Ref, str, ReceiptState]] = field(default_factory=list)
    beside: list[Sent] = field(default_factory=list)
    """What is parked, or parked no more, with them: all of it must be stored before any of them is done."""


class Storing:
    """Writes for all destinations of a process.

    Args:
        producer: a started one.
        metrics: counts what is stored.
        clock: the wall clock, milliseconds.
        failed: told of the destination (None: of all) and the error when something cannot be stored: nothing after it
            may be committed there, and everything since the last commit is read again.
    """

    def __init__(
        self,
        producer: AIOKafkaProducer,
        metrics: DeliveryMetrics,
        clock: Callable[[], int],
        failed: Callable[[str | None, BaseException], None],
    ) -> None:
        self._producer, self._metrics, self._clock, self._failed = producer, metrics, clock, failed
        self._open: dict[tuple[str, int], _Batch] = {}
        """By destination and partition, receipts that have not left. A destination's runner gives them one after the
        other and waits for each batch to leave, so of one alert the last receipt stays."""

    async def receipt(
        self,
        ref: Ref,
        destination: str,
        state: ReceiptState,
        *,
        policy: str,
        answer: dict[str, str] | None = None,
        group: str = "",
        notice: str = "",
        silence: str = "",
        parked: ParkedAlert | None = None,
    ) -> None:
        """Store what became of an alert, and it itself where it is `parked`; then its part of its batch is done.

        It leaves with others, at the latest with `flush`.
        """
        alert, now = ref.alert, self._clock()
        kept = dict(list((answer or {}).items())[:ANSWERS_MAX])
        receipt = Receipt(
            destination=destination,
            alert_id=alert.alert_id,
            dedup_key=alert.dedup_key,
            revision=alert.revision,
            status=alert.status,
            state=state,
            at=now,
            published_at=max(0, ref.published_at),  # -1 where a broker keeps no time
            partition=ref.partition,
            offset=ref.offset,
            attempts=ref.attempts,
            answer={name: text[:ANSWER_MAX] for name, text in kept.items()},
            group=group,
            notice=notice,
            silence=silence,
            policy=policy,
            test=alert.test,
        )
        key, value = receipt_key(destination, alert.alert_id), _encode(receipt)
        batch = self._batch(destination, ref.partition)
        if batch.builder.append(timestamp=None, key=key, value=value) is None:  # it is full; one always has room
            await self._leave(destination, ref.partition)
            batch = self._batch(destination, ref.partition)
            batch.builder.append(timestamp=None, key=key, value=value)
        batch.stored.append((ref, destination, state))
        if parked is not None:
            batch.beside.append(
                await self._send(PARKED, parked_key(destination, alert), _encode(parked), ref.partition)
            )
        elif ref.parked_as is not None:
            batch.beside.append(await self._send(PARKED, ref.parked_as, None, ref.partition))

    async def flush(self, destination: str) -> None:
        """Let all receipts of a destination leave that were given up to now."""
        for name, partition in list(self._open):
            if name == destination:
                await self._leave(name, partition)

    def _batch(self, destination: str, partition: int) -> _Batch:
        batch = self._open.get((destination, partition))
        if batch is None:
            batch = self._open[destination, partition] = _Batch(self._producer.create_batch())
        return batch

    async def _leave(self, destination: str, partition: int) -> None:
        batch = self._open.pop((destination, partition))
        sent: Sent = await self._producer.send_batch(batch.builder, RECEIPTS, partition=partition)
        self._then([sent, *batch.beside], lambda: self._stored(batch.stored), destination)

    async def dead_letter(self, record: Any, error: BadRecordError, done: Callable[[], None]) -> None:
        """Put away a record that is none of ours."""
        self._metrics.bad_records.labels(record.topic, error.reason).inc()
        letter = DeadLetter(
            reason=error.reason,
            detail=error.detail,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            timestamp=record.timestamp,
            key=record.key,
            value=record.value,
            headers=tuple(record.headers),
        )
        sent = await self._producer.send(
            DEAD_LETTERS, key=letter.key, value=letter.value, headers=letter.to_headers(), partition=0
        )
        self._then([sent], done, None)

    def _stored(self, stored: Sequence[tuple[Ref, str, ReceiptState]]) -> None:
        self._metrics.receipts.inc(len(stored))
        for (destination, state), count in Counter((where, state) for _, where, state in stored).items():
            self._metrics.alerts.labels(destination, state).inc(count)
        for ref, _, _ in stored:
            ref.done()

    async def _send(self, topic: str, key: bytes, value: bytes | None, partition: int) -> Sent:
        sent: Sent = await self._producer.send(topic, key=key, value=value, partition=partition)
        return sent

    def _then(self, sends: list[Sent], done: Callable[[], None], destination: str | None) -> None:
        """Call `done` when all of it is stored; say so when it never will be."""
        left = len(sends)

        def one(sent: Sent) -> None:
            nonlocal left
            if sent.cancelled() or (error := sent.exception()) is not None:
                self._failed(destination, asyncio.CancelledError() if sent.cancelled() else error or RuntimeError())
                return
            left -= 1
            if left == 0:
                done()

        for sent in sends:
            sent.add_done_callback(one)


def receipt_key(destination: str, alert_id: str) -> bytes:
    """Return the key of a receipt."""
    return f"{destination}|{alert_id}".encode()


def parked_key(destination: str, alert: Alert) -> bytes:
    """Return the key of a parked alert."""
    return f"{destination}|{alert.alert_id}|{alert.revision}".encode()


def parked_of(ref: Ref, destination: str, group: str, reason: str, now: int) -> ParkedAlert:
    """Return what is put away of an alert that the destination did not take."""
    return ParkedAlert(
        destination=destination,
        group=group,
        alert=ref.alert,
        partition=ref.partition,
        offset=ref.offset,
        published_at=ref.published_at,
        parked_at=now,
        reason=reason[:ANSWER_MAX],
    )

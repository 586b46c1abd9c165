"""The keeper: carries alerts through their life. It resolves what nothing adds to, and takes up what people do.

It reads `alerts` and `alerts.actions` in a group of its own and writes revisions to `alerts`; nobody else but the
workers does. Where a worker amends an alert under a revision that the keeper gave already (to an acknowledgement, say),
the keeper gives the amendment the next one. A worker that was killed publishes some revisions once more; where that
would stand in the compacted topic above a later one, the keeper writes the later one once more.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import CommitFailedError, IllegalStateError, RebalanceInProgressError
from msgspec import structs

from agents.clients import consumer_of, within_start
from agents.delivering.looking_back import look_back
from agents.delivering.memory import horizon
from agents.delivering.metrics import DeliveryMetrics
from agents.delivering.storing import Storing
from agents.delivering.zeroes import NO_KIND
from agents.settings import Settings
from agents.watching import wall_clock
from alerts.life import Known, resolved, taken
from alerts.plan import Plan
from schemas.action import Action
from schemas.alert import SEVERITIES, Alert
from schemas.codec import ALERT, encode
from schemas.errors import BadRecordError
from schemas.topics import ACTIONS, ALERTS

log = logging.getLogger(__name__)

WRITER: Final = "cloverwatch-writer"
"""Header of a record that the keeper wrote."""

KEEPER: Final = b"keeper"
PATIENCE_MS: Final = 500
"""The longest wait for records: how late an alert resolves beyond its time."""

ACTION_MAX_BYTES: Final = 16 * 1024
"""An action is an id, a name and a sentence."""

_action: Final = msgspec.json.Decoder(Action).decode


class Keeper(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Keeps the alerts of the partitions that its group gives it."""

    def __init__(
        self,
        settings: Settings,
        plan: Plan,
        producer: AIOKafkaProducer,
        storing: Storing,
        metrics: DeliveryMetrics,
    ) -> None:
        self._settings, self.plan, self._producer, self._storing = settings, plan, producer, storing
        self._metrics = metrics
        self._known: dict[str, Known] = {}
        self._due: list[tuple[int, str]] = []
        """When to look whether an alert resolves, and which."""
        self._loaded: set[int] = set()
        self._given: frozenset[int] | None = None
        """Partitions that the group gave it, maybe none; None while it does not say."""
        self._assignment = 0
        self.stopped = asyncio.Event()
        self._consumer: AIOKafkaConsumer | None = None

    def stop(self) -> None:
        """End after what is being done."""
        self.stopped.set()

    async def run(self) -> None:
        """Keep until `stop`."""
        self._consumer = consumer = consumer_of(
            self._settings,
            group_id=f"{self._settings.group}.keeper",
            session_timeout_ms=int(self._settings.session_timeout_s * 1000),
            heartbeat_interval_ms=int(self._settings.session_timeout_s * 1000 / 3),
            partition_assignment_strategy=[RangePartitionAssignor],  # the same partitions of both topics
        )
        try:
            await within_start(self._settings, consumer.start)
            consumer.subscribe([ALERTS, ACTIONS], listener=self)
            while not self.stopped.is_set():
                await self._turn(consumer)
        finally:
            await consumer.stop()

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:  # noqa: ARG002 - the protocol's
        """Give up what is known: whoever gets the partitions reads it."""
        self._assignment += 1
        self._given = None
        self._known.clear()
        self._due.clear()
        self._loaded.clear()

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """Only take note: what is known of partitions is read before their first records."""
        self._given = frozenset(tp.partition for tp in assigned if tp.topic == ALERTS)

    async def _turn(self, consumer: AIOKafkaConsumer) -> None:
        missing = {tp.partition for tp in consumer.assignment() if tp.topic == ALERTS} - self._loaded
        if missing:
            await self._load(consumer, missing)
        found = await consumer.getmany(timeout_ms=PATIENCE_MS)
        assignment = self._assignment
        for tp, records in found.items():
            if tp.partition not in self._loaded:
                if tp in consumer.assignment():
                    consumer.seek(tp, records[0].offset)  # it came before its past was read
                continue
            for record in records:
                if assignment != self._assignment:
                    return  # not committed: whoever has the partition now reads it again
                if tp.topic == ALERTS:
                    await self._alert(record)
                else:
                    await self._act(record)
        await self._resolve(wall_clock())
        if found and assignment == self._assignment:
            try:
                await consumer.commit()
            except (CommitFailedError, IllegalStateError, RebalanceInProgressError):
                log.info("Partitions change hands; what was done since the last commit is done again")

    async def _load(self, consumer: AIOKafkaConsumer, partitions: set[int]) -> None:
        """Read what may be open. What the group has not read yet is known by then too: an action may be about it."""
        assignment = self._assignment
        since = max(0, wall_clock() - horizon(self.plan.auto_resolve_after))
        read = {each: await consumer.committed(TopicPartition(ALERTS, each)) or 0 for each in partitions}
        async for record in look_back(self._settings, ALERTS, partitions, since):
            if record.value is not None and assignment == self._assignment:
                try:
                    alert = ALERT.decode(record.value)
                except BadRecordError:
                    continue  # put away when it is read in turn
                self._learn(alert, record, in_turn=record.offset < read[record.partition])
        if assignment == self._assignment:
            self._loaded |= partitions

    def _learn(self, alert: Alert, record: Any, *, in_turn: bool = True) -> None:
        """Take note of a revision that stands in the topic; `in_turn`: it is not read once more."""
        known = self._known.get(alert.alert_id)
        if known is None:
            known = Known(alert, record.partition, record.offset, alert.revision - 1)
            self._known[alert.alert_id] = known
        elif alert.revision > known.alert.revision:
            known.alert, known.offset = alert, record.offset
        if in_turn and not _ours(record):
            known.by_worker = max(known.by_worker, alert.revision)
        self._look_at(known)

    def _look_at(self, known: Known) -> None:
        heapq.heappush(self._due, (known.alert.detected_at + self.plan.auto_resolve_after, known.alert.alert_id))

    async def _alert(self, record: Any) -> None:
        if record.value is None:
            return
        try:
            alert = ALERT.decode(record.value)
        except BadRecordError as error:
            await self._storing.dead_letter(record, error, lambda: None)
            return
        known = self._known.get(alert.alert_id)
        if known is None or _ours(record) or alert.revision > known.alert.revision:
            self._learn(alert, record)
            return
        news, known.by_worker = alert.revision > known.by_worker, max(known.by_worker, alert.revision)
        if record.offset > known.offset and (alert.revision < known.alert.revision or alert != known.alert):
            # A worker's, under a revision that stands already: something new, or what it wrote before it was killed.
            again = known.alert
            if news:
                again = structs.replace(
                    alert, revision=known.alert.revision + 1, status="amended", handled=known.alert.handled
                )
            await self._write(known, again)

    async def _act(self, record: Any) -> None:
        try:
            action = decoded(record.value)
            reason = taken(self.plan, action, self._known.get(action.alert_id))
            if isinstance(reason, str):
                raise BadRecordError("invalid_value", reason)
        except BadRecordError as error:
            self._metrics.actions.labels(NO_KIND, "refused").inc()
            await self._storing.dead_letter(record, error, lambda: None)
            return
        known = self._known[action.alert_id]
        self._metrics.actions.labels(action.kind, "taken").inc()
        if reason is not None:
            await self._write(known, reason)

    async def _resolve(self, now: int) -> None:
        while self._due and self._due[0][0] <= now:
            _, alert_id = heapq.heappop(self._due)
            known = self._known.get(alert_id)
            if known is None or known.alert.detected_at + self.plan.auto_resolve_after > now:
                continue  # it was added to meanwhile: looked at later
            if known.alert.status in {"open", "amended"}:
                await self._write(known, resolved(known.alert, "nothing was added for auto_resolve_after"))
            elif known.alert.detected_at + 2 * self.plan.auto_resolve_after <= now:
                del self._known[alert_id]
            else:
                heapq.heappush(self._due, (known.alert.detected_at + 2 * self.plan.auto_resolve_after, alert_id))

    async def _write(self, known: Known, alert: Alert) -> None:
        """Write a revision, wait until it is stored, and know it."""
        sent = await self._producer.send(
            ALERTS,
            key=alert.alert_id.encode(),
            value=encode(alert),
            partition=known.partition,
            headers=[(WRITER, KEEPER)],
        )
        stored = await sent
        known.alert, known.offset = alert, stored.offset
        self._look_at(known)

    def replan(self, plan: Plan) -> None:
        """Go on under another version of the policy."""
        self.plan = plan
        self._due.clear()
        for known in self._known.values():
            self._look_at(known)

    def refresh(self) -> None:
        """Ask the gauges that are not told."""
        open_: dict[str, int] = dict.fromkeys(SEVERITIES, 0)
        for known in self._known.values():
            if known.alert.status in {"open", "amended"}:
                open_[known.alert.severity] += 1
        for severity, count in open_.items():
            self._metrics.open.labels(severity).set(count)

    @property
    def reading(self) -> bool:
        """Whether its group has said which partitions it has, maybe none, and their past is known."""
        return self._given is not None and self._given <= self._loaded


def _ours(record: Any) -> bool:
    """Whether a keeper wrote it."""
    return any(name == WRITER and text == KEEPER for name, text in record.headers)


def decoded(value: bytes | None) -> Action:
    """Return the action in a record.

    Raises:
        BadRecordError: it is none.
    """
    if value is None:
        raise BadRecordError("null_value", "an action without a value")
    if len(value) > ACTION_MAX_BYTES:
        raise BadRecordError("too_large", f"an action of {len(value)} bytes; at most {ACTION_MAX_BYTES}")
    try:
        return _action(value)
    except msgspec.ValidationError as error:
        raise BadRecordError("wrong_type", str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BadRecordError("not_json", "an action that is no JSON document") from None

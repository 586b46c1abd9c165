"""The keeper: carries alerts through their life. It resolves what nothing adds to, and takes up what people do.

It reads `alerts` and `alerts.actions` in a group of its own and writes revisions to `alerts`; nobody else but the
workers does. Workers know nothing of what people did: where one amends an alert that was acknowledged, say, the keeper
writes the next revision, which joins both. A worker that was killed publishes some revisions once more; where that
would stand in the compacted topic above a later one, the keeper writes the later one once more. Which of the two it is
says a header of what the keeper writes: the greatest revision of a worker's that is in it.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections.abc import Sequence
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import CommitFailedError, IllegalStateError, RebalanceInProgressError

from agents.clients import consumer_of, within_start
from agents.delivering.keepers_records import decoded, headers_of, includes
from agents.delivering.looking_back import look_back
from agents.delivering.memory import horizon
from agents.delivering.metrics import DeliveryMetrics
from agents.delivering.storing import Storing
from agents.delivering.zeroes import NO_KIND
from agents.settings import Settings
from agents.watching import wall_clock
from alerts.formats.ocsf import revised_at
from alerts.life import OVER, Known, amended, resolved, resolves_at, taken
from alerts.plan import Plan
from alerts.signatures import verify
from schemas.alert import SEVERITIES, Alert
from schemas.codec import ALERT, encode
from schemas.errors import BadRecordError
from schemas.topics import ACTIONS, ALERTS

log = logging.getLogger(__name__)

PATIENCE_MS: Final = 500
"""The longest wait for records: how late an alert resolves beyond its time."""


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
        self._refused: list[asyncio.Future[None]] = []
        """Done when what was refused is stored: nothing is committed before."""
        self._stop = asyncio.Event()
        self._consumer: AIOKafkaConsumer | None = None

    def stop(self) -> None:
        """End after what is being done."""
        self._stop.set()

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
            while not self._stop.is_set():
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
        # Alerts first: an action may be about one of them.
        for tp, records in sorted(found.items(), key=lambda each: each[0].topic != ALERTS):
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
        if found and await self._all_stored() and assignment == self._assignment:
            try:
                await consumer.commit()
            except (CommitFailedError, IllegalStateError, RebalanceInProgressError):
                log.info("Partitions change hands; what was done since the last commit is done again")

    async def _load(self, consumer: AIOKafkaConsumer, partitions: set[int]) -> None:
        """Read what may be open, also what the group has not read yet: an action may be about it."""
        assignment = self._assignment
        since = max(0, wall_clock() - horizon(self.plan.auto_resolve_after))
        read = {each: await consumer.committed(TopicPartition(ALERTS, each)) or 0 for each in partitions}
        async for record in look_back(self._settings, ALERTS, partitions, since):
            if assignment == self._assignment:
                self._look_ahead(record, in_turn=record.offset < read[record.partition])
        if assignment == self._assignment:
            self._loaded |= partitions

    def _look_ahead(self, record: Any, *, in_turn: bool = False) -> None:
        """Take note of a record that is not read in its turn, or was before (`in_turn`)."""
        if record.value is None:
            return
        try:
            alert = ALERT.decode(record.value)
        except BadRecordError:
            return  # put away when it is read in turn
        known = self._known.get(alert.alert_id)
        if in_turn or known is None or includes(record) is not None or _follows(alert, known):
            self._learn(alert, record)

    def _learn(self, alert: Alert, record: Any) -> None:
        """Take note of a revision that stands in the topic."""
        known, theirs = self._known.get(alert.alert_id), includes(record)
        by_worker = alert.revision if theirs is None else theirs
        if known is None:
            known = self._known[alert.alert_id] = Known(alert, record.partition, record.offset, by_worker)
        else:
            if alert.revision > known.alert.revision:
                known.alert, known.offset = alert, record.offset
            known.by_worker = max(known.by_worker, by_worker)
        self._look_at(known)

    def _look_at(self, known: Known) -> None:
        at = self._next(known.alert)
        if at is not None:
            heapq.heappush(self._due, (at, known.alert.alert_id))

    def _next(self, alert: Alert) -> int | None:
        """Return when an alert resolves; of one that is over, when it is forgotten."""
        after = self.plan.auto_resolve_after
        return revised_at(alert) + after if alert.status in OVER else resolves_at(alert, after)

    async def _alert(self, record: Any) -> None:
        if record.value is None:
            return
        try:
            alert = ALERT.decode(record.value)
        except BadRecordError as error:
            await self._refuse(record, error)
            return
        known = self._known.get(alert.alert_id)
        if known is None or includes(record) is not None or record.offset == known.offset:
            self._learn(alert, record)
        elif alert.revision > known.by_worker:
            if _follows(alert, known):
                self._learn(alert, record)
                return
            known.by_worker = alert.revision
            await self._write(known, amended(alert, known.alert, wall_clock()))
        elif record.offset > known.offset and (alert.revision < known.alert.revision or alert != known.alert):
            await self._write(known, known.alert)  # what a worker wrote before it was killed, once more

    async def _act(self, record: Any) -> None:
        try:
            action = decoded(record.value)
            if action.alert_id not in self._known and verify(action, self.plan.analysts) is None:
                await self._catch_up(action.alert_id, record.partition)
            made = taken(self.plan, action, self._known.get(action.alert_id), wall_clock())
            if isinstance(made, str):
                raise BadRecordError("invalid_value", made)
        except BadRecordError as error:
            self._metrics.actions.labels(NO_KIND, "refused").inc()
            await self._refuse(record, error)
            return
        self._metrics.actions.labels(action.kind, "taken").inc()
        if made is not None:
            await self._write(self._known[action.alert_id], made)

    async def _catch_up(self, alert_id: str, partition: int) -> None:
        """Look for an alert that is not known: in what is there and not read yet, then in all that the topic holds.

        Whoever acts on it has seen it; it may have come just now, or be long over.
        """
        consumer, assignment, tp = self._consumer, self._assignment, TopicPartition(ALERTS, partition)
        if consumer is None or tp not in consumer.assignment():
            return
        position, key = await consumer.position(tp), alert_id.encode()
        for begin in (position, 0):
            async for record in look_back(self._settings, ALERTS, [partition], offsets={partition: begin}):
                if record.key == key and assignment == self._assignment:
                    self._look_ahead(record, in_turn=record.offset < position)
            if alert_id in self._known:
                return

    async def _refuse(self, record: Any, error: BadRecordError) -> None:
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._refused.append(stored)
        await self._storing.dead_letter(record, error, lambda: None if stored.done() else stored.set_result(None))

    async def _all_stored(self) -> bool:
        """Wait until what was refused is stored. False: it stops before, and nothing may be committed."""
        if not self._refused:
            return True
        stopping = asyncio.create_task(self._stop.wait())
        left: set[asyncio.Future[Any]] = set(self._refused)
        while left and not stopping.done():
            await asyncio.wait({*left, stopping}, return_when=asyncio.FIRST_COMPLETED)
            left = {each for each in left if not each.done()}
        stopping.cancel()
        self._refused = [each for each in self._refused if not each.done()]
        return not left

    async def _resolve(self, now: int) -> None:
        while self._due and self._due[0][0] <= now:
            _, alert_id = heapq.heappop(self._due)
            known = self._known.get(alert_id)
            if known is None or (at := self._next(known.alert)) is None or at > now:
                continue  # something came to it meanwhile: looked at later
            if known.alert.status in OVER:
                del self._known[alert_id]
            else:
                await self._write(known, resolved(known.alert, "nothing was added for auto_resolve_after", now))

    async def _write(self, known: Known, alert: Alert) -> None:
        """Write a revision, wait until it is stored, and know it."""
        sent = await self._producer.send(
            ALERTS,
            key=alert.alert_id.encode(),
            value=encode(alert),
            partition=known.partition,
            headers=headers_of(known.by_worker),
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


def _follows(alert: Alert, known: Known) -> bool:
    """Whether a worker's revision is the next one as it is: nothing that people did would be lost with it."""
    return alert.revision > known.alert.revision and not known.alert.handled

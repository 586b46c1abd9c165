"""One destination's runner: reads `alerts` in a group of its own, hands on what is routed there, keeps the receipts.

A destination that is down holds back only itself: its group stops reading, the others go on. Offsets are committed up
to the first alert without a stored receipt, so a kill at any moment makes some alerts be looked at again, and those
with a receipt are not sent again.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import CommitFailedError, IllegalStateError, RebalanceInProgressError
from msgspec import structs

from agents.clients import consumer_of, within_start
from agents.delivering.memory import Memory, horizon, read_open, read_parked, read_receipts
from agents.delivering.metrics import DeliveryMetrics
from agents.delivering.refs import Ref, Run
from agents.delivering.storing import Storing, parked_key, parked_of
from agents.ledger import Ledger
from agents.settings import Settings
from agents.watching import wall_clock
from alerts.book import Book
from alerts.destination import Destination
from alerts.lane import Lane
from alerts.notice import Delivered, Failed, Outcome, Refused
from alerts.plan import DestinationPlan, Plan
from alerts.routing import ALWAYS, NotRouted, Silenced, decide_for
from alerts.settling import Due
from alerts.straight import Straight
from alerts.trouble import place
from schemas.alert import Alert
from schemas.codec import ALERT
from schemas.errors import BadRecordError
from schemas.topics import ALERTS, REPLAYS

log = logging.getLogger(__name__)

PENDING_MAX: Final = 4_000
"""Alerts that a destination holds unsettled before reading stops: some 20 MB, and several batches."""

COLLECTED_MAX: Final = 20_000
"""The same where groups collect alerts for their next notice: some 100 MB. What is more is told of early."""

READ_MAX: Final = 1_000
"""Records of one fetch: half a batch of a bulk destination is waiting while the other half is sent."""

PATIENCE_MS: Final = 500
"""The longest wait for records: how late a stop, a new policy or a gauge is noticed."""

NEVER_POLLED_S: Final = 86_400
"""How long a runner may go without reading: while its destination is down it does not, and is no dead member."""

COMMIT_EVERY_S: Final = 1.0
"""How often offsets are committed: what a kill makes be looked at again."""

Show = Callable[[Sequence[Alert]], Awaitable[list[Alert]]]
"""Puts clear names into alerts."""


class Runner(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Delivers to one destination.

    Args:
        settings: how the brokers are reached.
        plan: who is told of what.
        name: of the destination.
        destination: not started.
        storing: writes receipts.
        metrics: told of everything.
        show: puts clear names into an alert; None where the policy does not allow them there.
    """

    def __init__(
        self,
        settings: Settings,
        plan: Plan,
        name: str,
        destination: Destination,
        storing: Storing,
        metrics: DeliveryMetrics,
        show: Show | None,
    ) -> None:
        self.settings, self.plan, self.name = settings, plan, name
        self._destination, self._storing, self._metrics, self._show = destination, storing, metrics, show
        self.memory = Memory(name)
        self.ledger = Ledger()
        self.loaded: set[int] = set()
        self._given: frozenset[int] | None = None
        """Partitions that the group gave it, maybe none; None while it does not say."""
        self._assignment = 0
        self._lane = self._new_lane()
        self._front: Book[Ref] | Straight[Ref] = self._new_front()
        self._asked: dict[int, Run] = {}
        """Partitions for which a replay was asked, and the request's part of its batch."""
        self.up = True
        self._stop = asyncio.Event()
        self._failure: BaseException | None = None
        self._consumer: AIOKafkaConsumer | None = None

    @property
    def mine(self) -> DestinationPlan:
        """Its part of the plan."""
        return self.plan.destinations[self.name]

    def _new_lane(self) -> Lane:
        return Lane(self.mine.kind.batch_max, self.mine.retry_for, random.random)

    def _new_front(self) -> Book[Ref] | Straight[Ref]:
        return Book(self.plan, self.name) if self.mine.kind.grouped else Straight(self.name)

    def stop(self) -> None:
        """End after what is being sent."""
        self._stop.set()

    def fail(self, error: BaseException) -> None:
        """Something cannot be stored: nothing after it may be committed."""
        self._failure = self._failure or error

    def replan(self, plan: Plan) -> None:
        """Go on under another version of the policy, with the same destination."""
        self.plan = plan
        self._front.replan(plan, wall_clock())
        self._lane.budget = self.mine.retry_for

    async def run(self) -> None:
        """Deliver until `stop`.

        Raises:
            Exception: something unforeseen, or what cannot be stored; whoever runs this ends and begins anew.
        """
        self._consumer = consumer = consumer_of(
            self.settings,
            group_id=f"{self.settings.group}.deliver.{self.name}",
            session_timeout_ms=int(self.settings.session_timeout_s * 1000),
            heartbeat_interval_ms=int(self.settings.session_timeout_s * 1000 / 3),
            max_poll_interval_ms=NEVER_POLLED_S * 1000,
            partition_assignment_strategy=[RangePartitionAssignor],  # the same partitions of both topics
        )
        await self._destination.start()
        try:
            await within_start(self.settings, consumer.start)
            # After the start, which would wait for an assignment: after a kill that takes a session's time.
            consumer.subscribe([ALERTS, REPLAYS], listener=self)
            committing = asyncio.create_task(self._commit_for_ever())
            try:
                while not self._stop.is_set():
                    if self._failure is not None:
                        raise self._failure
                    await self._turn()
            finally:
                committing.cancel()
                with suppress(asyncio.CancelledError):
                    await committing
                await self._commit()
        finally:
            await consumer.stop()
            await self._destination.stop()

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        """Give everything up: whoever gets the partitions begins at what is committed."""
        if revoked:
            await self._commit()
        self._assignment += 1
        self._given = None
        self.ledger.drop(self.ledger.partitions())
        self.loaded.clear()
        self.memory.clear()
        self._asked.clear()
        self._lane, self._front = self._new_lane(), self._new_front()

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """Only take note: what is known of partitions is read with their first records."""
        self._given = frozenset(tp.partition for tp in assigned if tp.topic == ALERTS)

    async def _turn(self) -> None:
        consumer = self._consumer
        assert consumer is not None  # noqa: S101  # held by `run`
        missing = {tp.partition for tp in consumer.assignment() if tp.topic == ALERTS} - self.loaded
        if missing:
            await self._load(consumer, missing)
        now = wall_clock()
        wait = self._patience(now)
        if self._front.pending >= COLLECTED_MAX:
            self._front.hurry(now)
        if self._front.pending < (COLLECTED_MAX if self.mine.kind.grouped else PENDING_MAX):
            found = await consumer.getmany(timeout_ms=wait, max_records=READ_MAX)
            for tp, records in found.items():
                if tp.partition in self.loaded and (tp.topic, tp.partition) in self.ledger.partitions():
                    await self._read(tp, records)
                elif tp in consumer.assignment():
                    consumer.seek(tp, records[0].offset)  # it came before its past was read
            await self._storing.flush()  # what is not routed here waits for no answer
        elif wait:
            await asyncio.sleep(wait / 1000)
        for partition, run in list(self._asked.items()):
            self._replay(partition)
            del self._asked[partition]
            run.done()
        for due in self._front.due(wall_clock()):
            self._lane.put(due.notice, due)
        await self._send()
        await self._settle()

    def _patience(self, now: int) -> int:
        """Return how long to wait for records, milliseconds."""
        ats = [at for at in (self._front.next_due(), self._lane.next_at()) if at is not None]
        return max(0, min([PATIENCE_MS, *(at - now for at in ats)]))

    async def _load(self, consumer: AIOKafkaConsumer, partitions: set[int]) -> None:
        """Read what is known of partitions: receipts, what is parked, and what is open where groups are told."""
        assignment = self._assignment
        now = wall_clock()
        since = max(0, now - horizon(self.plan.auto_resolve_after))
        for topic in (ALERTS, REPLAYS):
            for partition in partitions:
                tp = TopicPartition(topic, partition)
                committed = await consumer.committed(tp)
                begins = (await consumer.beginning_offsets([tp]))[tp]
                position = begins if committed is None else max(committed, begins)
                if assignment != self._assignment:
                    return
                self.ledger.position((topic, partition), position, fresh=committed is None)
                consumer.seek(tp, position)
        memory = Memory(self.name)
        receipts = await read_receipts(self.settings, memory, partitions, since)
        await read_parked(self.settings, memory, partitions)
        found = await read_open(self.settings, partitions, since, receipts) if self.mine.kind.grouped else {}
        if assignment != self._assignment:
            return
        self.memory.learn(memory)
        for receipt in receipts.values():
            alert = found.get(receipt.alert_id)
            ref = Ref(alert, receipt.partition, receipt.offset, receipt.published_at, assignment) if alert else None
            if ref is not None or receipt.state == "parked":
                self._front.restore(receipt, alert, ref)  # type: ignore[arg-type]  # None with alerts that are over
        self._front.resume(wall_clock())
        self.loaded |= partitions
        log.info("%s: partitions %s, %d parked", self.name, sorted(partitions), len(self.memory.parked))

    async def _read(self, tp: TopicPartition, records: Sequence[Any]) -> None:
        span = self.ledger.deliver((tp.topic, tp.partition), records[0].offset, records[-1].offset)
        run = Run(self.ledger, span, len(records))
        assignment = self._assignment
        for record in records:
            if assignment != self._assignment:
                return  # partitions changed hands: whoever has this one reads it again
            if tp.topic == REPLAYS:
                if record.key == self.name.encode() and tp.partition not in self._asked:
                    self._asked[tp.partition] = run
                else:
                    run.done()
                continue
            if record.value is None:
                run.done()
                continue
            try:
                alert = ALERT.decode(record.value)
            except BadRecordError as error:
                await self._storing.dead_letter(record, error, run.done)
                continue
            if self.memory.knows(alert):
                run.done()
                continue
            self.memory.tell(alert.alert_id, alert.revision)
            ref = Ref(alert, record.partition, record.offset, record.timestamp, assignment, run)
            await self._take(ref)

    async def _take(self, ref: Ref) -> None:
        now = wall_clock()
        decision = decide_for(self.plan, self.name, ref.alert, now)
        over = ref.published_at < now - horizon(self.plan.auto_resolve_after) and ref.alert.family not in ALWAYS
        if isinstance(decision, NotRouted):
            await self._storing.receipt(ref, self.name, "not_routed", policy=self.plan.version)
            return
        if over and self.mine.kind.grouped:
            why = {"note": "older than anything that is open"}
            await self._storing.receipt(ref, self.name, "over", policy=self.plan.version, answer=why)
            return
        if isinstance(decision, Silenced):
            self._front.silence(ref.alert, decision.silence, ref, now)
        else:
            self._front.take(ref.alert, ref, now)

    def _replay(self, partition: int) -> None:
        """Take what is parked of a partition once more, in its order."""
        again = [
            (parked.offset, parked.alert.revision, key, parked)
            for key, parked in self.memory.parked.items()
            if parked.partition == partition
        ]
        now = wall_clock()
        for group in {parked.group for *_, parked in again}:
            self._front.unpark(group)
        for _, _, key, parked in sorted(again, key=lambda each: each[:2]):
            ref = Ref(
                parked.alert, partition, parked.offset, parked.published_at, self._assignment, None, parked_as=key
            )
            self._front.take(parked.alert, ref, now)
        if again:
            log.info("%s: %d parked alerts of partition %d once more", self.name, len(again), partition)

    async def _send(self) -> None:
        items = self._lane.ready(wall_clock())
        if not items:
            return
        assignment, began = self._assignment, wall_clock()
        notices = [item.notice for item in items]
        if self._show is not None:
            notices = [structs.replace(each, alerts=tuple(await self._show(each.alerts))) for each in notices]
        try:
            outcomes: Sequence[Outcome] = await self._destination.send(notices)
            if len(outcomes) != len(items):
                raise RuntimeError(f"{len(outcomes)} outcomes of {len(items)} notices")
        except Exception as error:  # noqa: BLE001 - a defect of one must not stop the others: tried again, then parked
            log.error("%s: sending raised %s", self.name, place(error))
            outcomes = [Failed(f"sending raised {type(error).__name__}")] * len(items)
        now = wall_clock()
        self._count(items, outcomes, now)
        if assignment != self._assignment:
            await self._told_late(items, outcomes)
            return
        for done in self._lane.took(items, outcomes, now, began):
            due: Due[Ref] = done.item.handle
            for ref in due.refs:
                ref.attempts = done.item.attempts
            self._front.settle(due, done.outcome, now)

    async def _told_late(self, items: Sequence[Any], outcomes: Sequence[Outcome]) -> None:
        """Partitions changed hands while it was sent: what was delivered is told to whoever reads receipts."""
        for item, outcome in zip(items, outcomes, strict=True):
            if isinstance(outcome, Delivered):
                for ref in item.handle.refs:
                    ref.run = None
                    await self._storing.receipt(
                        ref,
                        self.name,
                        "delivered" if len(item.handle.refs) == 1 else "grouped",
                        policy=self.plan.version,
                        answer=outcome.answer,
                        group=item.notice.key,
                        notice=item.notice.id,
                    )

    async def _settle(self) -> None:
        """Store what became of alerts."""
        now, latency = wall_clock(), self._metrics.latency.labels(self.name)
        for settled in self._front.settled():
            ref = settled.ref
            if settled.repeated:
                ref.done()
                continue
            parked = None
            if settled.state == "parked":
                parked = parked_of(ref, self.name, settled.group, settled.answer.get("reason", ""), now)
                if ref.assignment == self._assignment:
                    self.memory.park(parked_key(self.name, ref.alert), parked)
            else:
                if ref.parked_as is not None:
                    self.memory.unpark(ref.parked_as)
                if settled.state in {"delivered", "grouped", "digested"}:
                    latency.observe(max(0, now - ref.published_at) / 1000)
            await self._storing.receipt(
                ref,
                self.name,
                settled.state,
                policy=self.plan.version,
                answer=dict(settled.answer),
                group=settled.group,
                notice=settled.notice,
                silence=settled.silence,
                parked=parked,
            )
        await self._storing.flush()

    def _count(self, items: Sequence[Any], outcomes: Sequence[Outcome], now: int) -> None:
        words = {Delivered: "delivered", Failed: "failed", Refused: "refused"}
        for kind, count in Counter(type(outcome) for outcome in outcomes).items():
            self._metrics.attempts.labels(self.name, words[kind]).inc(count)
        up = any(not isinstance(outcome, Failed) for outcome in outcomes)
        if up != self.up:
            reason = next((each.reason for each in outcomes if isinstance(each, Failed)), "")
            log.log(
                logging.INFO if up else logging.WARNING,
                "%s: %s",
                self.name,
                "answers again" if up else f"does not take notices: {reason}; tried again for {self.mine.retry_for} ms",
            )
        self.up = up
        del items, now

    async def _commit_for_ever(self) -> None:
        while True:
            await asyncio.sleep(COMMIT_EVERY_S)
            await self._commit()

    async def _commit(self) -> None:
        """Commit the end of what is settled without a gap."""
        consumer = self._consumer
        if consumer is None or self._failure is not None:
            return
        offsets = {}
        for topic, partition in self.ledger.partitions():
            offset = self.ledger.committable((topic, partition))
            if offset is not None:
                offsets[TopicPartition(topic, partition)] = offset
        if offsets and offsets != getattr(self, "_committed", None):
            with suppress(CommitFailedError, IllegalStateError, RebalanceInProgressError):
                await consumer.commit(offsets)
                self._committed = offsets

    def refresh(self) -> None:
        """Ask the gauges that are not told."""
        metrics, mine, now = self._metrics, self.mine, wall_clock()
        ages = [now - ref.published_at for item in self._lane.pending for ref in item.handle.refs]
        metrics.undelivered.labels(self.name).set(len(ages))
        metrics.held.labels(self.name).set(max(0, self._front.pending - len(ages)))
        metrics.oldest.labels(self.name).set(max(0, *ages) / 1000 if ages else 0)
        metrics.deadline.labels(self.name).set(mine.deadline / 1000)
        metrics.overdue.labels(self.name).set(sum(age > mine.deadline for age in ages) + len(self.memory.parked))
        metrics.parked.labels(self.name).set(len(self.memory.parked))
        metrics.up.labels(self.name).set(1 if self.up else 0)
        metrics.lag.labels(self.name).set(self._lag())

    @property
    def silenced(self) -> Mapping[str, int]:
        """By silence, how many open alerts it hides here."""
        return self._front.silenced

    @property
    def reading(self) -> bool:
        """Whether its group has said which partitions it has, maybe none, and their past is known."""
        return self._given is not None and self._given <= self.loaded

    def _lag(self) -> int:
        consumer = self._consumer
        if consumer is None:
            return 0
        behind = 0
        for tp in consumer.assignment():
            expected = self.ledger.expected((tp.topic, tp.partition))
            if tp.topic == ALERTS and expected is not None:
                behind += max(0, (consumer.highwater(tp) or 0) - expected)
        return behind

"""One destination's runner: reads `alerts` in a group of its own, hands on what is routed there, keeps the receipts.

A destination that is down holds back only itself: its group stops reading, the others go on. Offsets are committed up
to the first alert without a stored receipt, so a kill at any moment makes some alerts be looked at again, and those
with a receipt are not sent again.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from agents.delivering.group import Batch, Group
from agents.delivering.memory import TOLD_MAX, Memory, horizon, mark_of, read_open, read_parked, read_receipts
from agents.delivering.metrics import DeliveryMetrics
from agents.delivering.refs import Ref, Run
from agents.delivering.replaying import Replays
from agents.delivering.sending import Sender
from agents.delivering.storing import ParkedAlert, Storing, parked_key, parked_of
from agents.settings import Settings
from agents.watching import wall_clock
from alerts.book import Book
from alerts.lane import Lane
from alerts.notice import Delivered, Outcome
from alerts.plan import DestinationPlan, Plan
from alerts.routing import ALWAYS, NotRouted, Silenced, decide_for
from alerts.settling import Due
from alerts.straight import Straight
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


class Runner:
    """Delivers to one destination.

    Args:
        settings: how the brokers are reached.
        plan: who is told of what.
        name: of the destination.
        sender: hands notices to the destination; not started.
        storing: writes receipts.
        metrics: told how long it took.
    """

    def __init__(
        self,
        settings: Settings,
        plan: Plan,
        name: str,
        sender: Sender,
        storing: Storing,
        metrics: DeliveryMetrics,
    ) -> None:
        self.settings, self.plan, self.name = settings, plan, name
        self.sender, self._storing, self._metrics = sender, storing, metrics
        self.memory = Memory()
        self.group = Group(settings, f"deliver.{name}", (ALERTS, REPLAYS), self._past, self._lost)
        self._lane = self._new_lane()
        self._front: Book[Ref] | Straight[Ref] = self._new_front()
        self._replays = Replays(settings, name)
        self.stopped = asyncio.Event()
        self._failure: BaseException | None = None

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
        self.stopped.set()

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
        try:
            await self.sender.start()
            await self.group.start()
            while not self.stopped.is_set():
                if self._failure is not None:
                    raise self._failure
                await self._turn()
        finally:
            await self.group.stop()
            await self.sender.stop()

    def _lost(self) -> None:
        """Partitions change hands: whoever gets them begins at what is committed and has a receipt."""
        self.memory.clear()
        self._replays.clear()
        self._lane, self._front = self._new_lane(), self._new_front()

    async def _past(self, read: Mapping[int, int]) -> Callable[[], None]:
        """Read what is known of partitions: receipts, what is parked, and what is open where groups are told."""
        since, grouped = max(0, wall_clock() - horizon(self.plan.auto_resolve_after)), self.mine.kind.grouped
        receipts = await read_receipts(self.settings, self.name, read, since, grouped=grouped)
        parked = await read_parked(self.settings, self.name, read)
        found = await read_open(self.settings, read, since, receipts) if grouped else {}
        marks = {key: mark_of(each) for key, each in parked.items()}

        def take_over() -> None:
            self.memory.parked.update(marks)
            for mark in marks.values():
                self._front.hold(mark.group)
            for receipt in receipts.values():
                if receipt.state != "parked" and receipt.offset >= read[receipt.partition]:
                    self.memory.tell(receipt.alert_id, receipt.revision)
                alert = found.get(receipt.alert_id)
                if alert is not None:
                    ref = Ref(alert, receipt.partition, receipt.offset, receipt.published_at, self.group.term)
                    self._front.restore(receipt, alert, ref)
            self._front.resume(wall_clock())
            log.info("%s: partitions %s, %d parked", self.name, sorted(read), len(marks))

        return take_over

    async def _turn(self) -> None:
        now = wall_clock()
        wait = self._patience(now)
        if self._front.pending >= COLLECTED_MAX:
            self._front.hurry(now)
        room = COLLECTED_MAX if self.mine.kind.grouped else PENDING_MAX
        if self._front.pending < room and self.group.ahead < TOLD_MAX:
            for batch in await self.group.read(wait, max(READ_MAX, self.mine.kind.batch_max)):
                await self._read(batch)
            await self._storing.flush(self.name)  # what is not routed here waits for no answer
        elif wait:
            await asyncio.sleep(wait / 1000)
        await self._replay()
        now = wall_clock()
        for due in self._front.due(now):
            self._lane.put(due.notice, due, now)
        await self._send()
        await self._settle()

    def _patience(self, now: int) -> int:
        """Return how long to wait for records, milliseconds."""
        ats = [at for at in (self._front.next_due(), self._lane.next_at()) if at is not None]
        return max(0, min([PATIENCE_MS, *(at - now for at in ats)]))

    async def _read(self, batch: Batch) -> None:
        term = batch.term
        for record in batch.records:
            if term != self.group.term:
                return  # partitions changed hands: whoever has this one reads it again
            if batch.topic == REPLAYS:
                if record.key == self.name.encode():
                    self._replays.ask(record.partition, batch.run)
                else:
                    batch.run.done()
            elif record.value is None:
                batch.run.done()
            else:
                await self._alert(record, batch.run, term)

    async def _alert(self, record: Any, run: Run, term: int) -> None:
        try:
            alert = ALERT.decode(record.value)
        except BadRecordError as error:
            self._metrics.bad_records.labels(record.topic, error.reason).inc()
            run.done()  # the keeper puts it away, once for all destinations
            return
        if self.memory.knows(alert):
            run.done()
            return
        self.memory.tell(alert.alert_id, alert.revision)
        await self._take(Ref(alert, record.partition, record.offset, record.timestamp, term, run))

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

    async def _replay(self) -> None:
        """Take up what is parked, where that was asked for."""
        found = await self._replays.next(self.memory, lambda: self.group.term)
        for group in {each.group for _, each in found}:
            self._front.unpark(group)
        now = wall_clock()
        for key, each in found:
            ref = Ref(each.alert, each.partition, each.offset, each.published_at, self.group.term, parked_as=key)
            self._front.take(each.alert, ref, now)
        if found:
            log.info("%s: %d parked alerts once more", self.name, len(found))

    async def _send(self) -> None:
        items = self._lane.ready(wall_clock())
        if not items:
            return
        term = self.group.term
        outcomes = await self.sender.send([item.notice for item in items])
        now = wall_clock()
        if term != self.group.term:
            await self._told_late(items, outcomes)
            return
        for done in self._lane.took(items, outcomes, now):
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
        await self._storing.flush(self.name)

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
            elif settled.state in {"delivered", "grouped", "digested"}:
                latency.observe(max(0, now - ref.published_at) / 1000)
            if ref.term == self.group.term:
                self._remember(ref, parked)
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
        await self._storing.flush(self.name)

    def _remember(self, ref: Ref, parked: ParkedAlert | None) -> None:
        """Take note of what is parked, and parked no more."""
        if ref.parked_as is not None:
            self._replays.over(ref.parked_as)
            if parked is None:
                self.memory.parked.pop(ref.parked_as, None)
        if parked is not None:
            self.memory.parked[parked_key(self.name, ref.alert)] = mark_of(parked)

    @property
    def under_way(self) -> list[Ref]:
        """What is to be sent, or being sent: not what a group or a limit holds."""
        return [ref for item in self._lane.pending for ref in item.handle.refs]

    @property
    def held(self) -> int:
        """Alerts that wait for their group's next notice, or for a limit."""
        return max(0, self._front.pending - len(self.under_way))

    @property
    def silenced(self) -> Mapping[str, int]:
        """By silence, how many open alerts it hides here."""
        return self._front.silenced

    @property
    def reading(self) -> bool:
        """Whether its group has said which partitions it has, maybe none, and their past is known."""
        return self.group.reading

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
from collections.abc import Callable, Mapping
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError

from agents.delivering.group import Batch, Group
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


READ_MAX: Final = 1_000
"""Records of one fetch."""

AT_ONCE: Final = 1_000
"""Records of the past between two looks at what else is to be done."""


class Keeper:
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
        self.group = Group(settings, "keeper", (ALERTS, ACTIONS), self._past, self._lost)
        self._known: dict[str, Known] = {}
        self._due: list[tuple[int, str]] = []
        """When to look whether an alert resolves, and which."""
        self.stopped = asyncio.Event()

    def stop(self) -> None:
        """End after what is being done."""
        self.stopped.set()

    async def run(self) -> None:
        """Keep until `stop`."""
        try:
            await self.group.start()
            while not self.stopped.is_set():
                batches = await self.group.read(PATIENCE_MS, READ_MAX)
                # Alerts first: an action may be about one of them.
                for batch in sorted(batches, key=lambda each: each.topic != ALERTS):
                    await self._take(batch)
                await self._resolve(wall_clock())
        finally:
            await self.group.stop()

    def _lost(self) -> None:
        """Partitions change hands: whoever gets them reads what is known of them."""
        self._known.clear()
        self._due.clear()

    async def _past(self, read: Mapping[int, int]) -> Callable[[], None]:
        """Read what may be open, also what the group has not read yet: an action may be about it."""
        since = max(0, wall_clock() - horizon(self.plan.auto_resolve_after))
        records = []
        async for record in look_back(self._settings, ALERTS, read, since):
            records.append(record)
            if len(records) % AT_ONCE == 0:
                await asyncio.sleep(0)

        def take_over() -> None:
            for record in records:
                self._look_ahead(record, in_turn=record.offset < read[record.partition])

        return take_over

    async def _take(self, batch: Batch) -> None:
        for record in batch.records:
            if batch.term != self.group.term:
                return  # whoever has the partition now reads it again
            if batch.topic == ALERTS:
                await self._alert(record, batch.run.done)
            else:
                await self._act(record, batch.run.done)

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

    async def _alert(self, record: Any, done: Callable[[], None]) -> None:
        if record.value is None:
            done()
            return
        try:
            alert = ALERT.decode(record.value)
        except BadRecordError as error:
            await self._storing.dead_letter(record, error, done)
            return
        known = self._known.get(alert.alert_id)
        if known is None or record.offset == known.offset:
            self._learn(alert, record)
        elif includes(record) is not None:
            if record.offset > known.offset and alert.revision < known.alert.revision:
                await self._write(known, known.alert)  # of a keeper that was paused while it lost the partition
            else:
                self._learn(alert, record)
        elif alert.revision > known.by_worker:
            if _follows(alert, known):
                self._learn(alert, record)
            else:
                known.by_worker = alert.revision
                await self._write(known, amended(alert, known.alert, wall_clock()))
        elif record.offset > known.offset and (alert.revision < known.alert.revision or alert != known.alert):
            await self._write(known, known.alert)  # what a worker wrote before it was killed, once more
        done()

    async def _act(self, record: Any, done: Callable[[], None]) -> None:
        try:
            action = decoded(record.value)
            if action.alert_id not in self._known and verify(action, self.plan.analysts) is None:
                await self._catch_up(action.alert_id, record.partition)
            made = taken(self.plan, action, self._known.get(action.alert_id), wall_clock())
            if isinstance(made, str):
                raise BadRecordError("invalid_value", made)
        except BadRecordError as error:
            self._metrics.actions.labels(NO_KIND, "refused").inc()
            await self._storing.dead_letter(record, error, done)
            return
        self._metrics.actions.labels(action.kind, "taken").inc()
        if made is not None:
            await self._write(self._known[action.alert_id], made)
        done()

    async def _catch_up(self, alert_id: str, partition: int) -> None:
        """Look for an alert that is not known: in what is there and not read yet, then in all that the topic holds.

        Whoever acts on it has seen it; it may have come just now, or be long over.
        """
        position, term, key = self.group.position(ALERTS, partition), self.group.term, alert_id.encode()
        if position is None:
            return
        for begin in (position, 0):
            async for record in look_back(self._settings, ALERTS, [partition], offsets={partition: begin}):
                if record.key == key and term == self.group.term:
                    self._look_ahead(record, in_turn=record.offset < position)
            if alert_id in self._known:
                return

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
        try:
            stored = await sent
        except MessageSizeTooLargeError:
            log.error("Alert %s is as long as a record may be: its next revision cannot be written", alert.alert_id)
            return
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
        return self.group.reading


def _follows(alert: Alert, known: Known) -> bool:
    """Whether a worker's revision is the next one as it is: nothing that people did would be lost with it."""
    return alert.revision > known.alert.revision and not known.alert.handled

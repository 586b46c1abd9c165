"""The worker's heart: batches in, verdicts out, everything that comes of them stored before they are acked."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Set
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final

from mode import Service

from agents.gave import Gave, attribute
from agents.ledger import TP
from agents.metrics import Metrics
from agents.publisher import Publisher, Sent
from agents.reference import ReferenceTables
from agents.reporting import Reporter
from agents.settling import Open, Settler
from agents.transport import Delivery, RecordBatch
from rules.habits.rhythm import Heard
from rules.haul import Haul
from rules.session import Session
from schemas.alert import Alert
from schemas.codec import encode
from schemas.errors import BadRecordError
from schemas.sources import SOURCES
from schemas.sources.base import SourceMapping, Translated
from schemas.topics import RAW_TOPICS

RETRY_EVERY_S: Final = 0.05
"""How often deadlines of waiting events are looked at: the precision of `facts_grace`."""

SOURCE_OF: Final = {topic: topic.rsplit(".", 1)[1] for topic in RAW_TOPICS}
"""Which source reads which raw topic."""

ORIGIN: Final = "cloverwatch-origin"
"""Header of a translated record: `topic/partition/offset/index` of the record that it came from."""

_NO_MAPPING: Final = SourceMapping()


def wall_clock() -> int:
    """Return the time, milliseconds since 1970."""
    return time.time_ns() // 1_000_000


@dataclass(slots=True)
class Watch:
    """Judges what the agents are handed. One a worker; all calls on the event loop."""

    session: Session
    publisher: Publisher
    settler: Settler
    tables: ReferenceTables
    metrics: Metrics
    reporter: Reporter
    """Takes what is judged across people."""
    warm: Callable[[], Awaitable[Set[TP]]]
    """Awaited before partitions are read for the first time; returns those whose past is known now."""
    gave: Callable[[RecordBatch], Gave] = Gave.of
    """Takes note of a batch that is about to be judged."""
    _warmed: set[TP] = field(default_factory=set)

    def forget(self) -> None:
        """Partitions change hands: what is remembered of them is given up, waiting events too (they are unacked)."""
        self.session.forget()
        self._warmed.clear()

    async def judge(self, delivery: Delivery) -> None:
        """Judge a batch of `access.events`."""
        await self.tables.ready.wait()
        batch = delivery.batch
        tp = (batch.topic, batch.partition)
        if tp not in self._warmed:
            warmed = await self.warm()
            if batch.span.open:  # else partitions changed hands meanwhile, and know nothing again
                self._warmed |= warmed
        if not batch.span.open:
            return  # given up: it is read again, here or elsewhere
        item = Open(delivery, gave=self.gave(batch))
        done = self.settler.begin()
        with self.settler.or_broken():
            haul = self.session.take(batch.records, wall_clock(), batch.partition, item)
            if haul.held:
                item.parts += haul.held
                delivery.hold()
            self.metrics.read(batch.topic, len(batch.records), batch.records[-1].timestamp)
            await self._store(haul, [item, *haul.released], done, item.gave)
        first, last = batch.records[0], batch.records[-1]
        self.reporter.read(batch.partition, haul, len(batch.records), first.timestamp, last.timestamp)

    async def retry(self) -> None:
        """Judge what has waited and need not any longer."""
        done = self.settler.begin()
        with self.settler.or_broken():
            haul = self.session.retry(wall_clock())
            if haul is None:
                done()
            else:
                await self._store(haul, haul.released, done)

    async def translate(self, delivery: Delivery) -> None:
        """Translate a batch of another system's records and write them to `access.events`."""
        batch = delivery.batch
        name = SOURCE_OF[batch.topic]
        source = SOURCES[name]
        gave = self.gave(batch)
        sends: list[Sent] = []
        skipped: dict[str, int] = {}
        for record in batch.records:
            mapping = self.session.policy.sources.get(name, _NO_MAPPING)
            bad: dict[str, list[Translated]] = {}
            for found in source.translate(record.value, mapping):
                if found.event is not None:
                    origin = f"{record.topic}/{record.partition}/{record.offset}/{found.index}".encode()
                    value = encode(found.event)
                    sends.append(await self.publisher.access(found.event.person, value, [(ORIGIN, origin)]))
                elif found.bad is not None:
                    bad.setdefault(found.bad.reason, []).append(found)
                else:
                    skipped[found.skipped or "other"] = skipped.get(found.skipped or "other", 0) + 1
            sends += [await self._bad_of_one(record, each) for each in bad.values()]
            gave.dead_letters += len(bad)
        first, last = batch.records[0], batch.records[-1]
        self.reporter.hear([Heard(f"source:{name}", len(batch.records), first.timestamp, last.timestamp)])
        for reason, number in skipped.items():
            self.metrics.skipped.labels(name, reason).inc(number)
        self.metrics.read(batch.topic, len(batch.records), last.timestamp)
        await self.settler.put(sends, [Open(delivery, gave=gave)])

    async def _bad_of_one(self, record: Any, found: list[Translated]) -> Sent:
        """Put away a message of many records once for each reason, not once for each record: it is kept whole."""
        first = found[0]
        assert first.bad is not None  # noqa: S101  # as `translate` gathered them
        if more := len(found) - 1:
            self.metrics.dead_letters.labels(record.topic, first.bad.reason).inc(more)
            detail = f"{first.bad.detail} (and {more} more of its records)"
            return await self.bad(record, BadRecordError(first.bad.reason, detail), first.index)
        return await self.bad(record, first.bad, first.index)

    async def bad(self, message: Any, error: BadRecordError, index: int | None = None) -> Sent:
        """Put away a record that cannot be used, and count it."""
        self.metrics.dead_letters.labels(message.topic, error.reason).inc()
        return await self.publisher.dead_letter(message, error, index)

    async def bad_row(self, message: Any, error: BadRecordError) -> None:
        """Put away a directory row that cannot be used, and wait until it is stored."""
        self.metrics.reference_bad.labels(message.topic, error.reason).inc()
        await (await self.bad(message, error))

    async def _store(
        self, haul: Haul, settle: Iterable[Open], done: Callable[[], None], gave: Gave | None = None
    ) -> None:
        told = await self.publisher.told(haul.alerts, haul.shadow)
        attribute(haul, told[: len(haul.alerts)], gave, [open_.gave for open_ in haul.released])
        sends = [each.sent for each in told]
        for message, error in haul.bad:
            sends.append(await self.bad(message, error))
        for message, person in haul.misplaced:
            sends.append(await self.publisher.access(person, message.value, message.headers))
        sends += await self.reporter.store(haul)
        self.metrics.count(haul)
        self.metrics.waiting.set(self.session.waiting)

        def then() -> None:
            self.told(haul)
            done()

        await self.settler.put(sends, list(settle), then)

    def count_alert(self, alert: Alert) -> None:
        """Count an alert that the brokers have stored."""
        self.metrics.alerts.labels(alert.family, alert.severity).inc()
        for reason in alert.reasons:
            self.metrics.findings.labels(reason.rule_id, reason.severity).inc()

    def told(self, haul: Haul) -> None:
        """Count what is stored: alerts, and those of the shadow."""
        if haul.alerts:
            now = wall_clock()
            for alert in haul.alerts:
                self.count_alert(alert)
            arrivals = [now - alert.facts["appended_at"] for alert in haul.alerts if "appended_at" in alert.facts]
            self.metrics.arrival_to_alert.observe(arrivals)
        for reason in chain.from_iterable(alert.reasons for alert in haul.shadow):
            self.metrics.shadow_findings.labels(reason.rule_id, reason.severity).inc()


class Retrying(Service):
    """Looks after waiting events: when a directory row came, and when their time is over."""

    def __init__(self, watch: Watch, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._watch = watch

    @Service.task
    async def _look(self) -> None:
        while not self.should_stop:
            await self.sleep(RETRY_EVERY_S)
            await self._watch.retry()

"""Matches the partitions that the group gives it: reads both topics, keeps the state, publishes what is wrong.

At a commit, in this order: alerts of what was judged are stored, then the memories that changed, then what is said of
the offsets (`said.py`), then the offsets. An access that waits keeps its offset open. So a kill at any moment makes
some records be read again; each memory says up to which offset it counted them, and what it found that is not said yet.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from agents.clients import consumer_of
from agents.delivering.group import Batch, Group
from agents.delivering.refs import Run
from agents.ledger import TP
from agents.matching.metrics import OTHER, MatchMetrics
from agents.matching.read_to import ReadTo
from agents.matching.said import Part, Saying
from agents.matching.shelf import MatchShelf
from agents.matching.tail import settle_of
from agents.publisher import Publisher, partition_of
from agents.settings import Settings
from agents.snapshots import Snapshots
from agents.watching import wall_clock
from agents.wiring import describe
from rules.matching.matcher import Judged, Matcher
from schemas.alert import Alert
from schemas.codec import ACCESS
from schemas.decision_codec import DECISION
from schemas.errors import BadRecordError
from schemas.gateway_topics import GATEWAY_DECISIONS, GATEWAY_HEARD, STATE_MATCHES
from schemas.topics import ACCESS_EVENTS

log = logging.getLogger(__name__)

READ_MAX: Final = 2_000
"""Records of one fetch: some 20 ms."""

HEARD_EVERY_MS: Final = 5_000
"""How often it is written when the last access under a gateway's decisions was seen."""


class MatchRunner:
    """Matches until told to stop, or until something fails.

    Args:
        settings: how the brokers are reached.
        make: an empty matcher, given what is told of people whose memory changed.
        publisher: writes alerts.
        producer: writes snapshots; started.
        alert: makes the alert of what is wrong with an access.
        tail: everybody's decisions: `known_to` and `want`.
        metrics: counted into.
        saying: told of all that is held against decisions.
    """

    def __init__(
        self,
        settings: Settings,
        make: Callable[[Callable[[str], None]], Matcher],
        publisher: Publisher,
        producer: Any,
        alert: Callable[[Judged], Alert],
        tail: Any,
        metrics: MatchMetrics,
        saying: Saying,
    ) -> None:
        self._settings, self._publisher, self._producer = settings, publisher, producer
        self._alert, self._metrics, self._saying = alert, metrics, saying
        self._partitions = settings.partitions
        self.shelf = MatchShelf(
            lambda partition: make(lambda person: self.snapshots.touched(person, partition)), self._partition_of
        )
        self.snapshots = Snapshots(
            STATE_MATCHES, self.shelf, producer, self._stored, settings.session_timeout_s, metrics.state_bytes.inc
        )
        self.group = Group(
            settings, "match", (ACCESS_EVENTS, GATEWAY_DECISIONS), self._past, self._lost, self._before_commit, saying
        )
        self._reading = ReadTo(self.group, tail, settle_of(settings))
        self._heard: dict[tuple[int, str], int] = {}
        self._heard_at = 0
        self._open: set[asyncio.Task[None]] = set()
        self.stopped = asyncio.Event()
        self._failure: BaseException | None = None

    def _partition_of(self, person: str) -> int:
        return partition_of(person, self._partitions)

    def stop(self) -> None:
        """End after what is being done."""
        self.stopped.set()

    async def run(self) -> None:
        """Match until `stop`.

        Raises:
            Exception: something unforeseen, or what cannot be stored; whoever runs this begins anew with another one.
        """
        try:
            await self.group.start()
            while not self.stopped.is_set():
                if self._failure is not None:
                    raise self._failure
                await self._turn()
        finally:
            await self.group.stop()
            self._saying.given_up()

    @property
    def owns_first(self) -> bool:
        """Whether it has partition 0: whoever has it tells of gateways."""
        return 0 in self.group.loaded

    @property
    def matchers(self) -> Mapping[int, Matcher]:
        """By partition, those whose past is known."""
        return {each: found for each, found in self.shelf.matchers.items() if each in self.group.loaded}

    def _lost(self) -> None:
        """Partitions change hands: whoever gets them begins at what is committed and saved."""
        self._saying.given_up()
        self.shelf.matchers.clear()
        self.snapshots.forget()
        self._reading.clear()
        self._heard.clear()

    async def _past(self, read: Mapping[int, int]) -> Callable[[], None]:
        """Read the memories of partitions."""
        consumer = consumer_of(self._settings)
        await consumer.start()
        try:
            people = await self.snapshots.load(consumer, read)
        finally:
            await consumer.stop()

        def take_over() -> None:
            for partition in read:
                self.shelf.of(partition)
                self._reading.begin(partition)
            log.info("match: partitions %s, memories of %d people", sorted(read), people)

        return take_over

    async def _before_commit(self, offsets: Mapping[TP, int]) -> bool:
        """Store what the offsets cover; what cannot be stored ends this runner, and nothing is committed."""
        term = self.group.term
        try:
            await self.snapshots.before_commit({})
            if term != self.group.term:
                return False  # nothing more is said of partitions that changed hands
            for partition, offset in (await self._saying.before_commit(offsets)).items():
                if (matcher := self.shelf.matchers.get(partition)) is not None:
                    matcher.said_to = offset
        except Exception as error:  # noqa: BLE001  # what was to be written is not: all of it is read again
            self._failure = self._failure or error
        return self._failure is None

    async def _stored(self) -> None:
        """Return when the alerts of all that was judged until now are stored."""
        while self._open:
            await asyncio.wait(list(self._open))
        if self._failure is not None:
            raise self._failure

    async def _turn(self) -> None:
        wait = await self._reading.look_ahead(self.matchers)
        batches = await self.group.read(wait, READ_MAX, self._reading.skipped(self.matchers))
        for batch in sorted(batches, key=lambda each: each.topic != GATEWAY_DECISIONS):
            await self._take(batch)
        self._reading.note()
        self._judge()
        await self._tell_heard()

    async def _take(self, batch: Batch) -> None:
        partition = batch.records[0].partition
        matcher = self.shelf.of(partition)
        part = None if batch.topic == GATEWAY_DECISIONS else self._saying.begin(batch)
        for record in batch.records:
            if batch.term != self.group.term:
                return  # whoever has the partition now reads it again
            if part is None:
                await self._decision(record, matcher, batch.run)
            else:
                self._access(record, matcher, part)
        self._reading.took(batch.topic, batch.records[-1])

    async def _decision(self, record: Any, matcher: Matcher, run: Run) -> None:
        self._metrics.decisions.inc()
        try:
            decision = DECISION.decode(record.value)
            if self._partition_of(decision.person) != record.partition:
                raise BadRecordError("bad_key", "in another partition than its person's")
        except BadRecordError as error:
            self._metrics.bad_records.labels(record.topic, error.reason).inc()
            self._later(self._put_away(record, error, run))
            return
        before = matcher.crowded
        matcher.decide(decision, record.offset, record.timestamp)
        if matcher.crowded > before:
            self._metrics.crowded.inc(matcher.crowded - before)
        run.done()

    def _access(self, record: Any, matcher: Matcher, part: Part) -> None:
        fate = "of_no_concern"
        try:
            event = ACCESS.decode(record.value)
        except BadRecordError:
            fate = "unreadable"
        else:
            if not matcher.comparer.concerns(event):
                pass
            elif self._partition_of(event.person) != record.partition:
                fate = "elsewhere"
            elif matcher.access(event, describe(record, event), record.offset, record.timestamp, part):
                return
        self._metrics.accesses.labels(fate).inc()
        part()

    def _judge(self) -> None:
        """Judge whatever can be; its offsets are free when its alerts are stored."""
        for partition, matcher in self.matchers.items():
            decided_to, accesses_to = self._reading.to(partition)
            told = []
            for each in matcher.advance(decided_to, accesses_to):
                self._metrics.accesses.labels("repeated" if each.repeated else "judged").inc()
                self._saying.held(each, matcher.comparer.policy.version)
                if (decision := each.compared.decision) is not None:
                    self._hear(partition, decision.gateway_id, each.access.appended_at)
                    if each.compared.rows_unsaid:
                        self._metrics.rows_unsaid.labels(_one_of(matcher, decision.gateway_id)).inc()
                if each.compared.findings:
                    told.append(each)
                elif each.access.handle is not None:
                    each.access.handle()
            if told:
                self._later(self._publish(told))

    def _later(self, work: Any) -> None:
        task = asyncio.create_task(self._or_fail(work))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _or_fail(self, work: Awaitable[None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001  # whatever it is: nothing behind it may be committed
            self._failure = self._failure or error

    async def _publish(self, told: Sequence[Judged]) -> None:
        published = await self._publisher.told([self._alert(each) for each in told])
        await asyncio.gather(*(one.sent for one in published))
        now = wall_clock()
        for each, one in zip(told, published, strict=True):
            self._saying.gave(each, one)
            self._metrics.delay.observe(max(0, now - each.access.appended_at) / 1000)
            for reason in one.alert.reasons:
                self._metrics.findings.labels(reason.rule_id).inc()
            if each.access.handle is not None:
                each.access.handle()

    async def _put_away(self, record: Any, error: BadRecordError, run: Run) -> None:
        await (await self._publisher.dead_letter(record, error))
        run.done()

    def _hear(self, partition: int, gateway: str, at: int) -> None:
        key = partition, gateway
        self._heard[key] = max(at, self._heard.get(key, 0))

    async def _tell_heard(self) -> None:
        now = wall_clock()
        if not self._heard or now - self._heard_at < HEARD_EVERY_MS:
            return
        self._heard_at, heard, self._heard = now, self._heard, {}
        for (partition, gateway), at in heard.items():
            self._later(self._store_heard(f"{partition}|{gateway}".encode(), str(at).encode()))

    async def _store_heard(self, key: bytes, value: bytes) -> None:
        await (await self._producer.send(GATEWAY_HEARD, key=key, value=value, partition=0))

    def adopt(self, renew: Callable[[Matcher], None]) -> None:
        """Go on under another policy."""
        for matcher in self.shelf.matchers.values():
            renew(matcher)


def _one_of(matcher: Matcher, gateway: str) -> str:
    """Return a gateway's name where the policy has it: labels are bounded by that."""
    return gateway if gateway in matcher.comparer.gateway.gateways else OTHER

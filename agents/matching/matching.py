"""The matching process: what it knows, the runner, metrics, gateways. The composition root of `cloverwatch match`."""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import suppress
from importlib.metadata import version
from typing import Any, Final

from mode import Service

from agents.approvals.reading import ApprovalTail
from agents.approvals.reading import tail_of as approvals_tail_of
from agents.approvals.whereabouts import Whereabouts
from agents.clients import consumer_of, producer_of, within_start
from agents.coverage import Coverage
from agents.life import Life, hash_of_policy, stored_by
from agents.matching.approvals_known import ApprovalsKnown, Both
from agents.matching.metrics import MatchMetrics
from agents.matching.restarting import Restarting
from agents.matching.runner import MatchRunner
from agents.matching.said import Saying, sends
from agents.matching.states import States, gateway_of, heard_of, kept_of
from agents.matching.tail import DecisionsTail, settle_of
from agents.policy_watch import PolicyWatch, officers_in, people_in
from agents.preflight import PartitionWatch
from agents.privacy import Privacy, tail_of
from agents.publisher import Publisher
from agents.reference import ReferenceTables
from agents.settings import Settings
from agents.tables import geo_table, legal_table
from agents.watching import wall_clock
from agents.wiring import guarding
from alerts.keyring import KeyRing
from alerts.sealing import Sealer
from rules.join import Joiner
from rules.knowledge import Knowledge
from rules.matching.compare import Comparer
from rules.matching.elsewhere import Elsewhere
from rules.matching.gateways import Gateways
from rules.matching.matcher import Judged, Matcher
from rules.matching.report import match_alert
from rules.policy import Policy
from schemas.alert import Alert, JudgedWith
from schemas.approval import Approval
from schemas.errors import BadRecordError, ConfigurationError
from schemas.gateway_topics import GATEWAY_DECISIONS, GATEWAY_HEARD
from schemas.topics import DIRECTORY_TOPICS

log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 2.0
"""How often it is looked whether a gateway is quiet or sees no access: their durations are minutes at least."""

ALIVE_EVERY_S: Final = 0.5
"""How often it is looked whether something that the runner needs has crashed."""


class Matching:
    """Everything that one process matches with."""

    def __init__(self, settings: Settings, content: bytes, policy: Policy, ring: KeyRing | None) -> None:
        assert settings.policy is not None  # noqa: S101  # held by `match`
        self._settings = settings
        self.metrics = MatchMetrics(version("cloverwatch"))
        self._legal, self._geo = legal_table(settings), geo_table(settings)
        self._knowledge = Knowledge()
        self._approvals: dict[str, Approval] = {}
        self._elsewhere = Elsewhere(kept_of(gateway_of(policy)))
        self._gateways = Gateways()
        self._comparer = self._compare(policy)
        self._producer = producer_of(settings)
        consumer = consumer_of(settings, *DIRECTORY_TOPICS)
        self._tables = ReferenceTables(consumer, self._knowledge, on_bad_row=self._bad_row, read=lambda: None)
        self._privacy: Privacy | None = None
        if ring is None:
            log.warning("identities = clear: alerts name people, and so does everything that they are delivered to")
        else:
            self._privacy = Privacy(tail_of(settings), self._producer, ring, Sealer(officers_in(content)))
        self._publisher = Publisher(
            self._producer, settings.partitions, None if self._privacy is None else self._privacy.hidden
        )
        self._coverage = Coverage(
            sends(self._publisher.coverage),
            lambda: self._comparer.policy.version,
            lambda: self._tables.known()[0],
            wall_clock,
            version("cloverwatch"),
        )
        self._coverage.in_force(policy.version, content, self._legal.digest, self._geo.digest)
        self._saying = Saying(self._coverage)
        self._tail = DecisionsTail(
            consumer_of(settings, GATEWAY_DECISIONS, GATEWAY_HEARD, fetch_max_wait_ms=20),
            lambda: self._elsewhere,
            self._gateways,
            wall_clock() - heard_of(gateway_of(policy)),
            settle_of(settings),
        )
        self._people = people_in(content)
        self._approval_tail = ApprovalTail(
            approvals_tail_of(settings),
            lambda: self._people,
            lambda: self._comparer.policy,
            self._approved,
            on_gone=self._disapproved,
            legal=self._legal,
            whereabouts=Whereabouts(lambda: self._comparer.joiner),
            after=self._tables.ready,
        )
        self._states = States(self._gateways, self._approvals)
        self._approvals_known = ApprovalsKnown(self._approval_tail.to_end)
        self._policy = hash_of_policy(content)
        self._services: tuple[Service, ...] = (
            Life(
                "match",
                stored_by(self._producer),
                policy=lambda: self._policy,
                failed=lambda: not self._orderly,
                process=self._coverage.worker,
            ),
            self._coverage,
            self._tables,
            self._approval_tail,
            self._approvals_known,
            self._tail,
            *guarding(settings, ring, self._privacy),
            PartitionWatch(self._producer, settings.partitions),
            PolicyWatch(
                settings.policy,
                content,
                settings.policy_check_s,
                adopt=self._adopt,
                failed=lambda wrong: self.metrics.policy_failed.set(int(wrong)),
            ),
        )
        self._running = Restarting(self._new_runner, self.metrics)
        self._stopping = asyncio.Event()
        self._orderly = False
        """Whether it was told to stop, and did."""

    def _compare(self, policy: Policy) -> Comparer:
        self.metrics.adopt(gateway_of(policy).gateways)
        return Comparer(Joiner(policy, self._knowledge, self._legal, self._geo), self._approvals, self._elsewhere)

    def _new_runner(self) -> MatchRunner:
        return MatchRunner(
            self._settings,
            lambda touched: Matcher(self._comparer, touched),
            self._publisher,
            self._producer,
            self._alert,
            Both(self._tail, self._approvals_known),
            self.metrics,
            self._saying,
        )

    @property
    def _runner(self) -> MatchRunner:
        return self._running.runner

    async def run(self) -> int:
        """Run until a signal; return the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        await within_start(self._settings, self._producer.start)
        begun: list[Service] = []
        try:
            for service in self._services:
                begun.append(service)
                await service.start()
            return await self._serve()
        finally:
            for service in reversed(begun):
                await service.stop()
            await self._producer.stop()

    async def _serve(self) -> int:
        tasks = [asyncio.create_task(each) for each in (self._match(), self._watch_gateways())]
        crashed = None
        while not self._stopping.is_set() and crashed is None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), ALIVE_EVERY_S)
            crashed = next((each for each in self._services if each.crashed), None)
        self._stopping.set()
        self._runner.stop()
        await asyncio.gather(*tasks)
        if crashed is not None:
            log.error(
                "%s: ended: %s; this process ends, to be started again", type(crashed).__name__, crashed.crash_reason
            )
            return 1
        self._orderly = True
        return 0

    async def _match(self) -> None:
        """Match, when all is read that it needs."""
        for ready in self._read:
            await self._until(ready)
        await self._running.run(self._stopping)

    @property
    def _read(self) -> list[asyncio.Event]:
        """What must be read before anything is matched."""
        return [self._tables.ready, self._approval_tail.ready, self._tail.ready]

    async def _until(self, event: asyncio.Event) -> None:
        """Return when an event is set, or all ends."""
        waits = [asyncio.create_task(each.wait()) for each in (event, self._stopping)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for each in waits:
            each.cancel()

    async def _watch_gateways(self) -> None:
        """Tell of gateways, where partition 0 is ours: everybody hears them, one process tells."""
        await self._until(self._tail.ready)
        while not self._stopping.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), LOOK_EVERY_S)
            self._tail.want(wall_clock())
            if not self._runner.owns_first:
                continue
            told = self._states.look(self._comparer.policy, wall_clock(), self._tail.known_to, self._judged_with())
            for alert in told:
                self.metrics.findings.labels(alert.rule_id).inc()
            published = await self._publisher.told(told)
            await asyncio.gather(*(one.sent for one in published))
            for one in published:
                self._saying.of_gateways(one)

    def _approved(self, approval: Approval) -> None:
        self._approvals[approval.approval_id] = approval

    def _disapproved(self, approval_id: str) -> None:
        self._approvals.pop(approval_id, None)

    def _alert(self, judged: Judged) -> Alert:
        event, joiner = judged.access.event, self._comparer.joiner
        return match_alert(
            event,
            self._knowledge.find(event.person),
            judged.compared,
            judged.access.ref,
            joiner,
            appended_at=judged.access.appended_at,
            detected_at=wall_clock(),
            judged_with=self._judged_with(),
        )

    def _judged_with(self) -> JudgedWith:
        digest, known = self._tables.known()
        return JudgedWith(
            policy=self._comparer.policy.version,
            legal_table=self._legal.digest,
            geo_table=self._geo.digest,
            directories=digest,
            known=known,
        )

    def _adopt(self, policy: Policy, content: bytes) -> None:
        if policy.gateway is None:
            raise ConfigurationError("policy: it has no [gateway], so nothing could be matched")
        if self._privacy is not None:
            self._privacy.seal_to(Sealer(officers_in(content)))
        self._people, self._policy = people_in(content), hash_of_policy(content)
        self._elsewhere.kept = max(self._elsewhere.kept, kept_of(policy.gateway))
        self._comparer = self._compare(policy)
        self._coverage.in_force(policy.version, content, self._legal.digest, self._geo.digest)

        self._runner.adopt(lambda matcher: matcher.adopt(self._comparer))
        self._approval_tail.reread(content)

    async def _bad_row(self, message: Any, error: BadRecordError) -> None:
        """Count a row that cannot be used; the workers put it away."""
        self.metrics.bad_records.labels(message.topic, error.reason).inc()

    def not_ready(self) -> list[str]:
        """Return why accesses are not matched; nothing when they are, or when others hold all partitions."""
        reasons = []
        if not self._tables.ready.is_set():
            reasons.append("reference tables are not read yet")
        if not self._approval_tail.ready.is_set():
            reasons.append("approvals are not read yet")
        if not self._tail.ready.is_set():
            reasons.append("the decisions of the last hour are not read yet")
        if not self._runner.group.reading:
            reasons.append("its group has not settled yet, or what was saved is being read")
        return reasons

    def refresh(self) -> None:
        """Ask the gauges that are not told."""
        metrics, matchers = self.metrics, self._runner.matchers.values()
        metrics.ready.set(0 if self.not_ready() else 1)
        metrics.waiting.set(sum(each.waiting for each in matchers))
        metrics.remembered.set(sum(each.decisions for each in matchers))
        metrics.people.set(sum(len(each.people) for each in matchers))
        metrics.ids.set(len(self._elsewhere))
        metrics.lag.set(self._runner.group.lag)

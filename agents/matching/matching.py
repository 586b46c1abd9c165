"""The matching process: what it knows, the runner, metrics, gateways. The composition root of `cloverwatch match`."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from contextlib import suppress
from importlib.metadata import version
from typing import Any, Final

from mode import Service

from agents.approvals.reading import ApprovalTail
from agents.approvals.reading import tail_of as approvals_tail_of
from agents.approvals.whereabouts import Whereabouts
from agents.clients import consumer_of, producer_of, with_admin, within_start
from agents.matching.metrics import MatchMetrics
from agents.matching.runner import MatchRunner
from agents.matching.tail import DecisionsTail, settle_of
from agents.policy_watch import PolicyWatch, officers_in, people_in, read_policy
from agents.preflight import PartitionWatch, check_topics
from agents.privacy import Privacy, tail_of
from agents.pseudonym_keys import read_keys
from agents.publisher import Publisher
from agents.reference import ReferenceTables
from agents.settings import Settings
from agents.tables import geo_table, legal_table
from agents.watching import wall_clock
from agents.web import WebServer, listening
from agents.wiring import guarding
from alerts.keyring import KeyRing
from alerts.sealing import Sealer
from alerts.trouble import place
from rules.gateway.section import GatewayPolicy
from rules.gateway.unreviewed import unreviewed, unreviewed_alert
from rules.join import Joiner
from rules.knowledge import Knowledge
from rules.matching.compare import Comparer
from rules.matching.elsewhere import KEPT_MS, Elsewhere
from rules.matching.gateways import Gateways
from rules.matching.matcher import Judged, Matcher
from rules.matching.report import gateway_alert, match_alert
from rules.policy import Policy
from schemas.alert import Alert, JudgedWith
from schemas.approval import Approval
from schemas.errors import BadRecordError, CloverwatchError, ConfigurationError
from schemas.gateway_topics import GATEWAY_DECISIONS, GATEWAY_HEARD
from schemas.topics import DIRECTORY_TOPICS

log = logging.getLogger(__name__)

RESTART_FIRST_S: Final = 1.0
RESTART_MOST_S: Final = 60.0
"""Between the end of a runner that failed and its next beginning: doubled each time, up to a minute."""

LOOK_EVERY_S: Final = 2.0
"""How often it is looked whether a gateway is quiet or sees no access: their durations are minutes at least."""

RETOLD_MS: Final = 86_400_000
"""How long after it was due a break-glass without review is told once more by a process that starts: a day."""

ALIVE_EVERY_S: Final = 0.5
"""How often it is looked whether something that the runner needs has crashed."""


def gateway_of(policy: Policy) -> GatewayPolicy:
    """Return the policy's `[gateway]`.

    Raises:
        ConfigurationError: it has none: there is nothing to match with.
    """
    if policy.gateway is None:
        raise ConfigurationError("policy: it has no [gateway], so no access needs a decision; see docs/matching.md")
    return policy.gateway


def kept_of(gateway: GatewayPolicy) -> int:
    """Return how long the ids of decisions are remembered, milliseconds: 16 bytes each, so never for `quiet_after`."""
    return gateway.valid_for + KEPT_MS


def heard_of(gateway: GatewayPolicy) -> int:
    """Return how far back decisions are read at the start, so that gateways are heard, milliseconds."""
    return max(kept_of(gateway), *(2 * after for after in gateway.quiet_after.values()), 0)


async def match(settings: Settings) -> int:
    """Match until told to stop (SIGTERM, SIGINT).

    Returns:
        The exit code: 0 after a stop, 1 where something that it needs crashed.

    Raises:
        ConfigurationError: settings, policy or topics cannot be used.
        ReferenceUnavailableError: no broker answers.
    """
    if settings.policy is None:
        raise ConfigurationError("policy: matching needs one; name the file with CLOVERWATCH_POLICY")
    ring = None if settings.identities == "clear" else read_keys(settings)
    content, policy = read_policy(settings.policy)
    gateway_of(policy)
    await with_admin(settings, lambda admin: check_topics(admin, settings.partitions))
    with listening(settings.web_host, settings.match_port, "match_port") as listener:
        process = Matching(settings, content, policy, ring)
        web = WebServer(
            listener, registry=process.metrics.registry, refresh=process.refresh, not_ready=process.not_ready
        )
        await web.start()
        try:
            return await process.run()
        finally:
            await web.stop()


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
        self._told_unreviewed: set[str] = set()
        self._services: tuple[Service, ...] = (
            self._tables,
            self._approval_tail,
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
        self._runner = self._new_runner()
        self._stopping = asyncio.Event()

    def _compare(self, policy: Policy) -> Comparer:
        return Comparer(Joiner(policy, self._knowledge, self._legal, self._geo), self._approvals, self._elsewhere)

    def _new_runner(self) -> MatchRunner:
        return MatchRunner(
            self._settings,
            lambda touched: Matcher(self._comparer, touched),
            self._publisher,
            self._producer,
            self._alert,
            self._tail,
            self.metrics,
        )

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
        return 0

    async def _match(self) -> None:
        """Run the runner; where it fails another is begun, later and later, at what is committed."""
        for ready in self._read:
            await self._until(ready)
        wait = RESTART_FIRST_S
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                await self._runner.run()
            except Exception as error:  # noqa: BLE001  # whatever it is: it is told, and tried again
                if time.monotonic() - began > RESTART_MOST_S:
                    wait = RESTART_FIRST_S
                said = str(error) if isinstance(error, CloverwatchError) else place(error)
                log.error("Matching ended: %s; begun anew in %g s", said, wait)
                self.metrics.restarts.inc()
            else:
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), wait)
                return
            wait = min(RESTART_MOST_S, 2 * wait)
            self._runner = self._new_runner()

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
            gateway = self._comparer.gateway
            told = [
                gateway_alert(
                    each.kind,
                    each.gateway,
                    each.sentence,
                    since=each.since,
                    detected_at=wall_clock(),
                    judged_with=self._judged_with(),
                    policy=self._comparer.policy,
                    over=each.over,
                )
                for each in self._gateways.look(self._tail.known_to, gateway.quiet_after, gateway.wait)
                if each.kind.enabled(self._comparer.policy)
            ]
            told += self._unreviewed()
            for alert in told:
                self.metrics.findings.labels(alert.rule_id).inc()
            await asyncio.gather(*await self._publisher.alerts(told))

    def _approved(self, approval: Approval) -> None:
        self._approvals[approval.approval_id] = approval

    def _disapproved(self, approval_id: str) -> None:
        self._approvals.pop(approval_id, None)

    def _unreviewed(self) -> list[Alert]:
        """Return the alerts about break-glass that nobody has looked at in time; each is told once by a process."""
        now, gateway = wall_clock(), self._comparer.gateway
        found = [
            each
            for each in unreviewed(self._approvals.values(), gateway, now)
            if each.approval_id not in self._told_unreviewed
            and now - (each.since or 0) - gateway.review_within < RETOLD_MS
        ]
        self._told_unreviewed.update(each.approval_id for each in found)
        provenance = self._judged_with()
        return [unreviewed_alert(each, gateway, detected_at=now, judged_with=provenance) for each in found]

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
            log.error("The new policy has no [gateway]: accesses are matched under the old one")
            self.metrics.policy_failed.set(1)
            return
        if self._privacy is not None:
            self._privacy.seal_to(Sealer(officers_in(content)))
        self._people = people_in(content)
        self._elsewhere.kept = max(self._elsewhere.kept, kept_of(policy.gateway))
        self._comparer = self._compare(policy)

        def renew(matcher: Matcher) -> None:
            matcher.comparer = self._comparer

        self._runner.adopt(renew)
        self._approval_tail.reread()

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

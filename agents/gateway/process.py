"""The decision point's process: the composition root of `cloverwatch gateway`."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
import ssl
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient
from mode import Service

from agents.approvals.api import mount
from agents.clients import consumer_of, producer_of, with_admin
from agents.gateway.approving import GatewayApprovals
from agents.gateway.callers import Callers, read_tokens
from agents.gateway.credentials import CredentialsWatch, Stamps, stamps
from agents.gateway.deciding import Deciding
from agents.gateway.freshness import Freshness
from agents.gateway.metrics import GatewayMetrics
from agents.gateway.pulse import Pulse
from agents.gateway.recording import LINGER_MS, REQUEST_TIMEOUT_MS, Producing, Recorder
from agents.gateway.server import DecisionServer
from agents.gateway.tls import server_tls
from agents.life import Life, hash_of_policy, stored_by
from agents.policy_adopted import check_adopted
from agents.policy_watch import PolicyWatch, read_policy
from agents.preflight import PartitionWatch, check_topics
from agents.reference import ReferenceTables
from agents.settings import Settings
from agents.tables import geo_table, legal_table
from agents.topic_admin import described
from agents.watching import wall_clock
from agents.web import WebServer, listening
from agents.wiring import spare_the_collector
from rules.catalogue import RULES
from rules.gateway.decide import DecisionPoint
from rules.geo import GeoTable
from rules.join import Joiner
from rules.judge import Judge
from rules.jurisdictions import LegalTable
from rules.knowledge import Knowledge
from rules.policy import Policy
from schemas.errors import BadRecordError, ConfigurationError
from schemas.gateway_topics import GATEWAY_DECISIONS
from schemas.topics import DIRECTORY_TOPICS

log = logging.getLogger(__name__)


COLLECT_EVERY: Final = 20_000
"""Objects that are made between two looks for cycles. The interpreter's own 700 are two or three requests: it looked
through all that are being answered hundreds of times a second, and found nothing, since what a request leaves goes by
itself."""


def serve(settings: Settings) -> int:
    """Decide until told to stop (SIGTERM, SIGINT).

    Returns:
        The exit code: 0 after a stop, 1 after a failure. Brokers that go away are waited for; meanwhile nothing is
        allowed.

    Raises:
        ConfigurationError: settings, policy, credentials or topics cannot be used (exit 2).
        ReferenceUnavailableError: no broker answers at the start (exit 1).
    """
    if settings.policy is None:
        raise ConfigurationError("policy: a decision point needs one; name the file with CLOVERWATCH_POLICY")
    seen = stamps(settings)
    tls = server_tls(settings)
    check_reached_as(settings)
    tokens = None if settings.gateway_tokens is None else read_tokens(settings.gateway_tokens)
    content, policy = read_policy(settings.policy)
    if policy.gateway is None:
        raise ConfigurationError(f"policy: {settings.policy} has no [gateway], so nothing can be decided")
    legal, geo = legal_table(settings), geo_table(settings)
    asyncio.run(with_admin(settings, lambda admin: _check(admin, settings.partitions)))
    asyncio.run(check_adopted(settings))
    gc.set_threshold(COLLECT_EVERY)
    gc.disable()  # until the tables are read: nothing that is made meanwhile is ever thrown away
    with (
        listening(settings.web_host, settings.gateway_web_port, "gateway_web_port") as web,
        listening(settings.gateway_host, settings.gateway_port, "gateway_port") as listener,
    ):

        async def run() -> int:
            process = Gateway(settings, content, policy, legal, geo, Callers(tokens, ()), tls, listener, web, seen)
            return await process.serve()

        return asyncio.run(run())


def check_reached_as(settings: Settings) -> None:
    """AuthZEN 1.0, "Metadata Validation": callers refuse metadata that names another address than the one they asked.

    Raises:
        ConfigurationError: the address is a wildcard, and nothing else says how callers reach us.
    """
    wildcard = settings.gateway_host in {"", "0.0.0.0", "::"}  # noqa: S104 - compared, not listened at
    if wildcard and settings.gateway_url is None:
        raise ConfigurationError(
            f"gateway_url: not set, and gateway_host {settings.gateway_host} is no address that callers ask; allowed: "
            "the address by which they do, such as https://pdp.example"
        )


async def _check(admin: AIOKafkaAdminClient, partitions: int) -> None:
    await check_topics(admin, partitions)
    found = (await described(admin))[GATEWAY_DECISIONS].partitions
    if found != partitions:
        raise ConfigurationError(
            f"partitions: {GATEWAY_DECISIONS} has {found} partitions, the settings say {partitions}; allowed: as many "
            "as access.events, so that a person's accesses and decisions meet"
        )


class Gateway(Service):
    """One decision point, put together. Its parts start in the order in which they stand, and stop in the other."""

    def __init__(
        self,
        settings: Settings,
        content: bytes,
        policy: Policy,
        legal: LegalTable,
        geo: GeoTable,
        callers: Callers,
        tls: ssl.SSLContext | None,
        listener: socket.socket,
        web: socket.socket,
        seen: Stamps,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        assert settings.policy is not None  # noqa: S101  # held by `serve`
        self.settings, self.legal, self.geo, self.callers = settings, legal, geo, callers
        self.metrics = GatewayMetrics(version("cloverwatch"))
        self.knowledge = Knowledge()
        producer = producer_of(settings, linger_ms=LINGER_MS, request_timeout_ms=REQUEST_TIMEOUT_MS)
        rows = consumer_of(settings, *DIRECTORY_TOPICS)
        self.tables = ReferenceTables(rows, self.knowledge, on_bad_row=self._bad_row, read=spare_the_collector)
        self.pulse = Pulse(rows)
        self.recorder = Recorder(producer, settings.partitions, settings.gateway_record_within_s, self.metrics)
        self.deciding = Deciding(self.recorder, self.metrics, wall_clock, self._stale)
        self.policy, self.content = policy, content
        self._told_to_stop = asyncio.Event()
        self.approvals: GatewayApprovals | None = None
        self._adopt(policy, content)
        self.approvals = GatewayApprovals(settings, content, self.knowledge, self.tables, lambda: self.joiner, producer)
        self.freshness = Freshness(self.tables.age, self.approvals.tail, settings.gateway_known_within_s)
        self.server = DecisionServer(
            listener,
            settings,
            url=address(settings, listener),
            tls=tls,
            callers=callers,
            deciding=self.deciding,
            metrics=self.metrics,
            not_ready=self.not_deciding,
            mounts=(partial(mount, service=self.approvals.service),),
        )
        self._parts = (
            WebServer(web, registry=self.metrics.registry, refresh=self.refresh, not_ready=self.not_ready),
            Producing(producer),
            Life(
                "gateway",
                stored_by(producer),
                policy=lambda: hash_of_policy(self.content),
                failed=lambda: bool(self.crashed) or not self._told_to_stop.is_set(),
            ),
            self.tables,
            self.approvals,
            self.freshness,
            self.pulse,
            PartitionWatch(producer, settings.partitions),
            PolicyWatch(
                settings.policy, content, settings.policy_check_s, adopt=self._adopt, failed=self._policy_failed
            ),
            CredentialsWatch(
                settings,
                callers,
                self.server.renew,
                lambda wrong: self.metrics.credentials_failed.set(int(wrong)),
                seen,
            ),
            self.server,
        )

    def on_init_dependencies(self) -> Sequence[Any]:
        """Return the parts."""
        return self._parts

    async def serve(self) -> int:
        """Run until a signal or a crash; return the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._told_to_stop.set)
        try:
            await self.start()
            log.warning("Deciding at %s", address(self.settings, self.server.listener))
            await self.wait(self._told_to_stop.wait())
            return 1 if self.crashed else 0
        finally:
            await self.stop()

    def not_deciding(self) -> list[str]:
        """Return why no decision can be made at all; nothing when it can. Brokers that are away are another matter."""
        reasons = [] if self.tables.ready.is_set() else ["reference tables are not read yet"]
        if self.approvals is not None and not self.approvals.ready.is_set():
            reasons.append("approvals are not read yet")
        return reasons

    def not_ready(self) -> list[str]:
        """Return why nobody should be sent here; nothing when everything works."""
        reasons = self.not_deciding()
        if not self.server.listens:
            reasons.append("the decision point does not listen yet")
        if not self.pulse.answers:
            reasons.append("the broker does not answer")
        if self.recorder.overdue:
            reasons.append("decisions cannot be recorded")
        return reasons + self.freshness.reasons()

    def _stale(self) -> list[str]:
        return self.freshness.reasons()

    def refresh(self) -> None:
        """Ask the gauges that are not told."""
        self.metrics.ready.set(0 if self.not_ready() else 1)
        self.metrics.connections.set(self.server.connections)
        if self.approvals is not None:
            self.metrics.approvals.set(len(self.approvals.tail.approvals))
        for topic, rows in self.knowledge.rows.items():
            self.metrics.reference_rows.labels(topic).set(rows)
        for topic, lag in self.tables.lag().items():
            self.metrics.reference_lag.labels(topic).set(lag)
        for topic, age in self.freshness.ages().items():
            self.metrics.reference_age.labels(topic).set(age)

    def _adopt(self, policy: Policy, content: bytes) -> None:
        if policy.gateway is None:
            raise ConfigurationError("policy: it has no [gateway], so nothing could be decided")
        self.joiner = Joiner(policy, self.knowledge, self.legal, self.geo)
        judge = Judge(self.joiner, RULES)
        self.deciding.adopt(DecisionPoint(judge, self.knowledge, policy, memo=True), policy.gateway)
        self.callers.allowed = frozenset(policy.gateway.gateways)
        self.metrics.adopt(policy.version, frozenset(policy.gateway.gateways))
        if policy.gateway.unrecorded == "allow":
            log.warning('[gateway] unrecorded = "allow": while brokers are away, decisions are answered unrecorded')
        if policy.gateway.stale == "allow":
            log.warning('[gateway] stale = "allow": while directories or approvals are not read, old ones are gone by')
        self.policy, self.content = policy, content
        if self.approvals is not None:
            self.approvals.adopt(content)

    def _policy_failed(self, wrong: bool) -> None:  # noqa: FBT001 - as PolicyWatch calls it
        self.metrics.policy_failed.set(int(wrong))

    async def _bad_row(self, message: Any, error: BadRecordError) -> None:
        """A worker puts it away; here it is only counted."""
        self.metrics.reference_bad.labels(message.topic).inc()
        log.error("A row of %s at %d/%d: %s", message.topic, message.partition, message.offset, error)


def address(settings: Settings, listener: socket.socket) -> str:
    """Return the decision point's own address, without a slash at its end."""
    if settings.gateway_url is not None:
        return settings.gateway_url.rstrip("/")
    host, port = listener.getsockname()[:2]
    scheme = "http" if settings.gateway_tls_cert is None else "https"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"

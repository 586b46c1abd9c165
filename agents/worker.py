"""The worker: the composition root. It joins the rooms and runs them; they know nothing of each other."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import time
from collections.abc import Set
from importlib.metadata import version
from typing import Any

from agents.approvals.working import WorkersApprovals
from agents.clients import consumer_of, faust_security, producer_of
from agents.coverage import Coverage
from agents.gauges import refresh
from agents.integrity import Integrity
from agents.ledger import TP
from agents.metrics import Metrics
from agents.overseeing import Overseeing, PeerVersions
from agents.policy_watch import PolicyWatch, officers_in, read_policy
from agents.preflight import PartitionWatch, before_start
from agents.privacy import Privacy, tail_of
from agents.pseudonym_keys import read_keys
from agents.publisher import Publisher, partition_of
from agents.reference import ReferenceTables
from agents.reporting import Reporter
from agents.settings import Settings
from agents.settling import Settler
from agents.snapshots import Snapshots
from agents.tables import geo_table, legal_table
from agents.transport import StreamApp, StreamSettings, deliveries
from agents.transport.lag import LagService
from agents.warming import read_past
from agents.watchdog import Watchdog, WatchdogSettings
from agents.watching import Retrying, Watch, wall_clock
from agents.web import WebServer, listening
from agents.wiring import (
    InOrder,
    Listener,
    commit_interval,
    describe,
    guarding,
    made,
    spare_the_collector,
    speaking,
)
from agents.zeroes import begin
from alerts.keyring import KeyRing
from alerts.sealing import Sealer
from rules.catalogue import RULES
from rules.geo import GeoTable
from rules.habits.overseer import CLOCK, Overseer
from rules.habits.shelf import HabitShelf
from rules.haul import Haul
from rules.join import Joiner
from rules.judge import Judge
from rules.jurisdictions import LegalTable
from rules.knowledge import Knowledge
from rules.policy import Policy
from rules.session import Session
from schemas.alert import JudgedWith
from schemas.errors import ConfigurationError
from schemas.topics import (
    ACCESS_EVENTS,
    ACCESS_VISITS,
    DIRECTORY_TOPICS,
    RAW_TOPICS,
    REPORTS,
    STATE_HABITS,
    STATE_OVERSEER,
    STATE_PEERS,
)

log = logging.getLogger(__name__)

OVERSEEN = 0
"""The only partition of `monitor.reports`."""


def run(settings: Settings) -> int:
    """Run a worker until it is told to stop.

    Returns:
        The exit code: 0 after a stop, 1 after a failure.

    Raises:
        ConfigurationError: settings, policy or topics cannot be used (exit 2).
        ReferenceUnavailableError: no broker answers (exit 1).
    """
    if settings.policy is None:
        raise ConfigurationError("policy: a worker needs one; name the file with CLOVERWATCH_POLICY")
    ring = None if settings.identities == "clear" else read_keys(settings)
    content, policy = read_policy(settings.policy)
    legal, geo = legal_table(settings), geo_table(settings)
    asyncio.run(before_start(settings))
    gc.disable()  # until the tables are read: nothing that is made meanwhile is ever thrown away
    with listening(settings.web_host, settings.web_port) as listener:
        return Worker(settings, content, policy, legal, geo, listener, ring).run()


class Worker:
    """One worker process, put together."""

    def __init__(
        self,
        settings: Settings,
        content: bytes,
        policy: Policy,
        legal: LegalTable,
        geo: GeoTable,
        listener: socket.socket,
        ring: KeyRing | None,
    ) -> None:
        self.settings = settings
        self.legal, self.geo = legal, geo
        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        self.metrics = Metrics(version("cloverwatch"))
        begin(self.metrics, settings.partitions)
        self.metrics.policy.labels(policy.version).set(1)
        self.knowledge = Knowledge()
        context, credentials = faust_security(settings)
        self.app = StreamApp(
            StreamSettings(
                group=settings.group,
                brokers=tuple(part.strip() for part in settings.broker.split(",")),
                datadir=settings.data_dir,
                session_timeout=settings.session_timeout_s,
                max_poll_records=settings.max_poll_records,
                commit_interval=commit_interval(settings, policy),
                credentials=credentials,
                ssl_context=context,
            ),
            listener=Listener(self),
            loop=self.loop,
        )
        self.lag = LagService(self.app)
        self.watchdog = Watchdog(
            self.app,
            self.lag,
            WatchdogSettings(stuck_head=settings.stuck_after_s, no_assignment=settings.stuck_after_s),
        )
        self.producer = self.loop.run_until_complete(made(lambda: producer_of(settings)))
        consumer = self.loop.run_until_complete(made(lambda: consumer_of(settings, *DIRECTORY_TOPICS)))
        self.tables = ReferenceTables(consumer, self.knowledge, on_bad_row=self._bad_row, read=spare_the_collector)
        self.settler = Settler()
        self.shelf = HabitShelf(self.knowledge, wall_clock)
        self._rewound: dict[int, int] = {}
        """Partitions of `access.events` whose log went back, and the offset that came next."""
        self.habits = Snapshots(
            STATE_HABITS,
            self.shelf,
            self.producer,
            self.settler.stored,
            settings.session_timeout_s,
            self.metrics.state_bytes.inc,
        )
        partitions = settings.partitions
        self.session = Session(
            self._judge(policy),
            describe=describe,
            provenance=self._provenance,
            partition_of=lambda person: partition_of(person, partitions),
            touched=self.habits.touched,
            alone=False,
        )
        self.overseer = Overseer(
            self.session.across, partitions, lambda name: self.overseer_state.touched(name, OVERSEEN)
        )
        self.overseer_state = Snapshots(
            STATE_OVERSEER,
            self.overseer,
            self.producer,
            self.settler.stored,
            settings.session_timeout_s,
            self.metrics.state_bytes.inc,
            first=CLOCK,
        )
        self.privacy = self._privacy(ring, content)
        publisher = Publisher(self.producer, partitions, None if self.privacy is None else self.privacy.hidden)
        self.reporter = Reporter(
            publisher,
            self.lag.partitions,
            lambda: self.lag.answered_at,
            lambda: self.session.policy.behaviour is not None,
        )
        self.coverage = Coverage(
            publisher.coverage,
            lambda: self.session.policy.version,
            lambda: self.tables.known()[0],
            wall_clock,
            version("cloverwatch"),
            self.lag.ends,
        )
        self.coverage.in_force(policy.version, content, legal.digest, geo.digest)
        self.watch = Watch(
            session=self.session,
            publisher=publisher,
            settler=self.settler,
            tables=self.tables,
            metrics=self.metrics,
            warm=self._warm,
            reporter=self.reporter,
            gave=self.coverage.begin,
        )
        self.overseeing = Overseeing(
            self.session.across,
            self.overseer,
            self.overseer_state,
            publisher,
            self.settler,
            lambda: consumer_of(settings),
            self._told_across,
            self.watch.bad,
            self.coverage.begin,
        )
        versions = self.loop.run_until_complete(made(lambda: consumer_of(settings, STATE_PEERS)))
        self.peer_versions = PeerVersions(versions, self.session.peers)
        self.integrity = Integrity(publisher, self._provenance, wall_clock, self.watch.count_alert, self.coverage.about)
        granting = made(lambda: WorkersApprovals(settings, self.watch, content, self._provenance))
        self.approvals = self.loop.run_until_complete(granting)
        self.app.before_commit = InOrder(self.integrity, self.habits, self.overseer_state, self.coverage)
        assert settings.policy is not None  # noqa: S101  # held by `run`
        self.app.beside(
            *speaking(self),
            self.coverage,
            self.settler,
            self.integrity,
            PartitionWatch(self.producer, partitions),
            WebServer(
                listener,
                registry=self.metrics.registry,
                refresh=lambda: refresh(self),
                not_ready=self.not_ready,
            ),
            self.tables,
            self.peer_versions,
            self.approvals,
            *guarding(settings, ring, self.privacy),
            self.reporter,
            PolicyWatch(
                settings.policy,
                content,
                settings.policy_check_s,
                adopt=self._adopt,
                failed=lambda wrong: self.metrics.policy_failed.set(int(wrong)),
                unsigned=self._unsigned,
            ),
            Retrying(self.watch),
            self.lag,
            self.watchdog,
        )
        self._policy_version = policy.version
        self.started = time.monotonic()
        self.committed_at = time.monotonic()
        self._declare()

    def run(self) -> int:
        """Run until a signal or a crash; return the exit code."""
        worker = self.app.Worker(
            loglevel=self.settings.log_level, loop=self.loop, blocking_timeout=None, override_logging=False
        )
        worker.spinner = None  # it would write escapes to standard output, terminal or not
        try:
            worker.execute_from_commandline()
        except SystemExit as stop:
            if stop.code not in {0, None}:
                return 1
        return 0

    def not_ready(self) -> list[str]:
        """Return why the worker is not judging; nothing when it is."""
        reasons = []
        if not self.tables.ready.is_set():
            reasons.append("reference tables are not read yet")
        if not self.approvals.ready.is_set():
            reasons.append("approvals are not read yet")
        if not self.watchdog.broker_answers:
            reasons.append("the broker does not answer")
        if not self.app.positioned:
            reasons.append("no partitions are assigned yet")
        return reasons

    def _declare(self) -> None:
        watch = self.watch

        @self.app.agent(self.app.batches(ACCESS_EVENTS), name="judge")
        async def judge(stream: Any) -> None:
            async for delivery in deliveries(stream):
                await watch.judge(delivery)

        @self.app.agent(self.app.batches(*RAW_TOPICS), name="translate")
        async def translate(stream: Any) -> None:
            async for delivery in deliveries(stream):
                await watch.translate(delivery)

        overseeing = self.overseeing

        @self.app.agent(self.app.batches(REPORTS), name="oversee")
        async def oversee(stream: Any) -> None:
            async for delivery in deliveries(stream):
                await overseeing.oversee(delivery)

        @self.app.agent(self.app.batches(ACCESS_VISITS), name="crowds")
        async def crowds(stream: Any) -> None:
            async for delivery in deliveries(stream):
                await overseeing.visit(delivery)

    def _privacy(self, ring: KeyRing | None, content: bytes) -> Privacy | None:
        """Return what hides people in alerts; None where the settings say that they are named."""
        self.metrics.identities_clear.set(ring is None)
        if ring is None:
            log.warning("identities = clear: alerts name people, and so does everything that they are delivered to")
            return None
        consumer = self.loop.run_until_complete(made(lambda: tail_of(self.settings)))
        return Privacy(consumer, self.producer, ring, Sealer(officers_in(content)))

    def _judge(self, policy: Policy) -> Judge:
        return Judge(Joiner(policy, self.knowledge, self.legal, self.geo), RULES)

    def _adopt(self, policy: Policy, content: bytes) -> None:
        if self.privacy is not None:
            self.privacy.seal_to(Sealer(officers_in(content)))
        self.session.adopt(self._judge(policy))
        self.approvals.adopt(content)
        self.coverage.in_force(policy.version, content, self.legal.digest, self.geo.digest)
        self.metrics.policy.remove(self._policy_version)
        self.metrics.policy.labels(policy.version).set(1)
        self._policy_version = policy.version

    def _unsigned(self, why: str) -> None:
        self.metrics.policy_refused.inc()
        self.integrity.unsigned(why)

    def _provenance(self) -> JudgedWith:
        digest, known = self.tables.known()
        return JudgedWith(
            policy=self.session.policy.version,
            legal_table=self.legal.digest,
            geo_table=self.geo.digest,
            directories=digest,
            known=known,
        )

    async def _bad_row(self, message: Any, error: Any) -> None:
        await self.watch.bad_row(message, error)

    async def _warm(self) -> Set[TP]:
        began = time.monotonic()
        await self.peer_versions.ready.wait()
        await self.approvals.ready.wait()
        known = await read_past(self.settings, self.app.ledger, self.session.remember, self.habits)
        for partition, first in self._rewound.items():
            self.shelf.rewound(partition, first)
        self.metrics.state_load.set(time.monotonic() - began)
        return known

    def rewound(self, tp: TP, first: int) -> None:
        """Take note that a log went back: what its offsets said of habits is void."""
        if tp[0] == ACCESS_EVENTS:
            self._rewound[tp[1]] = first
            self.shelf.rewound(tp[1], first)

    def _told_across(self, haul: Haul) -> None:
        self.metrics.count(haul)
        self.watch.told(haul)

    def forget(self) -> None:
        """Give up what is remembered of partitions: they change hands."""
        self.watch.forget()
        self.habits.forget()
        self.reporter.forget()
        self.overseeing.forget()
        self.coverage.forget()

    def committed(self) -> None:
        """Take note of a commit."""
        self.committed_at = time.monotonic()

"""The worker: the composition root. It joins the rooms and runs them; they know nothing of each other."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import time
from collections.abc import Mapping, Set
from importlib.metadata import version
from typing import Any

from mode import Service

from agents.clients import consumer_of, faust_security, producer_of, with_admin
from agents.gauges import refresh
from agents.integrity import Integrity
from agents.ledger import TP, Hole
from agents.metrics import Metrics
from agents.overseeing import Overseeing, PeerVersions
from agents.policy_watch import PolicyWatch, read_policy
from agents.preflight import PartitionWatch, check_topics
from agents.publisher import Publisher, partition_of
from agents.reference import ReferenceTables
from agents.reporting import Reporter
from agents.settings import Settings
from agents.settling import Settler
from agents.snapshots import Snapshots
from agents.tables import geo_table, legal_table
from agents.transport import BeforeCommit, StreamApp, StreamSettings, TransportObserver, deliveries
from agents.transport.lag import LagService
from agents.warming import read_past
from agents.watchdog import Watchdog, WatchdogSettings
from agents.watching import ORIGIN, Retrying, Watch, wall_clock
from agents.web import WebServer, listening
from rules.catalogue import RULES
from rules.geo import GeoTable
from rules.habits.overseer import Overseer
from rules.habits.shelf import HabitShelf
from rules.join import Joiner
from rules.judge import Judge
from rules.jurisdictions import LegalTable
from rules.knowledge import Knowledge
from rules.policy import Policy
from rules.session import Session
from schemas.access import AccessEvent
from schemas.alert import EventRef, JudgedWith
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
    content, policy = read_policy(settings.policy)
    legal, geo = legal_table(settings), geo_table(settings)
    asyncio.run(with_admin(settings, lambda admin: check_topics(admin, settings.partitions)))
    gc.disable()  # until the tables are read: nothing that is made meanwhile is ever thrown away
    with listening(settings.web_host, settings.web_port) as listener:
        return Worker(settings, content, policy, legal, geo, listener).run()


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
    ) -> None:
        self.settings = settings
        self.legal, self.geo = legal, geo
        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        self.metrics = Metrics(version("cloverwatch"))
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
            listener=_Listener(self),
            loop=self.loop,
        )
        self.lag = LagService(self.app)
        self.watchdog = Watchdog(
            self.app,
            self.lag,
            WatchdogSettings(stuck_head=settings.stuck_after_s, no_assignment=settings.stuck_after_s),
        )
        self.producer = self.loop.run_until_complete(_made(lambda: producer_of(settings)))
        consumer = self.loop.run_until_complete(_made(lambda: consumer_of(settings, *DIRECTORY_TOPICS)))
        self.tables = ReferenceTables(consumer, self.knowledge, on_bad_row=self._bad_row, read=_spare_the_collector)
        self.settler = Settler()
        self.habits = Snapshots(
            STATE_HABITS,
            HabitShelf(self.knowledge, wall_clock),
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
        )
        publisher = Publisher(self.producer, partitions)
        self.reporter = Reporter(
            publisher,
            self.lag.partitions,
            lambda: self.lag.answered_at,
            lambda: self.session.policy.behaviour is not None,
        )
        self.watch = Watch(
            session=self.session,
            publisher=publisher,
            settler=self.settler,
            tables=self.tables,
            metrics=self.metrics,
            warm=self._warm,
            reporter=self.reporter,
        )
        self.overseeing = Overseeing(
            self.session.across,
            self.overseer,
            self.overseer_state,
            publisher,
            self.settler,
            lambda: consumer_of(settings),
            self.watch.count_alert,
            self.watch.bad,
        )
        versions = self.loop.run_until_complete(_made(lambda: consumer_of(settings, STATE_PEERS)))
        self.peer_versions = PeerVersions(versions, self.session.peers)
        self.integrity = Integrity(publisher, self._provenance, wall_clock, self.watch.count_alert)
        self.app.before_commit = _InOrder(self.integrity, self.habits, self.overseer_state)
        assert settings.policy is not None  # noqa: S101  # held by `run`
        self.app.beside(
            _Producing(self.producer),
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
            self.reporter,
            PolicyWatch(
                settings.policy,
                content,
                settings.policy_check_s,
                adopt=self._adopt,
                failed=lambda wrong: self.metrics.policy_failed.set(int(wrong)),
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

    def _judge(self, policy: Policy) -> Judge:
        return Judge(Joiner(policy, self.knowledge, self.legal, self.geo), RULES)

    def _adopt(self, policy: Policy) -> None:
        self.session.adopt(self._judge(policy))
        self.metrics.policy.remove(self._policy_version)
        self.metrics.policy.labels(policy.version).set(1)
        self._policy_version = policy.version

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
        known = await read_past(self.settings, self.app.ledger, self.session.remember, self.habits)
        self.metrics.state_load.set(time.monotonic() - began)
        return known

    def forget(self) -> None:
        """Give up what is remembered of partitions: they change hands."""
        self.watch.forget()
        self.habits.forget()
        self.reporter.forget()
        self.overseeing.forget()

    def committed(self) -> None:
        """Take note of a commit."""
        self.committed_at = time.monotonic()


class _Listener(TransportObserver):
    """Binds what the transport tells to metrics, and gives up memory when partitions change hands."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def on_assigned(self, tps: Set[TP], generation: int) -> None:
        self._worker.metrics.rebalances.inc()
        self._worker.forget()
        log.info("Assigned in generation %d: %s", generation, sorted(tps))

    def on_revoked(self, tps: Set[TP]) -> None:  # noqa: ARG002 - the protocol's signature
        self._worker.forget()

    def on_hole(self, hole: Hole) -> None:
        self._worker.metrics.gaps.labels(hole.tp[0], hole.kind.value).inc(len(hole))
        self._worker.integrity.hole(hole)

    def on_rewind(self, tp: TP, expected: int, first: int) -> None:
        self._worker.integrity.rewound(tp, expected, first)

    def on_commit(self, tp: TP, offset: int, at: float) -> None:  # noqa: ARG002 - the protocol's signature
        self._worker.committed()


class _InOrder:
    """What must be safe before offsets are, one after the other: alerts about the stream, then states."""

    def __init__(self, *parts: BeforeCommit) -> None:
        self._parts = parts

    async def before_commit(self, offsets: Mapping[TP, int]) -> None:
        for part in self._parts:
            await part.before_commit(offsets)


class _Producing(Service):
    """Starts the producer with the app and flushes it at the end."""

    def __init__(self, producer: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._producer = producer

    async def on_start(self) -> None:
        await self._producer.start()

    async def on_stop(self) -> None:
        await self._producer.stop()


def commit_interval(settings: Settings, policy: Policy) -> float:
    """Return how often offsets are committed, seconds: less often where each commit also writes states."""
    if policy.behaviour is None:
        return settings.commit_interval_s
    return max(settings.commit_interval_s, settings.state_interval_s)


def _spare_the_collector() -> None:
    """Leave what has been read out of every collection from now on.

    Looking through millions of rows that stay for ever took longer than 25 ms, in the middle of somebody's batch.
    """
    gc.collect()
    gc.freeze()
    gc.enable()


def describe(message: Any, event: AccessEvent) -> EventRef:
    """Return where an event of the stream came from."""
    source = next((text.decode("utf-8", "replace") for name, text in message.headers if name == ORIGIN), None)
    return EventRef(
        event_id=event.event_id,
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        source=source,
    )


async def _made(make: Any) -> Any:
    """Make a client on the running loop: aiokafka's bind to it."""
    return make()

"""The small parts with which the worker joins the large ones: what listens, what comes in which order, what starts."""

from __future__ import annotations

import gc
import logging
from collections.abc import Mapping, Set
from typing import TYPE_CHECKING, Any

from mode import Service

from agents.ledger import TP, Hole
from agents.life import Life, stored_by
from agents.privacy import Privacy
from agents.pseudonym_keys import KeysWatch
from agents.settings import Settings
from agents.transport import BeforeCommit, TransportObserver
from agents.watching import ORIGIN
from alerts.keyring import KeyRing
from rules.policy import Policy
from schemas.access import AccessEvent
from schemas.alert import EventRef

if TYPE_CHECKING:
    from agents.worker import Worker

log = logging.getLogger(__name__)


class Listener(TransportObserver):
    """Binds what the transport tells to metrics, and gives up memory when partitions change hands."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def on_assigned(self, tps: Set[TP], generation: int) -> None:
        """Give up what is remembered: partitions come."""
        self._worker.metrics.rebalances.inc()
        self._worker.forget()
        log.info("Assigned in generation %d: %s", generation, sorted(tps))

    def on_revoked(self, tps: Set[TP]) -> None:
        """Give up what is remembered: partitions go."""
        self._worker.coverage.revoked(tps)
        self._worker.forget()

    def on_positioned(self, tp: TP, offset: int, committed: int | None) -> None:
        """Say where judging begins."""
        self._worker.coverage.positioned(tp, offset, committed)

    def on_hole(self, hole: Hole) -> None:
        """Count a hole, and say it where it is a loss."""
        self._worker.metrics.gaps.labels(hole.tp[0], hole.kind.value).inc(len(hole))
        self._worker.coverage.hole(hole)
        self._worker.integrity.hole(hole)

    def on_rewind(self, tp: TP, expected: int, first: int) -> None:
        """Say that a log went back."""
        self._worker.coverage.rewound(tp, first)
        self._worker.integrity.rewound(tp, expected, first)
        self._worker.rewound(tp, first)

    def on_commit(self, tp: TP, offset: int, at: float) -> None:  # noqa: ARG002 - the protocol's signature
        """Take note of a commit."""
        self._worker.committed()


class InOrder:
    """What must be safe before offsets are, one after the other: alerts about the stream, states, what was judged."""

    def __init__(self, *parts: BeforeCommit) -> None:
        self._parts = parts

    async def before_commit(self, offsets: Mapping[TP, int]) -> None:
        """Await one part after the other."""
        for part in self._parts:
            await part.before_commit(offsets)


class Producing(Service):
    """Starts the producer with the app and flushes it at the end."""

    def __init__(self, producer: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._producer = producer

    async def on_start(self) -> None:
        """Start the producer."""
        await self._producer.start()

    async def on_stop(self) -> None:
        """Flush and stop it."""
        await self._producer.stop()


def guarding(settings: Settings, ring: KeyRing | None, privacy: Privacy | None) -> tuple[Service, ...]:
    """Return the services that keep people's names out of alerts; none where alerts name them."""
    if ring is None or privacy is None:
        return ()
    return privacy, KeysWatch(settings, ring, privacy.keys.adopt)


def speaking(worker: Worker) -> tuple[Service, ...]:
    """Return the services by which a worker writes, and says that it lives; what it writes with stops last."""
    life = Life(
        "worker",
        stored_by(worker.producer),
        policy=lambda: worker.coverage.policy_hash,
        failed=lambda: bool(worker.app.crashed),
        process=worker.coverage.worker,
    )
    return Producing(worker.producer), life


def commit_interval(settings: Settings, policy: Policy) -> float:
    """Return how often offsets are committed, seconds: less often where each commit also writes states."""
    if policy.behaviour is None:
        return settings.commit_interval_s
    return max(settings.commit_interval_s, settings.state_interval_s)


def spare_the_collector() -> None:
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


async def made(make: Any) -> Any:
    """Make a client on the running loop: aiokafka's bind to it."""
    return make()

"""The Faust application with the record-batch transport, and its settings with their reasons."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import faust
from faust.tables import TableManager
from faust.transport.drivers.aiokafka import Transport
from mode import ServiceT

from agents.ledger import TP, Hole, HoleKind, Ledger
from agents.transport.batch import BatchScheduler, RawSchema
from agents.transport.consumer import BatchConsumer
from agents.transport.listener import BeforeCommit, TransportListener, TransportObserver
from agents.transport.thread import BatchConsumerThread

__all__ = ["BatchTransport", "StreamApp", "StreamSettings", "faust_settings"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """What differs from one deployment to the next. Times in seconds."""

    group: str
    """Consumer group; also Faust's app id."""
    brokers: tuple[str, ...]
    """host:port of the brokers to begin with."""
    datadir: Path
    """A writable directory. Faust makes one even where it stores nothing."""
    session_timeout: float = 10.0
    """How long a dead worker's partitions stay unread. Below 6 s a paused machine loses its session too
    often; the embedded broker holds a join for half of it, so tests and the demo take less."""
    max_poll_records: int = 2000
    """Records in one batch at most. Measured with an agent that does nothing: 500 give 200,000 records/s on one
    core, 2,000 give 300,000, and 5,000 only add to the latency behind a batch."""
    commit_interval: float = 1.0
    """How much is read twice after a kill."""
    credentials: Any = None
    """Faust credentials, or None for a plain connection."""
    ssl_context: Any = None


def faust_settings(settings: StreamSettings) -> dict[str, Any]:
    """The keyword arguments of `faust.App`, each with its reason.

    Raises:
        ValueError: SASL credentials without TLS: Faust would send the password in clear.
    """
    if settings.credentials is not None and settings.ssl_context is None:
        tls = getattr(settings.credentials, "ssl_context", None) or getattr(settings.credentials, "context", None)
        if tls is None:
            raise ValueError("credentials without an ssl_context would send the password in clear")
    return {
        "id": settings.group,
        "broker": ";".join(f"kafka://{broker}" for broker in settings.brokers),
        "broker_credentials": settings.credentials,
        "ssl_context": settings.ssl_context,
        "datadir": settings.datadir,
        # exactly_once has open reports of duplicates and hangs (faust #323, #136, #47); identity makes
        # replays safe.
        "processing_guarantee": "at_least_once",
        "ConsumerScheduler": BatchScheduler,
        "TableManager": NoTables,
        # A stop or a rebalance lets the running batch end; BatchConsumer.wait_empty bounds it.
        "stream_wait_empty": True,
        # Counts batches, not records: 16 of them keep the agent busy and memory small.
        "stream_buffer_maxsize": 16,
        "broker_max_poll_records": settings.max_poll_records,
        "broker_commit_interval": settings.commit_interval,
        "broker_session_timeout": settings.session_timeout,
        "broker_heartbeat_interval": settings.session_timeout / 3,  # two may be lost
        "broker_rebalance_timeout": 30.0,  # the slowest worker's commit and settling, see COMMIT_TIMEOUT
        "broker_request_timeout": 40.0,  # must exceed the rebalance timeout: a join is answered at its end
        "producer_request_timeout": 30.0,  # beyond it the awaited alert fails, and with it the batch
        "producer_acks": -1,  # an alert on one broker only is not stored
        "consumer_auto_offset_reset": "earliest",  # also for a group overtaken by retention
        "consumer_metadata_max_age_ms": 30_000,  # a topic's new leader is found without waiting five minutes
        "table_standby_replicas": 0,
        "topic_disable_leader": True,  # an internal topic that nothing here needs
        "topic_allow_declare": False,  # made by the operator, with the partitions the state relies on
        "web_enabled": False,  # Faust's server binds 0.0.0.0 without authentication
        "worker_redirect_stdouts": False,
        "agent_supervisor": "mode.CrashingSupervisor",  # a restarted agent would skip the batch
    }


class NoTables(TableManager):
    """Faust's tables, refused: their changelogs would come through the batch transport."""

    def add(self, table: Any) -> Any:
        """Refuse.

        Raises:
            TypeError: always.
        """
        raise TypeError(f"{table!r}: a StreamApp has no Faust tables; state is kept by agents themselves")

    async def on_start(self) -> None:
        """As Faust's, without the second it sleeps for tables to be declared."""
        await self._update_channels()
        await self.recovery.start()


class BatchTransport(Transport):
    """Faust's aiokafka transport with our consumer."""

    Consumer = BatchConsumer


class StreamApp(faust.App):
    """A Faust app whose topics deliver `RecordBatch`es.

    Args:
        settings: see `StreamSettings`.
        listener: told about batches, holes, commits and rebalances.
        before_commit: awaited before each commit.
        overrides: further settings of `faust.App`.
    """

    def __init__(
        self,
        settings: StreamSettings,
        *,
        listener: TransportListener | None = None,
        before_commit: BeforeCommit | None = None,
        **overrides: Any,
    ) -> None:
        self.stream_settings = settings
        self.listener: TransportListener = listener if listener is not None else TransportObserver()
        self.before_commit = before_commit
        self.ledger = Ledger(self._on_hole)
        self._beside: list[ServiceT] = []
        super().__init__(**(faust_settings(settings) | overrides))

    def _new_transport(self) -> Any:
        return BatchTransport(self.conf.broker_consumer, self)

    def batches(self, *topics: str) -> Any:
        """Input topics of `RecordBatch`es, for `@app.agent`; read their stream with `deliveries`."""
        return self.topic(*topics, schema=RawSchema())

    def beside(self, *services: ServiceT) -> None:
        """Services to start with the app and stop with it; a crash of one ends the process."""
        self._beside.extend(services)

    async def on_started(self) -> None:
        """Start what runs beside the stream."""
        await super().on_started()
        for service in self._beside:
            await self.add_runtime_dependency(service)

    @property
    def batch_consumer(self) -> BatchConsumer:
        """The consumer, by its own type."""
        return cast("BatchConsumer", self.consumer)

    @property
    def assigned_since(self) -> float | None:
        """Since when (monotonic seconds) the group has given this worker its share, if an empty one."""
        return self.batch_consumer.assigned_since

    async def log_ends(self, tps: Iterable[TP], within: float) -> Mapping[TP, int]:
        """The log's end for each partition, asked of the broker; see `BatchConsumerThread.log_ends`."""
        thread: BatchConsumerThread = self.batch_consumer._thread
        return await thread.log_ends(tps, within)

    def committed(self, tp: TP) -> int | None:
        """The offset last known to be committed, None for a group that never committed there."""
        return self.batch_consumer.committed(tp)

    @property
    def positioned(self) -> bool:
        """Whether it is known for every assigned partition where to read."""
        return self.assigned_since is not None and all(
            self.ledger.expected(tp) is not None for tp in self.consumer.assignment()
        )

    def _on_hole(self, hole: Hole) -> None:
        level = logging.INFO if hole.kind is HoleKind.CONTROL_OR_ABORTED else logging.ERROR
        log.log(
            level,
            "hole %s: topic %s partition %d offsets %d..%d (%d)",
            hole.kind.value,
            *hole.tp,
            hole.first,
            hole.last,
            len(hole),
        )
        self.listener.on_hole(hole)

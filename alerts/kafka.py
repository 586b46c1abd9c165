"""A topic of another Kafka cluster: OCSF, CloudEvents, or the alert as it is.

Clients of Kafka are the business of `agents`, which makes a producer of this configuration (`Context.kafka`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Sequence
from typing import Annotated, Final, Literal, Protocol

import msgspec
from msgspec import Meta

from alerts.destination import SEND_TIMEOUT_S, Context, Kind
from alerts.formats import cloudevents, ocsf
from alerts.notice import Delivered, Failed, Notice, Outcome, Refused
from alerts.secrets import SecretRef
from alerts.tls import Tls
from schemas.alert import Alert
from schemas.codec import encode
from schemas.errors import ConfigurationError

BATCH_MAX: Final = 500
"""Notices in one `send`: they travel together, and each has an answer of its own."""

STOP_TIMEOUT_S: Final = 5.0
"""For a producer to end: what it has not sent by then is sent again by the next."""

Topic = Annotated[str, Meta(min_length=1, max_length=249, pattern=r"^[a-zA-Z0-9._-]+\Z")]


class Sasl(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """User and password at the brokers."""

    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    user: str
    password: SecretRef


class KafkaConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`kind = "kafka"`."""

    bootstrap: tuple[str, ...]
    """Brokers, each `host:port`."""
    topic: Topic
    """The topic, which is there already."""
    format: Literal["ocsf", "cloudevents", "alert"] = "ocsf"
    """What a record's value is: an OCSF Detection Finding; the same as a CloudEvent in binary mode; or the alert as the
    topic `alerts` has it. The key is the alert's id in all of them, so a compacted topic keeps the last revision."""
    tls: Tls | None = None
    """Which authorities are trusted, and our certificate."""
    sasl: Sasl | None = None
    """How we say who we are, over TLS only."""
    idempotent: bool = True
    """Whether the client's own retries are recognised by the brokers; false for brokers that do not know it."""
    allow_plaintext: bool = False
    """Without TLS, for a cluster on this machine or in a closed network."""


class Producer(Protocol):
    """What is needed of a Kafka client; aiokafka's producer has it."""

    async def start(self) -> None:
        """Connect."""

    async def stop(self) -> None:
        """Send what is pending, and close."""

    async def send(
        self, topic: str, *, key: bytes, value: bytes, headers: list[tuple[str, bytes]]
    ) -> Awaitable[RecordMetadata]:
        """Queue a record; what is returned is done when all replicas in sync have it."""


class RecordMetadata(Protocol):
    """Where a record is."""

    partition: int
    offset: int


def check(config: KafkaConfig) -> str | None:
    """Return what types cannot say of it."""
    if not config.bootstrap:
        return "bootstrap: empty; name at least one broker, as in ['kafka-1.example:9093']"
    for broker in config.bootstrap:
        host, _, port = broker.rpartition(":")
        numbered = port.isascii() and port.isdigit() and len(port) <= 5
        if not host or any(map(str.isspace, host)) or not numbered or not 0 < int(port) < 65536:
            return f"bootstrap: {broker!r} is no broker; write host:port"
    if config.tls is None and not config.allow_plaintext:
        return "tls: there is none, and alerts would travel in clear. Write tls = {} for the system's authorities"
    if config.tls is not None and config.allow_plaintext:
        return "allow_plaintext: tls and allow_plaintext contradict each other; leave one of them out"
    if config.sasl is not None and config.tls is None:
        return "sasl: it is for TLS alone: a password would travel in clear"
    return None


class Kafka:
    """Writes each revision of an alert as one record."""

    def __init__(self, config: KafkaConfig, context: Context) -> None:
        """Nothing is opened yet.

        Raises:
            ConfigurationError: whoever calls has no clients of Kafka to give.
        """
        if context.kafka is None:
            raise ConfigurationError(f"destinations.{context.name}: kafka is not available to this command")
        self._config = config
        self._context = context
        self._make = context.kafka
        self._producer: Producer | None = None

    async def start(self) -> None:
        """Nothing: the first batch connects, since the brokers may be away now."""

    async def stop(self) -> None:
        """Close the producer."""
        await self._close()

    async def send(self, notices: Sequence[Notice]) -> Sequence[Outcome]:
        """Write a batch; each notice is delivered when all replicas in sync have it."""
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                producer = await self._started()
        except ConfigurationError as error:
            return [Failed(str(error))] * len(notices)
        except Exception as error:  # noqa: BLE001  the client's own errors, whose library is not known here
            await self._close()
            return [Failed(f"the brokers cannot be reached: {_name(error)}")] * len(notices)
        outcomes = await self._write(producer, notices)
        if any(isinstance(outcome, Failed) for outcome in outcomes):
            # What it still holds would arrive beside what is sent again; and a client that survived an outage may keep
            # a picture of brokers that are gone, or an epoch that the new leader does not know.
            await self._close()
        return outcomes

    async def _write(self, producer: Producer, notices: Sequence[Notice]) -> list[Outcome]:
        """Queue all, then wait for all: the records of one key go to one partition, in their order.

        A record that failed is followed by others of its key only within this batch; whoever calls sends those again
        too (`Destination.send`), so the last one of each key is always the newest.
        """
        waiting: list[Awaitable[RecordMetadata] | Outcome] = []
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                while len(waiting) < len(notices):
                    waiting.append(await self._queue(producer, notices[len(waiting)]))
        except TimeoutError:
            late = Failed("the brokers took no record in time")
            waiting.extend([late] * (len(notices) - len(waiting)))
        pending = [asyncio.ensure_future(each) for each in waiting if not isinstance(each, Outcome)]
        if pending:
            await asyncio.wait(pending, timeout=SEND_TIMEOUT_S)
        answers = iter(pending)
        return [each if isinstance(each, Outcome) else _outcome(next(answers)) for each in waiting]

    async def _queue(self, producer: Producer, notice: Notice) -> Awaitable[RecordMetadata] | Outcome:
        last: Awaitable[RecordMetadata] | None = None
        for alert in notice.alerts:
            headers, value = self._record(alert, notice.at)
            try:
                last = await producer.send(
                    self._config.topic, key=alert.alert_id.encode(), value=value, headers=headers
                )
            except Exception as error:  # noqa: BLE001  as above
                if _name(error) == "MessageSizeTooLargeError":
                    return Refused(f"{len(value)} octets are more than a record may have")
                return Failed(f"the record was not taken: {_name(error)}")
        return Delivered() if last is None else last

    def _record(self, alert: Alert, at: int) -> tuple[list[tuple[str, bytes]], bytes]:
        version = self._context.version
        if self._config.format == "cloudevents":
            return cloudevents.message(alert, data="ocsf", now=at, version=version)
        content_type = [("content-type", b"application/json")]
        if self._config.format == "ocsf":
            return content_type, ocsf.encode(alert, now=at, version=version)
        return content_type, encode(alert)

    async def _started(self) -> Producer:
        if self._producer is None:
            producer: Producer = self._make(self._config)
            try:
                await producer.start()
            except BaseException:
                # A client that did not start keeps sockets and tasks unless it is told to stop.
                with contextlib.suppress(Exception):
                    await producer.stop()
                raise
            self._producer = producer
        return self._producer

    async def _close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(STOP_TIMEOUT_S):
                    await producer.stop()


def _outcome(answer: asyncio.Future[RecordMetadata]) -> Outcome:
    if not answer.done():
        # It may still arrive: the caller sends it again, and both are the same record under the same key.
        answer.add_done_callback(_look_at)
        return Failed("the brokers did not confirm the record in time")
    if answer.cancelled():
        return Failed("the record was given up")
    error = answer.exception()
    if error is not None:
        if _name(error) in {"MessageSizeTooLargeError", "RecordTooLargeError", "InvalidTopicError"}:
            return Refused(f"the brokers refuse the record: {_name(error)}")
        return Failed(f"the brokers did not store the record: {_name(error)}")
    written = answer.result()
    return Delivered({"partition": str(written.partition), "offset": str(written.offset)})


def _look_at(answer: asyncio.Future[RecordMetadata]) -> None:
    """Retrieve an error that nobody waits for any more, or asyncio logs it as forgotten."""
    if not answer.cancelled():
        answer.exception()


def _name(error: BaseException) -> str:
    """The error's class: its text may hold what was sent."""
    return type(error).__name__


KIND: Final = Kind(
    name="kafka",
    title="Kafka: a topic of another cluster",
    config=KafkaConfig,
    make=Kafka,
    grouped=False,
    batch_max=BATCH_MAX,
    promise=(
        "Delivered: all replicas in sync of the other cluster have the record (acks=all); the receipt names its "
        "partition and offset. Duplicates: after a lost answer or a restart, under the same key (the alert's id), so a "
        "compacted topic keeps one; CloudEvents carry an id that is the same for the same revision."
    ),
    check=check,
)

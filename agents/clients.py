"""Kafka clients as every part of the program uses them: verified TLS, all replicas, committed records only."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import faust
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from agents.settings import PREFIX, Settings
from agents.topic_admin import described
from schemas.errors import ConfigurationError, ReferenceUnavailableError
from schemas.topics import HEADER_ROOM, RAW_MAX_BYTES

T = TypeVar("T")
C = TypeVar("C", AIOKafkaConsumer, AIOKafkaProducer)

MAX_REQUEST: Final = RAW_MAX_BYTES + 4 * HEADER_ROOM
"""Bytes of one request: the largest raw message, put away with its headers, must fit."""

LINGER_MS: Final = 0
"""Alerts leave at once; what is sent within one turn of the loop travels together anyway."""

RETRY_S: Final = 0.25
"""Between two tries to reach an absent broker: no load, and a broker that comes up is noticed at once."""

METADATA_MAX_AGE_MS: Final = 5_000
"""How old a producer's picture of the topics may be: a change of their partitions is seen within it."""

LOG_APPEND_TIME: Final = 1
"""A record's `timestamp_type` where the broker set its time, which never goes back in a partition."""

REQUEST_TIMEOUT_MS: Final = 30_000
"""How long brokers may take to store a message before its batch counts as failed and is read again."""


def security(settings: Settings) -> dict[str, Any]:
    """Return the keyword arguments of aiokafka's clients that say how brokers are reached."""
    arguments: dict[str, Any] = {
        "bootstrap_servers": [part.strip() for part in settings.broker.split(",")],
        "security_protocol": settings.security_protocol,
        "ssl_context": settings.ssl_context(),
    }
    if settings.security_protocol == "SASL_SSL":
        arguments |= {
            "sasl_mechanism": settings.sasl_mechanism,
            "sasl_plain_username": settings.sasl_username,
            "sasl_plain_password": settings.password,
        }
    return arguments


def faust_security(settings: Settings) -> tuple[Any, Any]:
    """Return Faust's TLS context and credentials, None where there are none."""
    context = settings.ssl_context()
    if settings.security_protocol != "SASL_SSL":
        return context, None
    credentials = faust.SASLCredentials(
        username=settings.sasl_username,
        password=settings.password,
        ssl_context=context,
        mechanism=settings.sasl_mechanism,
    )
    return context, credentials


def producer_of(settings: Settings, **more: Any) -> AIOKafkaProducer:
    """Return a producer that is not started: every replica in sync must have the message before it counts as sent.

    Idempotent, so that a retry writes nothing twice, where there is more than one replica. A broker of one replica is
    one of a demonstration or a test: the embedded one does not know idempotence (`InitProducerId` is refused).
    """
    return AIOKafkaProducer(
        **security(settings),
        **{
            "acks": "all",
            "enable_idempotence": settings.replication_factor > 1,
            "linger_ms": LINGER_MS,
            "max_request_size": MAX_REQUEST,
            "request_timeout_ms": REQUEST_TIMEOUT_MS,
            "metadata_max_age_ms": METADATA_MAX_AGE_MS,
            **more,
        },
    )


def consumer_of(settings: Settings, *topics: str, **more: Any) -> AIOKafkaConsumer:
    """Return a consumer that is not started: committed records only, from the beginning, commits by hand."""
    return AIOKafkaConsumer(
        *topics,
        **security(settings),
        **{
            "isolation_level": "read_committed",
            "enable_auto_commit": False,
            "auto_offset_reset": "earliest",
            "max_partition_fetch_bytes": MAX_REQUEST,
            **more,
        },
    )


async def with_admin(settings: Settings, use: Callable[[AIOKafkaAdminClient], Awaitable[T]]) -> T:
    """Return what `use` makes of a started admin client.

    Raises:
        ReferenceUnavailableError: no broker answered within `start_timeout_s`, or it refused.
    """
    admin = AIOKafkaAdminClient(**security(settings))
    try:
        await within_start(settings, admin.start)
        return await use(admin)
    except KafkaError as error:
        raise refused(settings, error) from error
    finally:
        await admin.close()


@asynccontextmanager
async def started(settings: Settings, client: C) -> AsyncIterator[C]:
    """Start a producer or a consumer, hand it over, stop it: a producer has sent everything then.

    Raises:
        ReferenceUnavailableError: no broker answered within `start_timeout_s`, or it refused something later.
    """
    try:
        await within_start(settings, client.start)
        yield client
    except KafkaError as error:
        raise refused(settings, error) from error
    finally:
        await client.stop()


async def partitions_there(settings: Settings, topic: str) -> list[TopicPartition]:
    """Return the partitions of a topic, without creating it where brokers create what they are asked for.

    Raises:
        ConfigurationError: the topic is not there.
    """
    found = (await with_admin(settings, described)).get(topic)
    if found is None:
        raise ConfigurationError(
            f"topic {topic} is not there at {settings.broker}; create it with `cloverwatch topics --create`"
        )
    return [TopicPartition(topic, partition) for partition in range(found.partitions)]


def refused(settings: Settings, error: KafkaError) -> ReferenceUnavailableError:
    """Return the error that says what a broker did not do."""
    return ReferenceUnavailableError(
        f"the brokers at {settings.broker} did not do what they were asked: {error or type(error).__name__}; "
        "look at their logs and at this user's rights, and try again"
    )


async def within_start(settings: Settings, start: Callable[[], Awaitable[Any]]) -> None:
    """Start a client, trying again until `start_timeout_s` is over.

    Raises:
        ReferenceUnavailableError: says where nobody answered, why, and what to look at.
    """
    said = _LastError()
    logger = logging.getLogger("aiokafka")
    propagates, logger.propagate = logger.propagate, False
    logger.addHandler(said)
    try:
        async with asyncio.timeout(settings.start_timeout_s):
            while True:
                try:
                    await start()
                except (KafkaError, OSError) as error:
                    said.last = said.last or str(error)
                    await asyncio.sleep(RETRY_S)
                else:
                    return
    except TimeoutError:
        raise ReferenceUnavailableError(
            f"no broker answers at {settings.broker} within {settings.start_timeout_s:g} s "
            f"({said.last or 'no answer at all'}); start it, or name another with {PREFIX}BROKER"
        ) from None
    finally:
        logger.removeHandler(said)
        logger.propagate = propagates


class _LastError(logging.Handler):
    """Keeps what aiokafka says of a failed connection: its exception names only the address, not the reason.

    In place of the usual handlers: twenty lines of the same failure help nobody, and the last one is in our error.
    """

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.last = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the line."""
        self.last = record.getMessage()

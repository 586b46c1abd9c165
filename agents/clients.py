"""Kafka clients as every part of the program uses them: verified TLS, all replicas, committed records only."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import faust
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from agents.settings import Settings
from schemas.errors import ReferenceUnavailableError
from schemas.topics import HEADER_ROOM, RAW_MAX_BYTES

T = TypeVar("T")

MAX_REQUEST: Final = RAW_MAX_BYTES + 4 * HEADER_ROOM
"""Bytes of one request: the largest raw message, put away with its headers, must fit."""

LINGER_MS: Final = 0
"""Alerts leave at once; what is sent within one turn of the loop travels together anyway."""

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
    """Return a producer that is not started: idempotent, every replica in sync must have the message."""
    return AIOKafkaProducer(
        **security(settings),
        acks="all",
        enable_idempotence=settings.replication_factor > 1,
        linger_ms=LINGER_MS,
        max_request_size=MAX_REQUEST,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
        **more,
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
        ReferenceUnavailableError: no broker answered within `start_timeout_s`.
    """
    admin = AIOKafkaAdminClient(**security(settings))
    try:
        await within_start(settings, admin.start)
        return await use(admin)
    finally:
        await admin.close()


async def within_start(settings: Settings, start: Callable[[], Awaitable[Any]]) -> None:
    """Start a client, trying again until `start_timeout_s` is over.

    Raises:
        ReferenceUnavailableError: says where nobody answered, and what to look at.
    """
    last: Exception | None = None
    try:
        async with asyncio.timeout(settings.start_timeout_s):
            while True:
                try:
                    await start()
                except (KafkaError, OSError) as error:
                    last = error
                    await asyncio.sleep(0.25)
                else:
                    return
    except TimeoutError:
        raise ReferenceUnavailableError(
            f"no broker answers at {settings.broker} within {settings.start_timeout_s:g} s ({last}); "
            "start it, or name another with CLOVERWATCH_BROKER"
        ) from None

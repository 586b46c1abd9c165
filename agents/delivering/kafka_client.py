"""Producers of another cluster, for the Kafka destination."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaTimeoutError

from agents.clients import LINGER_MS, METADATA_MAX_AGE_MS
from alerts.destination import SEND_TIMEOUT_S
from alerts.kafka import KafkaConfig
from alerts.tls import client_context

REQUEST_TIMEOUT_MS: Final = int(SEND_TIMEOUT_S * 800)
"""Shorter than the destination waits: a record that the client gave up is reported, not found out by waiting."""

RETRY_BACKOFF_MS: Final = 300
"""Between two tries of the client's own: each writes a line to the log while the brokers are away."""

FLUSH_S: Final = 1.0
"""How long a producer that is stopped may go on sending. The destination has waited for its records before."""


def other_cluster(config: msgspec.Struct) -> AIOKafkaProducer:
    """Return a producer that is not started: every replica in sync must have a record before it counts as sent.

    For `Context.kafka`. Certificates and the password are read now.

    Args:
        config: the Kafka destination's; `Context` cannot name its type.

    Raises:
        ConfigurationError: certificates or the password cannot be read.
    """
    if not isinstance(config, KafkaConfig):
        raise TypeError(f"{type(config).__name__} is not the configuration of a Kafka destination")
    arguments: dict[str, Any] = {
        "bootstrap_servers": list(config.bootstrap),
        "acks": "all",
        "enable_idempotence": config.idempotent,
        "linger_ms": LINGER_MS,
        "request_timeout_ms": REQUEST_TIMEOUT_MS,
        "retry_backoff_ms": RETRY_BACKOFF_MS,
        "metadata_max_age_ms": METADATA_MAX_AGE_MS,
    }
    if config.tls is not None:
        arguments |= {"security_protocol": "SSL", "ssl_context": client_context(config.tls, "tls")}
    if config.sasl is not None:
        arguments |= {
            "security_protocol": "SASL_SSL",
            "sasl_mechanism": config.sasl.mechanism,
            "sasl_plain_username": config.sasl.user,
            "sasl_plain_password": config.sasl.password.read("sasl.password").reveal(),
        }
    return _Producer(**arguments)


class _Producer(AIOKafkaProducer):  # type: ignore[misc]  # aiokafka has no types
    """One whose `stop` ends also where the brokers are away.

    aiokafka 0.14 never expires the batches of an idempotent producer (`Sender._can_retry`) and waits for all of them in
    `stop` (`MessageAccumulator.close`): without brokers that is for ever.
    """

    async def stop(self) -> None:
        """Send what can be sent within a second, give up the rest, close."""
        try:
            async with asyncio.timeout(FLUSH_S):
                await self.flush()
        except TimeoutError:
            self._message_accumulator.fail_all(KafkaTimeoutError())
        await super().stop()

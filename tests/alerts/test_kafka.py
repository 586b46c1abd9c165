"""The Kafka destination's configuration, and the producer that is made of it."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agents.delivering.kafka_client import other_cluster
from alerts.kafka import KIND, KafkaConfig, Sasl
from alerts.secrets import SecretRef
from alerts.tls import Tls
from schemas.errors import ConfigurationError
from tests.alerts.stream_alerts import CONTEXT
from tests.receivers.certificates import certificates

BROKERS = ("kafka-1.example:9093", "kafka-2.example:9093")


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"bootstrap": ()}, "bootstrap: empty"),
        ({"bootstrap": ("kafka-1.example",)}, "host:port"),
        ({"bootstrap": BROKERS}, "in clear"),
        ({"bootstrap": BROKERS, "allow_plaintext": True, "tls": Tls()}, "contradict"),
        (
            {
                "bootstrap": BROKERS,
                "allow_plaintext": True,
                "sasl": Sasl(user="u", password=SecretRef(env="KAFKA_PASSWORD")),
            },
            "sasl: it is for TLS alone",
        ),
    ],
)
def test_configurations_that_cannot_be_meant(more: dict[str, Any], what: str) -> None:
    found = KIND.check(KafkaConfig(topic="findings", **more))
    assert found is not None
    assert what in found


def test_a_topic_name_is_one() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"bootstrap": BROKERS, "topic": "a topic"}, KafkaConfig)


def test_a_command_without_clients_says_so() -> None:
    with pytest.raises(ConfigurationError, match=r"destinations\.test"):
        KIND.make(KafkaConfig(bootstrap=BROKERS, topic="findings", tls=Tls()), CONTEXT)


async def test_the_producer_waits_for_all_replicas_over_verified_tls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_PASSWORD", "s3cret")
    has = certificates(tmp_path)
    given: dict[str, Any] = {}
    monkeypatch.setattr("agents.delivering.kafka_client._Producer", lambda **arguments: given.update(arguments))
    other_cluster(
        KafkaConfig(
            bootstrap=BROKERS,
            topic="findings",
            tls=Tls(ca=str(has.ca)),
            sasl=Sasl(user="monitor", password=SecretRef(env="KAFKA_PASSWORD")),
        )
    )
    assert given["acks"] == "all"
    assert given["enable_idempotence"] is True
    assert given["security_protocol"] == "SASL_SSL"
    assert given["sasl_mechanism"] == "SCRAM-SHA-512"
    assert (given["sasl_plain_username"], given["sasl_plain_password"]) == ("monitor", "s3cret")
    assert given["ssl_context"].verify_mode == ssl.CERT_REQUIRED
    assert given["ssl_context"].check_hostname


def test_a_password_that_is_not_there_is_said() -> None:
    with pytest.raises(ConfigurationError, match="NO_SUCH_PASSWORD"):
        other_cluster(
            KafkaConfig(
                bootstrap=BROKERS,
                topic="findings",
                tls=Tls(),
                sasl=Sasl(user="u", password=SecretRef(env="NO_SUCH_PASSWORD")),
            )
        )

"""Creating and verifying topics with the settings that `schemas.topics` promises."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from agents.settings import PREFIX, Settings
from schemas.errors import ReferenceUnavailableError
from schemas.gateway_topics import GATEWAY_APPROVALS, GATEWAY_DECISIONS
from schemas.topic import Topic
from schemas.topics import ACCESS_EVENTS, ALERTS, BY_NAME, PRIVACY_REQUESTS, RAW_TOPICS, TOPICS

LEADER_WITHIN_S: Final = 10.0
"""How long a new topic's partitions may stay without a leader."""

APPENDED: Final = frozenset(
    {ACCESS_EVENTS, ALERTS, GATEWAY_APPROVALS, GATEWAY_DECISIONS, PRIVACY_REQUESTS, *RAW_TOPICS}
)
"""Topics whose records carry the broker's time: when an access, a decision or an alert came, when a request to see
somebody expires, that a grant is not dated back. A row's is its producer's: `recorded_at` where that is absent."""

POLL_S: Final = 0.1
"""Between two looks whether they have one."""


@dataclass(frozen=True, slots=True)
class Found:
    """A topic as the brokers have it."""

    partitions: int
    replicas: int
    """The fewest of any partition."""


def config_of(topic: Topic) -> dict[str, str]:
    """Return a topic's settings as Kafka writes them."""
    return {
        "cleanup.policy": topic.cleanup,
        "retention.ms": "-1" if topic.retention_ms is None else str(topic.retention_ms),
        "max.message.bytes": str(topic.max_message_bytes),
        # When a record came is what the broker says: a producer's clock decides nothing (`docs/semantics.md`).
        **({"message.timestamp.type": "LogAppendTime"} if topic.name in APPENDED else {}),
    }


def partitions_of(topic: Topic, settings: Settings) -> int:
    """Return how many partitions a topic has."""
    return settings.partitions if topic.partitions is None else topic.partitions


async def create(admin: AIOKafkaAdminClient, settings: Settings) -> list[str]:
    """Create the topics that are missing; return their names once their partitions have leaders.

    Raises:
        ReferenceUnavailableError: a broker refused one, or it has no leader in time.
    """
    there = await described(admin)
    missing = [topic for topic in TOPICS if topic.name not in there]
    wanted = [
        NewTopic(
            name=topic.name,
            num_partitions=partitions_of(topic, settings),
            replication_factor=settings.replication_factor,
            topic_configs=config_of(topic),
        )
        for topic in missing
    ]
    if not wanted:
        return []
    answer = await admin.create_topics(wanted)
    for name, code, *rest in answer.topic_errors:
        if code and not issubclass(for_code(code), TopicAlreadyExistsError):
            message = rest[0] if rest and rest[0] else for_code(code).__name__
            raise ReferenceUnavailableError(
                f"topic {name} cannot be created: {message}; {PREFIX}REPLICATION_FACTOR is "
                f"{settings.replication_factor}, at most the number of brokers is possible"
            )
    try:
        async with asyncio.timeout(LEADER_WITHIN_S):
            while len(await described(admin)) < len(TOPICS):
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        raise ReferenceUnavailableError(
            f"new topics have no leader within {LEADER_WITHIN_S:g} s; look at the brokers' logs, then "
            "`cloverwatch topics --verify`"
        ) from None
    return [topic.name for topic in missing]


async def verify(admin: AIOKafkaAdminClient, settings: Settings) -> tuple[list[str], list[str]]:
    """Return a sentence for each difference from what is promised, with what to do, and the topics not asked about.

    Of a topic whose settings the brokers do not tell (the embedded one does not, others need the right to describe
    configurations) only partitions and replicas are compared.
    """
    there = await described(admin)
    wrong, untold = [], []
    for topic in TOPICS:
        found = there.get(topic.name)
        if found is None:
            wrong.append(f"{topic.name}: missing, or without a leader; create it with `cloverwatch topics --create`")
            continue
        wrong += _layout(topic, found, settings)
        told = await _config(admin, topic.name)
        expected = config_of(topic)
        if not expected.keys() <= told.keys():
            untold.append(topic.name)
        wrong += [
            f"{topic.name}: {key} is {told[key]}, {value} expected; "
            f"set it with kafka-configs.sh --alter --topic {topic.name} --add-config '{key}=[{value}]'"
            for key, value in expected.items()
            if key in told and not _same(told[key], value)
        ]
    return wrong, untold


def _layout(topic: Topic, found: Found, settings: Settings) -> list[str]:
    wrong = []
    expected = partitions_of(topic, settings)
    if found.partitions != expected:
        remedy = (
            f"the number is fixed at creation: set {PREFIX}PARTITIONS={found.partitions} if the topic is right"
            if topic.partitions is None
            else "nothing of ours made it"
        )
        wrong.append(
            f"{topic.name}: {found.partitions} partitions, {expected} expected; {remedy}, or delete it and create it "
            "anew with `cloverwatch topics --create`"
        )
    if found.replicas < settings.replication_factor:
        wrong.append(
            f"{topic.name}: {found.replicas} replicas, {settings.replication_factor} expected; add some with "
            f"kafka-reassign-partitions.sh, or set {PREFIX}REPLICATION_FACTOR={found.replicas}"
        )
    return wrong


def _same(found: str, expected: str) -> bool:
    return {part.strip() for part in found.split(",")} == set(expected.split(","))


async def described(admin: AIOKafkaAdminClient) -> dict[str, Found]:
    """Return how each of our topics is laid out, of those that are there and have leaders."""
    # To describe a topic by its name creates it where brokers create topics on demand, the embedded one among them.
    there = set(await admin.list_topics()) & BY_NAME.keys()
    answers: list[dict[str, Any]] = await admin.describe_topics(sorted(there)) if there else []
    return {
        found["topic"]: Found(
            len(found["partitions"]), min((len(part["replicas"]) for part in found["partitions"]), default=0)
        )
        for found in answers
        if not found["error_code"] and all(not part["error_code"] for part in found["partitions"])
    }


async def _config(admin: AIOKafkaAdminClient, name: str) -> dict[str, str]:
    """Return a topic's settings as far as the broker tells them."""
    try:
        answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
    except KafkaError:
        return {}
    found: dict[str, str] = {}
    for answer in answers:
        for _, _, _, _, entries in answer.resources:
            found.update({entry[0]: entry[1] for entry in entries if entry[1] is not None})
    return found

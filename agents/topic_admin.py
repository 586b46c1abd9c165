"""Creating and verifying topics with the settings that `schemas.topics` promises."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from agents.settings import Settings
from schemas.errors import ReferenceUnavailableError
from schemas.topics import TOPICS, Topic

LEADER_WITHIN_S: Final = 10.0
"""How long a new topic's partitions may stay without a leader."""


def config_of(topic: Topic) -> dict[str, str]:
    """Return a topic's settings as Kafka writes them."""
    return {
        "cleanup.policy": topic.cleanup,
        "retention.ms": "-1" if topic.retention_ms is None else str(topic.retention_ms),
        "max.message.bytes": str(topic.max_message_bytes),
    }


def partitions_of(topic: Topic, settings: Settings) -> int:
    """Return how many partitions a topic has."""
    return settings.partitions if topic.partitions is None else topic.partitions


async def create(admin: AIOKafkaAdminClient, settings: Settings) -> list[str]:
    """Create the topics that are missing; return their names once their partitions have leaders."""
    there = await _described(admin)
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
    if wanted:
        answer = await admin.create_topics(wanted)
        for name, code, *rest in answer.topic_errors:
            if code and not issubclass(for_code(code), TopicAlreadyExistsError):
                message = rest[0] if rest and rest[0] else for_code(code).__name__
                raise ReferenceUnavailableError(f"topic {name} cannot be created: {message}")
        async with asyncio.timeout(LEADER_WITHIN_S):
            while len(await _described(admin)) < len(TOPICS):
                await asyncio.sleep(0.1)
    return [topic.name for topic in missing]


async def verify(admin: AIOKafkaAdminClient, settings: Settings) -> list[str]:
    """Return a sentence for each difference between the topics and what is promised, with what to do."""
    there = await _described(admin)
    wrong = []
    for topic in TOPICS:
        if topic.name not in there:
            wrong.append(f"{topic.name}: missing; create it with `cloverwatch topics --create`")
            continue
        expected = partitions_of(topic, settings)
        if there[topic.name] != expected:
            wrong.append(
                f"{topic.name}: {there[topic.name]} partitions, {expected} expected; the number is fixed at creation: "
                "set CLOVERWATCH_PARTITIONS to it, or create the topic anew"
            )
        found = await _config(admin, topic.name)
        for key, value in config_of(topic).items():
            if key in found and not _same(found[key], value):
                wrong.append(
                    f"{topic.name}: {key} is {found[key]}, {value} expected; "
                    f"set it with kafka-configs.sh --alter --topic {topic.name} --add-config '{key}=[{value}]'"
                )
    return wrong


def _same(found: str, expected: str) -> bool:
    return {part.strip() for part in found.split(",")} == set(expected.split(","))


async def _described(admin: AIOKafkaAdminClient) -> dict[str, int]:
    described: list[dict[str, Any]] = await admin.describe_topics([topic.name for topic in TOPICS])
    return {
        found["topic"]: len(found["partitions"])
        for found in described
        if not found["error_code"] and all(not part["error_code"] for part in found["partitions"])
    }


async def _config(admin: AIOKafkaAdminClient, name: str) -> dict[str, str]:
    """Return a topic's settings, nothing where the broker does not tell them (the embedded one does not)."""
    try:
        answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
    except KafkaError:
        return {}
    found: dict[str, str] = {}
    for answer in answers:
        for _, _, _, _, entries in answer.resources:
            found.update({entry[0]: entry[1] for entry in entries if entry[1] is not None})
    return found

"""What is saved of one person in a cluster: from the bucket that it is in, as the next owner would read it."""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from agents.clients import consumer_of, partitions_there, started
from agents.publisher import partition_of
from agents.settings import Settings
from agents.snapshots import bucket_of
from rules.habits.habit import Habit
from rules.habits.saved import StateVersionError, restore
from rules.matching import memory
from rules.matching.memory import Memory
from schemas.errors import ReferenceUnavailableError
from schemas.gateway_topics import STATE_MATCHES
from schemas.topics import STATE_HABITS

WITHIN_S: Final = 60.0
"""Within which a partition's states must be read: those of 100,000 people take some seconds."""

POLL_MS: Final = 200
"""How long one fetch waits."""

_unpack = msgspec.msgpack.Decoder(list[tuple[str, bytes]]).decode


async def habit_of(settings: Settings, name: str) -> Habit | None:
    """Return a person's habit as it was last saved; None where there is none.

    Raises:
        ConfigurationError: the topic of the states is not there.
        ReferenceUnavailableError: no broker answers, or not in time.
        StateVersionError: the state is of another program.
    """
    found: Habit | None = None
    for saved in await _saved(settings, STATE_HABITS, name):
        habit = restore(saved)
        if found is None or habit.applied > found.applied:
            found = habit
    return found


async def matches_of(settings: Settings, name: str) -> Memory | None:
    """Return what matching remembers of a person, as it was last saved; None where it is nothing.

    Raises:
        ConfigurationError: the topic of the states is not there.
        ReferenceUnavailableError: no broker answers, or not in time.
        StateVersionError: the state is of another program.
    """
    found: Memory | None = None
    for saved in await _saved(settings, STATE_MATCHES, name):
        try:
            each = memory.restore(saved)
        except ValueError as error:
            raise StateVersionError(f"state: {STATE_MATCHES}: {error}") from None
        if found is None or each.order > found.order:
            found = each
    return found


async def _saved(settings: Settings, topic: str, name: str) -> list[bytes]:
    """Return the states of a person, one for each owner of the partition whose snapshot is there still."""
    partitions = await partitions_there(settings, topic)
    tp = partitions[partition_of(name, len(partitions))]
    async with started(settings, consumer_of(settings)) as consumer:
        try:
            async with asyncio.timeout(WITHIN_S):
                buckets = await _buckets(consumer, tp, f"{bucket_of(name)}|".encode())
        except TimeoutError:
            raise ReferenceUnavailableError(
                f"{tp.topic}/{tp.partition}: not read to its end within {WITHIN_S:g} s; look at the brokers' load"
            ) from None
    found = (_in_bucket(value, name, tp) for value in buckets.values())
    return [each for each in found if each is not None]


async def _buckets(consumer: AIOKafkaConsumer, tp: TopicPartition, prefix: bytes) -> dict[bytes, bytes]:
    """Return what a partition holds under keys that begin so, each the last of its key."""
    found: dict[bytes, bytes] = {}
    consumer.assign([tp])
    await consumer.seek_to_beginning(tp)
    end = (await consumer.end_offsets([tp]))[tp]
    while True:
        for record in (await consumer.getmany(tp, timeout_ms=POLL_MS)).get(tp, ()):
            if not record.key.startswith(prefix):
                continue
            if record.value is None:
                found.pop(record.key, None)
            else:
                found[record.key] = record.value
        if await consumer.position(tp) >= max(end, consumer.highwater(tp) or 0):
            return found


def _in_bucket(value: bytes, name: str, tp: TopicPartition) -> bytes | None:
    try:
        return dict(_unpack(value)).get(name)
    except msgspec.MsgspecError as error:
        raise StateVersionError(f"state: {tp.topic}/{tp.partition}: not a bucket: {error}") from None

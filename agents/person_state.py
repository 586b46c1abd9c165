"""One person's habit out of a cluster: from the bucket that it is in, as the partition's next owner would read it."""

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
from schemas.errors import ReferenceUnavailableError
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
    partitions = await partitions_there(settings, STATE_HABITS)
    tp = partitions[partition_of(name, len(partitions))]
    async with started(settings, consumer_of(settings)) as consumer:
        try:
            async with asyncio.timeout(WITHIN_S):
                buckets = await _buckets(consumer, tp, f"{bucket_of(name)}|".encode())
        except TimeoutError:
            raise ReferenceUnavailableError(
                f"{tp.topic}/{tp.partition}: not read to its end within {WITHIN_S:g} s; look at the brokers' load"
            ) from None
    found: Habit | None = None
    for value in buckets.values():
        habit = _in_bucket(value, name, tp)
        if habit is not None and (found is None or habit.applied > found.applied):
            found = habit
    return found


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


def _in_bucket(value: bytes, name: str, tp: TopicPartition) -> Habit | None:
    try:
        saved = dict(_unpack(value)).get(name)
    except msgspec.MsgspecError as error:
        raise StateVersionError(f"state: {tp.topic}/{tp.partition}: not a bucket: {error}") from None
    return None if saved is None else restore(saved)

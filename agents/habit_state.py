"""Habits that survive: snapshots in buckets to a compacted topic, stored before the offsets that they cover.

A bucket holds some of a partition's people; its key is (bucket, term), where a term is one assignment of the partition
to one worker. A worker that was paused across a rebalance and goes on may write an old bucket after the new owner
wrote a newer one, and compaction would keep the old: under a key of its own it replaces nothing, and whoever reads
takes of each person the state with the greatest offset applied. Keys of earlier terms are deleted once their worker's
session must have ended.

At a commit, in this order: what was judged is stored (alerts, dead letters), then the buckets that changed, then the
offsets.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from secrets import token_hex
from typing import Any, Final
from zlib import crc32

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from agents.ledger import TP
from rules.habits.saved import StateVersionError, restore, save
from rules.knowledge import Knowledge, Person
from schemas.topics import STATE_HABITS

log = logging.getLogger(__name__)

BUCKETS: Final = 256
"""Of one partition: a commit writes so many messages at most, and one holds some dozens of people."""

LOAD_WITHIN_S: Final = 60.0
"""Within which a partition's state must be read: 100,000 people take some seconds."""

RETIRE_SESSIONS: Final = 3.0
"""Session timeouts after which a former owner cannot write any more."""

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(list[tuple[str, bytes]]).decode


class HabitState:
    """The habits of the partitions that this worker owns.

    Args:
        knowledge: where people, and their habits, are.
        producer: writes snapshots; started by its owner.
        stored: awaited before a snapshot is written: returns when all that was judged until now is stored.
        session_timeout: of the group, seconds.
    """

    def __init__(
        self,
        knowledge: Knowledge,
        producer: AIOKafkaProducer,
        stored: Callable[[], Awaitable[None]],
        session_timeout: float,
    ) -> None:
        self._knowledge, self._producer, self._stored = knowledge, producer, stored
        self._retire_after = RETIRE_SESSIONS * session_timeout
        self._members: dict[int, dict[int, dict[str, Person]]] = {}
        """Partition → bucket → the people with a habit."""
        self._dirty: set[tuple[int, int]] = set()
        self._terms: dict[int, str] = {}
        self._former: dict[int, tuple[float, set[bytes]]] = {}
        """Partition → when its keys of earlier terms may be deleted, and which they are."""
        self.bytes_written = 0

    def touched(self, name: str, person: Person) -> None:
        """Take note that a person's habit changed."""
        bucket = crc32(name.encode()) % BUCKETS
        where = person.partition, bucket
        if where not in self._dirty:
            self._dirty.add(where)
        self._members.setdefault(person.partition, {}).setdefault(bucket, {})[name] = person

    def forget(self) -> None:
        """Partitions change hands: what is not written is given up; its events are read again."""
        self._members.clear()
        self._dirty.clear()
        self._terms.clear()
        self._former.clear()

    async def load(self, consumer: AIOKafkaConsumer, partitions: Iterable[int]) -> int:
        """Read the states of partitions; return how many people they hold.

        Args:
            consumer: a started one without a group, of its own.
            partitions: of `access.events`, the same as of the state's topic.

        Raises:
            TimeoutError: the broker is too slow. The caller's crash reads again.
            StateVersionError: a state of a newer program.
        """
        tps = [TopicPartition(STATE_HABITS, partition) for partition in partitions]
        count = 0
        async with asyncio.timeout(LOAD_WITHIN_S):
            consumer.assign(tps)
            await consumer.seek_to_beginning(*tps)
            ends = await consumer.end_offsets(tps)
            keys: dict[int, set[bytes]] = {tp.partition: set() for tp in tps}
            left = set(tps)
            while left:
                for tp, records in (await consumer.getmany(*left, timeout_ms=200)).items():
                    for record in records:
                        if record.value is None:
                            keys[tp.partition].discard(record.key)
                        else:
                            keys[tp.partition].add(record.key)
                            count += self._take(tp.partition, record.value)
                for tp in list(left):
                    end = max(ends[tp], consumer.highwater(tp) or 0)
                    if await consumer.position(tp) >= end:
                        left.discard(tp)
        retire_at = time.monotonic() + self._retire_after
        for partition, former in keys.items():
            self._terms[partition] = token_hex(6)
            self._former[partition] = retire_at, former
            # Everything is written once under this term, so that the former keys can go.
            self._dirty.update((partition, bucket) for bucket in self._members.get(partition, ()))
        return count

    def _take(self, partition: int, value: bytes) -> int:
        try:
            people = _unpack(value)
        except msgspec.MsgspecError as error:
            raise StateVersionError(f"state: {STATE_HABITS}/{partition}: not a bucket: {error}") from None
        for name, saved in people:
            habit = restore(saved)
            person = self._knowledge.find(name)
            person.partition = partition
            if person.habit is None or person.habit.applied < habit.applied:
                person.habit = habit
            bucket = crc32(name.encode()) % BUCKETS
            self._members.setdefault(partition, {}).setdefault(bucket, {})[name] = person
        return len(people)

    async def before_commit(self, offsets: Mapping[TP, int]) -> None:  # noqa: ARG002 - the protocol's signature
        """Return when every habit is stored as it stands now, or newer."""
        dirty, self._dirty = self._dirty, set()
        messages: list[tuple[int, bytes, bytes | None]] = []
        for partition, bucket in sorted(dirty):
            term = self._terms.get(partition)
            if term is not None:
                messages.append((partition, f"{bucket}|{term}".encode(), self._bucket(partition, bucket)))
        await self._stored()
        await self._send(messages)
        await self._retire()

    def _bucket(self, partition: int, bucket: int) -> bytes:
        people = self._members.get(partition, {}).get(bucket, {})
        return _pack([(name, save(person.habit)) for name, person in people.items() if person.habit is not None])

    async def _retire(self) -> None:
        """Delete the keys of earlier terms, when nobody can write them any more and all is written under this one."""
        now = time.monotonic()
        for partition, (retire_at, keys) in list(self._former.items()):
            if now < retire_at:
                continue
            del self._former[partition]
            await self._send([(partition, key, None) for key in sorted(keys)])

    async def _send(self, messages: Sequence[tuple[int, bytes, bytes | None]]) -> None:
        sent: list[Any] = []
        for partition, key, value in messages:
            sent.append(await self._producer.send(STATE_HABITS, key=key, value=value, partition=partition))
            self.bytes_written += len(value or b"")
        if sent:
            await asyncio.gather(*sent)

"""State that survives: snapshots in buckets on a compacted topic, stored before the offsets that they cover.

A bucket holds some of a partition's items (people with their habits, say); its key is (bucket, term), where a term is
one assignment of the partition to one worker. A worker that was paused across a rebalance and goes on may write an old
bucket after the new owner wrote a newer one, and compaction would keep the old: under a key of its own it replaces
nothing, and whoever reads takes of each item the state with the greatest offset applied. Keys of earlier terms are
deleted once their worker's session must have ended.

At a commit, in this order: what was judged is stored (alerts, dead letters), then the buckets that changed, then the
offsets.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Set
from secrets import token_hex
from typing import Any, Final, Protocol
from zlib import crc32

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from agents.ledger import TP
from rules.habits.saved import StateVersionError

log = logging.getLogger(__name__)

BUCKETS: Final = 256
"""Of one partition: a commit writes so many messages at most, and one holds a dozen people of 100,000."""

AT_ONCE: Final = 16
"""Buckets that are packed between two looks at what else is to be done: a millisecond or two."""

REKEY_AT_ONCE: Final = 32
"""Buckets of a partition that a commit writes beside those that changed, until all stand under this term's key: a
rebalance must not wait for everything to be written at once."""

LOAD_WITHIN_S: Final = 120.0
"""Within which the states of an assignment must be read: those of 100,000 people take some seconds."""

RETIRE_SESSIONS: Final = 3.0
"""Session timeouts after which a former owner cannot write any more."""

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(list[tuple[str, bytes]]).decode


class Shelf(Protocol):
    """Where items are while they are in use. An item is whatever `save` makes bytes of."""

    def save(self, name: str) -> bytes | None:
        """Return an item as bytes; None where it is gone or too old to be kept."""

    def restore(self, name: str, partition: int, saved: bytes) -> None:
        """Put an item back where it is newer than what is there."""

    def clear(self, partitions: Set[int]) -> None:
        """Drop whatever is there of some partitions."""


class Snapshots:
    """The saved states of the partitions that this worker owns.

    Args:
        topic: compacted, with as many partitions as the stream whose states these are.
        shelf: where the items are.
        producer: writes snapshots; started by its owner.
        stored: awaited before a snapshot is written: returns when all that was judged until now is stored.
        session_timeout: of the group, seconds.
        written: told of the bytes that are written.
        first: an item that says what the others mean: all are packed at one moment, and it is stored before them.
    """

    def __init__(
        self,
        topic: str,
        shelf: Shelf,
        producer: AIOKafkaProducer,
        stored: Callable[[], Awaitable[None]],
        session_timeout: float,
        written: Callable[[int], None],
        first: str | None = None,
    ) -> None:
        self._topic, self._shelf, self._producer, self._stored = topic, shelf, producer, stored
        self._retire_after = RETIRE_SESSIONS * session_timeout
        self._members: dict[int, list[set[str]]] = {}
        """Partition → by bucket the names of its items."""
        self._touched: dict[int, dict[str, None]] = {}
        """Partition → the names whose items changed since the last commit."""
        self._terms: dict[int, str] = {}
        self._former: dict[int, tuple[float, set[bytes]]] = {}
        """Partition → when its keys of earlier terms may be deleted, and which they are."""
        self._assignment = 0
        """Counts assignments: what was begun under one is not finished under the next."""
        self._written = written
        self._first = first
        self._rekey: dict[int, list[int]] = {}
        """Partition → buckets that still stand under a former term's key only."""

    @property
    def items(self) -> int:
        """How many items are kept."""
        return sum(len(bucket) for buckets in self._members.values() for bucket in buckets)

    def touched(self, name: str, partition: int) -> None:
        """Take note that an item changed."""
        names = self._touched.get(partition)
        if names is None:
            names = self._touched[partition] = {}
        names[name] = None

    def forget(self) -> None:
        """Partitions change hands: what is not written is given up; its records are read again."""
        self._assignment += 1
        self._members.clear()
        self._touched.clear()
        self._terms.clear()
        self._former.clear()
        self._rekey.clear()

    async def load(self, consumer: AIOKafkaConsumer, partitions: Iterable[int]) -> int:
        """Read the states of partitions; return how many items they hold.

        Args:
            consumer: a started one without a group, of its own.
            partitions: of the stream, the same as of the state's topic.

        Raises:
            TimeoutError: the broker is too slow. The caller's crash reads again.
            StateVersionError: a state of a newer program.
        """
        tps = [TopicPartition(self._topic, partition) for partition in partitions]
        keys: dict[int, set[bytes]] = {tp.partition: set() for tp in tps}
        members = {partition: [set[str]() for _ in range(BUCKETS)] for partition in keys}
        assignment = self._assignment
        self._shelf.clear(keys.keys())
        async with asyncio.timeout(LOAD_WITHIN_S):
            consumer.assign(tps)
            await consumer.seek_to_beginning(*tps)
            ends = await consumer.end_offsets(tps)
            left = set(tps)
            while left:
                for tp, records in (await consumer.getmany(*left, timeout_ms=200)).items():
                    for record in records:
                        if record.value is None:
                            keys[tp.partition].discard(record.key)
                        else:
                            keys[tp.partition].add(record.key)
                            self._take(tp.partition, record.value, members[tp.partition])
                    await asyncio.sleep(0)
                for tp in list(left):
                    if await consumer.position(tp) >= max(ends[tp], consumer.highwater(tp) or 0):
                        left.discard(tp)
        if assignment != self._assignment:
            return 0  # partitions changed hands meanwhile: nothing of this may be written
        retire_at = time.monotonic() + self._retire_after
        for partition, former in keys.items():
            self._terms[partition] = token_hex(6)
            self._former[partition] = retire_at, former
            self._members[partition] = members[partition]
            # Everything is written once under this term, some at each commit, so that the former keys can go.
            self._rekey[partition] = [bucket for bucket, names in enumerate(members[partition]) if names]
        return sum(len(names) for buckets in members.values() for names in buckets)

    def _take(self, partition: int, value: bytes, members: list[set[str]]) -> None:
        try:
            items = _unpack(value)
        except msgspec.MsgspecError as error:
            raise StateVersionError(f"state: {self._topic}/{partition}: not a bucket: {error}") from None
        for name, saved in items:
            self._shelf.restore(name, partition, saved)
            members[bucket_of(name)].add(name)

    async def before_commit(self, offsets: Mapping[TP, int]) -> None:  # noqa: ARG002 - the protocol's signature
        """Return when every item is stored as it stands now, or newer."""
        touched, self._touched = self._touched, {}
        dirty = []
        for partition, names in touched.items():
            if partition not in self._terms:
                continue  # of an assignment that is gone
            members = self._members[partition]
            buckets = set()
            for name in names:
                bucket = bucket_of(name)
                members[bucket].add(name)
                buckets.add(bucket)
            dirty += [(partition, bucket) for bucket in sorted(buckets)]
        dirty = self._and_some_to_rekey(dirty)
        if self._first is not None:
            await self._at_one_moment(dirty, self._first)
        else:
            for at in range(0, len(dirty), AT_ONCE):
                packed = [self._packed(*each) for each in dirty[at : at + AT_ONCE]]
                await self._stored()
                await self._send(each for each in packed if each is not None)
        await self._retire()

    def _and_some_to_rekey(self, dirty: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Return what is to be written, with a few of the buckets that stand under former keys only."""
        found = dict.fromkeys(dirty)
        for partition, buckets in self._rekey.items():
            buckets[:] = [bucket for bucket in buckets if (partition, bucket) not in found]
            for bucket in buckets[-REKEY_AT_ONCE:]:
                found[partition, bucket] = None
            del buckets[-REKEY_AT_ONCE:]
        return list(found)

    async def _at_one_moment(self, dirty: list[tuple[int, int]], first: str) -> None:
        """Pack everything before anything else can change, and store the bucket of the first item before the others."""
        packed = {each: found for each in dirty if (found := self._packed(*each)) is not None}
        await self._stored()
        leading = [found for (_, bucket), found in packed.items() if bucket == bucket_of(first)]
        await self._send(leading)
        await self._send(found for found in packed.values() if found not in leading)

    def _packed(self, partition: int, bucket: int) -> tuple[int, bytes, bytes | None] | None:
        term = self._terms.get(partition)
        if term is None:
            return None  # given up while other buckets were written
        members = self._members[partition][bucket]
        items = [(name, saved) for name in sorted(members) if (saved := self._shelf.save(name)) is not None]
        if len(items) < len(members):
            members.intersection_update([name for name, _ in items])
        return partition, f"{bucket}|{term}".encode(), _pack(items) if items else None

    async def _retire(self) -> None:
        """Delete the keys of earlier terms, when nobody can write them any more and all is written under this one."""
        now = time.monotonic()
        for partition, (retire_at, keys) in list(self._former.items()):
            if now >= retire_at and not self._rekey.get(partition):
                del self._former[partition]
                await self._send((partition, key, None) for key in sorted(keys))

    async def _send(self, messages: Iterable[tuple[int, bytes, bytes | None]]) -> None:
        sent: list[Any] = []
        for partition, key, value in messages:
            sent.append(await self._producer.send(self._topic, key=key, value=value, partition=partition))
            self._written(len(value or b""))
        if sent:
            await asyncio.gather(*sent)


def bucket_of(name: str) -> int:
    """Return which bucket of its partition an item is in."""
    return crc32(name.encode()) % BUCKETS

"""Reading what a compacted topic holds, up to its end as it is now."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from agents.clients import consumer_of
from agents.settings import Settings

POLL_MS: Final = 200
"""How long one fetch waits."""

FETCH_WAIT_MS: Final = 20
"""How long a broker may hold back a fetch for which there is nothing: what is there is wanted, not what comes."""

WITHIN_S: Final = 300.0
"""Within which the past must be read: millions of receipts take a minute."""


async def look_back(
    settings: Settings,
    topic: str,
    partitions: Iterable[int],
    since: int | None = None,
    *,
    offsets: Mapping[int, int] | None = None,
) -> AsyncIterator[Any]:
    """Yield the records of some partitions of a topic, those of one partition in order, up to the present end.

    Args:
        settings: how the brokers are reached.
        topic: which.
        partitions: which of it.
        since: append time to begin at, milliseconds; None: the beginning.
        offsets: by partition, where to begin instead, at most the end.

    Raises:
        TimeoutError: the brokers are too slow; whoever asked begins again.
    """
    tps = [TopicPartition(topic, partition) for partition in partitions]
    if not tps:
        return
    consumer = consumer_of(settings, fetch_max_wait_ms=FETCH_WAIT_MS)
    await consumer.start()
    try:
        async with asyncio.timeout(WITHIN_S):
            consumer.assign(tps)
            await consumer.seek_to_beginning(*tps)
            ends, begins = await consumer.end_offsets(tps), await consumer.beginning_offsets(tps)
            if since is not None:
                await _seek(consumer, ends, since)
            for partition, offset in (offsets or {}).items():
                tp = TopicPartition(topic, partition)
                consumer.seek(tp, max(offset, begins[tp]))
            # No fetch waits for a record where there is none.
            left = set(tps) if offsets else {tp for tp in tps if ends[tp] > begins[tp]}
            while left:
                for records in (await consumer.getmany(*left, timeout_ms=POLL_MS)).values():
                    for record in records:
                        yield record
                for tp in list(left):
                    # Judged by the larger of both: the embedded broker's end is that of the last batch's beginning.
                    if await consumer.position(tp) >= max(ends[tp], consumer.highwater(tp) or 0):
                        left.discard(tp)
    finally:
        await consumer.stop()


async def _seek(consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int], since: int) -> None:
    """Begin at a time, where the brokers can say where that is; else at the beginning, which is only slower.

    An offset at the end is no answer (where there is no record since, there is none): the embedded broker gives it.
    """
    try:
        found = await consumer.offsets_for_times(dict.fromkeys(ends, since))
    except KafkaError:
        return
    for tp, at in found.items():
        if at is not None and at.offset < ends[tp]:
            consumer.seek(tp, at.offset)

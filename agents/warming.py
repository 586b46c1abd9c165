"""What is known of the past of partitions: people's habits, and event ids of the recent past.

Which ids were used lately decides whether an access is new, a repetition or another under a used id. The log before
the commit holds exactly that, so on assignment its last records are read again and remembered, not judged.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Set
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from agents.clients import consumer_of
from agents.ledger import TP, Ledger
from agents.settings import Settings
from agents.snapshots import Snapshots
from schemas.topics import ACCESS_EVENTS

log = logging.getLogger(__name__)

RECORDS_BACK: Final = 10_000
"""Records of a partition that are read back: some minutes of a busy one, which is how far apart repetitions are."""

WITHIN_S: Final = 15.0
"""Longer than this is not waited for: judging late is worse than telling a repetition from a new access."""


async def read_past(settings: Settings, ledger: Ledger, remember: Callable[[Any], None], habits: Snapshots) -> Set[TP]:
    """Read what is known of the past of every partition of `access.events` assigned, and return these.

    Args:
        settings: where the brokers are.
        ledger: says where reading begins.
        remember: takes each record of the recent past.
        habits: the states of the partitions' people.
    """
    heads = {tp: (ledger.head(tp), ledger.expected(tp)) for tp in ledger.partitions() if tp[0] == ACCESS_EVENTS}
    starts = {tp: head.first if head is not None else expected or 0 for tp, (head, expected) in heads.items()}
    began = time.monotonic()
    consumer = consumer_of(settings)
    await consumer.start()
    try:
        ids = await remember_ids(consumer, starts, remember)
        people = await habits.load(consumer, [partition for _, partition in starts])
    finally:
        await consumer.stop()
    took = time.monotonic() - began
    log.info("The past of %d partitions: %d event ids, %d habits, %.1f s", len(starts), ids, people, took)
    return starts.keys()


async def remember_ids(consumer: AIOKafkaConsumer, starts: Mapping[TP, int], remember: Callable[[Any], None]) -> int:
    """Call `remember` with the records before each partition's start; return how many there were.

    Args:
        consumer: a started one without a group, of its own.
        starts: by partition, the first offset that will be judged.
        remember: takes a record.
    """
    tps = {TopicPartition(*tp): start for tp, start in starts.items() if start > 0}
    if not tps:
        return 0
    count = 0
    try:
        async with asyncio.timeout(WITHIN_S):
            consumer.assign(list(tps))
            beginnings = await consumer.beginning_offsets(list(tps))
            left = dict(tps)
            for tp, start in tps.items():
                first = max(beginnings[tp], start - RECORDS_BACK)
                if first >= start:
                    del left[tp]
                consumer.seek(tp, min(first, start))
            while left:
                for tp, records in (await consumer.getmany(*left, timeout_ms=200)).items():
                    for record in records:
                        if record.offset < left[tp]:
                            remember(record)
                            count += 1
                for tp in [tp for tp, start in left.items()]:
                    if await consumer.position(tp) >= left[tp]:
                        del left[tp]
    except TimeoutError:
        log.warning("Event ids of the recent past: only %d records read back within %g s", count, WITHIN_S)
    return count

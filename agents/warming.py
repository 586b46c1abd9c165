"""Event ids of the recent past, read back from the log itself, so that a restart forgets none of them.

Which ids were used lately decides whether an access is new, a repetition or another under a used id. The log before
the commit holds exactly that, so on assignment its last records are read again and remembered, not judged.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from agents.ledger import TP

log = logging.getLogger(__name__)

RECORDS_BACK: Final = 10_000
"""Records of a partition that are read back: some minutes of a busy one, which is how far apart repetitions are."""

WITHIN_S: Final = 15.0
"""Longer than this is not waited for: judging late is worse than telling a repetition from a new access."""


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

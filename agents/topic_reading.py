"""A topic as it is now, from its beginning to its end, for commands that look something up."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from aiokafka import TopicPartition

from agents.clients import consumer_of, partitions_there, started
from agents.settings import Settings
from schemas.errors import ReferenceUnavailableError

STALLED_S: Final = 30.0
"""Without a record for this long before the end, a topic counts as not to be read: a fetch takes milliseconds."""

POLL_MS: Final = 100
"""How long one look for records waits."""

FETCH_MS: Final = 50
"""How long a broker may wait for more before it answers: at the end of a topic nothing more comes, and a client that
stops waits for its last answer (500 ms otherwise)."""


async def read_topic(
    settings: Settings,
    topic: str,
    take: Callable[[Any], object],
    tps: Sequence[TopicPartition] | None = None,
) -> None:
    """Hand every record of a topic, or of some of its partitions, to `take`; per partition in order.

    What is stored before the call is read; what is stored meanwhile may be.

    Raises:
        ConfigurationError: the topic is not there.
        ReferenceUnavailableError: no broker answers, or it stops answering.
    """
    tps = list(await partitions_there(settings, topic) if tps is None else tps)
    async with started(settings, consumer_of(settings, fetch_max_wait_ms=FETCH_MS)) as consumer:
        consumer.assign(tps)
        await consumer.seek_to_beginning(*tps)
        ends = await consumer.end_offsets(tps)
        last = time.monotonic()
        while True:
            for records in (await consumer.getmany(timeout_ms=POLL_MS)).values():
                last = time.monotonic()
                for record in records:
                    take(record)
            # The embedded broker's answer for the end can be short of a batch; what a fetch says is right.
            if all([await consumer.position(tp) >= max(ends[tp], consumer.highwater(tp) or 0) for tp in tps]):
                return
            if time.monotonic() - last > STALLED_S:
                raise ReferenceUnavailableError(
                    f"{topic}: nothing came for {STALLED_S:g} s, and the end is not reached; look at the brokers' load"
                )

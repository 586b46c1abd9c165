"""Whether brokers answer, asked once a second: so readiness is told, and comes back, without anybody's request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Final, Protocol

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from mode import Service

from schemas.gateway_topics import GATEWAY_DECISIONS

ASK_EVERY_S: Final = 1.0
"""Between two questions."""

ANSWER_WITHIN_S: Final = 3.0
"""Within which brokers must answer: an election of a leader is over by then."""


class Ends(Protocol):
    """Asks brokers where partitions end; a consumer does."""

    async def end_offsets(self, partitions: list[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Return the offset behind the last message of each."""


class Pulse(Service):
    """Asks where `gateway.decisions` ends.

    Args:
        ends: a started consumer, whatever it reads.
    """

    def __init__(self, ends: Ends, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._ends = ends
        self.answers = True
        self.answered_at = time.monotonic()

    @Service.task
    async def _ask(self) -> None:
        while not self.should_stop:
            try:
                async with asyncio.timeout(ANSWER_WITHIN_S):
                    await self._ends.end_offsets([TopicPartition(GATEWAY_DECISIONS, 0)])
            except (TimeoutError, KafkaError) as error:
                if self.answers:
                    self.log.error("The brokers do not answer: %s", type(error).__name__)
                self.answers = False
            else:
                if not self.answers:
                    self.log.warning("The brokers answer again")
                self.answers, self.answered_at = True, time.monotonic()
            await self.sleep(ASK_EVERY_S)

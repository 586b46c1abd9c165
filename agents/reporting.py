"""What a worker tells the overseer: how far it is, which sources it heard, and what people's days came to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec
from mode import Service

from agents.ledger import TP
from agents.publisher import Publisher, Sent
from agents.transport.lag import PartitionLag
from rules.habits.overseer import Clock, Report
from rules.habits.rhythm import SOURCES_MAX, Heard
from rules.haul import Haul
from schemas.topics import ACCESS_EVENTS

REPORT_EVERY_S: Final = 1.0
"""Between two reports of a worker: the delay of a silence beyond what its threshold says, and of peers' versions."""


IDLE_S: Final = 86_400.0
"""A partition without a record for so long holds up no peers' version by how late its last one came."""


class Reporter(Service):
    """Collects what is to be reported and sends it, once a second; people's days at once, with their batch.

    Args:
        publisher: writes reports.
        lags: says how far each partition is.
        answered: when (monotonic seconds) the brokers last said where the logs end.
        watching: whether behaviour is judged at all.
    """

    def __init__(
        self,
        publisher: Publisher,
        lags: Callable[[], Mapping[TP, PartitionLag]],
        answered: Callable[[], float | None],
        watching: Callable[[], bool],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._publisher, self._lags, self._answered, self._watching = publisher, lags, answered, watching
        self._heard: dict[str, Heard] = {}
        self._until: dict[int, int] = {}
        self._progress: dict[int, int] = {}
        self._heard_at: dict[int, float] = {}
        """By partition, when (monotonic seconds) something of it was last judged here, or its assignment."""
        self._delay: dict[int, int] = {}
        """By partition, how long after it happened its last access was judged: history that is filled in is old."""

    def forget(self) -> None:
        """Partitions change hands: how far they are is for their next owners to say."""
        self._until.clear()
        self._progress.clear()
        self._delay.clear()
        self._heard_at.clear()

    async def store(self, haul: Haul) -> list[Sent]:
        """Send what must be stored before a batch is acked: people's days, and visits for the crowds."""
        sends = await self._publisher.report(Report(days=tuple(haul.days)))
        return sends + await self._publisher.visits(haul.visits)

    def read(self, partition: int, haul: Haul, count: int, first: int, last: int) -> None:
        """Take note of a batch of so many records, appended from `first` to `last`, after its days were sent.

        Who reads of this progress has read of the days before it.
        """
        self.hear([Heard(f"partition:{partition}", count, first, last), *haul.heard])
        self._until[partition] = max(last, self._until.get(partition, 0))
        self._heard_at[partition] = time.monotonic()
        if haul.delays:
            self._delay[partition] = max(0, haul.delays[-1])
        if haul.days:
            latest = max(day.at for day in haul.days)
            self._progress[partition] = max(latest, self._progress.get(partition, 0))

    def hear(self, heard: Iterable[Heard]) -> None:
        """Take note that sources were heard."""
        for each in heard:
            if each.source not in self._heard and len(self._heard) >= SOURCES_MAX:
                continue  # more than are watched; the overseer counts those that it refuses
            before = self._heard.get(each.source, each)
            count = each.count if before is each else before.count + each.count
            first, last = min(before.first, each.first), max(before.last, each.last)
            self._heard[each.source] = Heard(each.source, count, first, last, each.country)

    def clocks(self, now: int) -> list[Clock]:
        """Return how far each partition is; who has nothing left to read is as far as the brokers' last answer."""
        answered = self._answered()
        if answered is None:
            return []
        then = now - round((time.monotonic() - answered) * 1000)
        found = []
        for (topic, partition), lag in self._lags().items():
            if topic != ACCESS_EVENTS:
                continue
            until = self._until.get(partition, 0)
            read = lag.end is not None and lag.position >= lag.end and lag.head_age is None
            until = max(until, then) if read else until
            delay = self._delay.get(partition, -1)
            if time.monotonic() - self._heard_at.setdefault(partition, time.monotonic()) > IDLE_S:
                delay = 0  # however late its last access came, nothing more of then is coming
            found.append(Clock(partition, until, self._progress.get(partition, 0), read=read, delay=delay))
        return found

    @Service.task
    async def _report(self) -> None:
        while not self.should_stop:
            await self.sleep(REPORT_EVERY_S)
            if not self._watching():
                continue
            clocks = self.clocks(time.time_ns() // 1_000_000)
            heard, self._heard = tuple(self._heard.values()), {}
            if clocks or heard:
                await asyncio.gather(*await self._publisher.report(Report(clocks=tuple(clocks), heard=heard)))


decode_report: Final = msgspec.msgpack.Decoder(Report).decode

"""Reading the logged topics: every record from where the log ends, and what is gone said as what it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from agents.audit.writing.entries import TP, entry_of, hole
from agents.audit.writing.positions import WENT_BACK
from agents.transport.holes import SkippedRanges, WatchedRecords
from schemas.entry import Entry
from schemas.topics import BY_NAME

POLL_S: Final = 0.2
"""How long one look for records waits: what a stop waits for at most."""

BATCH: Final = 5_000
"""Records of one append at most: a few hundred kilobytes of entries, flushed together."""

COMPACTED: Final = "compacted"
"""Why of a hole in a compacted topic: a later record of the same key replaced what stood there."""


class Tail:
    """A consumer of all partitions, without a group: where it stands is for the log to say.

    Args:
        consumer: not started, of no topic.
        clear: whether alerts name people in clear.
    """

    def __init__(self, consumer: AIOKafkaConsumer, *, clear: bool = False) -> None:
        self._consumer, self._clear = consumer, clear
        self._skipped = SkippedRanges()
        self._next: dict[TP, int] = {}

    async def start(self) -> None:
        """Reach the brokers."""
        await self._consumer.start()
        self._consumer._fetcher._records = WatchedRecords(self._skipped)

    async def stop(self) -> None:
        """Leave them."""
        await self._consumer.stop()

    async def assign(self, positions: Mapping[TP, int]) -> None:
        """Read from these offsets on."""
        self._next = dict(positions)
        tps = [TopicPartition(*tp) for tp in positions]
        self._consumer.assign(tps)
        for tp in tps:
            self._skipped.forget((tp.topic, tp.partition))
            self._consumer.seek(tp, self._next[tp.topic, tp.partition])

    async def read(self, most: int = BATCH, seconds: float = POLL_S) -> list[tuple[Entry, bytes]]:
        """Return the next entries, of so many records at most; what is returned counts as read.

        Args:
            most: records.
            seconds: how long to wait where there are none.
        """
        fetched = await self._consumer.getmany(timeout_ms=max(1, int(seconds * 1_000)), max_records=most)
        found: list[tuple[Entry, bytes]] = []
        for tp in sorted(fetched):
            found += await self._entries((tp.topic, tp.partition), fetched[tp])
        return found

    def lag(self) -> dict[str, int]:
        """Return by topic how many offsets are not read yet, as of the last fetch."""
        found: dict[str, int] = {}
        for (topic, partition), offset in self._next.items():
            end = self._consumer.highwater(TopicPartition(topic, partition)) or 0
            found[topic] = found.get(topic, 0) + max(0, end - offset)
        return found

    @property
    def behind(self) -> bool:
        """Whether there are records that are not read yet, as of the last fetch."""
        return any(self.lag().values())

    async def _entries(self, tp: TP, records: Iterable[Any]) -> list[tuple[Entry, bytes]]:
        found = []
        for record in records:
            expected = self._next[tp]
            if record.offset < expected:
                found.append(hole(tp, record.offset, expected - 1, WENT_BACK, record.timestamp))
                self._skipped.forget(tp)
            elif record.offset > expected:
                found += [
                    hole(tp, first, last, why, record.timestamp)
                    for first, last, why in await self._explain(tp, expected, record.offset - 1)
                ]
            found.append(entry_of(tp[0], record, clear=self._clear))
            self._next[tp] = record.offset + 1
        return found

    async def _explain(self, tp: TP, first: int, last: int) -> list[tuple[int, int, str]]:
        """Cut first..last into holes by what is known of them; the words are those of `schemas.coverage.Hole`."""
        there = TopicPartition(*tp)
        start = (await self._consumer.beginning_offsets([there]))[there]
        otherwise = COMPACTED if "compact" in BY_NAME[tp[0]].cleanup else "unexplained"
        holes: list[tuple[int, int, str]] = []
        at = first
        while at <= last:
            shown = self._skipped.take_at(tp, at)
            if shown is not None:
                end, why = min(shown, last), "control_or_aborted"
            elif start > at:
                end, why = min(start - 1, last), "lost_by_retention"
            else:
                end, why = at, otherwise
            if holes and holes[-1][2] == why:
                holes[-1] = holes[-1][0], end, why
            else:
                holes.append((at, end, why))
            at = end + 1
        return holes

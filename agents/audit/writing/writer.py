"""The process that writes the log. Where it goes on is what the log holds, so a kill leaves out and repeats nothing."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Final, Protocol

from aiokafka.errors import KafkaError

from agents.audit.writing.entries import TP, opened
from agents.audit.writing.metrics import AuditMetrics
from agents.audit.writing.positions import Positions, Readable
from agents.audit.writing.succession import Ended
from agents.audit.writing.tail import BATCH, POLL_S, Tail
from agents.watching import wall_clock
from schemas.entry import LOGGED, Entry

log = logging.getLogger(__name__)

INDEX_EVERY_S: Final = 10.0
"""How often the index is written: so many seconds of entries are read again at a start."""

LOOK_S: Final = 0.1
"""Between two looks for records while nothing is known to be behind those that were read: asking the client for each
record by itself costs more than the log."""

RETRY_S: Final = 1.0
"""Between two tries to append, where the disk refuses, and to read, where the brokers do."""


class Written(Protocol):
    """What the writer asks of a log (`agents.audit.tlog.Log`)."""

    @property
    def size(self) -> int:
        """Entries."""

    @property
    def root(self) -> bytes:
        """Of the tree."""

    def tree(self) -> Readable:
        """The tree."""

    def append(self, entries: list[bytes]) -> range:
        """Append them, durably."""


class Writer:
    """Appends what the tail reads, and keeps the index.

    Args:
        written: the log.
        tail: reads the topics.
        metrics: told of all.
        index: where the positions are kept.
        interval: seconds between two appends at least.
    """

    def __init__(self, written: Written, tail: Tail, metrics: AuditMetrics, index: Path, interval: float) -> None:
        self._log, self._tail, self._metrics = written, tail, metrics
        self._index, self._interval = index, interval
        self.positions = Positions.of(written.tree(), index)
        self._saved = self._due = 0.0
        self.signed = time.monotonic()
        self.failing: str | None = None
        """Why nothing is appended now; None where it is."""
        self.stopping = asyncio.Event()
        metrics.size.set(written.size)

    async def open(self, partitions: dict[str, int], before: Ended | None = None) -> None:
        """Say in the log where it goes on, and read from there.

        Args:
            partitions: how many, by topic.
            before: of a log without entries, the one that it goes on from.
        """
        if before is not None:
            self.positions.next.update(before.positions)
        for topic in LOGGED:
            for partition in range(partitions[topic]):
                self.positions.next.setdefault((topic, partition), 0)
        said = None if before is None else before.said
        await self._append(list(opened(version("cloverwatch"), self.positions.next, wall_clock(), said)))
        await self._tail.assign(self.positions.next)

    async def widen(self, partitions: dict[str, int]) -> None:
        """Read partitions too that are new."""
        new: dict[TP, int] = {
            (topic, partition): 0
            for topic in LOGGED
            for partition in range(partitions.get(topic, 0))
            if (topic, partition) not in self.positions.next
        }
        if new:
            log.warning("New partitions, read from their beginning: %s", sorted(new))
            self.positions.next.update(new)
            await self._tail.assign(self.positions.next)

    async def run(self, partitions: asyncio.Queue[dict[str, int]]) -> None:
        """Append until told to stop; what was read is appended before it returns."""
        while not self.stopping.is_set():
            while not partitions.empty():
                await self.widen(partitions.get_nowait())
            found: list[tuple[Entry, bytes]] = []
            failed = await self._gather(found)
            if found:
                await self._append(found)
            if failed is not None:
                self.failing = f"the brokers do not answer: {failed!r}"
                log.warning("Not read, tried again: %r", failed)
                # What the client handed out and we have not is read again.
                await self._pause(RETRY_S)
                await self._tail.assign(self.positions.next)
            elif not found:
                self.failing = None
            if time.monotonic() - self._saved > INDEX_EVERY_S:
                self.save()
        self.save()

    async def _gather(self, found: list[tuple[Entry, bytes]]) -> KafkaError | None:
        """Read the entries of one append: as many as it may have where they are there, else those of an interval.

        Nothing waits while there is more to read; what comes now and then travels together. Returns what went wrong.
        """
        try:
            while not self.stopping.is_set() and len(found) < BATCH:
                rest = self._due - time.monotonic()
                if found and rest <= 0:
                    break
                found += await self._tail.read(BATCH - len(found), min(POLL_S, rest) if found else POLL_S)
                if not found:
                    return None
                if not self._tail.behind:
                    await self._pause(min(LOOK_S, self._due - time.monotonic()))
        except KafkaError as error:
            return error
        finally:
            if found:
                self._due = time.monotonic() + self._interval
        return None

    def save(self) -> None:
        """Write the index."""
        self._saved = time.monotonic()
        try:
            self.positions.save(self._index, self._log.size, self._log.root)
        except OSError as error:
            log.warning("The index of positions is not written, the log itself is read at the next start: %s", error)

    async def _append(self, found: list[tuple[Entry, bytes]]) -> None:
        """Append, trying again while the storage refuses.

        Raises:
            LogBrokenError: it cannot be told whether they count; the process ends, and the next one finds out.
        """
        encoded = [each for _, each in found]
        while True:
            try:
                await asyncio.to_thread(self._log.append, encoded)
                break
            except OSError as error:
                self._metrics.append_failures.inc()
                self.failing = f"the log's storage refuses: {error.strerror or error}"
                log.error("Not appended, tried again: %s", error)
                if self.stopping.is_set():
                    return  # read again at the next start
                await self._pause(RETRY_S)
        self.failing = None
        self.signed = time.monotonic()
        for kind, number in Counter([entry.kind for entry, _ in found]).items():
            self._metrics.entries.labels(kind).inc(number)
        for entry, _ in found:
            self.positions.take(entry)
            if entry.kind == "hole":
                said = entry.about
                self._metrics.missing.labels(entry.topic, said["why"]).inc(said["last"] - said["first"] + 1)
        self._metrics.size.set(self._log.size)

    async def _pause(self, seconds: float) -> None:
        if seconds > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), seconds)

"""The writer takes what is there at once and lets a moment's records travel together; on a real client and broker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agents.audit.tlog import Log, NoteSigner
from agents.audit.writing.metrics import AuditMetrics
from agents.audit.writing.tail import BATCH, Tail
from agents.audit.writing.writer import Writer
from agents.clients import consumer_of, producer_of, started, with_admin
from agents.settings import Settings
from agents.topic_admin import create
from demo.broker import EmbeddedBroker
from schemas.entry import LOGGED
from tests.faults.harness import until

pytestmark = pytest.mark.broker

LONG = 3_600.0
"""Seconds of an interval that no test lives to see the end of."""


@pytest.fixture
def settings() -> Iterator[Settings]:
    with EmbeddedBroker() as server:
        made = Settings(broker=server.bootstrap, partitions=2, replication_factor=1)
        asyncio.run(with_admin(made, lambda admin: create(admin, made)))
        yield made


async def produce(settings: Settings, topic: str, count: int) -> None:
    async with started(settings, producer_of(settings)) as producer:
        sent = [await producer.send(topic, key=b"%d" % each, value=b"{}") for each in range(count)]
        await asyncio.gather(*sent)


class Counted(Log):
    """A log that remembers of how many entries each append was."""

    appends: list[int]

    def append(self, entries: Sequence[bytes]) -> range:
        self.appends.append(len(entries))
        return super().append(entries)


@asynccontextmanager
async def writing(settings: Settings, folder: Path, interval: float) -> AsyncIterator[Counted]:
    """A log that is written while the block runs."""
    tail = Tail(consumer_of(settings))
    with Counted(folder, NoteSigner.new("log.example/audit"), time.time) as log:
        log.appends = []
        writer = Writer(log, tail, AuditMetrics("test"), folder / "positions.json", interval)
        await tail.start()
        task = None
        try:
            await writer.open(dict.fromkeys(LOGGED, settings.partitions))
            task = asyncio.create_task(writer.run(asyncio.Queue()))
            yield log
        finally:
            writer.stopping.set()
            if task is not None:
                await task
            await tail.stop()


async def test_what_waits_is_read_without_a_pause(settings: Settings, tmp_path: Path) -> None:
    """A full append has more behind it: the interval is for what comes now and then."""
    await produce(settings, "alerts.receipts", 3 * BATCH)
    async with writing(settings, tmp_path / "log", LONG) as log:

        async def full_ones() -> bool:
            return log.size > 2 * BATCH

        await until("appends one behind the other", full_ones, 30)
    assert BATCH in log.appends


async def test_what_comes_now_and_then_travels_together(settings: Settings, tmp_path: Path) -> None:
    """The first record is not kept waiting; those behind it are appended once an interval."""
    interval, begun = 0.5, time.monotonic()
    async with writing(settings, tmp_path / "log", interval) as log:
        for _ in range(40):
            await produce(settings, "alerts.receipts", 1)

        async def all_of_them() -> bool:
            return log.size == 41

        await until("the records", all_of_them)
        assert len(log.appends) <= 3 + (time.monotonic() - begun) / interval

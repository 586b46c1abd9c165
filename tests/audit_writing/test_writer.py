"""The writer takes what is there at once and lets a moment's records travel together; on a real client and broker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka.errors import KafkaError

from agents.audit.tlog import Log, LogBusyError, LogReader, NoteSigner
from agents.audit.writing import writer
from agents.audit.writing.metrics import AuditMetrics
from agents.audit.writing.succession import Ended, ended
from agents.audit.writing.tail import BATCH, POLL_S, Tail
from agents.audit.writing.writer import Writer
from agents.clients import consumer_of, producer_of, started, with_admin
from agents.settings import Settings
from agents.topic_admin import create
from demo.broker import EmbeddedBroker
from schemas.entry import LOGGED, Entry, decode
from schemas.errors import ConfigurationError
from tests.faults.harness import until

pytestmark = pytest.mark.broker

SIGNER = NoteSigner.new("log.example/audit")
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
async def writing(
    settings: Settings,
    folder: Path,
    interval: float,
    signer: NoteSigner = SIGNER,
    before: Ended | None = None,
    reads: type[Tail] = Tail,
) -> AsyncIterator[Counted]:
    """A log that is written while the block runs."""
    tail = reads(consumer_of(settings))
    with Counted(folder, signer, time.time) as log:
        log.appends = []
        made = Writer(log, tail, AuditMetrics("test"), folder / "positions.json", interval)
        await tail.start()
        task = None
        try:
            await made.open(dict.fromkeys(LOGGED, settings.partitions), before)
            task = asyncio.create_task(made.run(asyncio.Queue()))
            yield log
        finally:
            made.stopping.set()
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


class Failing(Tail):
    """Loses what the client handed out, every second time: the brokers went away in the middle."""

    times = 0

    async def read(self, most: int = BATCH, seconds: float = POLL_S) -> list[tuple[Entry, bytes]]:
        found = await super().read(most, seconds)
        self.times += bool(found)
        if found and self.times % 2 == 0:
            raise KafkaError
        return found


async def test_what_was_handed_out_and_not_appended_is_read_again(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "RETRY_S", 0.01)
    await produce(settings, "alerts.receipts", 2 * BATCH)
    async with writing(settings, tmp_path / "log", 0.05, reads=Failing) as log:

        async def all_of_them() -> bool:
            return log.size > 2 * BATCH

        await until("all records", all_of_them)
    found = [(each.partition, each.offset) for each in entries(tmp_path / "log", SIGNER)[1:]]
    assert len(found) == 2 * BATCH
    for partition in range(settings.partitions):
        offsets = [offset for of, offset in found if of == partition]
        assert offsets == list(range(len(offsets))), "each once, in order"


def entries(folder: Path, signer: NoteSigner) -> list[Entry]:
    reader = LogReader(folder)
    reader.checkpoint([signer.public])
    return [decode.decode(each) for each in reader.entries()]


async def test_a_new_log_goes_on_where_the_one_before_ended(settings: Settings, tmp_path: Path) -> None:
    """Every record is in one of the two, and the new one's first entry says of which tree it goes on."""
    await produce(settings, "alerts.receipts", 20)
    async with writing(settings, tmp_path / "old", 0.01) as log:

        async def all_of_them() -> bool:
            return log.size >= 21

        await until("the first year's records", all_of_them)
    await produce(settings, "alerts.receipts", 10)
    signer = NoteSigner.new("log.example/audit-2027")
    before = ended(tmp_path / "old", "log.example/audit-2027")
    async with writing(settings, tmp_path / "new", 0.01, signer, before) as log:

        async def the_rest() -> bool:
            return log.size >= 11

        await until("the second year's records", the_rest)
    old, new = entries(tmp_path / "old", SIGNER), entries(tmp_path / "new", signer)
    assert new[0].about["continues"] == {"origin": "log.example/audit", "size": 21, "root": before.root.hex()}
    assert "continues" not in old[0].about
    offsets = sorted((each.partition, each.offset) for each in old[1:] + new[1:])
    assert len(offsets) == len(set(offsets)) == 30
    assert {each.kind for each in new[1:]} == {"receipt"}, "no holes"


def test_a_log_that_has_not_ended_or_has_the_same_name_is_refused(tmp_path: Path) -> None:
    with Log(tmp_path / "old", SIGNER, time.time) as log:
        log.append([b"{}"])
        with pytest.raises(LogBusyError):
            ended(tmp_path / "old", "log.example/other")
    with pytest.raises(ConfigurationError, match="allowed: a name that no log had"):
        ended(tmp_path / "old", "log.example/audit")
    with pytest.raises(ConfigurationError, match="no log that has ended"):
        ended(tmp_path / "none", "log.example/other")

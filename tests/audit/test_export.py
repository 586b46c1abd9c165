"""`audit export` from a real broker: what the topics hold, byte for byte, and what `audit verify` makes of it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agents.audit.verifying.exported import manifest_of, records
from agents.cli import main
from agents.clients import producer_of
from agents.settings import load
from tests.audit.making import KEY, Stored, World, write_log
from tests.brokers.embedded import EmbeddedBroker, missing
from tests.conftest import Broker, require

pytestmark = pytest.mark.broker

PARTITIONS = 2


@pytest.fixture(params=["embedded", "kafka"])
def fresh(request: pytest.FixtureRequest) -> Iterator[Broker]:
    """A broker of its own: an export knows our topics by their names."""
    if request.param == "kafka":
        yield request.getfixturevalue("own_kafka")
        return
    require(missing())
    with EmbeddedBroker() as server:
        yield Broker("embedded", server.bootstrap, server)


Call = Callable[..., int]


@pytest.fixture
def call(fresh: Broker, monkeypatch: pytest.MonkeyPatch) -> Call:
    """The command line, at that broker."""
    for name in os.environ:
        if name.startswith("CLOVERWATCH_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("CLOVERWATCH_BROKER", fresh.bootstrap)
    monkeypatch.setenv("CLOVERWATCH_PARTITIONS", str(PARTITIONS))
    monkeypatch.setenv("CLOVERWATCH_REPLICATION_FACTOR", "1")
    monkeypatch.setenv("CLOVERWATCH_IDENTITIES", "clear")  # no keys are needed to read topics
    return lambda *arguments: main([str(argument) for argument in arguments])


def publish(world: World) -> None:
    """Send what a world stored, where it stored it."""

    async def send() -> None:
        producer = producer_of(load(os.environ, None))
        await producer.start()
        try:
            for each in world.stored:
                await producer.send_and_wait(
                    each.topic, each.value, key=each.key.encode(), partition=each.partition, timestamp_ms=each.timestamp
                )
        finally:
            await producer.stop()

    asyncio.run(send())


def test_what_is_exported_is_what_the_log_speaks_of(call: Call, tmp_path: Path) -> None:
    world = World(seed=2, partitions=PARTITIONS)
    world.live(25)
    assert call("topics", "--create") == 0
    publish(world)
    write_log(tmp_path / "log", world.entries)
    export = tmp_path / "export"
    assert call("audit", "export", "--to", export) == 0
    arguments = ("--key", KEY, "--topics", export, "--grace", "0", "--json")
    assert call("audit", "verify", tmp_path / "log", *arguments) == 0
    for record in world.stored:
        span = manifest_of(export).topics[record.topic][str(record.partition)]
        assert span.first <= record.offset < span.following
    found = {
        (each.topic, each.partition, each.offset, each.raw_key, each.raw)
        for topic in {each.topic for each in world.stored}
        for partition in range(PARTITIONS)
        if (export / topic / f"{partition}.jsonl.gz").is_file()
        for each in records(export, topic, partition)
    }
    assert found == {(one.topic, one.partition, one.offset, one.key.encode(), one.value) for one in world.stored}
    assert export.stat().st_mode & 0o077 == 0


def test_how_far_accesses_were_is_exported_whether_or_not_they_are(call: Call, tmp_path: Path) -> None:
    """Records of an hour ago and of now, as far as the broker's own times say so: both were there by the end."""
    world = World(seed=2, partitions=1)
    world.stored += [Stored("access.events", 0, at, 0, "p", b"{}") for at in range(3)]
    assert call("topics", "--create") == 0
    began = int(time.time() * 1000)
    publish(world)
    time.sleep(0.01)  # the export's time is behind that of the last record, by a millisecond at least
    assert call("audit", "export", "--to", tmp_path / "export") == 0
    reached = manifest_of(tmp_path / "export").judged["access.events"]["0"]
    latest = max(reached)
    assert latest.at >= began
    assert latest.offset == 3
    assert all(each.offset == 0 for each in reached if each.at <= began - 60_000)
    assert not (tmp_path / "export" / "access.events").exists()


def test_bytes_that_are_no_text_and_tombstones_come_through(call: Call, tmp_path: Path) -> None:
    world = World(seed=2, partitions=1)
    world.stored += [
        Stored("alerts", 0, 0, world.now, "a", b"\xff\x00 no text"),
        Stored("alerts", 0, 1, world.now, "a", None),
    ]
    assert call("topics", "--create") == 0
    publish(world)
    assert call("audit", "export", "--to", tmp_path / "export", "--topic", "alerts") == 0
    assert [each.raw for each in records(tmp_path / "export", "alerts", 0)] == [b"\xff\x00 no text", None]


def test_nothing_is_written_over(call: Call, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("something")
    assert call("audit", "export", "--to", tmp_path) == 2
    assert call("audit", "export", "--to", tmp_path / "new", "--topic", "state.habits") == 2
    assert not (tmp_path / "new").exists()

"""The broker of a run: Apache Kafka where it can be had, else the embedded one."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agents.clients import producer_of, with_admin
from agents.settings import Settings
from agents.topic_admin import create
from benchmarks.stream import PARTITIONS, POLICY, Load
from demo.broker import EmbeddedBroker
from schemas.topics import ACCESS_EVENTS
from tests.brokers import kafka

IN_FLIGHT = 20_000
"""Messages on their way at once while a topic is filled."""


@contextmanager
def broker(kind: str) -> Iterator[tuple[str, Settings]]:
    """Yield (what it is, settings for it), with all topics created. `kind`: `auto kafka embedded`."""
    if kind == "auto":
        kind = "embedded" if kafka.missing() else "kafka"
    with tempfile.TemporaryDirectory(prefix="cloverwatch-bench-") as name:
        folder = Path(name)
        if kind == "embedded":
            with EmbeddedBroker() as server:
                yield "the embedded broker (tansu)", _prepared(server.bootstrap, folder)
            return
        node = kafka.KafkaBroker(folder / "kafka")
        node.start()
        try:
            yield f"Apache Kafka {kafka.VERSION}", _prepared(node.bootstrap, folder)
        finally:
            node.stop()


def _prepared(bootstrap: str, folder: Path) -> Settings:
    settings = Settings(
        broker=bootstrap,
        policy=POLICY,
        partitions=PARTITIONS,
        replication_factor=1,
        session_timeout_s=6.0,
        data_dir=folder,
    )
    asyncio.run(with_admin(settings, lambda admin: create(admin, settings)))
    return settings


def fill(settings: Settings, load: Load) -> None:
    """Send everything; every message is acknowledged when this returns."""
    asyncio.run(_fill(settings, load))


async def _fill(settings: Settings, load: Load) -> None:
    producer = producer_of(settings, max_batch_size=512 * 1024)
    await producer.start()
    try:
        pending = []
        for topic, message in (*load.rows, *((ACCESS_EVENTS, event) for event in load.events)):
            sent = await producer.send(topic, key=message.key, value=message.value, partition=message.partition)
            pending.append(sent)
            if len(pending) >= IN_FLIGHT:
                await asyncio.gather(*pending)
                pending.clear()
        await asyncio.gather(*pending)
    finally:
        await producer.stop()

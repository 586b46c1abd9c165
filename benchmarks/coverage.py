"""What it costs the stream to say what was judged: CPU microseconds an event. `python -m benchmarks.coverage`.

A month of the demo is judged batch by batch; then everything that coverage adds to a worker is done again and timed
alone: taking note of each batch, hashing and attributing the alerts of its haul, and at each commit a record for each
partition, encoded and handed to the real client against the embedded broker. The goal is 0.1 µs an event.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from agents.clients import producer_of
from agents.coverage import Coverage
from agents.files import load_directory
from agents.gave import attribute
from agents.ledger import Ledger
from agents.offline import session_of
from agents.publisher import Publisher, Told
from agents.settings import Settings
from benchmarks.hot import _batches
from benchmarks.stream import SEED, without_behaviour
from demo.broker import EmbeddedBroker
from demo.run import write_files
from rules.haul import Haul
from schemas.codec import encode
from schemas.topics import ACCESS_EVENTS

GOAL_US: Final = 0.1
"""From the issue: CPU microseconds an event."""

PARTITIONS: Final = 32
"""Over which batches are spread, as the worker's default is."""

A_COMMIT: Final = 50_000
"""Events between two commits: a second's worth of half of what a core judges."""


@dataclass
class _Batch:
    span: Any
    records: Any
    partition: int
    topic: str = ACCESS_EVENTS


def main(arguments: list[str]) -> int:
    """Measure and print; 1 where it is more than the goal."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.coverage")
    parser.add_argument("--events", type=int, default=200_000)
    given = parser.parse_args(arguments)
    hauls, events = hauls_of(given.events)
    with EmbeddedBroker() as broker:
        batches, commits, records = asyncio.run(measure(hauls, Settings(broker=broker.bootstrap, replication_factor=1)))
    alerts = sum(len(haul.alerts) for haul, _ in hauls)
    total = (batches + commits) / events
    print(f"{events} events in {len(hauls)} batches, {alerts} alerts, {records} records of coverage")
    print(f"{'taking note of batches, hashing alerts':<44} {batches / events:8.4f} µs an event")
    print(f"{'records at commits, sent':<44} {commits / events:8.4f} µs an event")
    print(f"{'coverage costs':<44} {total:8.4f} µs an event (goal: {GOAL_US})")
    return 0 if total <= GOAL_US else 1


def hauls_of(events: int) -> tuple[list[tuple[Haul, Any]], int]:
    """Return what judging the demo's accesses gave, batch by batch with its lines, and how many events they are."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_files(folder, seed=SEED, events=events, conduct=False)
        lines = (folder / "events.jsonl").read_bytes().splitlines()
        session = session_of(without_behaviour(folder), load_directory(folder / "directory"), Settings())
    size = A_COMMIT // PARTITIONS
    messages = [message for batch in _batches(lines, 0) for message in batch]
    some = [messages[at : at + size] for at in range(0, len(messages), size)]
    found = [(session.take(batch, batch[-1].timestamp), batch) for batch in some]
    return found, len(lines)


async def measure(hauls: list[tuple[Haul, Any]], settings: Settings) -> tuple[float, float, int]:
    """Return CPU microseconds of batches, of commits, and how many records were sent."""
    producer: AIOKafkaProducer = producer_of(settings)
    await producer.start()
    sent = 0
    publisher = Publisher(producer, PARTITIONS)

    async def send(record: Any) -> Any:
        nonlocal sent
        sent += 1
        return await publisher.coverage(record)

    coverage = Coverage(send, lambda: "p" * 16, lambda: "d" * 16, lambda: time.time_ns() // 1_000_000, "1")
    ledger = Ledger(coverage.hole)
    tps = [(ACCESS_EVENTS, partition) for partition in range(PARTITIONS)]
    for tp in tps:
        ledger.position(tp, 0, fresh=True)
        coverage.positioned(tp, 0, None)
    never: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    batches = commits = 0.0
    since = 0
    try:
        await coverage.before_commit({})
        for number, (haul, batch) in enumerate(hauls):
            tp = tps[number % PARTITIONS]
            first = ledger.expected(tp) or 0
            span = ledger.deliver(tp, first, first + len(batch) - 1)
            told = [Told(alert, encode(alert), never) for alert in haul.alerts]
            began = time.process_time()
            gave = coverage.begin(_Batch(span, batch, tp[1]))
            attribute(haul, told, gave, ())
            batches += time.process_time() - began
            ledger.finish(span)
            since += len(batch)
            if since >= A_COMMIT or number == len(hauls) - 1:
                since = 0
                offsets = {tp: ledger.committable(tp) or 0 for tp in tps}
                began = time.process_time()
                await coverage.before_commit(offsets)
                commits += time.process_time() - began
    finally:
        await producer.stop()
    return batches * 1e6, commits * 1e6, sent


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`python -m benchmarks.audit_writer`: what the whole writer of the audit log does with records that wait.

The process that is measured reads them from a broker in another process, hashes them, makes entries, appends, signs:
everything that `cloverwatch audit log` does with them, on one core that it shares with nobody of ours.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agents.audit.tlog import Log, NoteSigner
from agents.audit.writing.metrics import AuditMetrics
from agents.audit.writing.tail import Tail
from agents.audit.writing.writer import Writer
from agents.clients import consumer_of, producer_of, started, with_admin
from agents.settings import Settings
from agents.topic_admin import described
from benchmarks.audit import GOAL
from benchmarks.brokers import broker
from schemas.codec import encode
from schemas.decision import Decision
from schemas.entry import LOGGED
from schemas.gateway_topics import GATEWAY_DECISIONS
from schemas.places import PlaceClass
from schemas.receipt import Receipt
from schemas.topics import ALERTS, RECEIPTS
from tests.alerts.samples import alert

ROUND: Final = (GATEWAY_DECISIONS,) * 8 + (ALERTS, RECEIPTS)
"""Topics of ten records, over and over: gateways decide far more often than an alert is raised and delivered."""

LOOK_S: Final = 0.02
"""Between two looks whether all is written."""

IN_FLIGHT: Final = 5_000
"""Records on their way at once while the topics are filled."""


@dataclass(frozen=True, slots=True)
class Written:
    """What was measured; rates in entries a second."""

    rate: float
    cpu_rate: float
    """Of processor time of the whole process, all threads."""
    entries: int
    entry_bytes: float
    """Mean length of an entry, its two bytes of length included."""


def record(number: int, topic: str) -> bytes:
    """Return a record as it may be."""
    if topic == ALERTS:
        return encode(alert(number))
    if topic == RECEIPTS:
        return encode(
            Receipt(
                destination="siem", alert_id=f"{number:032x}", dedup_key=f"{number:032x}", revision=0, status="open",
                state="delivered", at=1_760_000_000_000 + number, published_at=1_760_000_000_000, partition=4,
                offset=number, answer={"status": "200"},
            )
        )  # fmt: skip
    return encode(
        Decision(
            decision_id=f"{number:032x}", gateway_id="gw-dublin", effect="allow", decided_at=1_760_000_000_000 + number,
            expires_at=1_760_000_300_000 + number, person=f"e1:{number % 2_000:024x}", dataset_id="eu.profiles",
            action="read", source_ip="192.0.2.17", place_class=PlaceClass.INSIDE, policy="f" * 16, purpose="support",
        )
    )  # fmt: skip


async def fill(settings: Settings, count: int) -> None:
    """Send so many records."""
    async with started(settings, producer_of(settings, max_batch_size=512 * 1024)) as producer:
        pending = []
        for number in range(count):
            topic = ROUND[number % len(ROUND)]
            pending.append(await producer.send(topic, key=b"%d" % number, value=record(number, topic)))
            if len(pending) >= IN_FLIGHT:
                await asyncio.gather(*pending)
                pending.clear()
        await asyncio.gather(*pending)


async def measured(settings: Settings, count: int, folder: Path) -> Written:
    """Write all of it."""
    there = await with_admin(settings, described)
    with Log(folder, NoteSigner.new("bench.invalid/log"), time.time) as log:
        tail = Tail(consumer_of(settings))
        writer = Writer(log, tail, AuditMetrics("benchmark"), folder / "positions.json", settings.audit_interval_s)
        await tail.start()
        try:
            began, cpu = time.perf_counter(), time.process_time()
            await writer.open({topic: there[topic].partitions for topic in LOGGED})
            running = asyncio.create_task(writer.run(asyncio.Queue()))
            while log.size <= count and not running.done():
                await asyncio.sleep(LOOK_S)
            wall, cpu = time.perf_counter() - began, time.process_time() - cpu
            writer.stopping.set()
            await running
        finally:
            await tail.stop()
        written = sum(each.stat().st_size for each in (folder / "tile" / "entries").rglob("*") if each.is_file())
        return Written(count / wall, count / cpu, log.size, written / log.size)


def main(arguments: list[str]) -> int:
    """Measure and print; exit 1 where the goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.audit_writer")
    parser.add_argument("--records", type=int, default=200_000, help="that wait for the log")
    parser.add_argument("--broker", choices=("auto", "kafka", "embedded"), default="auto")
    parser.add_argument("--folder", type=Path, help="where the log is written (default: the temporary folder)")
    given = parser.parse_args(arguments)
    with broker(given.broker) as (kind, settings), tempfile.TemporaryDirectory(dir=given.folder) as made:
        asyncio.run(fill(settings, given.records))
        cores = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(cores)})
        load = os.getloadavg()[0]
        found = asyncio.run(measured(settings, given.records, Path(made)))
    print(f"the whole writer, {given.records:,} records that wait, {kind} in other processes, writer on one core:")
    print(f"  {found.rate:>10,.0f} entries/s ({found.cpu_rate:,.0f} per second of CPU); goal {GOAL:,}")
    print(f"  {found.entry_bytes:>10,.0f} bytes and {1e6 / found.cpu_rate:.1f} µs of CPU an entry; load {load:.1f}")
    return 0 if found.cpu_rate >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

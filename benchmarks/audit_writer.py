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
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agents.audit.tlog import Log, NoteSigner
from agents.audit.writing.metrics import AuditMetrics
from agents.audit.writing.tail import Tail
from agents.audit.writing.writer import Writer
from agents.clients import consumer_of, producer_of, started
from agents.settings import Settings
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

PARTITIONS: Final = 8
"""Of each topic with many."""

ROUND: Final = (GATEWAY_DECISIONS,) * 8 + (ALERTS, RECEIPTS)
"""Topics of ten records, over and over: gateways decide far more often than an alert is raised and delivered."""

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
    appends: int


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
            action="read", source_ip="192.0.2.17", place_class=PlaceClass.PERIMETER, policy="f" * 16, purpose="support",
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


class _Counted(Log):
    """Counts its appends and tells when it has enough entries."""

    appends = 0
    enough = 0
    reached: asyncio.Event
    loop: asyncio.AbstractEventLoop

    def append(self, entries: list[bytes]) -> range:  # type: ignore[override]
        found = super().append(entries)
        self.appends += 1
        if self.size >= self.enough:
            self.loop.call_soon_threadsafe(self.reached.set)
        return found


async def measured(settings: Settings, count: int, folder: Path) -> Written:
    """Write all of it."""
    metrics = AuditMetrics("benchmark")
    with _Counted(folder, NoteSigner.new("bench.invalid/log"), time.time) as log:
        log.reached, log.loop = asyncio.Event(), asyncio.get_running_loop()
        log.enough = count + 1  # `opened`
        tail = Tail(consumer_of(settings))
        writer = Writer(log, tail, metrics, folder / "positions.json", settings.audit_interval_s)
        await tail.start()
        began, cpu = time.perf_counter(), time.process_time()
        await writer.open({topic: PARTITIONS for topic in LOGGED})
        running = asyncio.create_task(writer.run(asyncio.Queue()))
        reached = asyncio.create_task(log.reached.wait())
        await asyncio.wait([running, reached], return_when=asyncio.FIRST_COMPLETED)
        wall, cpu = time.perf_counter() - began, time.process_time() - cpu
        writer.stopping.set()
        await running
        await tail.stop()
        written = sum(each.stat().st_size for each in (folder / "tile" / "entries").rglob("*") if each.is_file())
        return Written(count / wall, count / cpu, log.size, written / log.size, log.appends)

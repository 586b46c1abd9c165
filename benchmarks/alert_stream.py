"""Alerts to deliver: those of the demo's month, as workers write them, as often as it takes; and their publication."""

from __future__ import annotations

import asyncio
import tempfile
import time
from hashlib import blake2b
from pathlib import Path
from typing import Final

from msgspec import structs

from agents.cli.send import Outgoing
from agents.clients import producer_of
from agents.files import Line, load_directory
from agents.offline import session_of
from agents.publisher import partition_of
from agents.settings import Settings
from benchmarks.stream import PARTITIONS, POLICY, SEED
from demo.run import write_files
from schemas.alert import Alert
from schemas.codec import encode
from schemas.topics import ALERTS

MONTH_EVENTS: Final = 10_000
"""Accesses of the demo's month whose alerts are the pattern: some 150, of every rule that it raises."""

KEYS: Final = 5_000
"""Incidents that the alerts are of: each has a few."""

BATCH_BYTES: Final = 512 * 1024
"""Of alerts that are published at once."""


class Stock:
    """Alerts as workers write them: those of the demo's month, under as many other names as it takes."""

    def __init__(self) -> None:
        self._made = 0
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_files(folder, seed=SEED, events=MONTH_EVENTS)
            session = session_of(POLICY, load_directory(folder / "directory"), Settings())
            now = time.time_ns() // 1_000_000
            lines = (folder / "events.jsonl").read_bytes().splitlines()
            messages = [Line(line, now, at, "bench") for at, line in enumerate(lines)]
            found = session.take(messages, now).alerts
        self.patterns = [alert for alert in found if alert.revision == 0]

    def take(self, count: int) -> list[tuple[Alert, Outgoing]]:
        """Return so many alerts that were never returned before, detected now."""
        now = time.time_ns() // 1_000_000
        made = []
        for number in range(self._made, self._made + count):
            alert = structs.replace(
                self.patterns[number % len(self.patterns)],
                alert_id=_hex(f"alert {number}"),
                dedup_key=_hex(f"incident {number % KEYS}"),
                detected_at=now,
            )
            partition = partition_of(alert.dedup_key, PARTITIONS)
            made.append((alert, Outgoing(alert.alert_id.encode(), encode(alert), partition)))
        self._made += count
        return made


def _hex(text: str) -> str:
    return blake2b(text.encode(), digest_size=16).hexdigest()


def publish(settings: Settings, messages: list[Outgoing]) -> None:
    """Publish alerts in batches made by hand: the sender is to be done before the deliverer is."""
    asyncio.run(_publish(settings, messages))


async def _publish(settings: Settings, messages: list[Outgoing]) -> None:
    producer = producer_of(settings, max_batch_size=BATCH_BYTES)
    await producer.start()
    try:
        for partition in range(PARTITIONS):
            batch = producer.create_batch()
            for message in messages:
                if message.partition != partition:
                    continue
                while batch.append(key=message.key, value=message.value, timestamp=None) is None:
                    await producer.send_batch(batch, ALERTS, partition=partition)
                    batch = producer.create_batch()
            if batch.record_count():
                await producer.send_batch(batch, ALERTS, partition=partition)
        await producer.flush()
    finally:
        await producer.stop()

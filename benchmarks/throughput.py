"""How many events a second a real worker judges from a full topic, and what it takes for that."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from agents.settings import Settings
from benchmarks.process import Worker, usage
from schemas.topics import ACCESS_EVENTS

READ = f'cloverwatch_records_total{{topic="{ACCESS_EVENTS}"}}'
"""Every record that was read and judged, or waits."""


@dataclass(frozen=True, slots=True)
class Throughput:
    """What one run gave."""

    events: int
    seconds: float
    cpu_s: float
    peak_mib: float
    ready_s: float = 0.0
    """From the start of the process to the first event judged."""
    hit_share: float = 0.0
    """Share of events whose verdict was remembered."""

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.seconds

    def plain(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {**asdict(self), "events_per_s": self.rate}


def worker(settings: Settings, events: int, log: Path) -> Throughput:
    """Run a worker over a topic that holds so many events."""
    began = time.monotonic()
    process = Worker(settings, log)
    try:
        # The clock starts with the first look that finds events judged, and these are not counted: what the worker did
        # before them (its tables, a last look through its memory) is its start, which is told apart.
        first, said = process.until("reading", lambda found: found.get(READ, 0) > 0)
        used, before = usage(process.pid), int(said[READ])
        if before >= events:
            raise RuntimeError(f"{events} events are too few: they were judged before the first look")
        last, said = process.until(f"done with {events} events", lambda found: found[READ] >= events)
        now = usage(process.pid)
        judged = sum(value for name, value in said.items() if name.startswith("cloverwatch_events_judged_total"))
        return Throughput(
            events=events - before,
            seconds=last - first,
            cpu_s=now.cpu_s - used.cpu_s,
            peak_mib=now.peak_mib,
            ready_s=first - began,
            hit_share=said["cloverwatch_memo_hits_total"] / judged,
        )
    finally:
        process.end()

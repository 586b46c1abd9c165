"""Baseline (b): aiokafka's `getmany` and the typed decode, nothing else. Prints one JSON object."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time

import msgspec

from agents.clients import consumer_of
from agents.settings import Settings
from benchmarks.process import usage
from schemas.access import AccessEvent
from schemas.topics import ACCESS_EVENTS

BATCH = 5_000
"""As many records as a worker's batch has."""


async def run(bootstrap: str, events: int) -> dict[str, float]:
    """Read and decode so many events."""
    consumer = consumer_of(Settings(broker=bootstrap), ACCESS_EVENTS, group_id="bench-bare")
    decode = msgspec.json.Decoder(AccessEvent).decode
    await consumer.start()
    try:
        while not await consumer.getmany(timeout_ms=1000, max_records=1):
            pass  # the clock starts when there is something to read: the first record is not counted
        began, used, count = time.monotonic(), usage(os.getpid()), 1
        while count < events:
            for records in (await consumer.getmany(timeout_ms=1000, max_records=BATCH)).values():
                for record in records:
                    decode(record.value)
                count += len(records)
        spent, now = time.monotonic() - began, usage(os.getpid())
        return {
            "events": count - 1,
            "seconds": spent,
            "cpu_s": now.cpu_s - used.cpu_s,
            "peak_mib": now.peak_mib,
        }
    finally:
        await consumer.stop()


if __name__ == "__main__":
    print(json.dumps(asyncio.run(run(sys.argv[1], int(sys.argv[2])))))

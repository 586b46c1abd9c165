"""From an event's sending to its alert's arrival at a reader, while events come at a steady pace."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from agents.cli.send import Outgoing
from agents.clients import consumer_of, producer_of
from agents.settings import Settings
from benchmarks.process import Worker, usage
from benchmarks.stream import PARTITIONS, Load, outgoing
from benchmarks.throughput import READ
from schemas.topics import ACCESS_EVENTS, ALERTS

TICK_S: Final = 0.005
"""Events are sent in handfuls this far apart: a stream of single sends would measure the sender."""

BATCH_BYTES: Final = 1024 * 1024
"""Room for a handful of events of one partition, also after a pause of the sender."""

ALERT_EVERY: Final = 100
"""One event in so many raises an alert: far more than in life, or there would be nothing to measure."""

WARM_UP_S: Final = 5.0
"""Not counted: connections, first batches, an empty memo."""

SETTLE_S: Final = 30.0
"""How long the last alerts may take to arrive: what comes late is late, what does not come by then is missing."""

LOOK_S: Final = 0.1
"""Between two looks whether all have arrived."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from sent to readable, and what the pace really was."""

    pace: float
    sent: int
    measured: int
    missing: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    cpu_share: float
    """Of one core, used by the worker."""


def measure(settings: Settings, load: Load, pace: int, seconds: float, log: Path) -> Latency:
    """Send at `pace` events a second for `seconds`, to a worker that has caught up."""
    worker = Worker(settings, log)
    try:
        behind = len(load.events)
        worker.until("done with what was there before", lambda found: found.get(READ, 0) >= behind)
        return asyncio.run(_measure(settings, load, pace, seconds, worker))
    finally:
        worker.end()


async def _measure(settings: Settings, load: Load, pace: int, seconds: float, worker: Worker) -> Latency:
    messages = _messages(load, int(pace * seconds), pace)
    producer = producer_of(settings, linger_ms=0, max_batch_size=BATCH_BYTES)
    await producer.start()
    consumer = consumer_of(settings, ALERTS, auto_offset_reset="latest")
    await consumer.start()
    await consumer.seek_to_end()
    sent: dict[str, float] = {}
    arrived: dict[str, float] = {}
    reading = asyncio.create_task(_read(consumer, arrived))
    try:
        began, used = time.monotonic(), usage(worker.pid)
        count = await _send(producer, messages, pace, sent)
        spent = time.monotonic() - began
        busy = usage(worker.pid).cpu_s - used.cpu_s
        settled = time.monotonic() + SETTLE_S
        while not sent.keys() <= arrived.keys() and time.monotonic() < settled:
            await asyncio.sleep(LOOK_S)
    finally:
        reading.cancel()
        await consumer.stop()
        await producer.stop()
    counted = {event_id for event_id, at in sent.items() if at - began >= WARM_UP_S}
    waits = sorted((arrived[event_id] - sent[event_id]) * 1000 for event_id in counted & arrived.keys())
    if not waits:
        raise RuntimeError("no alert arrived")
    return Latency(
        pace=count / spent,
        sent=count,
        measured=len(waits),
        missing=len(counted - arrived.keys()),
        p50_ms=waits[len(waits) // 2],
        p99_ms=waits[len(waits) * 99 // 100],
        max_ms=waits[-1],
        cpu_share=busy / spent,
    )


async def _send(producer: Any, messages: list[tuple[str | None, Outgoing]], pace: int, sent: dict[str, float]) -> int:
    """Send at a steady pace; return how many were sent."""
    began = time.monotonic()
    count = 0
    while count < len(messages):
        due = min(len(messages), int((time.monotonic() - began) * pace))
        # Batches made by hand: a send for each message costs this client more than the worker needs to judge it.
        batches = [producer.create_batch() for _ in range(PARTITIONS)]
        for event_id, message in messages[count:due]:
            if event_id is not None:
                sent[event_id] = time.monotonic()
            into = batches[message.partition or 0]
            if into.append(key=message.key, value=message.value, timestamp=None) is None:
                raise RuntimeError("a handful of events is larger than a batch: the sender is far behind its pace")
        full = [(partition, batch) for partition, batch in enumerate(batches) if batch.record_count()]
        await asyncio.gather(
            *(producer.send_batch(batch, ACCESS_EVENTS, partition=partition) for partition, batch in full)
        )
        count = max(count, due)
        await asyncio.sleep(TICK_S)
    return count


def _messages(load: Load, count: int, pace: int) -> list[tuple[str | None, Outgoing]]:
    """Return the load's accesses under new ids, now and then one with a purpose that no role has (and then its id)."""
    rows = [orjson.loads(row.value) for _, row in load.rows]
    watched = {row["dataset_id"] for row in rows if row.get("sensitivity") in {"restricted", "allowable"}}
    # Of whom one of these is not known is waited for.
    known = set.intersection(
        *({row.get("employee_id") for row in rows if f in row} for f in ("evidence", "role", "status"))
    )
    bodies = [orjson.loads(event.value) for event in load.events]
    bodies = [body for body in bodies if body.get("purpose") and body.get("employee_id") in known]
    bodies = [body for body in bodies if body["dataset_id"] in watched and body.get("outcome") != "denied"]
    now_ms = int(time.time() * 1000)
    messages = []
    for number in range(count):
        wrong = number % ALERT_EVERY == 0
        event_id = f"lat-{now_ms}-{number}"
        more = {"purpose": "none-such"} if wrong else {}
        # As live accesses are: of now. Those of a month ago would be too late for the habits, and cost less.
        at = now_ms + number * 1000 // pace
        event = {**bodies[number % len(bodies)], "event_id": event_id, "occurred_at": at, **more}
        messages.append((event_id if wrong else None, outgoing(event)))
    return messages


async def _read(consumer: Any, arrived: dict[str, float]) -> None:
    async for record in consumer:
        at = time.monotonic()
        event = orjson.loads(record.value).get("event")
        if event is not None:
            arrived.setdefault(event["event_id"], at)

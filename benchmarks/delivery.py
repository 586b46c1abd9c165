"""How alerts reach destinations: how many a second, how soon, and what a destination that hangs costs detection.

The deliverer is a real `cloverwatch deliver` with its keeper. It stands ready before the alerts come, as in life; they
come faster than it can hand them on.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any, Final

from aiokafka import TopicPartition

from agents.clients import consumer_of, producer_of
from agents.settings import Settings
from benchmarks.alert_stream import Stock, publish
from benchmarks.brokers import fill
from benchmarks.process import Worker, usage
from benchmarks.stream import PARTITIONS, POLICY, load
from benchmarks.throughput import worker
from schemas.codec import encode
from schemas.topics import ALERTS
from tests.receivers.hec import HecReceiver
from tests.receivers.opensearch import INDEX, OpenSearchReceiver
from tests.receivers.webhook import WebhookEachReceiver, WebhookReceiver

WARM_UP: Final = 2_000
"""Alerts before those that count: connections, an index, the interpreter's caches."""

POLL_S: Final = 0.5
"""How often the deliverer is asked: an answer goes through what is pending, and is a few of its milliseconds."""

SINGLES: Final = 300
"""Single alerts whose way is timed, each way."""

PACE: Final = 10.0
"""Of them a second."""

FIRST: Final = 20
"""Singles that do not count."""

SETTLE_S: Final = 60.0
"""How long the last may take to arrive, where a machine is busy."""

ROUNDS: Final = 3
"""How often the worker is measured with and without a destination that hangs, in turn."""

RECEIPTS: Final = "cloverwatch_delivery_receipts_stored_total"
READY: Final = "cloverwatch_delivery_ready"
UNDELIVERED: Final = 'cloverwatch_delivery_undelivered_alerts{destination="siem"}'


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    alerts: int
    """To each bulk destination."""
    singles: int
    """Alerts that are timed one by one, each way."""
    events: int
    """Accesses that a worker judges beside a destination that hangs; 0: that part is left out."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """Alerts of which a receipt is stored, from the first look that found some to the last alert."""

    alerts: int
    seconds: float
    cpu_s: float
    peak_mib: float
    receiver_cpu_s: float
    """Of the receiver's process; 0 where it has none."""

    @property
    def rate(self) -> float:
        """Alerts a second."""
        return self.alerts / self.seconds

    def plain(self) -> dict[str, Any]:
        """Return it for JSON."""
        us = {"cpu_us": self.cpu_s * 1e6 / self.alerts, "receiver_cpu_us": self.receiver_cpu_s * 1e6 / self.alerts}
        return {**asdict(self), "alerts_per_s": self.rate, **us}


@dataclass(frozen=True, slots=True)
class Soon:
    """Milliseconds from the call that publishes an alert to its message at the receiver."""

    measured: int
    missing: int
    p50_ms: float
    p99_ms: float
    max_ms: float


@dataclass(frozen=True, slots=True)
class Beside:
    """A worker's events a second and CPU microseconds an event, medians of `ROUNDS`: alone, and beside a deliverer."""

    alone: float
    hanging: float
    alone_us: float
    hanging_us: float
    spread: float
    """The largest difference between two runs alone, as a share: what is noise."""


def policy_of(folder: Path, destination: str) -> Path:
    """Write the demo's policy with a destination; return its path."""
    path = folder / "delivery.toml"
    path.write_text(POLICY.read_text(encoding="utf-8") + "\n" + destination, encoding="utf-8")
    return path


async def _begin_here(settings: Settings, name: str) -> None:
    """Commit the present end of `alerts` for a destination: what was there before is none of its business."""
    consumer = consumer_of(settings, group_id=f"{settings.group}.deliver.{name}")
    await consumer.start()
    try:
        tps = [TopicPartition(ALERTS, partition) for partition in range(PARTITIONS)]
        consumer.assign(tps)
        await consumer.commit(await consumer.end_offsets(tps))
    finally:
        await consumer.stop()


@contextmanager
def deliverer(settings: Settings, destination: str, more: Mapping[str, str], log: Path) -> Iterator[Worker]:
    """Yield a `cloverwatch deliver` to one destination of that section, which reads what comes from now on."""
    policy = policy_of(settings.data_dir, destination)
    asyncio.run(_begin_here(settings, destination.partition(".")[2].partition("]")[0]))
    process = Worker(replace(settings, policy=policy), log, ("deliver",), "DELIVER_PORT", more)
    try:
        process.until("reading", lambda found: found.get(READY) == 1)
        yield process
    finally:
        process.end()


def throughput(
    settings: Settings,
    stock: Stock,
    count: int,
    destination: str,
    more: Mapping[str, str],
    log: Path,
    receiver: int | None = None,
) -> Delivered:
    """Measure a deliverer to one destination, over `count` alerts that come all at once; `receiver` is its process."""
    with deliverer(settings, destination, more, log) as process:
        before = process.metrics().get(RECEIPTS, 0)
        publish(settings, [message for _, message in stock.take(WARM_UP)])
        process.until("warm", lambda found: found[RECEIPTS] >= before + WARM_UP, POLL_S)
        messages = [message for _, message in stock.take(count)]
        publish(settings, messages)
        began, said = process.until("delivering", lambda found: found[RECEIPTS] > before + WARM_UP, POLL_S)
        used, first = usage(process.pid), int(said[RECEIPTS])
        theirs = 0.0 if receiver is None else usage(receiver).cpu_s
        whole = before + WARM_UP + count
        ended, said = process.until(f"done with {count}", lambda found: found[RECEIPTS] >= whole, POLL_S)
        now = usage(process.pid)
        theirs = 0.0 if receiver is None else usage(receiver).cpu_s - theirs
        if first >= whole:
            raise RuntimeError(f"{count} alerts are too few: they were delivered before the first look")
        return Delivered(int(whole) - first, ended - began, now.cpu_s - used.cpu_s, now.peak_mib, theirs)


def latency(settings: Settings, stock: Stock, count: int, receiver: WebhookReceiver, more: str, log: Path) -> Soon:
    """Publish single alerts at `PACE`, each of an incident of its own, to a receiver that notes when they come."""
    receiver.start()
    try:
        section = receiver.policy(receiver.kind) + more
        with deliverer(settings, section, receiver.environment(), log):
            published = asyncio.run(_singles(settings, stock, count))
            deadline = time.monotonic() + SETTLE_S
            while published.keys() - (arrived := receiver.arrivals()).keys() and time.monotonic() < deadline:
                time.sleep(POLL_S)
    finally:
        receiver.stop()
    counted = list(published)[FIRST:]
    waits = sorted((arrived[name] - published[name]) * 1000 for name in counted if name in arrived)
    if not waits:
        raise RuntimeError("no alert arrived")
    return Soon(
        measured=len(waits),
        missing=len(counted) - len(waits),
        p50_ms=waits[len(waits) // 2],
        p99_ms=waits[len(waits) * 99 // 100],
        max_ms=waits[-1],
    )


async def _singles(settings: Settings, stock: Stock, count: int) -> dict[str, float]:
    """Return when each alert was published, seconds since 1970, by its id."""
    producer = producer_of(settings)
    await producer.start()
    published: dict[str, float] = {}
    try:
        began = time.monotonic()
        for number, (alert, message) in enumerate(stock.take(count)):
            await asyncio.sleep(max(0.0, began + number / PACE - time.monotonic()))
            published[alert.alert_id] = time.time()
            await producer.send_and_wait(ALERTS, key=message.key, value=message.value, partition=message.partition)
    finally:
        await producer.stop()
    return published


def beside(settings: Settings, stock: Stock, events: int, build: Path) -> Beside:
    """Measure a worker over a full topic, alone and beside a deliverer whose destination takes connections only."""
    alone, hanging = [], []
    publish(settings, [message for _, message in stock.take(WARM_UP * 4)])
    for number in range(ROUNDS):
        mine = replace(settings, group=f"bench-alone-{number}")
        alone.append(worker(mine, events, build / "bench-alone.log"))
        with hangs() as url, deliverer(settings, bulk_to(url), {}, build / "bench-hanging.log") as process:
            process.until("waiting for an answer", lambda found: found.get(UNDELIVERED, 0) > 0, POLL_S)
            mine = replace(settings, group=f"bench-hanging-{number}")
            hanging.append(worker(mine, events, build / "bench-beside.log"))
    rates = sorted(run.rate for run in alone)
    return Beside(
        alone=median(rates),
        hanging=median(run.rate for run in hanging),
        alone_us=median(run.cpu_s * 1e6 / run.events for run in alone),
        hanging_us=median(run.cpu_s * 1e6 / run.events for run in hanging),
        spread=(rates[-1] - rates[0]) / median(rates),
    )


@contextmanager
def hangs() -> Iterator[str]:
    """Yield the URL of what takes connections and never answers: the system does so for a socket that nobody asks."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def bulk_to(url: str) -> str:
    """Return the section of a bulk destination there."""
    return f'[destinations.siem]\nkind = "opensearch"\nurl = "{url}"\n'


def measure(settings: Settings, size: Size, build: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure all of it; a part whose receiver is not there is left out."""
    count = size.alerts
    stock = Stock()
    found: dict[str, Any] = {"alert_bytes": sum(len(encode(each)) for each in stock.patterns) / len(stock.patterns)}
    say(f"{count:,} alerts to a file")
    path = settings.data_dir / "alerts.jsonl"
    section = f'[destinations.file]\nkind = "file"\npath = "{path}"\nformat = "ocsf"\n'
    runs = {"file": throughput(settings, stock, count, section, {}, build / "bench-file.log")}
    there = {"file": sum(1 for _ in path.open("rb"))}
    say(f"{count:,} alerts to a strict HTTP Event Collector, acknowledged")
    hec = HecReceiver(settings.data_dir / "hec")
    hec.start()
    try:
        runs["hec"] = throughput(
            settings, stock, count, hec.policy("hec"), hec.environment(), build / "bench-hec.log", hec.pid
        )
        there["hec"] = len(hec.received())
    finally:
        hec.stop()
    if OpenSearchReceiver.missing() is None:
        say(f"{count:,} alerts to OpenSearch")
        search = OpenSearchReceiver(settings.data_dir / "search")
        search.start()
        try:
            runs["opensearch"] = throughput(
                settings, stock, count, search.policy("search"), {}, build / "bench-opensearch.log", search.pid
            )
            search.ask("POST", f"/{INDEX}/_refresh")
            there["opensearch"] = (search.ask("GET", f"/{INDEX}/_count") or {}).get("count", 0)
        finally:
            search.stop()
    found["throughput"] = {name: {**run.plain(), "there": there[name]} for name, run in runs.items()}
    say(f"{size.singles} single alerts to webhooks")
    each, grouped = (kind(settings.data_dir / kind.kind) for kind in (WebhookEachReceiver, WebhookReceiver))
    found["each"] = asdict(latency(settings, stock, size.singles, each, "", build / "bench-each.log"))
    unlimited = 'rate_limit = "none"\n'
    path = build / "bench-grouped.log"
    found["grouped"] = asdict(latency(settings, stock, size.singles, grouped, unlimited, path))
    if size.events:
        say("a worker beside a destination that hangs")
        month = load(size.events)
        fill(settings, month)
        found["beside"] = asdict(beside(settings, stock, size.events, build))
    return found

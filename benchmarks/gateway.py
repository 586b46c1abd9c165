"""The decision point at a steady pace: how long answers take, recorded; what a decision costs; what the broker takes.

The load is open-loop: a request is sent when its time has come, whatever became of those before it, and its latency
counts from that time.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from agents.gateway.callers import new_token
from agents.gateway.paths import EVALUATION
from agents.settings import PREFIX, Settings
from benchmarks.brokers import broker, fill
from benchmarks.deciding import without_gateway
from benchmarks.process import Worker, usage
from benchmarks.stream import Load, load
from demo.broker import free_port
from schemas.codec import ACCESS
from schemas.fields import known

CALLER: Final = "bench"

PACE: Final = 1_000
"""Decisions a second at which the decision point is measured."""

GOALS: Final = {"p99_ms": 25.0, "decide_p99_us": 1_000.0}
"""From the issue: recorded and answered, and processor time of deciding."""

ACCESSES: Final = 20_000
"""Of the month, asked about in turn: more than a run takes in its time."""

CONNECTIONS: Final = 64
"""At once: a few proxies with their pools."""

WARM_UP_S: Final = 45.0
"""Of the same load, before anything counts: a broker that has just been started compiles its own code for some forty
seconds, on the cores that are measured. Answers take three times as long meanwhile (p99 63 and 82 ms after 3 s)."""

READY: Final = "cloverwatch_gateway_ready"
_BUCKET: Final = re.compile(r'_bucket\{le="([^"]+)"\}$')


@dataclass(frozen=True, slots=True)
class Decided:
    """What came of a run. Milliseconds, but for those in microseconds."""

    pace: float
    """Decisions a second that were answered."""
    asked: int
    allowed: int
    failed: int
    """Requests that were answered otherwise than with a decision that is recorded."""
    p50_ms: float
    p99_ms: float
    max_ms: float
    record_p50_ms: float
    record_p99_ms: float
    """From a decision to its acknowledgement, as the process counted it, interpolated in its buckets."""
    decide_p50_us: float
    decide_p99_us: float
    """Processor time of deciding alone, likewise."""
    cpu_us: float
    """Processor time of the whole process by decision."""
    client_cpu_us: float
    """Processor time of whoever asks, on the same cores."""
    peak_mib: float


def measure(settings: Settings, month: Load, pace: int, seconds: float, folder: Path, *, idempotent: bool) -> Decided:
    """Ask a decision point over the month's organisation for its accesses.

    Args:
        settings: of a broker that has the month's rows.
        month: rows and accesses.
        pace: requests a second.
        seconds: for how long.
        folder: where policy, tokens and log go.
        idempotent: whether decisions are sent as in production, to all replicas and never twice; the embedded broker
            knows no such producers.
    """
    policy, tokens, port = folder / "gateway.toml", folder / "gateway-tokens.toml", free_port()
    if settings.policy is None:
        raise ValueError("the settings name no policy")
    text = without_gateway(settings.policy.read_text(encoding="utf-8"))
    policy.write_text(f"{text}\n[gateway]\n[gateway.gateways.{CALLER}]\n", encoding="utf-8")
    token, line = new_token(CALLER)
    tokens.touch(mode=0o600)
    tokens.write_text(line + "\n", encoding="utf-8")
    more = {
        "POLICY": str(policy),
        "GATEWAY_TOKENS": str(tokens),
        "GATEWAY_PORT": str(port),
        "GATEWAY_RATE": str(10 * pace),
        "REPLICATION_FACTOR": "3" if idempotent else "1",  # one replica all the same
    }
    process = Worker(
        settings,
        folder / "bench-gateway.log",
        ("gateway",),
        "GATEWAY_WEB_PORT",
        {PREFIX + name: value for name, value in more.items()},
    )
    try:
        process.until("deciding", lambda found: found.get(READY) == 1)
        bodies = questions(month)
        asyncio.run(_ask(port, token, bodies, pace, WARM_UP_S))
        before, used, mine, began = process.metrics(), usage(process.pid), time.process_time(), time.monotonic()
        answers = asyncio.run(_ask(port, token, bodies, pace, seconds))
        took, mine = time.monotonic() - began, time.process_time() - mine
        after, now = process.metrics(), usage(process.pid)
    finally:
        process.end()
    waits = sorted(wait * 1000 for wait, _ in answers)
    kinds = Counter(kind for _, kind in answers)
    record = _quantiles("cloverwatch_gateway_record_seconds", before, after)
    decide = _quantiles("cloverwatch_gateway_decide_cpu_seconds", before, after)
    return Decided(
        pace=len(answers) / took,
        asked=len(answers),
        allowed=kinds["allow"],
        failed=kinds["failed"],
        p50_ms=waits[len(waits) // 2],
        p99_ms=waits[len(waits) * 99 // 100],
        max_ms=waits[-1],
        record_p50_ms=record[0] * 1000,
        record_p99_ms=record[1] * 1000,
        decide_p50_us=decide[0] * 1e6,
        decide_p99_us=decide[1] * 1e6,
        cpu_us=(now.cpu_s - used.cpu_s) * 1e6 / len(answers),
        client_cpu_us=mine * 1e6 / len(answers),
        peak_mib=now.peak_mib,
    )


def rows(
    kind: str, seconds: float, build: Path, result: dict[str, Any], say: Any, within: Callable[[float, float, str], str]
) -> list[tuple[str, str, str, str, str]]:
    """Measure, and return what the table of all benchmarks says of it; `within` puts a figure beside its goal."""
    say(f"decisions at {PACE:,}/s for {seconds:g} s")
    month = load(ACCESSES)
    with broker(kind) as (name, settings):
        result["broker"] = name
        fill(settings, month)
        found = measure(settings, month, PACE, seconds, build, idempotent="Kafka" in name)
    result["gateway"] = asdict(found)
    what = f"decision asked → recorded and answered at {found.pace:,.0f}/s"
    return [
        (f"{what}, p50", f"{found.p50_ms:.1f} ms", f"{found.cpu_us:.0f}", f"{found.peak_mib:,.0f}", ""),
        (f"{what}, p99", f"{found.p99_ms:.1f} ms", "", "", within(found.p99_ms, GOALS["p99_ms"], "ms")),
        (
            "    of it the broker's acknowledgement, p50; p99",
            f"{found.record_p50_ms:.1f}; {found.record_p99_ms:.1f} ms",
            "",
            "",
            f"{found.failed} of {found.asked:,} without a recorded decision",
        ),
        (
            "    deciding alone, p50; p99",
            f"{found.decide_p50_us:.0f}; {found.decide_p99_us:.0f} µs",
            "",
            "",
            f"{within(found.decide_p99_us, GOALS['decide_p99_us'], 'µs')}; {found.allowed:,} allowed",
        ),
        ("    who asks", "", f"{found.client_cpu_us:.0f}", "", "on the same cores"),
    ]


def questions(month: Load) -> list[bytes]:
    """Return the month's accesses as a gateway would ask about them before they happen."""
    bodies = []
    for message in month.events:
        event = ACCESS.decode(message.value)
        said = {
            "ip": known(event.source_ip),
            "device_country": known(event.device_country),
            "purpose": known(event.purpose),
            "ticket": known(event.ticket),
            "session_id": known(event.session_id),
        }
        asked = {
            "subject": {"type": event.principal, "id": event.person},
            "action": {"name": event.action},
            "resource": {"type": "dataset", "id": event.dataset_id},
            "context": {name: value for name, value in said.items() if value is not None},
        }
        bodies.append(msgspec.json.encode(asked))
    return bodies


async def _ask(port: int, token: str, bodies: Sequence[bytes], pace: int, seconds: float) -> list[tuple[float, str]]:
    """Ask at a pace; return of each how long it took, in seconds from when it was due, and what was answered."""
    due: asyncio.Queue[tuple[float, bytes] | None] = asyncio.Queue()
    answers: list[tuple[float, str]] = []
    asking = [asyncio.create_task(_connection(port, token, due, answers)) for _ in range(CONNECTIONS)]
    began = time.perf_counter()
    for number in range(int(pace * seconds)):
        at = began + number / pace
        if (wait := at - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        due.put_nowait((at, bodies[number % len(bodies)]))
    for _ in asking:
        due.put_nowait(None)
    await asyncio.gather(*asking)
    return answers


async def _connection(
    port: int, token: str, due: asyncio.Queue[tuple[float, bytes] | None], answers: list[tuple[float, str]]
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = (
        f"POST {EVALUATION} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
        "Content-Type: application/json\r\nContent-Length: "
    ).encode()
    while (asked := await due.get()) is not None:
        at, body = asked
        writer.write(b"%s%d\r\n\r\n%s" % (head, len(body), body))
        answer = await reader.readuntil(b"\r\n\r\n")
        length = int(answer.lower().split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0])
        content = await reader.readexactly(length)
        kind = "failed"
        if answer.startswith(b"HTTP/1.1 200") and b"gateway.unrecorded" not in content:
            kind = "allow" if content.startswith(b'{"decision":true') else "deny"
        answers.append((time.perf_counter() - at, kind))
    writer.close()
    await writer.wait_closed()


def _quantiles(name: str, before: Mapping[str, float], after: Mapping[str, float]) -> tuple[float, float]:
    """Return the median and the 99th percentile of what a histogram took between two looks."""
    counts = []
    for key, value in after.items():
        if key.startswith(name) and (found := _BUCKET.search(key)):
            counts.append((float(found[1]), value - before.get(key, 0)))
    counts.sort()
    return _quantile(counts, 0.5), _quantile(counts, 0.99)


def _quantile(counts: Sequence[tuple[float, float]], share: float) -> float:
    """Return a quantile of cumulative counts by upper bound, between the bounds of its bucket."""
    wanted = counts[-1][1] * share
    low, below = 0.0, 0.0
    for bound, count in counts:
        if count >= wanted and count > below:
            return low if bound == float("inf") else low + (bound - low) * (wanted - below) / (count - below)
        low, below = bound, count
    return low

"""The demo: an embedded broker, a real worker process, and a month of accesses in some seconds."""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson
from aiokafka import AIOKafkaProducer

from agents.clients import consumer_of, producer_of, with_admin
from agents.privacy import read_people
from agents.pseudonym_keys import new_keys
from agents.publisher import partition_of
from agents.settings import Settings
from agents.topic_admin import create
from alerts.keyring import KeyRing
from alerts.pseudonyms import show
from demo import enclave
from demo.accesses import Planned
from demo.broker import EmbeddedBroker, free_port
from demo.files import month, write
from demo.organisation import DAY, MONTH_DAYS, Organisation
from demo.processes import log_of, running
from demo.receivers import Pager, delivered, policy_for
from demo.ui import Screen
from demo.verdict import score
from demo.watch import missing, stay, watched
from demo.watching import WorkerFailedError, metrics_of, until
from schemas.alert import Alert
from schemas.codec import ALERT, DIRECTORY, row_key
from schemas.errors import ConfigurationError
from schemas.topics import ACCESS_EVENTS, ALERTS

PARTITIONS: Final = 4
"""Partitions of `access.events` in the demo: one worker reads them all."""

PACE: Final = 15_000
"""Accesses sent a second: a month in a quarter of a minute, slow enough to read along."""

CHUNK: Final = 500
"""Accesses between two looks at the clock."""

LATE_BY_S: Final = 1.0
"""How much later than its access a late directory row comes: well inside the grace of 10 s."""

READY_WITHIN_S: Final = 30.0
"""A worker is ready in two to three seconds; a busy machine may need more."""

DONE_WITHIN_S: Final = 120.0
"""From the last access to its verdict. The grace of 10 s for unknown names is the most of it."""

QUIET_S: Final = 4.0
"""Without an alert for this long none is under way: those of crowds take the way over another topic, and somebody new
costs a round trip more; on a busy machine each of these takes a second."""

COUNTERS_EVERY_S: Final = 2.0
"""Between two lines of counters."""

POLICY: Final = Path(__file__).with_name("policy.toml")
DAYS_BACK: Final = MONTH_DAYS + 1
"""The month ends yesterday, so that nothing of it is in the future."""


@dataclass(slots=True)
class Run:
    """One run of the demo."""

    settings: Settings
    ring: KeyRing
    screen: Screen
    stream: list[Planned]
    alerts: list[Alert] = field(default_factory=list)
    sent: int = 0
    started: float = field(default_factory=time.monotonic)
    first_alert: float | None = None
    late: list[asyncio.Task[None]] = field(default_factory=list)


def run(*, seed: int, events: int, watch: bool = False) -> int:
    """Run the demo; return 0 where everything planted was found and nothing else, 1 otherwise.

    With `watch`, Prometheus looks at it, and it stays until Ctrl-C.

    Raises:
        ConfigurationError: it is to be watched, and cannot be here.
    """
    if watch and (why := missing()):
        raise ConfigurationError(f"--watch: {why}")
    screen = Screen()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="cloverwatch-demo-") as folder, EmbeddedBroker() as broker:
        hook = free_port()
        settings = Settings(
            broker=broker.bootstrap,
            policy=policy_for(POLICY, Path(folder), hook),
            partitions=PARTITIONS,
            replication_factor=1,
            web_port=free_port(),
            deliver_port=free_port(),
            session_timeout_s=6.0,
            data_dir=Path(folder),
            pseudonym_keys=Path(folder) / "pseudonyms.json",
        )
        ring = new_keys(Path(folder) / "pseudonyms.json")
        screen.say(f"seed {seed}: broker at {broker.bootstrap}; a month of accesses is being made up")
        screen.say(f"alerts name people by pseudonyms ({ring.epochs[0].name}:…) of keys made for this run")
        asyncio.run(with_admin(settings, lambda admin: create(admin, settings)))
        for name, port in (("worker", settings.web_port), ("delivery", settings.deliver_port)):
            screen.say(f"metrics of the {name}: http://127.0.0.1:{port}/metrics")
        if not watch and missing() is None:
            screen.say("Prometheus is here: `cloverwatch demo --watch` has it look, and stays (docs/operating.md)")
        second = enclave.ports() if watch and enclave.can_play() else {}
        with ExitStack() as staying, running("worker", settings) as worker, running("deliver", settings):
            looking = watched(Path(folder), settings.web_port, settings.deliver_port, second, screen.say)
            try:
                with looking if watch else nullcontext():
                    org, stream = month(seed, first_day(), events)
                    demo = Run(settings, ring, screen, stream, started=started)
                    code = asyncio.run(_play(demo, org, worker, hook))
                    if not enclave.can_play():
                        screen.say("Envoy has no binary for this platform: nothing is shown of gateways and the audit")
                    elif not asyncio.run(_second_act(demo, org, hook, second, staying if watch else None)):
                        code = 1
                    if watch:
                        stay(worker, screen.say)
            except (WorkerFailedError, aiohttp.ClientError) as error:
                screen.say(str(error))
                code = 1
        for name in ("worker", "deliver") if code else ():
            text = log_of(name, settings).read_text(errors="replace")
            screen.say(f"the last lines of `cloverwatch {name}`:\n{text[-6000:]}")
        return code


def first_day() -> int:
    """Return when the month begins, milliseconds: it ends about today."""
    return int(time.time() * 1000) // DAY * DAY - DAYS_BACK * DAY


def write_files(folder: Path, *, seed: int, events: int, conduct: bool = True) -> None:
    """Write what the demo would send, with its policy, to be replayed or looked at; `conduct` as for `month`."""
    write(folder, *month(seed, first_day(), events, conduct=conduct))
    (folder / "policy.toml").write_text(POLICY.read_text(encoding="utf-8"), encoding="utf-8")


async def _play(run_: Run, org: Organisation, worker: subprocess.Popen[bytes], hook: int) -> int:
    screen, settings = run_.screen, run_.settings
    # The demo's broker is one process: nothing is gained by waiting for more of them, and batches by waiting a little.
    producer = producer_of(settings)
    await producer.start()
    consumer = consumer_of(settings, ALERTS)
    await consumer.start()
    pager = Pager()
    await pager.start(hook)
    following = asyncio.create_task(_follow(run_, consumer))
    try:
        rows = [(topic, row) for topic, given in org.rows.items() for row in given]
        await send_rows(producer, rows)
        countries = len({person.country for person in org.people})
        screen.say(f"{len(rows):,} directory rows: {len(org.people):,} employees in {countries} countries")
        await until(lambda: _is_ready(settings), READY_WITHIN_S, "the worker is ready", worker)
        screen.say(f"the worker is ready after {time.monotonic() - run_.started:.1f} s")
        await _send_events(run_, producer)
        await asyncio.gather(*run_.late)
        await until(lambda: _all_judged(run_), DONE_WITHIN_S, "everything is judged", worker)
        await _quiet(run_)
        people = await read_people(settings, run_.ring)  # labels name people: only here are alerts made clear
        result = score(run_.stream, [show(alert, people.person_of) for alert in run_.alerts], len(org.people))
        await _counters(run_)
        screen.result(result)
        if run_.first_alert is not None:
            screen.say(f"first alert {run_.first_alert - run_.started:.1f} s after the start")
        found = await delivered(settings)
        screen.delivery(found, pager.messages, len(pager.incidents), pager.digests)
        return 0 if result.perfect and found.settled == found.alerts else 1
    finally:
        await pager.stop()
        following.cancel()
        await consumer.stop()
        await producer.stop()


async def _second_act(
    run_: Run, org: Organisation, hook: int, metrics: Mapping[str, int], staying: ExitStack | None
) -> bool:
    """Play what is behind the gateway; its alert goes to the pager, which is there again for it."""
    pager = Pager()
    await pager.start(hook)
    try:
        return await enclave.play(run_.settings, org, run_.screen, metrics, staying)
    finally:
        await pager.stop()


async def send_rows(producer: AIOKafkaProducer, rows: Iterable[tuple[str, dict[str, Any]]]) -> None:
    """Send directory rows under their own keys; return when they are stored."""
    sends = []
    for topic, row in rows:
        value = orjson.dumps(row)
        sends.append(await producer.send(topic, key=row_key(DIRECTORY[topic].decode(value)), value=value))
    await asyncio.gather(*sends)


async def _send_events(run_: Run, producer: AIOKafkaProducer) -> None:
    begun = told = time.monotonic()
    for at in range(0, len(run_.stream), CHUNK):
        sends = []
        for planned in run_.stream[at : at + CHUNK]:
            event = planned.event
            person = event.get("employee_id") or event["principal_id"]
            value = orjson.dumps(event)
            partition = partition_of(person, PARTITIONS)
            sends.append(await producer.send(ACCESS_EVENTS, key=person.encode(), value=value, partition=partition))
            if planned.rows_after:
                run_.late.append(asyncio.create_task(_late(producer, planned)))
        await asyncio.gather(*sends)
        run_.sent += len(sends)
        if time.monotonic() - told > COUNTERS_EVERY_S:
            told = time.monotonic()
            await _counters(run_)
        await asyncio.sleep(max(0.0, begun + run_.sent / PACE - time.monotonic()))


async def _late(producer: AIOKafkaProducer, planned: Planned) -> None:
    """Send directory rows late; the one that a waiting access needs last comes last."""
    await asyncio.sleep(LATE_BY_S)
    for row in planned.rows_after:
        await send_rows(producer, [row])
        await asyncio.sleep(LATE_BY_S / 5)


async def _follow(run_: Run, consumer: Any) -> None:
    async for record in consumer:
        alert = ALERT.decode(record.value)
        if run_.first_alert is None:
            run_.first_alert = time.monotonic()
        run_.alerts.append(alert)
        run_.screen.alert(alert)


async def _quiet(run_: Run) -> None:
    """Return when no alert has come for `QUIET_S`."""
    seen = -1
    while seen != len(run_.alerts):
        seen = len(run_.alerts)
        await asyncio.sleep(QUIET_S)


async def _is_ready(settings: Settings) -> bool:
    url = f"http://127.0.0.1:{settings.web_port}/readyz"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status == 200


async def _all_judged(run_: Run) -> bool:
    metrics = await metrics_of(run_.settings.web_port)
    done = metrics.get("cloverwatch_events_judged_total", 0.0) + metrics.get("cloverwatch_duplicates_total", 0.0)
    done += metrics.get("cloverwatch_dead_letters_total", 0.0)
    return done >= len(run_.stream) and metrics.get("cloverwatch_waiting_events", 0.0) == 0


async def _counters(run_: Run) -> None:
    metrics = await metrics_of(run_.settings.web_port)
    run_.screen.counters(
        run_.sent,
        len(run_.stream),
        int(metrics.get("cloverwatch_events_judged_total", 0)),
        int(metrics.get("cloverwatch_waiting_events", 0)),
        int(metrics.get("cloverwatch_dead_letters_total", 0)),
        time.monotonic() - run_.started,
    )

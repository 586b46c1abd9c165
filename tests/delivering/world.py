"""A broker with our topics, alerts in it, and a runner whose destination does as the test says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from agents.clients import producer_of, with_admin
from agents.delivering.looking_back import look_back
from agents.delivering.metrics import DeliveryMetrics
from agents.delivering.runner import Runner
from agents.delivering.sending import Sender
from agents.delivering.storing import Storing
from agents.publisher import partition_of
from agents.settings import Settings
from agents.topic_admin import create
from agents.watching import wall_clock
from alerts.destination import Kind
from alerts.notice import Delivered, Notice, Outcome
from alerts.plan import DestinationPlan, Plan, Route, Silence
from schemas.alert import Alert, JudgedWith, Reason, Severity, Status
from schemas.codec import encode
from schemas.receipt import Receipt
from schemas.topics import ALERTS, PARKED, RECEIPTS, REPLAYS

PARTITIONS = 2
WITHIN_S = 30.0
"""Seconds that a test waits for anything: a group's rebalance on a slow machine, and some."""


class NoConfig(msgspec.Struct, frozen=True):
    """Nothing to set."""


def an_alert(
    name: str,
    *,
    key: str = "k",
    revision: int = 0,
    status: Status = "open",
    severity: Severity = "high",
    detected_at: int | None = None,
) -> Alert:
    now = wall_clock()
    return Alert(
        alert_id=name,
        family="access",
        revision=revision,
        status=status,
        rule_id="place.third_country",
        severity=severity,
        title="Reached from a third country",
        explanation=f"somebody did something, revision {revision}",
        reasons=(Reason(rule_id="place.third_country", rule_version=1, severity=severity, sentence="it is so"),),
        occurred_at=now,
        detected_at=now if detected_at is None else detected_at,
        person="2026q4:0123456789abcdef",
        facts={"team": "support"},
        judged_with=JudgedWith(policy="p", legal_table="l", geo_table="g", directories="d", known={}),
        dedup_key=key,
    )


class Scripted:
    """A destination that answers as it is told and remembers what it was sent."""

    def __init__(self, answer: Callable[[Notice], Outcome] = lambda _: Delivered({"id": "1"})) -> None:
        self.answer = answer
        self.sent: list[Notice] = []
        self.took: list[Notice] = []

    async def start(self) -> None:
        """Nothing to open."""

    async def stop(self) -> None:
        """Nothing to close."""

    async def send(self, notices: Sequence[Notice]) -> list[Outcome]:
        self.sent += notices
        outcomes = [self.answer(notice) for notice in notices]
        self.took += [notice for notice, each in zip(notices, outcomes, strict=True) if isinstance(each, Delivered)]
        return outcomes


def a_plan(
    *,
    grouped: bool = False,
    retry_for: int = 60_000,
    batch_max: int = 100,
    routes: tuple[Route, ...] = (),
    silences: tuple[Silence, ...] = (),
    auto_resolve_after: int = 86_400_000,
    group_interval: int = 300_000,
    analysts: dict[str, str] | None = None,
) -> Plan:
    kind = Kind(
        name="scripted",
        title="of the tests",
        config=NoConfig,
        make=lambda *_: Scripted(),
        grouped=grouped,
        batch_max=batch_max,
        promise="",
    )
    mine = DestinationPlan(
        name="there",
        kind=kind,
        config=NoConfig(),
        names="pseudonyms",
        deadline=60_000,
        retry_for=retry_for,
        group_by=("dedup_key",),
        group_wait=0,
        group_interval=group_interval,
        rate_limit=None,
    )
    return Plan(
        version="v",
        destinations={"there": mine},
        routes=routes,
        silences=silences,
        analysts=analysts or {},
        auto_resolve_after=auto_resolve_after,
    )


class World:
    """The topics of one broker."""

    def __init__(self, bootstrap: str, folder: Path) -> None:
        self.settings = Settings(
            broker=bootstrap,
            partitions=PARTITIONS,
            replication_factor=1,
            session_timeout_s=3.0,
            data_dir=folder,
        )
        self.metrics = DeliveryMetrics("test")
        self.failures: list[BaseException] = []

    async def prepare(self) -> None:
        await with_admin(self.settings, lambda admin: create(admin, self.settings))
        self.producer = producer_of(self.settings)
        await self.producer.start()
        self.storing = Storing(self.producer, self.metrics, wall_clock, lambda _, error: self.failures.append(error))

    async def publish(self, *alerts: Alert) -> None:
        await asyncio.gather(
            *[
                await self.producer.send(
                    ALERTS,
                    key=alert.alert_id.encode(),
                    value=encode(alert),
                    partition=partition_of(alert.dedup_key, PARTITIONS),
                )
                for alert in alerts
            ]
        )

    async def ask_for_replay(self) -> None:
        for partition in range(PARTITIONS):
            await self.producer.send_and_wait(REPLAYS, key=b"there", value=b"{}", partition=partition)

    def runner(self, destination: Any, plan: Plan | None = None) -> Runner:
        sender = Sender("there", destination, self.metrics, None)
        return Runner(self.settings, plan or a_plan(), "there", sender, self.storing, self.metrics)

    @asynccontextmanager
    async def running(self, destination: Any, plan: Plan | None = None) -> AsyncIterator[Runner]:
        """Run a runner; at the end it stops as on SIGTERM."""
        runner = self.runner(destination, plan)
        task = asyncio.create_task(runner.run())
        try:
            yield runner
        finally:
            runner.stop()
            await task

    @asynccontextmanager
    async def running_until_killed(self, destination: Any, plan: Plan | None = None) -> AsyncIterator[Runner]:
        """Run a runner; at the end it is gone as by SIGKILL: nothing more is committed."""
        runner = self.runner(destination, plan)
        runner.group.commit = _nothing  # type: ignore[method-assign]
        task = asyncio.create_task(runner.run())
        try:
            yield runner
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def receipts(self) -> dict[str, Receipt]:
        found = {}
        async for record in look_back(self.settings, RECEIPTS, range(PARTITIONS)):
            receipt = msgspec.json.decode(record.value, type=Receipt)
            found[receipt.alert_id] = receipt
        return found

    async def parked(self) -> set[bytes]:
        there: set[bytes] = set()
        async for record in look_back(self.settings, PARKED, range(PARTITIONS)):
            (there.discard if record.value is None else there.add)(record.key)
        return there


async def _nothing() -> None:
    """In place of a commit."""


async def until(condition: Callable[[], Any], what: str) -> None:
    """Return when `condition` (or what it awaits) holds."""
    deadline = time.monotonic() + WITHIN_S
    while True:
        found = condition()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return
        assert time.monotonic() < deadline, f"not within {WITHIN_S:g} s: {what}"
        await asyncio.sleep(0.05)

"""`cloverwatch match` as a process on a real broker: what is written to its topics and what it says."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from aiokafka import AIOKafkaProducer, TopicPartition

from agents.clients import consumer_of, producer_of, with_admin
from agents.publisher import partition_of
from agents.settings import Settings
from agents.topic_admin import create
from agents.watching import wall_clock
from demo.broker import free_port
from demo.processes import environment
from schemas.access import AccessEvent
from schemas.alert import Alert
from schemas.codec import ALERT, DIRECTORY, encode, row_key
from schemas.decision import Decision
from schemas.gateway_topics import GATEWAY_DECISIONS
from schemas.topics import ACCESS_EVENTS, ALERTS
from tests.faults.harness import Process, until
from tests.matching.world import POLICY, rows

PARTITIONS = 2


@dataclass
class MatchRun:
    """A broker's topics, and the processes that match."""

    bootstrap: str
    folder: Path
    policy_text: str = POLICY
    replicas_say: int = 1
    processes: list[Process] = field(default_factory=list)
    ports: list[int] = field(default_factory=list)

    async def prepare(self) -> None:
        """Create topics, fill the directories."""
        policy = self.folder / "policy.toml"
        policy.write_text(self.policy_text)
        self.settings = Settings(
            broker=self.bootstrap,
            policy=policy,
            partitions=PARTITIONS,
            replication_factor=1,
            session_timeout_s=6.0,
            data_dir=self.folder / "data",
            identities="clear",
        )
        await with_admin(self.settings, lambda admin: create(admin, self.settings))
        self.producer: AIOKafkaProducer = producer_of(self.settings)
        await self.producer.start()
        for topic, fields in rows():
            value = orjson.dumps(fields)
            row = DIRECTORY[topic].decode(value)
            await self.producer.send_and_wait(topic, key=row_key(row), value=value)

    async def end(self) -> None:
        """Kill what still runs."""
        for process in self.processes:
            process.end()
        await self.producer.stop()

    def start(self, **more: str) -> Process:
        """Start one more process."""
        number, port = len(self.processes), free_port()
        log = self.folder / f"match-{number}.log"
        given = environment(self.settings) | {"CLOVERWATCH_MATCH_PORT": str(port), **more}
        with log.open("wb") as out:
            popen = subprocess.Popen(
                [sys.executable, "-c", "import sys; from agents.cli import main; sys.exit(main(['match']))"],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, **given},
            )
        process = Process(popen, log)
        self.processes.append(process)
        self.ports.append(port)
        return process

    async def ready(self, number: int = -1) -> None:
        """Wait until a process matches."""

        async def answers() -> bool:
            url = f"http://127.0.0.1:{self.ports[number]}/readyz"
            try:
                async with aiohttp.ClientSession() as session, session.get(url) as answer:
                    return answer.status == 200
            except aiohttp.ClientError:
                return False

        await until(f"ready; log: {self.processes[number].log}", answers)

    async def metrics(self, number: int = -1) -> dict[str, float]:
        """Return what a process says of itself."""
        url = f"http://127.0.0.1:{self.ports[number]}/metrics"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            text = await answer.text()
        pairs = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    async def decide(self, decision: Decision) -> Any:
        """Write a decision, return where it was stored."""
        return await self._write(GATEWAY_DECISIONS, decision.person, encode(decision))

    async def access(self, event: AccessEvent) -> Any:
        """Write an access, return where it was stored."""
        return await self._write(ACCESS_EVENTS, event.person, encode(event))

    async def _write(self, topic: str, person: str, value: bytes) -> Any:
        partition = partition_of(person, PARTITIONS)
        return await self.producer.send_and_wait(topic, key=person.encode(), value=value, partition=partition)

    async def records(self, topic: str, partitions: int = PARTITIONS) -> list[Any]:
        """Everything in a topic."""
        consumer = consumer_of(self.settings)
        await consumer.start()
        try:
            tps = [TopicPartition(topic, partition) for partition in range(partitions)]
            consumer.assign(tps)
            await consumer.seek_to_beginning(*tps)
            found: list[Any] = []
            while batch := await consumer.getmany(timeout_ms=500):
                found += [record for records in batch.values() for record in records]
            return found
        finally:
            await consumer.stop()

    async def alerts(self) -> dict[str, list[str]]:
        """By event id the kinds that were told."""
        found: dict[str, list[str]] = {}
        for record in await self.records(ALERTS):
            alert: Alert = ALERT.decode(record.value)
            event_id = getattr(alert.event, "event_id", alert.facts.get("gateway", ""))
            found[str(event_id)] = sorted(reason.rule_id for reason in alert.reasons)
        return found

    async def told(self, *event_ids: str, within: float = 60.0) -> dict[str, list[str]]:
        """Wait for alerts about these accesses, return all."""
        found: dict[str, list[str]] = {}

        async def there() -> bool:
            found.clear()
            found.update(await self.alerts())
            return found.keys() >= set(event_ids)

        await until(f"alerts about {event_ids}", there, within)
        return found

    async def read(self, accesses: int, number: int = -1) -> None:
        """Wait until a process has done with so many accesses."""

        async def done() -> bool:
            said = await self.metrics(number)
            return (
                sum(value for name, value in said.items() if name.startswith("cloverwatch_matching_accesses_total"))
                >= accesses
            )

        await until(f"{accesses} accesses done with", done)


async def paced(count: int, each: Any, pace: float) -> None:
    """Await `each(number)` so many times, so many a second."""
    for number in range(count):
        await each(number)
        await asyncio.sleep(1 / pace)


def now() -> int:
    return wall_clock()

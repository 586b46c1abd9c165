"""The real worker under faults: a month of the demo's organisation, each alert expected by id."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from aiokafka import TopicPartition
from aiokafka.admin import NewPartitions, RecordsToDelete

from agents.clients import consumer_of, producer_of, with_admin
from agents.files import Reading, event_lines, load_directory
from agents.offline import published_ids, session_of
from agents.pseudonym_keys import new_keys
from agents.publisher import partition_of
from agents.settings import Settings
from agents.topic_admin import create
from alerts.keyring import KeyRing
from demo.broker import free_port
from demo.files import month, write
from demo.organisation import DAY
from demo.processes import environment
from demo.run import DAYS_BACK
from schemas.alert import Alert
from schemas.codec import ALERT, DIRECTORY, row_key
from schemas.topics import ACCESS_EVENTS, ALERTS, DEAD_LETTERS
from tests.faults.harness import Process, until

PARTITIONS = 4
GRACE_S = 8
"""Seconds that unknown names are waited for: long enough to kill a worker meanwhile."""

BAD = (b"not json", b'{"event_id":"x"}', None)
"""Records that cannot be used; each must be put away once at least."""


@dataclass
class RealRun:
    """A broker's topics filled with the demo's month, and the workers that judge it."""

    bootstrap: str
    folder: Path
    events: int = 4_000
    workers: list[Process] = field(default_factory=list)
    ports: list[int] = field(default_factory=list)
    halves: int = 0
    """How many shares of the stream were sent, each with the bad records."""

    def _policy(self) -> Path:
        """Write the demo's policy with a wait that a test has the time for, about accesses alone.

        What peers do is in one worker's memory: alerts about behaviour after a fault have a test of their own.
        """
        text = Path("demo/policy.toml").read_text().replace('facts_grace = "10s"', f'facts_grace = "{GRACE_S}s"')
        text = re.sub(r"(?ms)^\[behaviour\]\n(?:(?!^\[)[^\n]*\n?)*", "", text)
        path = self.folder / "policy.toml"
        path.write_text(text)
        return path

    async def prepare(self) -> None:
        """Create topics, fill the directories (late rows too: the directories hold still), say what is expected."""
        rows, self.events_sent = self._plan()
        self.policy = self._policy()
        self.settings = Settings(
            broker=self.bootstrap,
            policy=self.policy,
            partitions=PARTITIONS,
            replication_factor=1,
            session_timeout_s=6.0,
            data_dir=self.folder / "data",
            pseudonym_keys=self.folder / "pseudonyms.json",
        )
        self.ring = self._keys(self.folder / "pseudonyms.json")
        self.ids = published_ids(self.settings)
        await with_admin(self.settings, lambda admin: create(admin, self.settings))
        self.expected = self._expected()
        producer = producer_of(self.settings)
        await producer.start()
        try:
            sends = []
            for topic, row in rows:
                value = orjson.dumps(row)
                sends.append(await producer.send(topic, key=row_key(DIRECTORY[topic].decode(value)), value=value))
            await asyncio.gather(*sends)
        finally:
            await producer.stop()

    def _keys(self, path: Path) -> KeyRing:
        """Make the keys of pseudonyms: expectations are in clear, under the ids that these keys give."""
        return new_keys(path)

    def _plan(self) -> tuple[list[tuple[str, dict[str, Any]]], list[dict[str, Any]]]:
        """The directories' rows with their topics, and the events in the order of their time."""
        start = int(time.time() * 1000) // DAY * DAY - DAYS_BACK * DAY
        org, stream = month(11, start, self.events, conduct=False)
        write(self.folder / "files", org, stream)
        rows = [(topic, row) for topic, given in org.rows.items() for row in given]
        rows += [pair for planned in stream for pair in planned.rows_after]
        return rows, [planned.event for planned in stream]

    def _expected(self) -> set[str]:
        """The alerts of a replay of the same month from files."""
        session = session_of(self.policy, load_directory(self.folder / "files" / "directory"), Settings())
        lines = list(event_lines(self.folder / "files" / "events.jsonl", Reading()))
        return {self.ids(alert).alert_id for alert in session.take(lines, lines[-1].timestamp).alerts}

    async def produce(self, share: tuple[float, float], *, pace: int = 1_500) -> None:
        """Send a share of the stream, and the bad records with it, so many a second."""
        first, last = (int(part * len(self.events_sent)) for part in share)
        self.halves += 1
        producer = producer_of(self.settings)
        await producer.start()
        try:
            for value in BAD:
                await producer.send_and_wait(ACCESS_EVENTS, key=b"e-0001", value=value, partition=1)
            for at in range(first, last, 100):
                sends = []
                for event in self.events_sent[at : min(at + 100, last)]:
                    person = event.get("employee_id") or event["principal_id"]
                    partition = partition_of(person, PARTITIONS)
                    sends.append(
                        await producer.send(
                            ACCESS_EVENTS, key=person.encode(), value=orjson.dumps(event), partition=partition
                        )
                    )
                await asyncio.gather(*sends)
                await asyncio.sleep(100 / pace)
        finally:
            await producer.stop()

    def start(self) -> Process:
        """Start one more worker."""
        number, port = len(self.workers), free_port()
        log = self.folder / f"worker-{number}.log"
        given = environment(self.settings) | {
            "CLOVERWATCH_WEB_PORT": str(port),
            "CLOVERWATCH_MAX_POLL_RECORDS": "50",
            "CLOVERWATCH_COMMIT_INTERVAL_S": "0.2",
            "CLOVERWATCH_STATE_INTERVAL_S": "0.2",
            "CLOVERWATCH_DATA_DIR": str(self.folder / f"data-{number}"),
        }
        with log.open("wb") as out:
            popen = subprocess.Popen(
                [sys.executable, "-c", "import sys; from agents.cli import main; sys.exit(main(['worker']))"],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, **given},
            )
        process = Process(popen, log)
        self.workers.append(process)
        self.ports.append(port)
        return process

    def end(self) -> None:
        """Kill what still runs."""
        for worker in self.workers:
            worker.end()

    async def alerts(self) -> list[Alert]:
        """Everything in the alerts topic."""
        return [ALERT.decode(record.value) for record in await self._all(ALERTS, PARTITIONS)]

    async def some_alerts(self, at_least: int) -> None:
        """Wait until so many different alerts are there."""

        async def enough() -> bool:
            return len({alert.alert_id for alert in await self.alerts()}) >= at_least

        await until(f"{at_least} alerts", enough)

    async def ready(self, worker: int) -> None:
        """Wait until a worker judges."""

        async def answers() -> bool:
            try:
                url = f"http://127.0.0.1:{self.ports[worker]}/readyz"
                async with aiohttp.ClientSession() as session, session.get(url) as answer:
                    return answer.status == 200
            except aiohttp.ClientError:
                return False

        await until(f"ready; log: {self.workers[worker].log}", answers)

    async def waiting(self, worker: int) -> None:
        """Wait until events wait in a worker."""

        async def some() -> bool:
            try:
                return (await self._metrics(worker))["cloverwatch_waiting_events"] > 0
            except aiohttp.ClientError:
                return False

        await until("events wait", some)

    async def judged(self, worker: int, at_least: int) -> None:
        """Wait until a worker has judged so many events."""

        async def enough() -> bool:
            said = await self._metrics(worker)
            return _judged_events(said) >= at_least

        await until(f"{at_least} judged; log: {self.workers[worker].log}", enough)

    async def accounted_for(self, worker: int) -> None:
        """A worker's counters say what became of each record that it read."""
        said = await self._metrics(worker)
        read = said[f'cloverwatch_records_total{{topic="{ACCESS_EVENTS}"}}']
        became = {
            "judged": _judged_events(said),
            "duplicates": said["cloverwatch_duplicates_total"],
            "dead": sum(value for name, value in said.items() if name.startswith("cloverwatch_dead_letters_total")),
            "misplaced": said["cloverwatch_misplaced_total"],
            "waiting": said["cloverwatch_waiting_events"],
        }
        assert read == sum(became.values()), became

    async def _metrics(self, worker: int) -> dict[str, float]:
        url = f"http://127.0.0.1:{self.ports[worker]}/metrics"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            text = await answer.text()
        pairs = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    async def stream_alerts(self, at_least: int) -> list[Alert]:
        """Wait for so many alerts about the stream itself, and return them."""

        async def enough() -> bool:
            return len([alert for alert in await self.alerts() if alert.family == "stream"]) >= at_least

        await until(f"{at_least} alerts about the stream", enough)
        return [alert for alert in await self.alerts() if alert.family == "stream"]

    async def delete_unread(self) -> set[tuple[int, int, int]]:
        """Delete what the group has not read; return (partition, first, last) of each run."""
        consumer = consumer_of(self.settings, group_id=self.settings.group)
        await consumer.start()
        try:
            tps = [TopicPartition(ACCESS_EVENTS, partition) for partition in range(PARTITIONS)]
            ends = await consumer.end_offsets(tps)
            committed = {tp: await consumer.committed(tp) or 0 for tp in tps}
        finally:
            await consumer.stop()
        gone = {tp: end for tp, end in ends.items() if end > committed[tp]}
        assert gone, "something is unread"
        deletions = {tp: RecordsToDelete(before_offset=end) for tp, end in gone.items()}
        await with_admin(self.settings, lambda admin: admin.delete_records(deletions))
        return {(tp.partition, committed[tp], end - 1) for tp, end in gone.items()}

    async def add_partitions(self, more: int) -> None:
        """Add partitions to the topic of accesses."""
        wanted = {ACCESS_EVENTS: NewPartitions(PARTITIONS + more)}
        await with_admin(self.settings, lambda admin: admin.create_partitions(wanted))

    async def settled(self) -> None:
        """Everything is committed, every expected alert is there and no other, every bad record is put away."""
        consumer = consumer_of(self.settings, group_id=self.settings.group)
        await consumer.start()
        try:
            tps = [TopicPartition(ACCESS_EVENTS, partition) for partition in range(PARTITIONS)]
            consumer.assign(tps)
            ends = {tp: end for tp, end in (await consumer.end_offsets(tps)).items() if end}

            async def committed() -> bool:
                return all([(await consumer.committed(tp) or 0) >= end for tp, end in ends.items()])

            logs = [str(worker.log) for worker in self.workers]
            await until(f"{ends} committed; logs: {logs}", committed)
        finally:
            await consumer.stop()
        found = {alert.alert_id for alert in await self.alerts() if alert.family != "stream"}
        assert found == self.expected, f"missing {len(self.expected - found)}, unexpected {len(found - self.expected)}"
        letters = await self._all(DEAD_LETTERS, 1)
        origins = {dict(letter.headers)["cloverwatch-offset"] for letter in letters}
        assert {letter.value for letter in letters} == set(BAD)
        assert len(origins) == len(BAD) * self.halves, "each bad record is put away"

    async def _all(self, topic: str, partitions: int) -> list[Any]:
        consumer = consumer_of(self.settings)
        await consumer.start()
        try:
            tps = [TopicPartition(topic, partition) for partition in range(partitions)]
            consumer.assign(tps)
            await consumer.seek_to_beginning(*tps)
            found: list[Any] = []
            idle = 0
            while idle < 3:
                batches = await consumer.getmany(timeout_ms=200)
                idle = 0 if batches else idle + 1
                for records in batches.values():
                    found += records
            return found
        finally:
            await consumer.stop()


def _judged_events(said: dict[str, float]) -> float:
    return sum(value for name, value in said.items() if name.startswith("cloverwatch_events_judged_total"))

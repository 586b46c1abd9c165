"""Runs a worker command through faults and accounts for every record at the end.

A worker is any command that reads input topics in a group and writes, for each record, at least one message
whose value identifies it: the tests' copy worker, or the real one with a reader of its alerts.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

ROOT = Path(__file__).resolve().parents[2]
POLL = 0.1
"""Seconds between two looks at a condition."""
PATIENCE = 90.0
"""Seconds for anything to come about. Usual is under ten; the machine may be busy with other tests."""


async def until(what: str, condition: Callable[[], Awaitable[bool]], within: float = PATIENCE) -> None:
    """Return when `condition` holds; fail with `what` after `within` seconds."""
    deadline = time.monotonic() + within
    while not await condition():
        assert time.monotonic() < deadline, f"not within {within:g} s: {what}"
        await asyncio.sleep(POLL)


async def create_topics(bootstrap: str, topics: dict[str, int]) -> None:
    """Create topics (name → partitions) and wait until their partitions have leaders."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, partitions, 1) for name, partitions in topics.items()])

        async def there() -> bool:
            described = await admin.describe_topics(list(topics))
            return all(
                entry["error_code"] == 0 and len(entry["partitions"]) == topics[entry["topic"]] for entry in described
            )

        await until("topics created", there)
    finally:
        await admin.close()


@dataclass
class Process:
    """One worker process."""

    popen: subprocess.Popen[bytes]
    log: Path

    def signal(self, number: signal.Signals) -> None:
        self.popen.send_signal(number)

    async def exit_code(self, within: float = PATIENCE) -> int:
        async def ended() -> bool:
            return self.popen.poll() is not None

        await until(f"worker ended; its log: {self.log}", ended, within)
        return int(self.popen.returncode)

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def end(self) -> None:
        """Kill it where it still runs, stopped or not."""
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait()


@dataclass
class Harness:
    """A worker command, its topics, and what was written to them.

    `command(index)` is the argument list of the worker number `index` of the group.
    """

    bootstrap: str
    group: str
    inputs: dict[str, int]
    output: str
    command: Callable[[int], Sequence[str]]
    folder: Path
    produced: dict[tuple[str, int, int], str] = field(default_factory=dict)
    """(topic, partition, offset) → value, of every record a reader must process."""
    workers: list[Process] = field(default_factory=list)

    async def prepare(self) -> None:
        await create_topics(self.bootstrap, {**self.inputs, self.output: 1})

    def start(self) -> Process:
        """Start one more worker."""
        index = len(self.workers)
        log = self.folder / f"worker-{index}.log"
        with log.open("wb") as out:
            popen = subprocess.Popen(
                list(self.command(index)),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
            )
        worker = Process(popen, log)
        self.workers.append(worker)
        return worker

    def logged(self, text: str) -> list[str]:
        """Lines with `text` in the logs of all workers so far."""
        return [line for worker in self.workers for line in worker.output().splitlines() if text in line]

    def end(self) -> None:
        for worker in self.workers:
            worker.end()

    async def produce(self, count: int, *, prefix: str = "r", topics: Iterable[str] | None = None) -> list[str]:
        """Write `count` records in turn to every partition of `topics`; they must all be processed."""
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap, linger_ms=5, acks="all")
        await producer.start()
        try:
            wanted = [(topic, p) for topic in (topics or self.inputs) for p in range(self.inputs[topic])]
            values = [f"{prefix}-{n}" for n in range(count)]
            sent = [
                await producer.send(topic, value.encode(), partition=partition)
                for n, value in enumerate(values)
                for topic, partition in [wanted[n % len(wanted)]]
            ]
            for value, future in zip(values, sent, strict=True):
                at = await future
                self.produced[at.topic, at.partition, at.offset] = value
        finally:
            await producer.stop()
        return values

    async def copied(self) -> list[str]:
        """Every value in the output topic, in its order, duplicates included."""
        return [value for _, value in await read_all(self.bootstrap, self.output)]

    async def committed(self) -> dict[tuple[str, int], int]:
        """The group's committed offset of each input partition; those without one are left out."""
        client = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, group_id=self.group, enable_auto_commit=False)
        await client.start()
        try:
            tps = [TopicPartition(topic, p) for topic, count in self.inputs.items() for p in range(count)]
            client.assign(tps)
            found = {tp: await client.committed(tp) for tp in tps}
            return {(tp.topic, tp.partition): at for tp, at in found.items() if at is not None}
        finally:
            await client.stop()

    async def some_copied(self, at_least: int) -> list[str]:
        """Wait until so many different values are in the output."""
        values: list[str] = []

        async def enough() -> bool:
            values[:] = await self.copied()
            return len(set(values)) >= at_least

        await until(f"{at_least} values copied", enough)
        return values

    async def advance(self, by: int) -> None:
        """Wait until so many more different values are in the output than now, or all there are."""
        await self.some_copied(min(len(set(await self.copied())) + by, len(set(self.produced.values()))))

    async def settled(self) -> None:
        """Every record is in the output, and everything is committed: nothing lost, and nothing left over."""
        await self.some_copied(len(set(self.produced.values())))
        ends: dict[tuple[str, int], int] = {}
        for topic, partition, offset in self.produced:
            ends[topic, partition] = max(ends.get((topic, partition), 0), offset + 1)

        async def done() -> bool:
            committed = await self.committed()
            return all(committed.get(tp, 0) >= end for tp, end in ends.items())

        await until(f"{ends} committed", done)
        await self.check()

    async def check(self) -> None:
        """Nothing below a committed offset is missing from the output. Holds at any time, mid-fault too."""
        committed = await self.committed()
        copied = set(await self.copied())
        missing = {
            where: value
            for where, value in self.produced.items()
            if where[2] < committed.get(where[:2], 0) and value not in copied
        }
        assert not missing, f"committed and never processed: {missing}"


async def read_all(bootstrap: str, topic: str) -> list[tuple[bytes | None, str]]:
    """(key, value) of every record of a one-partition topic up to its present end."""
    client = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=None, auto_offset_reset="earliest")
    await client.start()
    found: list[tuple[bytes | None, str]] = []
    try:
        tp = TopicPartition(topic, 0)
        client.assign([tp])
        await client.seek_to_beginning(tp)
        end = (await client.end_offsets([tp]))[tp]
        # The embedded broker's answer is too low when the last batch holds several records; the high
        # watermark that comes with the first fetch is right. Only that first one counts: the topic may be
        # growing all the time.
        highwater: int | None = None
        while highwater is None or await client.position(tp) < max(end, highwater):
            records = (await client.getmany(tp, timeout_ms=300)).get(tp, [])
            highwater = highwater if highwater is not None else client.highwater(tp)
            found += [(record.key, record.value.decode()) for record in records]
    finally:
        await client.stop()
    return found


def copy_worker(
    harness_folder: Path, bootstrap: str, group: str, inputs: Iterable[str], output: str, *extra: str
) -> Callable[[int], Sequence[str]]:
    """The command of the tests' own worker."""
    topics = [part for topic in inputs for part in ("--input", topic)]
    return lambda index: [
        sys.executable,
        str(ROOT / "tests" / "agents" / "copy_worker.py"),
        "--brokers",
        bootstrap,
        "--group",
        group,
        *topics,
        "--output",
        output,
        "--datadir",
        str(harness_folder / f"data-{index}"),
        *extra,
    ]

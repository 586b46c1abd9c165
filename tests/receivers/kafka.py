"""A topic of a second Kafka, read with a client of its own."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.brokers import kafka

TOPIC = "security.findings"
PARTITIONS = 2
READ_TIMEOUT_S = 30.0

QUICK = "broker.session.timeout.ms=2000\nbroker.heartbeat.interval.ms=500\n"
"""A broker that was killed is not let in again before its old session has ended: 9 s, unless it is told this."""


class KafkaTopic:
    """A broker with the topic on it. It keeps each record, and so does not recognise a repetition."""

    exact = False

    def __init__(self, folder: Path) -> None:
        self.broker = kafka.KafkaBroker(folder)
        with (folder / "server.properties").open("a") as more:
            more.write(QUICK)
        self._made = False

    @staticmethod
    def missing() -> str | None:
        return kafka.missing()

    def start(self) -> None:
        self.broker.start()
        if not self._made:
            _in_loop(self._create)
            self._made = True

    def kill(self) -> None:
        self.broker.stop(kill=True)

    def stop(self) -> None:
        self.broker.stop()

    def policy(self, name: str, form: str = "ocsf") -> str:
        return f"""[destinations.{name}]
kind = "kafka"
bootstrap = ["{self.broker.bootstrap}"]
topic = "{TOPIC}"
format = "{form}"
allow_plaintext = true
"""

    def environment(self) -> dict[str, str]:
        return {}

    def received(self) -> Counter[str]:
        return Counter(record.key.decode() for record in self.records())

    def records(self) -> list[Any]:
        """All records, in the order of each partition."""
        found: list[Any] = _in_loop(self._read)
        return found

    async def _create(self) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.broker.bootstrap)
        await admin.start()
        try:
            await admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1)])
        finally:
            await admin.close()

    async def _read(self) -> list[Any]:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.broker.bootstrap, auto_offset_reset="earliest", enable_auto_commit=False
        )
        await consumer.start()
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                partitions = [TopicPartition(TOPIC, number) for number in range(PARTITIONS)]
                consumer.assign(partitions)
                ends = await consumer.end_offsets(partitions)
                found: list[Any] = []
                for partition in partitions:
                    while await consumer.position(partition) < ends[partition]:
                        for records in (await consumer.getmany(timeout_ms=500)).values():
                            found.extend(records)
                return found
        finally:
            await consumer.stop()


def _in_loop(what: Any) -> Any:
    """Run a coroutine from a thread that may already run a loop."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(what())).result()

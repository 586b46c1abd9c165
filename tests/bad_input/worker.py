"""A worker's heart without its limbs: real session, publisher, settler, ledger and tables, and a broker of lists."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from agents.ledger import TP, Hole, Ledger, Span
from agents.metrics import Metrics
from agents.publisher import Publisher, partition_of
from agents.reference import ReferenceTables
from agents.reporting import Reporter
from agents.settling import Settler
from agents.transport import Delivery, RecordBatch
from agents.transport.batch import Record
from agents.watching import Watch
from agents.worker import describe
from rules.session import Session
from schemas.alert import Alert
from schemas.codec import ALERT, encode, row_key
from schemas.deadletter import DeadLetter
from schemas.directory import Row
from schemas.errors import BadRecordError
from schemas.topics import ACCESS_EVENTS, ALERTS, DEAD_LETTERS, DIRECTORY_TOPICS
from tests.rules.streams import JUDGED_WITH, judge, knowing

PARTITIONS = 4


@dataclass
class Stored:
    """Stands in for the producer: keeps what it is given, and has stored it at once."""

    messages: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    async def send(self, topic: str, **message: Any) -> asyncio.Future[Any]:
        self.messages.append((topic, message))
        done = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    @property
    def alerts(self) -> list[Alert]:
        """What was written to `alerts`, as its readers decode it."""
        return [ALERT.decode(message["value"]) for topic, message in self.messages if topic == ALERTS]

    @property
    def letters(self) -> list[DeadLetter]:
        """What was put away, as `cloverwatch dead-letters` reads it."""
        return [
            DeadLetter.from_message(message["key"], message["value"], message["headers"])
            for topic, message in self.messages
            if topic == DEAD_LETTERS
        ]


class Directories:
    """Stands in for the consumer of the directory topics: one partition each, rows that come when they are put."""

    def __init__(self) -> None:
        self.records: dict[Any, list[Record]] = {_Tp(topic, 0): [] for topic in DIRECTORY_TOPICS}
        self._read: dict[Any, int] = dict.fromkeys(self.records, 0)

    def put(self, topic: str, value: bytes | None, key: bytes | None = None, timestamp: int = 0) -> int:
        """Append a message; return its offset."""
        records = self.records[_Tp(topic, 0)]
        records.append(Record(topic, 0, len(records), timestamp, key, value))
        return len(records) - 1

    async def start(self) -> None:
        """Nothing to do, as for the other methods of the real one that are not told here."""

    async def stop(self) -> None:
        """As above."""

    async def seek_to_beginning(self, *_: Any) -> None:
        """As above."""

    def assignment(self) -> set[Any]:
        return set(self.records)

    async def end_offsets(self, tps: Iterable[Any]) -> dict[Any, int]:
        return {tp: len(self.records[tp]) for tp in tps}

    async def position(self, tp: Any) -> int:
        return self._read[tp]

    def highwater(self, tp: Any) -> int:
        return len(self.records[tp])

    async def getmany(self, *, timeout_ms: int, max_records: int) -> dict[Any, list[Record]]:
        await asyncio.sleep(0)
        found = {tp: records[self._read[tp] :][:max_records] for tp, records in self.records.items()}
        for tp, records in found.items():
            self._read[tp] += len(records)
        if not any(found.values()):
            await asyncio.sleep(timeout_ms / 10_000)
        return {tp: records for tp, records in found.items() if records}


@dataclass(frozen=True, slots=True, order=True)
class _Tp:
    topic: str
    partition: int


class _Event:
    """What Faust hands over with a batch: acking it finishes its span."""

    def __init__(self, ledger: Ledger, span: Span) -> None:
        self._ledger, self._span = ledger, span

    def ack(self) -> bool:
        return self._ledger.finish(self._span)


class Heart:
    """A watch on which everything is real but the brokers."""

    def __init__(self, rows: Iterable[Row] = (), more: str = "") -> None:
        self.stored = Stored()
        self.metrics = Metrics("test")
        self.directories = Directories()
        self.session = Session(
            judge(knowing(()), more),
            describe=describe,
            provenance=lambda: JUDGED_WITH,
            partition_of=lambda person: partition_of(person, PARTITIONS),
        )
        self.holes: list[Hole] = []
        self.ledger = Ledger(self.holes.append)
        self.ends: dict[TP, int] = {}
        for row in rows:
            self.put(row)

    def put(self, row: Row) -> None:
        """Write a row to its topic."""
        self.directories.put(row.topic, encode(row), row_key(row))

    @asynccontextmanager
    async def beating(self) -> AsyncIterator[Heart]:
        """Run the services, once the directories are read."""
        self.tables = ReferenceTables(
            self.directories,  # stands in for a consumer
            self.session.knowledge,
            on_bad_row=self._bad_row,
            read=lambda: None,
        )
        settler = Settler()
        publisher = Publisher(self.stored, PARTITIONS)  # stands in for a producer
        reporter = Reporter(publisher, dict, lambda: None, lambda: False)
        self.watch = Watch(self.session, publisher, settler, self.tables, self.metrics, reporter, self._warm)
        async with settler, self.tables:
            async with asyncio.timeout(5):
                await self.tables.ready.wait()
            yield self

    async def _bad_row(self, message: Any, error: BadRecordError) -> None:
        await self.watch.bad_row(message, error)

    async def _warm(self) -> set[TP]:
        """There is no past."""
        return {(ACCESS_EVENTS, partition) for partition in range(PARTITIONS)}

    async def read(self) -> None:
        """Wait until the directories are read to their ends."""
        async with asyncio.timeout(5):
            while any([await self.directories.position(tp) < len(records) for tp, records in self._directories()]):
                await asyncio.sleep(0.005)
        await asyncio.sleep(0.02)

    def _directories(self) -> list[tuple[Any, list[Record]]]:
        return list(self.directories.records.items())

    async def judge(self, person: str, values: Iterable[bytes | None], timestamp: int) -> TP:
        """Hand over a batch of one person's partition, and let what comes of it be stored."""
        tp: TP = (ACCESS_EVENTS, partition_of(person, PARTITIONS))
        first = self.ends.get(tp)
        if first is None:
            self.ledger.position(tp, 0)
            first = 0
        records = [
            Record(*tp, first + at, timestamp, person.encode(), value, (("own", b"h"),))
            for at, value in enumerate(values)
        ]
        self.ends[tp] = first + len(records)
        span = self.ledger.deliver(tp, first, first + len(records) - 1)
        batch = RecordBatch(*tp, records, span)
        await self.watch.judge(Delivery(batch, _Event(self.ledger, span)))
        for _ in range(10):
            await asyncio.sleep(0)
        return tp

    async def translate(self, topic: str, values: Iterable[bytes | None], timestamp: int) -> TP:
        """Hand over a batch of another system's messages, and let what comes of it be stored."""
        tp: TP = (topic, 0)
        records = [Record(*tp, at, timestamp, None, value) for at, value in enumerate(values)]
        self.ledger.position(tp, 0)
        span = self.ledger.deliver(tp, 0, len(records) - 1)
        batch = RecordBatch(*tp, records, span)
        await self.watch.translate(Delivery(batch, _Event(self.ledger, span)))
        for _ in range(10):
            await asyncio.sleep(0)
        return tp

    def value(self, name: str, **labels: str) -> float:
        """A metric."""
        return self.metrics.registry.get_sample_value(f"cloverwatch_{name}", labels) or 0.0

"""Reference tables: every directory topic read whole into `Knowledge` before the first verdict, then tailed for ever.

Read straight from the compacted topics by a consumer without a group's assignment, so that every worker has every
row. One bad row is dead-lettered and counted; what was known before stays in force, and the others go on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from hashlib import blake2b
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from mode import Service

from rules.knowledge import Knowledge
from schemas.codec import DIRECTORY, parse_row_key, row_key, with_recorded_at
from schemas.errors import BadRecordError
from schemas.topics import DIRECTORY_TOPICS

POLL_MS: Final = 100
"""How long one fetch may wait for rows: bounds how late the age of a table is noticed, not how late a row is."""

ROWS_A_TURN: Final = 2_000
"""Rows applied before other work gets a turn: about 10 ms of an event's latency at worst while tables are tailed."""

ENDS_EVERY_S: Final = 1.0
"""Seconds between two questions for the ends of the directory topics, from which lag and age are told: a decision point
denies by the age of its tables, which is never known more exactly than this."""

ENDS_WITHIN_S: Final = 3.0
"""Within which brokers must answer it: an election of a leader is over by then. Without it a client asks for as long as
its requests may take, and the next question comes no sooner."""

BadRow = Callable[[ConsumerRecord, BadRecordError], Awaitable[None]]


class ReferenceTables(Service):
    """Fills `knowledge` and keeps it current.

    Args:
        consumer: of all directory topics, without a group, not started.
        knowledge: what is filled.
        on_bad_row: awaited for every row that cannot be used.
        read: called once, when everything that was there at the start is read.
    """

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        knowledge: Knowledge,
        *,
        on_bad_row: BadRow,
        read: Callable[[], None],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._consumer = consumer
        self.knowledge = knowledge
        self._on_bad_row = on_bad_row
        self._read = read
        self.ready = asyncio.Event()
        self.strange_keys = 0
        """Rows whose message key is not the row's own: compaction may lose one of their versions."""
        self.newest: dict[str, int] = {}
        """By topic when its newest row was written, milliseconds since 1970: a directory that nobody writes ages."""
        self._ends: dict[TopicPartition, int] = {}
        self._positions: dict[TopicPartition, int] = {}
        self._current_at: dict[str, float] = {}
        self._asked: dict[str, tuple[float, dict[TopicPartition, int]]] = {}
        """By topic when its ends were asked for, and what was answered, until everything before them is read."""
        self._provenance: tuple[int, tuple[str, dict[str, str]]] | None = None
        self._applied = 0

    async def on_start(self) -> None:
        """Begin at the beginning of every partition of every directory topic."""
        await self._consumer.start()
        tps = sorted(self._consumer.assignment())
        await self._consumer.seek_to_beginning(*tps)
        asked_at = time.monotonic()
        self._ends = dict(await self._consumer.end_offsets(tps))
        self._ask(asked_at)
        self._positions = {tp: await self._consumer.position(tp) for tp in tps}

    async def on_stop(self) -> None:
        """Leave the brokers."""
        await self._consumer.stop()

    def known(self) -> tuple[str, dict[str, str]]:
        """Return what the directories are known to: a hash, and by topic its next offsets."""
        if self._provenance is None or self._provenance[0] != self._applied:
            offsets: dict[str, list[str]] = {}
            for tp in sorted(self._positions):
                offsets.setdefault(tp.topic, []).append(f"{tp.partition}:{self._positions[tp]}")
            known = {topic: ",".join(parts) for topic, parts in offsets.items()}
            digest = blake2b(repr(known).encode(), digest_size=8).hexdigest()
            self._provenance = self._applied, (digest, known)
        return self._provenance[1]

    def lag(self) -> dict[str, int]:
        """Return by topic how many offsets are not read yet."""
        behind = dict.fromkeys(DIRECTORY_TOPICS, 0)
        for tp, end in self._ends.items():
            behind[tp.topic] += max(0, end - self._positions[tp])
        return behind

    def age(self) -> dict[str, float]:
        """Return by topic the seconds since it was last known to be read to its end; infinite before.

        It is known by a broker's answer: where none comes the age grows, whatever was read before.
        """
        now = time.monotonic()
        return {topic: now - self._current_at.get(topic, float("-inf")) for topic in DIRECTORY_TOPICS}

    @Service.task
    async def _tail(self) -> None:
        while not self.should_stop:
            fetched = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=ROWS_A_TURN)
            for tp, records in fetched.items():
                for record in records:
                    try:
                        self._apply(record)
                    except BadRecordError as error:
                        await self._on_bad_row(record, error)
                self._positions[tp] = records[-1].offset + 1
                self.newest[tp.topic] = max(records[-1].timestamp, self.newest.get(tp.topic, 0))
                self._applied += 1
            for tp in self._positions:
                # Control records and what compaction left out move the position without a record.
                self._positions[tp] = max(self._positions[tp], await self._consumer.position(tp))
            self._note_progress()

    @Service.task
    async def _ask_ends(self) -> None:
        while not self.should_stop:
            await self.sleep(ENDS_EVERY_S)
            asked_at = time.monotonic()
            try:
                async with asyncio.timeout(ENDS_WITHIN_S):
                    ends = await self._consumer.end_offsets(list(self._ends))
            except (TimeoutError, KafkaError) as error:
                self.log.warning("No ends of the directory topics from the broker: %r", error)
                continue
            self._ends = {tp: max(end, self._ends[tp]) for tp, end in ends.items()}
            self._ask(asked_at)
            self._note_progress()

    def _ask(self, asked_at: float) -> None:
        """Take the ends for what has to be read; where that is still the case of former ends, those stay.

        The embedded broker's end offset can be short: believe the larger.
        """
        ends: dict[str, dict[TopicPartition, int]] = {}
        for tp, end in self._ends.items():
            ends.setdefault(tp.topic, {})[tp] = max(end, self._consumer.highwater(tp) or 0)
        for topic, those in ends.items():
            self._asked.setdefault(topic, (asked_at, those))

    def _note_progress(self) -> None:
        """Tell which tables are current, as of when their ends were asked for."""
        for topic, (asked_at, ends) in list(self._asked.items()):
            if all(self._positions[tp] >= end for tp, end in ends.items()):
                self._current_at[topic] = asked_at
                del self._asked[topic]
        if not self.ready.is_set() and all(
            self._positions[tp] >= max(end, self._consumer.highwater(tp) or 0) for tp, end in self._ends.items()
        ):
            self.log.info("Reference tables read: %s", dict(self.knowledge.rows))
            if not self.knowledge.rows:
                self.log.error(
                    "The directories are empty: every access will be judged as unknown. Fill them, for instance with "
                    "`cloverwatch send employees.jsonl locations.jsonl roles.jsonl datasets.jsonl`"
                )
            self._read()
            self.ready.set()

    def _apply(self, record: ConsumerRecord) -> None:
        if record.value is None:
            self.knowledge.withdraw(record.topic, parse_row_key(record.key))
            return
        row = with_recorded_at(DIRECTORY[record.topic].decode(record.value), record.timestamp)
        if record.key != row_key(row):
            self.strange_keys += 1
        self.knowledge.apply(row)

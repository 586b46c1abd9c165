"""Topics as files, for an auditor: every record as the brokers have it, with its place; nothing is left out.

The shape is that of `agents.audit.verifying.exported`: `TOPIC/PARTITION.jsonl.gz`, a record a line, and `export.json`,
which says from where to where each partition was there.
"""

from __future__ import annotations

import gzip
from base64 import b64encode
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import msgspec
from aiokafka.errors import KafkaError

from agents.audit.verifying.ends import JUDGED
from agents.audit.verifying.exported import MANIFEST, SUFFIX, Manifest, Range, Reached, Record
from agents.clients import consumer_of, partitions_there, started
from agents.settings import Settings
from agents.topic_reading import read_topic
from schemas.entry import LOGGED
from schemas.errors import ConfigurationError
from schemas.topics import ACCESS_EVENTS, DIRECTORY_TOPICS

OF_THE_LOG: Final = tuple(LOGGED)
FOR_REPLAY: Final = (ACCESS_EVENTS, *DIRECTORY_TOPICS)
"""What judging again needs: the events, and the directories with the rows that others replaced (a row's key holds when
it was recorded, so compaction keeps them)."""

MINUTE_MS: Final = 60_000
BEFORE_MIN: Final = (0, 15, *(30 * 2**number for number in range(11)))
"""How many minutes before the export it is asked how far accesses were, up to three weeks: the log that they are
compared with ends a while before it, and what is younger than its end is not held against anybody."""

LEVEL: Final = 6
"""Of gzip: its own default; reading brokers is slower than it."""


def line_of(record: Any) -> bytes:
    """Return the line of a Kafka record, without its end."""
    key, key_base64 = _text(record.key)
    value, value_base64 = _text(record.value)
    return msgspec.json.encode(
        Record(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            timestamp=record.timestamp,
            key=key,
            key_base64=key_base64,
            value=value,
            value_base64=value_base64,
        )
    )


def _text(raw: bytes | None) -> tuple[str | None, str | None]:
    """Return bytes as text where they are UTF-8, else as base64."""
    if raw is None:
        return None, None
    try:
        return raw.decode("utf-8"), None
    except UnicodeDecodeError:
        return None, b64encode(raw).decode()


async def export(settings: Settings, folder: Path, topics: Sequence[str], now: int, tell: Callable[[str], None]) -> int:
    """Write topics into a new folder; return how many records.

    Args:
        settings: how the brokers are reached.
        folder: is made; only its owner may read it.
        topics: which; one that is not there is told of and left out.
        now: milliseconds.
        tell: told of each topic.

    Raises:
        ConfigurationError: the folder holds something already.
        ReferenceUnavailableError: no broker answers.
    """
    _made(folder)
    spans: dict[str, dict[str, Range]] = {}
    total = 0
    for topic in topics:
        try:
            spans[topic], count = await _one(settings, folder, topic)
        except ConfigurationError as error:
            tell(f"{topic}: left out: {error}")
            continue
        total += count
        tell(f"{topic}: {count:,} records of {len(spans[topic])} partitions")
    judged: dict[str, dict[str, tuple[Reached, ...]]] = {}
    for topic in JUDGED:
        try:
            judged[topic] = await _reached(settings, topic, now)
        except (ConfigurationError, KafkaError) as error:
            tell(f"{topic}: how far it was is left out: {error or type(error).__name__}")
    (folder / MANIFEST).write_bytes(msgspec.json.encode(Manifest(at=now, topics=spans, judged=judged)))
    return total


async def _reached(settings: Settings, topic: str, now: int) -> dict[str, tuple[Reached, ...]]:
    """Return how far each partition of a topic was at the times of `BEFORE_MIN`, as brokers can say it."""
    tps = await partitions_there(settings, topic)
    found: dict[str, list[Reached]] = {str(tp.partition): [] for tp in tps}
    async with started(settings, consumer_of(settings)) as consumer:
        ends = await consumer.end_offsets(tps)
        for minutes in BEFORE_MIN:
            at = now - minutes * MINUTE_MS
            since = await consumer.offsets_for_times(dict.fromkeys(tps, at))
            for tp in tps:
                first = since.get(tp)
                # Of none since then Apache Kafka's client says None, the embedded broker one without a time.
                offset = ends[tp] if first is None or first.timestamp < 0 else first.offset
                found[str(tp.partition)].append(Reached(at, offset))
    return {partition: tuple(reached) for partition, reached in found.items()}


def _made(folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()):
        raise ConfigurationError(f"--to: {folder} holds something already; an export goes into a folder of its own")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


async def _one(settings: Settings, folder: Path, topic: str) -> tuple[dict[str, Range], int]:
    """Write one topic; return from where to where each partition was there, and how many records."""
    tps = await partitions_there(settings, topic)
    async with started(settings, consumer_of(settings)) as consumer:
        first, ends = await consumer.beginning_offsets(tps), await consumer.end_offsets(tps)
    following = {tp.partition: ends[tp] for tp in tps}
    (folder / topic).mkdir(mode=0o700)
    count = 0
    files: dict[int, gzip.GzipFile] = {}

    def take(record: Any) -> None:
        nonlocal count
        count += 1
        files[record.partition].write(line_of(record) + b"\n")
        following[record.partition] = max(following[record.partition], record.offset + 1)

    with ExitStack() as open_files:
        for tp in tps:
            path = folder / topic / f"{tp.partition}{SUFFIX}"
            files[tp.partition] = open_files.enter_context(gzip.GzipFile(path, "wb", LEVEL))
        await read_topic(settings, topic, take, tps)
    return {str(tp.partition): Range(first=first[tp], following=following[tp.partition]) for tp in tps}, count

"""Directories, accesses and approvals as they are in Kafka, for a report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec
from aiokafka import TopicPartition
from msgspec.structs import replace

from agents.clients import consumer_of, started, with_admin
from agents.settings import Settings
from agents.topic_admin import described
from agents.topic_reading import FETCH_MS, POLL_MS, STALLED_S, read_topic
from rules.knowledge import Knowledge
from schemas import approval
from schemas.codec import DIRECTORY, parse_row_key, with_recorded_at
from schemas.errors import BadRecordError, ConfigurationError, ReferenceUnavailableError
from schemas.gateway_topics import GATEWAY_APPROVALS
from schemas.topics import ACCESS_EVENTS, DIRECTORY_TOPICS


async def partitions_of(settings: Settings, topics: Iterable[str]) -> list[TopicPartition]:
    """Return the partitions of topics.

    Raises:
        ConfigurationError: one is not there; it says which, and how it is made.
        ReferenceUnavailableError: no broker answers.
    """
    there = await with_admin(settings, described)
    missing = [topic for topic in topics if topic not in there]
    if missing:
        raise ConfigurationError(
            f"topics missing at {settings.broker}: {', '.join(missing)}; create them with `cloverwatch topics --create`"
        )
    return [TopicPartition(topic, number) for topic in topics for number in range(there[topic].partitions)]


async def directories(settings: Settings, tell: Callable[[str], None]) -> Knowledge:
    """Return what the directory topics hold; a row that cannot be used is told of.

    Raises:
        ConfigurationError: a topic is not there.
        ReferenceUnavailableError: no broker answers.
    """
    knowledge = Knowledge()

    def take(record: Any) -> None:
        try:
            if record.value is None:
                knowledge.withdraw(record.topic, parse_row_key(record.key))
            else:
                row = DIRECTORY[record.topic].decode(record.value)
                knowledge.apply(with_recorded_at(row, max(0, record.timestamp)))
        except BadRecordError as error:
            tell(f"{record.topic}/{record.partition}/{record.offset}: {error.reason}: {error.detail}")

    await read_topic(settings, "directory.*", take, await partitions_of(settings, DIRECTORY_TOPICS))
    return knowledge


async def approvals(settings: Settings, tell: Callable[[str], None]) -> list[approval.Approval]:
    """Return the latest state of every approval, all steps of its records put together; signatures are not looked at.

    Raises:
        ConfigurationError: the topic is not there.
        ReferenceUnavailableError: no broker answers.
    """
    latest: dict[bytes, approval.Approval] = {}

    def take(record: Any) -> None:
        if record.value is None:
            latest.pop(record.key or b"", None)  # under its id alone it is deleted
            return
        try:
            found = approval.decode.decode(record.value)
        except msgspec.DecodeError:
            tell(f"{record.topic}/{record.partition}/{record.offset}: no approval")
            return
        key = found.approval_id.encode()
        if (before := latest.get(key)) is not None:
            had = {name: getattr(before, name) for name in approval.STEPS if getattr(found, name) is None}
            found = replace(found, **had)
        latest[key] = found

    await read_topic(settings, GATEWAY_APPROVALS, take, await partitions_of(settings, (GATEWAY_APPROVALS,)))
    return list(latest.values())


class Log:
    """What was read of a range of a log."""

    def __init__(self) -> None:
        self.records = 0
        self.cut = False
        """Whether a partition begins within the range: what was before is deleted."""


async def accesses(settings: Settings, begin: int, end: int, take: Callable[[Any], object]) -> Log:
    """Hand the records of `access.events` that were appended in [`begin`, `end`) (milliseconds) to `take`.

    Raises:
        ConfigurationError: the topic is not there.
        ReferenceUnavailableError: no broker answers, or it stops answering.
    """
    log = Log()
    tps = await partitions_of(settings, (ACCESS_EVENTS,))
    async with started(settings, consumer_of(settings, fetch_max_wait_ms=FETCH_MS)) as consumer:
        consumer.assign(tps)
        firsts = await consumer.beginning_offsets(tps)
        ends = await consumer.end_offsets(tps)
        starts = await _offsets_at(consumer, tps, begin)
        stops = await _offsets_at(consumer, tps, end)
        for tp in tps:
            at = starts.get(tp, ends[tp])
            log.cut |= at == firsts[tp] > 0
            consumer.seek(tp, at)
        last = time.monotonic()
        while True:
            for tp, records in (await consumer.getmany(timeout_ms=POLL_MS)).items():
                last = time.monotonic()
                stop = stops.get(tp, FAR)
                for record in records:
                    if record.offset < stop:
                        log.records += 1
                        take(record)
                if records[-1].offset >= stop - 1:
                    consumer.pause(tp)
            # The embedded broker's answer for the end can be short of a batch; what a fetch says is right.
            if all([
                await consumer.position(tp) >= min(max(ends[tp], consumer.highwater(tp) or 0), stops.get(tp, FAR))
                for tp in tps
            ]):  # fmt: skip
                return log
            if time.monotonic() - last > STALLED_S:
                raise ReferenceUnavailableError(
                    f"{ACCESS_EVENTS}: nothing came for {STALLED_S:g} s, and the end is not reached; look at the "
                    "brokers' load"
                )


async def _offsets_at(consumer: Any, tps: list[TopicPartition], at: int) -> dict[TopicPartition, int]:
    """Return by partition the first offset that was appended at `at` or later; without those that have none.

    Of none, Apache Kafka's client says None, and the embedded broker an offset of 0 with a time of -1.
    """
    found = await consumer.offsets_for_times(dict.fromkeys(tps, at))
    return {tp: each.offset for tp, each in found.items() if each is not None and each.timestamp >= 0}


FAR: Final = 2**62
"""Beyond every offset."""

"""List records that could not be used, and send them again after a fix."""

import argparse
import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from agents.clients import consumer_of, partitions_there, producer_of, started
from agents.settings import Settings
from agents.text import printable
from schemas.deadletter import DeadLetter
from schemas.errors import REASONS, BadRecordError
from schemas.fields import iso
from schemas.topics import BY_NAME, DEAD_LETTERS

NAME = "dead-letters"
EXAMPLES = """\
examples:
  cloverwatch dead-letters                         what there is, without the records themselves
  cloverwatch dead-letters --raw --reason wrong_type
  cloverwatch dead-letters --resend --dry-run      what would be sent again
  cloverwatch dead-letters --resend                put each back where it came from, once

a record is sent again only once: how far is remembered, by reason, as the offset of the consumer group
GROUP-dead-letters.REASON. To send it once more, set that group's offset back

exit codes: 0 done, 1 a broker does not answer, 2 usage or no such topic
"""

POLL_MS: Final = 200
"""How long one fetch waits."""

IDLE_S: Final = 5.0
"""Without a record for this long the topic counts as read even if its end was not seen: brokers may end it with
something that is no record."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--list", action="store_true", help="say what there is (what it does without an option, too)")
    action.add_argument("--resend", action="store_true", help="put them back to the topics they came from")
    parser.add_argument("--dry-run", action="store_true", help="with --resend: say what would be sent, send nothing")
    parser.add_argument("--reason", choices=sorted(REASONS), help="only these", metavar="REASON")
    parser.add_argument("--raw", action="store_true", help="print the records too: they may hold personal data")


def run(given: argparse.Namespace, settings: Settings) -> int:
    """List or send."""
    counts = asyncio.run(_work(given, settings))
    for reason, count in sorted(counts.items()):
        print(f"{count:>8} {reason}: {REASONS[reason]}")
    sent = given.resend and not given.dry_run
    what = "sent again" if sent else "to send again" if given.resend else "dead letters"
    print(f"{counts.total()} {what}")
    return 0


async def _work(given: argparse.Namespace, settings: Settings) -> Counter[str]:
    counts: Counter[str] = Counter()
    whole: set[tuple[str, int, int]] = set()
    listed: set[tuple[str, int, int, int | None]] = set()
    tps = await partitions_there(settings, DEAD_LETTERS)
    async with AsyncExitStack() as stack:
        reader = await stack.enter_async_context(started(settings, consumer_of(settings)))
        resent = _Resent(settings, stack, tps) if given.resend else None
        producer = None
        if given.resend and not given.dry_run:
            producer = await stack.enter_async_context(started(settings, producer_of(settings)))
        async for tp, record in _all(reader, tps):
            letter = _decoded(record)
            if letter is None or given.reason not in {None, letter.reason}:
                continue
            if resent is not None and not await resent.is_new(letter.reason, tp, record.offset):
                continue
            record_of = letter.topic, letter.partition, letter.offset, letter.index
            if record_of in listed:
                # Every worker reads every directory: one bad row has a letter of each, and of each start.
                if producer is not None and resent is not None:
                    await resent.note(letter.reason, tp, record.offset)
                continue
            listed.add(record_of)
            counts[letter.reason] += 1
            print("\n".join(_described(letter, raw=given.raw)))
            if producer is not None and resent is not None:
                source = letter.topic, letter.partition, letter.offset
                if source not in whole:
                    await _resend(producer, letter)
                # A message of many records has a letter for each bad one, and goes whole: once is enough.
                whole.add(source)
                await resent.note(letter.reason, tp, record.offset)
    return counts


async def _all(reader: AIOKafkaConsumer, tps: list[TopicPartition]) -> AsyncIterator[tuple[TopicPartition, Any]]:
    """Yield what the topic holds now; what comes meanwhile, such as records sent again that are still wrong, is not."""
    reader.assign(tps)
    await reader.seek_to_beginning(*tps)
    ends = dict(await reader.end_offsets(tps))
    last = time.monotonic()
    first = True
    while time.monotonic() - last < IDLE_S:
        found = await reader.getmany(timeout_ms=POLL_MS)
        if first:
            # The embedded broker's answer for the end can be short of a batch; what a fetch says is right.
            ends = {tp: max(end, reader.highwater(tp) or 0) for tp, end in ends.items()}
            first = not found
        for tp, records in found.items():
            last = time.monotonic()
            for record in records:
                if record.offset < ends[tp]:
                    yield tp, record
        if all([await reader.position(tp) >= end for tp, end in ends.items()]):
            return


class _Resent:
    """How far records were sent again, by reason: kept by the brokers as offsets of one group a reason."""

    def __init__(self, settings: Settings, stack: AsyncExitStack, tps: list[TopicPartition]) -> None:
        self._settings, self._stack, self._tps = settings, stack, tps
        self._groups: dict[str, tuple[AIOKafkaConsumer, dict[TopicPartition, int]]] = {}

    async def is_new(self, reason: str, tp: TopicPartition, offset: int) -> bool:
        """Whether the record was not sent again yet."""
        return offset >= (await self._group(reason))[1][tp]

    async def note(self, reason: str, tp: TopicPartition, offset: int) -> None:
        """Remember that it was, before the next one is: after a crash at most one is sent twice."""
        consumer, done = await self._group(reason)
        done[tp] = offset + 1
        await consumer.commit({tp: offset + 1})

    async def _group(self, reason: str) -> tuple[AIOKafkaConsumer, dict[TopicPartition, int]]:
        if reason not in self._groups:
            client = consumer_of(self._settings, group_id=f"{self._settings.group}-{NAME}.{reason}")
            consumer = await self._stack.enter_async_context(started(self._settings, client))
            consumer.assign(self._tps)
            self._groups[reason] = consumer, {tp: await consumer.committed(tp) or 0 for tp in self._tps}
        return self._groups[reason]


def _decoded(record: Any) -> DeadLetter | None:
    try:
        letter = DeadLetter.from_message(record.key, record.value, record.headers)
        if letter.topic not in BY_NAME:
            raise BadRecordError("invalid_value", "it says that it came from a topic that is none of ours")
        return letter
    except BadRecordError as error:
        print(printable(f"{record.topic}/{record.partition}/{record.offset}: {error}"))
        return None


def _described(letter: DeadLetter, *, raw: bool) -> list[str]:
    index = "" if letter.index is None else f", record {letter.index}"
    where = f"{letter.topic}/{letter.partition}/{letter.offset}{index}"
    said = [printable(f"{iso(letter.timestamp)} {where}: {letter.reason}: {letter.detail}")]
    return [*said, f"    {letter.key!r}: {letter.value!r}"] if raw else said


async def _resend(producer: AIOKafkaProducer, letter: DeadLetter) -> None:
    """Put the bytes back as they were. Of a message of many records those that were right are known by their id."""
    await producer.send_and_wait(letter.topic, key=letter.key, value=letter.value, headers=list(letter.headers))

"""List records that could not be used, and send them again after a fix."""

import argparse
import asyncio
import time
from typing import Any

from aiokafka import TopicPartition

from agents.clients import consumer_of, producer_of, within_start
from agents.settings import Settings
from schemas.deadletter import DeadLetter
from schemas.errors import REASONS, BadRecordError
from schemas.fields import iso
from schemas.topics import BY_NAME, DEAD_LETTERS

NAME = "dead-letters"
EXAMPLES = """\
examples:
  cloverwatch dead-letters                         what there is, without the records themselves
  cloverwatch dead-letters --raw --reason wrong_type
  cloverwatch dead-letters --resend                put each back where it came from, once
"""

IDLE_S = 2.0
"""Without a record for this long the topic is taken to be read."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    parser.add_argument("--resend", action="store_true", help="put them back to the topics they came from")
    parser.add_argument("--dry-run", action="store_true", help="with --resend: say what would be sent")
    parser.add_argument("--reason", choices=sorted(REASONS), help="only these")
    parser.add_argument("--raw", action="store_true", help="print the records too: they may hold personal data")


def run(given: argparse.Namespace, settings: Settings) -> int:
    """List or send."""
    return asyncio.run(_work(given, settings))


async def _work(given: argparse.Namespace, settings: Settings) -> int:
    group = f"{settings.group}-dead-letters"
    consumer = consumer_of(settings, group_id=group)
    await within_start(settings, consumer.start)
    producer = producer_of(settings)
    try:
        tps = [TopicPartition(DEAD_LETTERS, p) for p in range(BY_NAME[DEAD_LETTERS].partitions or 1)]
        consumer.assign(tps)
        for tp in tps:
            # Which were sent again is remembered as the group's offset; a reason's own is told apart by its group.
            done = await consumer.committed(tp) if given.resend else None
            if done is None:
                await consumer.seek_to_beginning(tp)
            else:
                consumer.seek(tp, done)
        if given.resend and not given.dry_run:
            await within_start(settings, producer.start)
        count = 0
        last = time.monotonic()
        while time.monotonic() - last < IDLE_S:
            for tp, records in (await consumer.getmany(timeout_ms=200)).items():
                last = time.monotonic()
                for record in records:
                    count += await _one(record, given, producer)
                if given.resend and not given.dry_run and given.reason is None:
                    await consumer.commit({tp: records[-1].offset + 1})
        print(f"{count} {'sent again' if given.resend and not given.dry_run else 'dead letters'}")
    finally:
        await consumer.stop()
        await producer.stop()
    return 0


async def _one(record: Any, given: argparse.Namespace, producer: Any) -> int:
    try:
        letter = DeadLetter.from_message(record.key, record.value, record.headers)
    except BadRecordError as error:
        print(f"{record.topic}/{record.partition}/{record.offset}: {error}")
        return 0
    if given.reason not in (None, letter.reason):
        return 0
    index = "" if letter.index is None else f", record {letter.index}"
    where = f"{letter.topic}/{letter.partition}/{letter.offset}{index}"
    print(f"{iso(letter.timestamp)} {where}: {letter.reason}: {letter.detail}")
    if given.raw:
        print(f"    {letter.value!r}")
    if given.resend and not given.dry_run:
        await producer.send_and_wait(letter.topic, key=letter.key, value=letter.value, headers=list(letter.headers))
    return 1

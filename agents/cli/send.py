"""Send files into topics, keyed and partitioned right."""

import argparse
import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from agents.cli.check import topic_of
from agents.clients import producer_of, within_start
from agents.files import lines
from agents.publisher import partition_of
from agents.settings import Settings
from schemas.codec import ACCESS, DIRECTORY, row_key, with_recorded_at
from schemas.errors import BadRecordError
from schemas.topics import ACCESS_EVENTS, RAW_TOPICS

NAME = "send"
EXAMPLES = """\
examples:
  cloverwatch send people/*.jsonl
  cloverwatch send --topic access.events monday.jsonl.gz
  cloverwatch send --topic access.raw.cloudtrail trail.jsonl.gz
"""

IN_FLIGHT = 10_000
"""Messages sent and not yet acknowledged: enough to keep the brokers busy, little enough to fit in memory."""


class Outgoing(NamedTuple):
    """One message to send."""

    key: bytes | None
    value: bytes
    partition: int | None


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    topics = [ACCESS_EVENTS, *RAW_TOPICS, *DIRECTORY]
    parser.add_argument("--topic", choices=topics, help="where to; told from the file's name otherwise")
    parser.add_argument("files", nargs="+", metavar="FILE")


def run(given: argparse.Namespace, settings: Settings) -> int:
    """Send; 1 where a line was refused. Every message is acknowledged by the brokers when this returns."""
    refused: list[str] = []
    sent = asyncio.run(_send(given, settings, refused))
    for line in refused:
        print(line, file=sys.stderr)
    print(f"{sent} sent and acknowledged, {len(refused)} refused", file=sys.stderr)
    return 1 if refused else 0


async def _send(given: argparse.Namespace, settings: Settings, refused: list[str]) -> int:
    from rich.console import Console
    from rich.progress import Progress

    producer = producer_of(settings)
    await within_start(settings, producer.start)
    sent = 0
    try:
        with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
            for name in given.files:
                topic = given.topic or topic_of(name)
                bar = progress.add_task(name, total=None)
                pending: list[Any] = []
                for message in outgoing(topic, name, settings.partitions, refused):
                    future = await producer.send(
                        topic, key=message.key, value=message.value, partition=message.partition
                    )
                    pending.append(future)
                    if len(pending) >= IN_FLIGHT:
                        await asyncio.gather(*pending)
                        sent += len(pending)
                        progress.update(bar, advance=len(pending))
                        pending.clear()
                await asyncio.gather(*pending)
                sent += len(pending)
                progress.update(bar, advance=len(pending))
    finally:
        await producer.stop()
    return sent


def outgoing(topic: str, name: str, partitions: int, refused: list[str]) -> Iterator[Outgoing]:
    """Yield a file's messages for a topic; lines that the topic's readers could not use are refused."""
    for number, line in enumerate(lines(None if name == "-" else Path(name)), 1):
        if not line.strip():
            continue
        try:
            if topic in DIRECTORY:
                row = DIRECTORY[topic].decode(line)
                yield Outgoing(row_key(with_recorded_at(row, row.valid_from)), line, None)
            elif topic == ACCESS_EVENTS:
                person = ACCESS.decode(line).person
                yield Outgoing(person.encode(), line, partition_of(person, partitions))
            else:
                yield Outgoing(None, line, None)
        except BadRecordError as error:
            refused.append(f"{name}:{number}: {error.reason}: {error.detail}")

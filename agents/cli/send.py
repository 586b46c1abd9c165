"""Send files into topics, keyed and partitioned right."""

import argparse
import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaProducer

from agents.cli.check import topic_of
from agents.clients import producer_of, started, with_admin
from agents.files import lines, messages
from agents.preflight import refuse_changed_partitions
from agents.publisher import partition_of
from agents.settings import Settings
from agents.topic_admin import described
from schemas.codec import ACCESS, DIRECTORY, row_key, with_recorded_at
from schemas.directory import Row
from schemas.errors import BadRecordError, ConfigurationError
from schemas.topics import ACCESS_EVENTS, RAW_MAX_BYTES, RAW_TOPICS

NAME = "send"
EXAMPLES = """\
examples:
  cloverwatch send people/*.jsonl
  cloverwatch send --topic access.events monday.jsonl.gz
  cloverwatch send --topic access.raw.cloudtrail trail/*.json.gz

a directory row without `recorded_at` is sent with its `valid_from` as one, so that sending a file twice changes
nothing and `replay` sees the same rows. Lines that readers could not use are refused and named; the rest is sent

exit codes: 0 all sent and acknowledged, 1 a line was refused or a broker did not answer, 2 usage, files or topics
"""

IN_FLIGHT: Final = 10_000
"""Messages sent and not yet acknowledged: enough to keep the brokers busy, little enough to fit in memory."""

IN_FLIGHT_BYTES: Final = 32 * 1024 * 1024
"""The same in bytes: four of the largest raw messages."""


class Outgoing(NamedTuple):
    """One message to send."""

    key: bytes | None
    value: bytes
    partition: int | None


Refuse = Callable[[str], None]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    topics = [ACCESS_EVENTS, *RAW_TOPICS, *DIRECTORY]
    parser.add_argument(
        "--topic",
        choices=topics,
        metavar="TOPIC",
        help=f"where to: {', '.join(topics)}; told from the file's name otherwise",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="JSON lines, plain or gzip; - reads stdin")


def run(given: argparse.Namespace, settings: Settings) -> int:
    """Send; 1 where a line was refused. Every message is acknowledged by the brokers when this returns."""
    plan = [(name, given.topic or topic_of(name)) for name in given.files]
    _check_topics({topic for _, topic in plan}, settings)
    refused: list[str] = []

    def refuse(line: str) -> None:
        refused.append(line)
        print(line, file=sys.stderr)

    sent = asyncio.run(_send(plan, settings, refuse))
    for topic, count in sorted(sent.items()):
        print(f"{topic}: {count} sent and acknowledged", file=sys.stderr)
    if refused:
        print(f"{len(refused)} refused", file=sys.stderr)
    return 1 if refused else 0


def _check_topics(topics: set[str], settings: Settings) -> None:
    """Refuse to send where topics are missing, or where keys would go to other partitions than the workers expect."""
    there = asyncio.run(with_admin(settings, described))
    if missing := sorted(topics - there.keys()):
        raise ConfigurationError(
            f"topics missing: {', '.join(missing)}; create them with `cloverwatch topics --create`"
        )
    if ACCESS_EVENTS in topics:
        refuse_changed_partitions(there[ACCESS_EVENTS].partitions, settings.partitions)


async def _send(plan: list[tuple[str, str]], settings: Settings, refuse: Refuse) -> Counter[str]:
    from rich.console import Console
    from rich.progress import Progress

    sent: Counter[str] = Counter()
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        async with started(settings, producer_of(settings)) as producer:
            for name, topic in plan:
                bar = progress.add_task(name, total=None)
                async for count in _file(producer, name, topic, settings.partitions, refuse):
                    sent[topic] += count
                    progress.update(bar, advance=count)
                progress.update(bar, total=sent[topic], completed=sent[topic])
    return sent


async def _file(producer: AIOKafkaProducer, name: str, topic: str, partitions: int, refuse: Refuse) -> Any:
    """Yield how many more messages of a file are acknowledged, until all are."""
    pending: list[asyncio.Future[Any]] = []
    size = 0
    for message in outgoing(topic, name, partitions, refuse):
        pending.append(await producer.send(topic, key=message.key, value=message.value, partition=message.partition))
        size += len(message.value)
        if len(pending) >= IN_FLIGHT or size >= IN_FLIGHT_BYTES:
            await asyncio.gather(*pending)
            yield len(pending)
            pending, size = [], 0
    await asyncio.gather(*pending)
    yield len(pending)


def outgoing(topic: str, name: str, partitions: int, refuse: Refuse) -> Iterator[Outgoing]:
    """Yield a file's messages for a topic; lines that the topic's readers could not use are refused."""
    if topic in RAW_TOPICS:
        for number, message in messages(name):
            if len(message) > RAW_MAX_BYTES:
                refuse(f"{name}:{number}: too_large: at most {RAW_MAX_BYTES} bytes a message are allowed")
            else:
                yield Outgoing(None, message, None)
        return
    for number, line in enumerate(lines(name), 1):
        if not line.strip():
            continue
        try:
            if topic == ACCESS_EVENTS:
                person = ACCESS.decode(line).person
                yield Outgoing(person.encode(), line, partition_of(person, partitions))
            else:
                yield _row(DIRECTORY[topic].decode(line), line)
        except BadRecordError as error:
            refuse(f"{name}:{number}: {error.reason}: {error.detail}")


def _row(row: Row, line: bytes) -> Outgoing:
    """Return a directory row as a message whose key and value say the same `recorded_at`."""
    known = with_recorded_at(row, row.valid_from)
    if known is not row:
        # Put in as text: what else the line holds, known to us or not, stays as it is.
        line = line.rstrip()[:-1] + b',"recorded_at":%d}' % row.valid_from
    return Outgoing(row_key(known), line, None)

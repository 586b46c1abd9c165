"""Check files of records: what is wrong, line by line."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from agents.files import STDIN, lines, messages
from agents.settings import Settings
from schemas.codec import ACCESS, ALERT, DIRECTORY, Codec
from schemas.errors import BadRecordError, ConfigurationError
from schemas.sources.base import SourceMapping
from schemas.topics import ACCESS_EVENTS, ALERTS, RAW_TOPICS

NAME = "check"
EXAMPLES = """\
examples:
  cloverwatch check people/employees.jsonl people/roles.jsonl
  cloverwatch check --topic access.events monday.jsonl.gz
  cloverwatch check --topic access.raw.cloudtrail trail/*.json.gz

exit codes: 0 all right, 1 a line is wrong, 2 usage or files
"""

CODECS: Final[dict[str, Codec[Any]]] = {ACCESS_EVENTS: ACCESS, ALERTS: ALERT, **DIRECTORY}
TOPICS: Final = (*CODECS, *RAW_TOPICS)

Checked = tuple[int, BadRecordError | None]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    parser.add_argument("--topic", choices=sorted(TOPICS), help="whose records; told from the file's name otherwise")
    parser.add_argument("files", nargs="+", metavar="FILE", help="JSON lines, plain or gzip; - reads stdin")


def run(given: argparse.Namespace, _: Settings) -> int:
    """Check; 1 where any line is wrong."""
    wrong = total = 0
    for name in given.files:
        topic = given.topic or topic_of(name)
        for number, error in _translated(topic, name) if topic in RAW_TOPICS else _decoded(CODECS[topic], name):
            total += 1
            if error is not None:
                wrong += 1
                print(f"{name}:{number}: {error.reason}: {error.detail}")
    print(f"{total} records, {wrong} wrong", file=sys.stderr)
    return 1 if wrong else 0


def _decoded(codec: Codec[Any], name: str) -> Iterator[Checked]:
    for number, line in enumerate(lines(name), 1):
        if line.strip():
            try:
                codec.decode(line)
            except BadRecordError as error:
                yield number, error
            else:
                yield number, None


def _translated(topic: str, name: str) -> Iterator[Checked]:
    """Check another system's records by translating them; foreign names stay as they are, which is never wrong."""
    from schemas.sources import SOURCES

    source = SOURCES.get(topic.rsplit(".", 1)[1])
    if source is None:
        raise ConfigurationError(f"--topic {topic}: nothing here translates it")
    mapping = SourceMapping()
    for number, message in messages(name):
        yield from ((number, found.bad) for found in source.translate(message, mapping))


def topic_of(name: str) -> str:
    """Return the topic whose records a file holds, told from its name.

    Raises:
        ConfigurationError: it cannot be told.
    """
    stem = Path(name).name.split(".", 1)[0]
    for topic in TOPICS:
        if topic.rsplit(".", 1)[-1] == stem:
            return topic
    what = "standard input" if name == STDIN else name
    known = ", ".join(sorted(topic.rsplit(".", 1)[-1] for topic in TOPICS))
    raise ConfigurationError(f"{what}: cannot tell whose records these are; give --topic, or name the file {known}")

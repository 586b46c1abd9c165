"""Check files of records: what is wrong, line by line."""

import argparse
import sys
from pathlib import Path
from typing import Any

from agents.files import lines
from agents.settings import Settings
from schemas.codec import ACCESS, ALERT, DIRECTORY, Codec
from schemas.errors import BadRecordError, ConfigurationError
from schemas.topics import ACCESS_EVENTS, ALERTS

NAME = "check"
EXAMPLES = """\
examples:
  cloverwatch check people/employees.jsonl people/roles.jsonl
  cloverwatch check --topic access.events monday.jsonl.gz
"""

CODECS: dict[str, Codec[Any]] = {ACCESS_EVENTS: ACCESS, ALERTS: ALERT, **DIRECTORY}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    parser.add_argument("--topic", choices=sorted(CODECS), help="whose records; told from the file's name otherwise")
    parser.add_argument("files", nargs="+", metavar="FILE")


def run(given: argparse.Namespace, _: Settings) -> int:
    """Check; 1 where any line is wrong."""
    wrong = total = 0
    for name in given.files:
        codec = CODECS[given.topic or topic_of(name)]
        for number, line in enumerate(lines(None if name == "-" else Path(name)), 1):
            if not line.strip():
                continue
            total += 1
            try:
                codec.decode(line)
            except BadRecordError as error:
                wrong += 1
                print(f"{name}:{number}: {error.reason}: {error.detail}")
    print(f"{total} records, {wrong} wrong", file=sys.stderr)
    return 1 if wrong else 0


def topic_of(name: str) -> str:
    """Return the topic whose records a file holds, told from its name.

    Raises:
        ConfigurationError: it cannot be told.
    """
    stem = Path(name).name.split(".", 1)[0]
    for topic in CODECS:
        if topic.rsplit(".", 1)[-1] == stem:
            return topic
    known = ", ".join(sorted(topic.rsplit(".", 1)[-1] for topic in CODECS))
    raise ConfigurationError(f"{name}: cannot tell whose records these are; name it {known}, or give --topic")

"""Write the topics of the log to files, for an auditor who has no broker."""

import argparse
import asyncio
import sys
import time
from pathlib import Path

from agents.settings import Settings
from schemas.errors import ConfigurationError

NAME = "export"
EXAMPLES = """\
examples:
  cloverwatch audit export --to audit-2026-03                  what `audit verify --topics` compares with the log
  cloverwatch audit export --to audit-2026-03 --for-replay     and accesses and directories: with the
                                                               decisions and approvals all that judging again needs
  cloverwatch audit export --to one --topic alerts             one topic

TOPIC/PARTITION.jsonl.gz in a new folder that only its owner may read: a record a line with topic, partition, offset,
timestamp, key and value as they are (base64 where they are no text), and export.json, which also says how far the
accesses were at some times. Unlike the log the topics hold personal data (docs/topics.md says which): hand them over
as such

exit codes: 0 written, 1 no broker answers, 2 usage
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    parser.add_argument("--to", type=Path, required=True, metavar="DIR", help="a folder that is not there, or empty")
    parser.add_argument("--topic", action="append", metavar="NAME", help="this topic only; may be repeated")
    parser.add_argument("--for-replay", action="store_true", help="also access.events and directory.*")


def run(given: argparse.Namespace, settings: Settings) -> int:
    """Read and write."""
    from agents.audit.exporting import FOR_REPLAY, OF_THE_LOG, export

    allowed = (*OF_THE_LOG, *FOR_REPLAY)
    for topic in given.topic or ():
        if topic not in allowed:
            raise ConfigurationError(f"--topic: {topic!r}; allowed: {', '.join(allowed)}")
    topics = tuple(given.topic) if given.topic else OF_THE_LOG
    if given.for_replay:
        topics = (*topics, *(topic for topic in FOR_REPLAY if topic not in topics))
    total = asyncio.run(export(settings, given.to, topics, time.time_ns() // 1_000_000, _tell))
    _tell(f"{given.to}: {total:,} records")
    return 0


def _tell(line: str) -> None:
    print(line, file=sys.stderr)

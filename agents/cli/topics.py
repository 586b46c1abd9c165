"""Create or verify every topic with its settings."""

import argparse
import asyncio
import sys

from agents.clients import with_admin
from agents.settings import Settings
from agents.topic_admin import create, verify

NAME = "topics"
EXAMPLES = """\
examples:
  cloverwatch topics               verify: says what differs and what to do
  cloverwatch topics --create      make what is missing, then verify
  CLOVERWATCH_PARTITIONS=64 CLOVERWATCH_BROKER=kafka-1:9092 cloverwatch topics --create

exit codes: 0 as promised, 1 no broker answers or it refuses, 2 a topic is missing or differs
what the topics are for: docs/topics.md
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--create", action="store_true", help="create what is missing first; changes nothing else")
    action.add_argument("--verify", action="store_true", help="only look (what it does without an option, too)")


def run(given: argparse.Namespace, settings: Settings) -> int:
    """Create, verify, say what differs."""
    if given.create:
        made = asyncio.run(with_admin(settings, lambda admin: create(admin, settings)))
        print(f"created: {', '.join(made) or 'nothing, all topics are there'}")
    wrong, untold = asyncio.run(with_admin(settings, lambda admin: verify(admin, settings)))
    for line in wrong:
        print(line)
    if untold:
        print(f"the broker does not tell the settings of {len(untold)} topics: not compared", file=sys.stderr)
    if not wrong:
        print("all topics are as they should be")
    return 2 if wrong else 0

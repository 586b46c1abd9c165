"""Create or verify every topic with its settings."""

import argparse
import asyncio

from agents.clients import with_admin
from agents.settings import Settings
from agents.topic_admin import create, verify

NAME = "topics"
EXAMPLES = """\
examples:
  cloverwatch topics --create      make what is missing, then verify
  cloverwatch topics               verify: says what differs and what to do, exit 2
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare `--create`."""
    parser.add_argument("--create", action="store_true", help="create what is missing first")


def run(given: argparse.Namespace, settings: Settings) -> int:
    """Create, verify, say what differs."""

    async def work() -> list[str]:
        if given.create:
            made = await with_admin(settings, lambda admin: create(admin, settings))
            print(f"created: {', '.join(made) or 'nothing, all topics are there'}")
        return await with_admin(settings, lambda admin: verify(admin, settings))

    wrong = asyncio.run(work())
    for line in wrong:
        print(line)
    if not wrong:
        print("all topics are as they should be")
    return 2 if wrong else 0

"""What an employee may ask for: a copy of what is held, and erasure."""

import argparse

from agents.cli import privacy_person
from agents.settings import Settings

NAME = "privacy"
EXAMPLES = f"""\
examples:
{privacy_person.EXAMPLES}
exit codes: 0 done, 1 no broker answers, 2 usage, policy, key or files
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    actions = parser.add_subparsers(dest="action", required=True)
    privacy_person.arguments(actions)


def run(given: argparse.Namespace, settings: Settings) -> int:
    """Do what was asked for."""
    return int(given.act(given, settings))

"""A month of accesses on the embedded broker, with planted incidents, judged live."""

import argparse

from agents.settings import Settings

NAME = "demo"
EXAMPLES = """\
ends with a table of incidents planted, found, missed and false; exit 1 where any was missed or false
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    parser.add_argument("--seed", type=int, default=7, help="another organisation and other incidents")
    parser.add_argument("--events", type=int, default=200_000, help="ordinary accesses of the month")


def run(given: argparse.Namespace, _: Settings) -> int:
    """Run it."""
    from demo.run import run as run_demo

    return run_demo(seed=given.seed, events=given.events)

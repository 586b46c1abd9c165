"""A month of accesses on the embedded broker, with planted incidents, judged live."""

import argparse
from pathlib import Path

from agents.settings import Settings

NAME = "demo"
EXAMPLES = """\
examples:
  cloverwatch demo --seed 42
  cloverwatch demo --watch                   with Prometheus and Alertmanager (deploy/) looking at it
  cloverwatch demo --write build/month       the same month as files: policy, directory, events, labels

ends with a table of incidents planted, found, missed and false; exit 1 where any was missed or false
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    parser.add_argument("--seed", type=int, default=7, help="another organisation and other incidents")
    parser.add_argument("--events", type=int, default=180_000, help="ordinary accesses of the month")
    parser.add_argument("--watch", action="store_true", help="Prometheus looks at it; it stays until Ctrl-C")
    parser.add_argument("--write", type=Path, metavar="DIR", help="write it as files for replay, send nothing")


def run(given: argparse.Namespace, _: Settings) -> int:
    """Run it."""
    from demo.run import run as run_demo
    from demo.run import write_files

    if given.write is not None:
        write_files(given.write, seed=given.seed, events=given.events)
        return 0
    return run_demo(seed=given.seed, events=given.events, watch=given.watch)

"""Print the hash of this program's files, by which the log knows what ran."""

import argparse
from importlib.metadata import version

from agents.program import program
from agents.settings import Settings

NAME = "program"
EXAMPLES = """\
example:
  cloverwatch audit program

each process of the monitor says this hash when it starts and each minute, and `audit verify` prints it. Install the
version that the operator says was running, from a source that you trust, and compare. A program that was changed can
also be changed to say another hash: it tells of changes that were not hidden, and makes whoever hides one lie

exit codes: 0 printed
"""


def arguments(_: argparse.ArgumentParser) -> None:
    """Declare none."""


def run(_: argparse.Namespace, __: Settings) -> int:
    """Print it."""
    found = program()
    print(f"{found.sha256}  cloverwatch {version('cloverwatch')}, {found.files} files")
    return 0

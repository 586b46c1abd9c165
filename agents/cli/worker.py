"""Judge accesses from Kafka until told to stop."""

import argparse
import logging

from agents.logs import configure
from agents.settings import Settings

NAME = "worker"
EXAMPLES = """\
example:
  CLOVERWATCH_BROKER=kafka-1:9092 CLOVERWATCH_POLICY=policy.toml cloverwatch worker
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare nothing: a worker takes its settings from the environment and the settings file."""
    del parser


def run(_: argparse.Namespace, settings: Settings) -> int:
    """Run it."""
    from agents.worker import run as run_worker

    configure(settings.log_level, settings.log_format)
    logging.getLogger("aiokafka").setLevel(logging.ERROR)
    return run_worker(settings)

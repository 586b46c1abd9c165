"""Write the audit log: every record of the topics that are audited, until told to stop."""

import argparse
import asyncio
import logging

from agents.logs import configure
from agents.settings import Settings

NAME = "log"
EXAMPLES = """\
example:
  CLOVERWATCH_AUDIT_LOG=/srv/audit CLOVERWATCH_AUDIT_KEY=audit.key cloverwatch audit log

one process writes a log; another one ends at once. Killed at any moment it goes on where the log ends
exit codes: 0 told to stop, 1 the log must not go on (the message says why) or no broker answers, 2 configuration
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare nothing: all is in the settings."""
    del parser


def run(_: argparse.Namespace, settings: Settings) -> int:
    """Write it."""
    from agents.audit.writing.process import write

    configure(settings.log_level, settings.log_format)
    logging.getLogger("aiokafka").setLevel(logging.ERROR)
    return asyncio.run(write(settings))

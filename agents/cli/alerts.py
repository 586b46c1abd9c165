"""Follow the alerts topic: readable, or as JSON lines."""

import argparse
import asyncio
import sys
import time

from agents.clients import consumer_of, within_start
from agents.settings import Settings
from schemas.alert import SEVERITIES, Alert
from schemas.codec import ALERT
from schemas.errors import BadRecordError
from schemas.fields import iso
from schemas.topics import ALERTS

NAME = "alerts"
EXAMPLES = """\
examples:
  cloverwatch alerts                              what comes from now on
  cloverwatch alerts --from-beginning --json --until-idle 5 > alerts.jsonl
"""

COLOURS = {"informational": "2", "low": "36", "medium": "33", "high": "31", "critical": "1;31"}
"""Terminal colours by severity (SGR)."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    parser.add_argument("--json", action="store_true", help="the records as they are, one a line")
    parser.add_argument("--from-beginning", action="store_true", help="everything that the topic still holds")
    parser.add_argument("--until-idle", type=float, metavar="S", help="end after S seconds without an alert")
    parser.add_argument("--severity", choices=SEVERITIES, default="informational", help="this severity and worse")


def run(given: argparse.Namespace, settings: Settings) -> int:
    """Follow."""
    return asyncio.run(_follow(given, settings))


async def _follow(given: argparse.Namespace, settings: Settings) -> int:
    start = "earliest" if given.from_beginning else "latest"
    consumer = consumer_of(settings, ALERTS, auto_offset_reset=start)
    await within_start(settings, consumer.start)
    least = SEVERITIES.index(given.severity)
    last = time.monotonic()
    try:
        while given.until_idle is None or time.monotonic() - last < given.until_idle:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    last = time.monotonic()
                    try:
                        alert = ALERT.decode(record.value)
                    except BadRecordError as error:
                        where = f"{record.topic}/{record.partition}/{record.offset}"
                        print(f"{where}: no alert of ours: {error}", file=sys.stderr)
                        continue
                    if SEVERITIES.index(alert.severity) >= least:
                        print(record.value.decode() if given.json else sentence(alert, colour=sys.stdout.isatty()))
            sys.stdout.flush()
    finally:
        await consumer.stop()
    return 0


def sentence(alert: Alert, *, colour: bool) -> str:
    """Return an alert as one line that a person reads."""
    word = f"{alert.severity:<13}"
    if colour:
        word = f"\x1b[{COLOURS[alert.severity]}m{word}\x1b[0m"
    return f"{iso(alert.detected_at)} {word} {alert.rule_id}: {alert.explanation}"

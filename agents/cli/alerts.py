"""Follow the alerts topic, readable or as JSON lines; acknowledge, comment on or close an alert."""

import argparse
import asyncio
import sys
import time
from pathlib import Path
from typing import Any, Final

from aiokafka import AIOKafkaConsumer

from agents.cli.acting import act
from agents.clients import consumer_of, partitions_there, started
from agents.settings import Settings
from agents.signing import passphrase_options
from agents.text import printable, printable_json
from schemas.alert import SEVERITIES, Alert
from schemas.codec import ALERT
from schemas.errors import BadRecordError
from schemas.fields import iso
from schemas.topics import ALERTS, ALERTS_SHADOW

NAME = "alerts"
EXAMPLES = """\
examples:
  cloverwatch alerts                              what comes from now on
  cloverwatch alerts --from-beginning --severity high
  cloverwatch alerts --from-beginning --json --until-idle 5 > alerts.jsonl
  cloverwatch alerts --shadow --from-beginning    what rules with `shadow = true` would have told
  cloverwatch alerts ack ALERT_ID --by anna --key anna.key
  cloverwatch alerts close ALERT_ID --by anna --key anna.key --text "travel was announced late"

follows for ever, until Ctrl-C or --until-idle; takes no part in the workers' group and commits nothing

a second ack, and a close of what is over, is a comment where it has a --text
what people do is signed, stored in alerts.actions, and reaches pagers and SIEMs by way of `cloverwatch deliver`

exit codes: 0 ended as told, 1 no broker answers or nobody took the action up, 2 usage or no such topic, 130 Ctrl-C
"""

COLOURS: Final = {"informational": "2", "low": "36", "medium": "33", "high": "31", "critical": "1;31"}
"""Terminal colours by severity (SGR)."""

POLL_MS: Final = 200
"""How long one fetch waits: how late `--until-idle` is noticed."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    parser.add_argument("action", nargs="?", choices=("ack", "comment", "close"), help="what to do with one alert")
    parser.add_argument("alert_id", nargs="?", metavar="ALERT_ID", help="which")
    parser.add_argument("--by", metavar="NAME", help="with an action: who, as the policy's [people] names them")
    parser.add_argument("--key", type=Path, metavar="FILE", help="with an action: their private key")
    passphrase_options(parser)
    parser.add_argument("--text", metavar="TEXT", help="with an action: a sentence; nobody's name belongs there")
    parser.add_argument("--json", action="store_true", help="the records as they are, one a line")
    parser.add_argument("--shadow", action="store_true", help="those of rules in shadow, in place of the others")
    parser.add_argument("--from-beginning", action="store_true", help="everything that the topic still holds")
    parser.add_argument("--until-idle", type=float, metavar="S", help="end after S seconds without an alert")
    parser.add_argument(
        "--severity", choices=SEVERITIES, default="informational", help="this severity and worse", metavar="SEVERITY"
    )


def run(given: argparse.Namespace, settings: Settings) -> int:
    """Follow, or act."""
    if given.action:
        return act(given, settings)
    return asyncio.run(_follow(given, settings))


async def _follow(given: argparse.Namespace, settings: Settings) -> int:
    tps = await partitions_there(settings, ALERTS_SHADOW if given.shadow else ALERTS)
    async with started(settings, consumer_of(settings)) as consumer:
        consumer.assign(tps)
        if given.from_beginning:
            await consumer.seek_to_beginning(*tps)
        else:
            await consumer.seek_to_end(*tps)
        await _print(consumer, given)
    return 0


async def _print(consumer: AIOKafkaConsumer, given: argparse.Namespace) -> None:
    least = SEVERITIES.index(given.severity)
    colour = sys.stdout.isatty()
    last = time.monotonic()
    while given.until_idle is None or time.monotonic() - last < given.until_idle:
        for records in (await consumer.getmany(timeout_ms=POLL_MS)).values():
            for record in records:
                last = time.monotonic()
                alert = _decoded(record)
                if alert is not None and SEVERITIES.index(alert.severity) >= least:
                    print(printable_json(record.value.decode()) if given.json else sentence(alert, colour=colour))
        sys.stdout.flush()


def _decoded(record: Any) -> Alert | None:
    try:
        return ALERT.decode(record.value)
    except BadRecordError as error:
        where = f"{record.topic}/{record.partition}/{record.offset}"
        print(printable(f"{where}: no alert of ours: {error}"), file=sys.stderr)
        return None


def sentence(alert: Alert, *, colour: bool) -> str:
    """Return an alert as one line that a person reads."""
    word = f"{alert.severity:<13}"
    if colour:
        word = f"\x1b[{COLOURS[alert.severity]}m{word}\x1b[0m"
    again = "" if alert.status == "open" else f" [{alert.status}: {alert.cause}]"
    return f"{iso(alert.detected_at)} {word} {printable(f'{alert.rule_id}: {alert.explanation}{again}')}"

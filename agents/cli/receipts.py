"""Show where alerts are: what each destination answered."""

import argparse
import asyncio
import sys
from typing import Final, get_args

import msgspec
from rich.box import ROUNDED
from rich.console import Console
from rich.table import Table
from rich.text import Text

from agents.clients import partitions_there
from agents.delivering.looking_back import look_back
from agents.plan_file import read_plan_of
from agents.settings import Settings
from agents.text import printable, printable_json
from schemas.errors import BadRecordError
from schemas.fields import iso
from schemas.receipt import Receipt, ReceiptState
from schemas.topics import ALERTS, RECEIPTS

NAME = "receipts"
EXAMPLES = """\
examples:
  cloverwatch receipts ALERT_ID                    where this alert is, destination by destination
  cloverwatch receipts --state parked              what was not taken, and why
  cloverwatch receipts --undelivered               alerts that some destination of the policy has no receipt for yet
  cloverwatch receipts --summary                   counts by destination and state
  cloverwatch receipts --json > receipts.jsonl     every receipt, the last of each alert and destination

exit codes: 0 done, 1 no broker answers; with ALERT_ID: no such alert; with --undelivered: there are some, 2 usage
"""

WIDTH_WITHOUT_TERMINAL: Final = 1_000
"""Columns where no terminal says how many there are: lines can be searched then."""

_decode: Final = msgspec.json.Decoder(Receipt).decode


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    parser.add_argument("alert_ids", nargs="*", metavar="ALERT_ID", help="these alerts only")
    parser.add_argument("--destination", metavar="NAME", help="this destination only")
    parser.add_argument(
        "--state",
        choices=get_args(ReceiptState),
        help="only these",
        metavar="STATE",
    )
    parser.add_argument("--undelivered", action="store_true", help="revisions of alerts without a receipt of theirs")
    parser.add_argument("--summary", action="store_true", help="counts in place of lines")
    parser.add_argument("--json", action="store_true", help="the receipts as they are, one a line")


def run(given: argparse.Namespace, settings: Settings) -> int:
    """Show them."""
    return asyncio.run(_show(given, settings))


async def _show(given: argparse.Namespace, settings: Settings) -> int:
    partitions = [tp.partition for tp in await partitions_there(settings, RECEIPTS)]
    receipts = await read_receipts(settings, partitions)
    names = _destinations(settings) or sorted({receipt.destination for receipt in receipts.values()})
    wanted = [
        receipt
        for receipt in receipts.values()
        if (not given.alert_ids or receipt.alert_id in given.alert_ids)
        and given.destination in {None, receipt.destination}
        and given.state in {None, receipt.state}
    ]
    if given.json:
        for receipt in wanted:
            print(printable_json(msgspec.json.encode(receipt).decode()))
        return 0
    if given.undelivered:
        return await _undelivered(settings, partitions, receipts, [given.destination] if given.destination else names)
    if given.summary:
        _summary(wanted)
        return 0
    if given.alert_ids:
        return await _of_alerts(given.alert_ids, settings, partitions, receipts, names)
    _table(wanted)
    return 0


async def read_receipts(settings: Settings, partitions: list[int]) -> dict[tuple[str, str], Receipt]:
    """Return the last receipt of each destination and alert, oldest first."""
    found: dict[tuple[str, str], Receipt] = {}
    async for record in look_back(settings, RECEIPTS, partitions):
        if record.value is not None:
            receipt = _decode(record.value)
            found.pop((receipt.destination, receipt.alert_id), None)
            found[receipt.destination, receipt.alert_id] = receipt
    return found


def _destinations(settings: Settings) -> list[str]:
    return [] if settings.policy is None else sorted(read_plan_of(settings.policy)[1].destinations)


async def _revisions(settings: Settings, partitions: list[int]) -> dict[str, int]:
    """Return the last revision of every alert in the topic."""
    from schemas.codec import ALERT

    found: dict[str, int] = {}
    async for record in look_back(settings, ALERTS, partitions):
        if record.value is not None:
            try:
                alert = ALERT.decode(record.value)
            except BadRecordError:
                continue
            found[alert.alert_id] = max(alert.revision, found.get(alert.alert_id, 0))
    return found


async def _undelivered(
    settings: Settings, partitions: list[int], receipts: dict[tuple[str, str], Receipt], names: list[str]
) -> int:
    missing = 0
    for alert_id, revision in (await _revisions(settings, partitions)).items():
        for name in names:
            receipt = receipts.get((name, alert_id))
            if receipt is None or receipt.revision < revision or receipt.state == "parked":
                missing += 1
                why = "no receipt yet" if receipt is None else f"{receipt.state} at revision {receipt.revision}"
                print(printable(f"{alert_id} revision {revision}: {name}: {why}"))
    print(f"{missing} undelivered", file=sys.stderr)
    return 1 if missing else 0


async def _of_alerts(
    alert_ids: list[str],
    settings: Settings,
    partitions: list[int],
    receipts: dict[tuple[str, str], Receipt],
    names: list[str],
) -> int:
    there = await _revisions(settings, partitions)
    unknown = [alert_id for alert_id in alert_ids if alert_id not in there]
    for alert_id in unknown:
        print(f"{printable(alert_id)}: no such alert in {ALERTS}", file=sys.stderr)
    found = []
    for alert_id in alert_ids:
        for name in names:
            receipt = receipts.get((name, alert_id))
            if receipt is not None:
                found.append(receipt)
            elif alert_id in there:
                print(printable(f"{alert_id} revision {there[alert_id]}: {name}: no receipt yet"))
    _table(found)
    return 1 if unknown else 0


def _summary(receipts: list[Receipt]) -> None:
    counts: dict[tuple[str, str], int] = {}
    for receipt in receipts:
        key = receipt.destination, receipt.state
        counts[key] = counts.get(key, 0) + 1
    for (destination, state), count in sorted(counts.items()):
        print(printable(f"{count:>8} {destination}: {state}"))
    print(f"{len(receipts):>8} receipts")


def _table(receipts: list[Receipt]) -> None:
    table = Table("at", "alert", "rev", "status", "destination", "state", "tries", "answer", box=ROUNDED)
    for each in receipts:
        answer = ", ".join(f"{name}={text}" for name, text in each.answer.items())
        if each.silence:
            answer = f"silence={each.silence} {answer}"
        if each.state in {"grouped", "digested"}:
            answer = f"in notice {each.notice} {answer}"
        cells = (
            iso(each.at),
            each.alert_id,
            str(each.revision),
            each.status,
            each.destination,
            each.state,
            str(each.attempts),
            answer,
        )
        table.add_row(*(Text(printable(cell)) for cell in cells))
    console = Console(width=None if sys.stdout.isatty() else WIDTH_WITHOUT_TERMINAL, soft_wrap=False)
    console.print(table)

"""What `sites` and `transfers` share: days, where the directories come from, how a report is written."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

from agents.policy_watch import read_policy
from agents.settings import PREFIX, Settings
from agents.where.page import page_of
from agents.where.showing import csv_of, json_of, sheet_named, text_of
from rules.jurisdictions import LegalTable
from rules.policy import Policy
from rules.where.sheet import Report
from schemas.countries import normalise
from schemas.errors import ConfigurationError
from schemas.fields import milliseconds

DAY_MS: Final = 86_400_000
FORMATS: Final = ("text", "csv", "html", "json")


def shared(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    parser.add_argument("--policy", type=Path, metavar="FILE", help="the policy (TOML); else CLOVERWATCH_POLICY")
    parser.add_argument("--directory", type=Path, metavar="DIR", help="folder with datasets.jsonl …, else from Kafka")
    parser.add_argument("--as-known-at", metavar="T", help="with --directory: leave out rows recorded later (RFC 3339)")
    parser.add_argument("--format", choices=FORMATS, default="text", help="how it is written (text)")
    parser.add_argument("--table", metavar="NAME", help="with --format csv: which table (the first)")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="in place of standard output; of csv, a folder gets all tables"
    )


def check_shared(given: argparse.Namespace) -> None:
    """Refuse options that do nothing together.

    Raises:
        ConfigurationError: names the option and what it goes with.
    """
    if given.table is not None and given.format != "csv":
        raise ConfigurationError(f"--table: {given.table!r} with --format {given.format}: only with --format csv")
    if given.as_known_at is not None and given.directory is None:
        raise ConfigurationError("--as-known-at: only with --directory DIR; topics are read as they are")


def policy_of(path: Path | None, settings: Settings) -> tuple[Path, Policy]:
    """Return the policy that is named, else that of the settings.

    Raises:
        ConfigurationError: none is named, or it is wrong.
    """
    path = path or settings.policy
    if path is None:
        raise ConfigurationError(f"policy: none is named; give --policy FILE or {PREFIX}POLICY")
    return path, read_policy(path)[1]


def day_of(option: str, text: str) -> int:
    """Return the first millisecond of a day of UTC, written `2026-10-01`.

    Raises:
        ConfigurationError: it is none; names the option, the value and what is allowed.
    """
    try:
        day = date.fromisoformat(text) if len(text) == len("2026-10-01") else None
    except ValueError:
        day = None
    if day is None or not 1970 <= day.year <= 9998:
        raise ConfigurationError(f"{option}: {text!r}; allowed: a day from 1970 on, written like 2026-10-01")
    return milliseconds(datetime(day.year, day.month, day.day, tzinfo=UTC))


def range_of(first: str, last: str) -> tuple[int, int]:
    """Return [since, until) in milliseconds of `--from` and `--to`; the last day is in it.

    Raises:
        ConfigurationError: a day is none, or they are in the wrong order.
    """
    since, until = day_of("--from", first), day_of("--to", last) + DAY_MS
    if until <= since:
        raise ConfigurationError(f"--to: {last!r} is before --from {first!r}; allowed: that day or a later one")
    return since, until


def moment_of(option: str, text: str) -> int:
    """Return a moment in milliseconds: of a day its last one, else the time with an offset.

    Raises:
        ConfigurationError: it is neither.
    """
    if len(text) <= len("2026-10-01"):
        return day_of(option, text) + DAY_MS - 1
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None or not 1970 < found.year < 9999:
        raise ConfigurationError(
            f"{option}: {text!r}; allowed: a day such as 2026-10-31, or a time with an offset such as "
            "2026-10-31T12:00:00Z"
        )
    return milliseconds(found)


def country_of(option: str, text: str) -> str:
    """Return the canonical code of a country.

    Raises:
        ConfigurationError: it is none.
    """
    try:
        return normalise(text)
    except ValueError as error:
        raise ConfigurationError(f"{option}: {text!r} is {error}; allowed: a code of ISO 3166-1, such as IE") from None


def pair_of(option: str, text: str, example: str) -> tuple[str, str]:
    """Return the two sides of `NAME=VALUE`.

    Raises:
        ConfigurationError: one is missing.
    """
    name, _, value = text.partition("=")
    if not name or not value:
        raise ConfigurationError(f"{option}: {text!r}; allowed: {example}")
    return name, value


def rests_on(policy_path: Path, policy: Policy, legal: LegalTable) -> tuple[tuple[str, str], ...]:
    """Return what a report says of the rules that it was made by."""
    newest = max(row.checked_on for row in legal.rows)
    return (
        ("policy", f"{policy.version} ({policy_path.name})"),
        ("law", f"{legal.name}, {legal.digest}, last checked on {newest.isoformat()}"),
    )


def made_at(now_ms: int) -> tuple[str, str]:
    """Return when a report was made."""
    return "made at", (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=now_ms)).strftime("%Y-%m-%d %H:%M UTC")


def write(report: Report, given: argparse.Namespace) -> None:
    """Write a report as it was asked for.

    Raises:
        ConfigurationError: there is no such table.
        OSError: the file cannot be written.
    """
    if given.format == "csv" and given.table is None and given.output is not None and given.output.is_dir():
        for sheet in report.sheets:
            _file(given.output / f"{sheet.name}.csv", csv_of(sheet))
        return
    if given.format == "csv":
        text = csv_of(sheet_named(report, given.table))
    else:
        text = {"html": page_of, "json": json_of, "text": text_of}[given.format](report)
    if given.output is None:
        sys.stdout.buffer.write(text.encode())
    else:
        _file(given.output, text)


def _file(path: Path, text: str) -> None:
    path.write_bytes(text.encode())  # as it is: CSV ends its lines by itself

"""What `replay` and `explain` share: their options, and events of any source from files."""

import argparse
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Final

from agents.files import Line, Reading, event_lines, translated_lines
from schemas.errors import ConfigurationError
from schemas.fields import milliseconds
from schemas.sources.base import SourceMapping

NATIVE: Final = "native"

BATCH: Final = 5_000
"""Lines judged at once: what a worker's batch holds."""


def common(parser: argparse.ArgumentParser) -> None:
    """Declare what `replay` and `explain` share."""
    parser.add_argument("--policy", type=Path, required=True, metavar="FILE", help="the policy (TOML)")
    parser.add_argument("--directory", type=Path, required=True, metavar="DIR", help="folder with employees.jsonl …")
    parser.add_argument(
        "--source", default=NATIVE, choices=(NATIVE, "cloudtrail", "ocsf"), help="whose records they are"
    )
    parser.add_argument(
        "--approvals", type=Path, metavar="FILE", help="approvals, as `approvals list --records` prints them"
    )
    parser.add_argument("--as-known-at", metavar="T", help="leave out rows recorded later (RFC 3339)")
    parser.add_argument("--geo-mmdb", type=Path, metavar="FILE", help="table of addresses in MaxMind's format")


def read(name: str, source: str, mappings: Mapping[str, SourceMapping], reading: Reading) -> Iterator[Line]:
    """Return a file's events, translated where they are another system's.

    Raises:
        ConfigurationError: there is no such source.
    """
    if source == NATIVE:
        return event_lines(name, reading)
    from schemas.sources import SOURCES

    if source not in SOURCES:
        raise ConfigurationError(f"source: {source!r}; allowed: {', '.join(sorted(SOURCES))}")
    return translated_lines(name, SOURCES[source], mappings.get(source, SourceMapping()), reading)


def batches(given: argparse.Namespace, mappings: Mapping[str, SourceMapping], reading: Reading) -> Iterator[list[Line]]:
    """Yield the events of all files that were given, so many at once, as a worker's batches have them.

    Raises:
        ConfigurationError: a file cannot be read.
    """
    for name in given.files:
        found = read(name, given.source, mappings, reading)
        while batch := list(islice(found, BATCH)):
            yield batch


def known_at(given: argparse.Namespace) -> int | None:
    """Return `--as-known-at` in milliseconds.

    Raises:
        ConfigurationError: it is no time, or has no offset.
    """
    text = given.as_known_at
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise ConfigurationError(
            f"--as-known-at: {text!r}; a time with an offset is allowed, as in 2026-03-01T12:00:00Z"
        )
    return milliseconds(found)

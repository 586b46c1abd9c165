"""The real CloudTrail slice: its records by label, and its replay over the made-up directory beside it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, Final

from agents.files import Reading, load_directory, translated_lines
from agents.offline import session_of
from agents.settings import Settings
from rules.session import Session
from schemas.alert import Alert
from schemas.sources import SOURCES

DATA: Final = Path(__file__).parents[1] / "data" / "cloudtrail"
SETS: Final = ("invictus-aws", "stratus-detonation", "otrf")

Found = set[tuple[str, str]]
"""(event id, rule)."""


@cache
def records(name: str) -> list[dict[str, Any]]:
    """The records of a set, as published."""
    with gzip.open(DATA / f"{name}.jsonl.gz") as lines:
        return [json.loads(line)["event"] for line in lines]


@cache
def described(file: str) -> Any:
    """One of the JSON files beside the records."""
    return json.loads((DATA / file).read_bytes())


def labelled(name: str, label: str) -> list[dict[str, Any]]:
    """The records that a label of `labels.json` selects."""
    where = next(each["where"] for each in described("labels.json")["sources"][name]["labels"] if each["name"] == label)
    return [record for record in records(name) if all(_holds(record, path, what) for path, what in where.items())]


def _holds(record: Any, path: str, what: Any) -> bool:
    for part in path.split("."):
        record = record.get(part) if isinstance(record, dict) else None
    said = record or ""
    if isinstance(what, str):
        return bool(said == what)
    return bool(said.startswith(what.get("prefix", "")) and what.get("has", "") in said)


def session(directory: str = "directory", policy: Path = DATA / "policy.toml") -> Session:
    """A session over the made-up policy and directory."""
    return session_of(policy, load_directory(DATA / directory), Settings())


def replayed(path: Path, judge: Session, source: str = "cloudtrail") -> tuple[list[Alert], Reading, int]:
    """What a file gives: alerts, what was read of it, and how many accesses were repetitions."""
    reading = Reading()
    lines = translated_lines(path, SOURCES[source], judge.policy.sources["cloudtrail"], reading)
    alerts: list[Alert] = []
    duplicates = 0
    while batch := list(islice(lines, 2_000)):
        haul = judge.take(batch, max(line.timestamp for line in batch))
        assert not haul.bad, "what a source yields is an access that the codec reads"
        alerts += haul.alerts
        duplicates += haul.duplicates
    return alerts, reading, duplicates


@cache
def alerts_of(name: str) -> tuple[Alert, ...]:
    """The alerts of a set, replayed once for all tests that only read them."""
    alerts, reading, _ = replayed(DATA / f"{name}.jsonl.gz", session())
    assert not reading.bad
    return tuple(alerts)


def found(alerts: Iterable[Alert]) -> Found:
    """Each finding of each alert."""
    return {(alert.event.event_id, reason.rule_id) for alert in alerts if alert.event for reason in alert.reasons}

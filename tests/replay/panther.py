"""The rule tests of Panther, one by one: what our sources make of each record, and what ours says of it.

Their rules judge one record each, at times with a count of how many within how long make an alert: such a record is
repeated as often, as fast as a tool would. Ours judges with a directory, made up here: everybody who acts is employed
in Ireland, every dataset is restricted and lies there (policy: `panther-policy.toml`).
"""

from __future__ import annotations

import gzip
import json
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from agents.files import Directory, Line
from agents.offline import session_of
from agents.policy_watch import read_policy
from agents.settings import Settings
from rules.knowledge import Knowledge
from schemas.codec import DIRECTORY, encode
from schemas.sources import SOURCES
from schemas.sources.base import SourceMapping
from tests.replay.slice import DATA

POLICY: Final = DATA / "panther-policy.toml"
JUDGED: Final = "judged"
APART: Final = timedelta(milliseconds=200)
"""Between two repetitions: five calls a second, as the tools in the other sets make them."""

NOBODY: Final = ":root"
"""How the id of a root account ends: nobody is employed under it."""


class Case(NamedTuple):
    """One of their tests."""

    rule: str
    """Its file, without folder and ending."""
    name: str
    expected: bool
    times: int
    """How often within their window makes an alert; 1 where they do not count."""
    event: Any


class Verdict(NamedTuple):
    """What ours says."""

    said: str
    """`access`, `no access: …` as the source calls it, `dead letter: …`."""
    findings: tuple[str, ...]


@cache
def cases() -> tuple[Case, ...]:
    """All of them, in the order of the file."""
    with gzip.open(DATA / "panther-tests.jsonl.gz") as lines:
        rows = [json.loads(line) for line in lines]
    return tuple(
        Case(Path(row["path"]).stem, row["test"], row["expected"], row["threshold"] or 1, row["event"]) for row in rows
    )


@cache
def notes() -> dict[str, Any]:
    """What was written by hand (`panther.toml`)."""
    return tomllib.loads((DATA / "panther.toml").read_text(encoding="utf-8"))


@cache
def kinds() -> dict[str, str]:
    """By rule, the kind that it was put under; the first one that it stands in."""
    return {rule: kind for kind in reversed(notes()["kinds"]) for rule in notes()[kind]}


def readable(event: Any) -> bool:
    """Whether any source of ours makes an access of a test's record, or of one of them."""
    events = event if isinstance(event, list) else [event]
    return any(
        found.event is not None
        for name in ("cloudtrail", "ocsf")
        for each in events
        for found in SOURCES[name].translate(json.dumps(each).encode(), SourceMapping())
    )


def verdict(case: Case) -> Verdict:
    """What ours says of a record of CloudTrail, repeated as often as their count asks for."""
    _, policy = read_policy(POLICY)
    record = {**case.event, **notes().get("added", {}).get(case.rule, {})}
    lines: list[Line] = []
    for raw in _repeated(record, case.times):
        (found, *more) = SOURCES["cloudtrail"].translate(json.dumps(raw).encode(), policy.sources["cloudtrail"])
        if found.event is None:
            return Verdict(f"dead letter: {found.bad.detail}" if found.bad else f"no access: {found.skipped}", ())
        for each in (found, *more):
            assert each.event is not None
            lines.append(Line(encode(each.event), each.event.occurred_at, len(lines), case.rule))
    knowledge = Knowledge()
    for row in _directory(lines):
        knowledge.apply(row)
    session = session_of(POLICY, Directory(knowledge), Settings())
    haul = session.take(lines, lines[-1].timestamp)
    assert not haul.bad
    assert not haul.failures
    return Verdict("access", tuple(sorted({reason.rule_id for alert in haul.alerts for reason in alert.reasons})))


def difference(case: Case, verdict: Verdict) -> str | None:
    """Why exactly one of us speaks, as it was written by hand; None where both do, or neither.

    Raises:
        KeyError: nobody has written why.
    """
    if bool(verdict.findings) == case.expected:
        return None
    return str(notes()["differs"][f"{case.rule}: {case.name}"])


def _repeated(record: dict[str, Any], times: int) -> Iterator[dict[str, Any]]:
    if times == 1:
        yield record
        return
    start = datetime.fromisoformat(record["eventTime"].replace("000000000", "000000"))
    start = start if start.tzinfo else start.replace(tzinfo=UTC)
    for number in range(times):
        at = (start + number * APART).isoformat()
        yield {**record, "eventID": f"{record.get('eventID', 'id')}-{number}", "eventTime": at}


def _directory(lines: list[Line]) -> Iterator[Any]:
    """Rows that make everybody an employee in Ireland and everything restricted data stored there."""
    for line in lines:
        event = msgspec.json.decode(line.value or b"")
        yield _row("datasets", dataset_id=event["dataset_id"], subject_region="EEA", sensitivity="restricted",
                   site_country="IE")  # fmt: skip
        who = event.get("employee_id")
        if who and not who.endswith(NOBODY):
            yield _row("employees", employee_id=who, status="active", home_country="IE")
            yield _row("locations", employee_id=who, country="IE", evidence="contract")
        if event.get("principal_type") == "workload":
            yield _row("workloads", principal_id=event["principal_id"], networks=["10.0.0.0/8"])


def _row(topic: str, **fields: Any) -> Any:
    return DIRECTORY[f"directory.{topic}"].decode(json.dumps({"valid_from": 0, "recorded_at": 0, **fields}).encode())

"""A small organisation whose reports are worked out by hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from rules.catalogue import RULES
from rules.join import Joiner
from rules.judge import Judge
from rules.jurisdictions import LegalTable
from rules.knowledge import Knowledge
from rules.policy import Policy
from rules.where.assess import Assessor
from rules.where.report import Transfers
from rules.where.sheet import Cell, Estimate, Report, Sheet
from schemas.access import AccessEvent
from schemas.codec import ACCESS
from schemas.directory import Row
from tests.rules.streams import access, badge, dataset, employee, knowing, policy, role, row
from tests.rules.world import GEO, LEGAL

FROM, UNTIL = 1_772_409_600_000, 1_772_496_000_000
"""2026-03-02 and the day after, 00:00 UTC."""


def organisation() -> list[Row]:
    """Ann in Ireland, Bob in India (clauses), Cem in the US (certified), Dee in Japan, whose employer nobody knows."""
    rows: list[Row] = [dataset("users"), dataset("ads", sensitivity="pseudonymised", site="osl-1", site_country="NO")]
    for who, country, employer, team in (
        ("ann", "IE", "clover-ie", "support"),
        ("bob", "IN", "clover-in", "insight"),
        ("cem", "US", "clover-us", "insight"),
        ("dee", "JP", None, None),
    ):
        rows += [employee(who, employer=employer, team=team), badge(country, who), role(who=who)]
    return rows


def events() -> list[AccessEvent]:
    """Eight accesses of a day, one before it, one after it."""
    told: Sequence[dict[str, Any]] = (
        {"employee_id": "ann", "subject_ids": ["s-1", "s-2"], "record_count": 2},
        {"employee_id": "ann", "subject_ids": ["s-2", "s-3"], "record_count": 2},
        {"employee_id": "ann", "outcome": "denied", "subject_ids": ["s-9"]},
        {"employee_id": "bob", "dataset_id": "ads", "record_count": 50},
        {"employee_id": "bob", "subject_ids": ["s-3"], "record_count": 1},
        {"employee_id": "cem", "dataset_id": "ads", "subject_ids": ["s-4"], "record_count": 1},
        {"employee_id": "cem", "action": "export", "destination": "US", "subject_ids": ["s-5"], "record_count": 10},
        {"employee_id": "dee", "subject_ids": ["s-1"], "record_count": 1},
        {"employee_id": "ann", "occurred_at": FROM - 1},
        {"employee_id": "ann", "occurred_at": UNTIL},
    )
    return [event(event_id=f"ev-{number}", **each) for number, each in enumerate(told)]


def event(**fields: Any) -> AccessEvent:
    given = {name: value for name, value in access(**fields).items() if value is not None}
    return ACCESS.decode(orjson.dumps(given))


def assessor(knowledge: Knowledge, of: Policy | None = None, law: LegalTable = LEGAL) -> Assessor:
    return Assessor(Judge(Joiner(of or policy(), knowledge, law, GEO), RULES))


def transfers(
    by: tuple[str, ...], given: Iterable[AccessEvent] | None = None, rows: Iterable[Row] | None = None
) -> Transfers:
    found = Transfers(assessor(knowing(organisation() if rows is None else rows)), FROM, UNTIL, by)
    for each in events() if given is None else given:
        found.take(each)
    return found


def sheet(report: Report, name: str) -> Sheet:
    return next(each for each in report.sheets if each.name == name)


def cells(found: Sheet) -> dict[tuple[Cell, ...], list[Any]]:
    """Rows by their words: what numbers there are, an estimate as its count."""
    words = sum(not column.number for column in found.columns)
    return {
        each[:words]: [cell.count if isinstance(cell, Estimate) else cell for cell in each[words:]]
        for each in found.rows
    }


def copy(copy_id: str, dataset_id: str = "users", **fields: Any) -> Row:
    given = {"copy_kind": "backup", **fields}
    return row("directory.copies", dataset_id=dataset_id, copy_id=copy_id, **given)


def added(found: Sheet, column: int) -> int:
    """The sum of a column."""
    numbers = [row[column] for row in found.rows]
    assert all(isinstance(number, int) for number in numbers)
    return sum(number for number in numbers if isinstance(number, int))

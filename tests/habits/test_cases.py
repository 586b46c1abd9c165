"""The cases beside the behaviour rules hold."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET

from rules.behaviour import RULES
from rules.habits.cases import Story
from rules.habits.firsts import NOTHING
from tests.habits.world import DAY, HOUR, MONDAY, Life

CASES = [(rule, case) for rule in RULES for case in rule.cases]
WEEKS = 8
"""From the first Monday to the case's: room for the longest history."""
HOLIDAYS_LEAST = 6
"""Days more than a history's working weeks have: weekends cut in two, and holidays."""
JOB = {"status": "active", "team": "support", "home_country": "IE", "time_zone": "Europe/Dublin"}


@pytest.mark.parametrize(("rule", "case"), CASES, ids=[f"{rule.id}: {case.name}" for rule, case in CASES])
def test_case(rule: Any, case: Story) -> None:
    life = played(case)
    assert (rule.id in life.rules()) is case.fires, life.rules()


def test_every_rule_about_people_has_cases_of_both_kinds() -> None:
    for rule in RULES:
        if rule.looks is not NOTHING or rule.id == "behaviour.composite":
            assert {case.fires for case in rule.cases} == {True, False}, rule.id
            assert len({case.name for case in rule.cases}) == len(rule.cases)


def played(case: Story) -> Life:
    """Live through a case; what the usual work before it raised is a mistake of the case."""
    life = Life(**case.thresholds)
    for number in range(case.peers):
        life.hire(f"e-peer{number}")
        life.works(30, f"e-peer{number}")
    life.hire()
    monday = MONDAY + WEEKS * 7 * DAY
    if case.history:
        begins = WEEKS * 7 - case.history * 7 // 5 - HOLIDAYS_LEAST
        assert life.works(case.history, first=begins) <= WEEKS * 7
    assert not life.told
    for topic, fields in case.rows:
        row: dict[str, Any] = {"employee_id": "e-1"} if topic != "subjects" else {}
        row |= JOB if topic == "employees" else {}
        row |= fields
        for name in ("valid_from", "valid_until"):
            if name in row:
                row[name] = monday + row[name] * DAY
        life.row(topic, **row)
    acts = [
        (monday + each.day * DAY + each.hour * HOUR + number * each.every_s * 1000, number, each)
        for each in case.acts
        for number in range(each.count)
    ]
    for at, number, each in acts:
        fields = {name: _filled(value, number) for name, value in each.fields.items()}
        life.does(round(at), country=each.country, **fields)
    return life


def _filled(value: Any, number: int) -> Any:
    if value is None:
        return UNSET
    if isinstance(value, str):
        return value.replace("{n}", str(number))
    return tuple(_filled(each, number) for each in value) if isinstance(value, list) else value

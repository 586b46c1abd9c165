"""What is told of the real records' behaviour hangs on what was done, not on names, order or repetition."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rules.session import Session
from tests.replay.slice import DATA, SETS, alerts_of, labelled, records, replayed, session

Record = dict[str, Any]
Told = set[tuple[str, Any]]
"""(rule, person)."""
TERRAFORM = labelled("invictus-aws", "secrets-read-by-terraform")[0]["userAgent"]


def told(rows: list[Record], path: Path, judge: Session | None = None) -> Told:
    """Everything told about behaviour."""
    path.write_text("\n".join(map(json.dumps, rows)))
    alerts, reading, _ = replayed(path, judge or session())
    assert not reading.bad
    return {(alert.rule_id, alert.person) for alert in alerts if alert.family == "behaviour"}


def as_published(name: str) -> Told:
    return {(alert.rule_id, alert.person) for alert in alerts_of(name) if alert.family == "behaviour"}


def named(rows: list[Record], client: str) -> list[Record]:
    """The records with the attack tool calling itself something else."""
    return [{**row, "userAgent": client} if "stratus-red-team_" in row.get("userAgent", "") else row for row in rows]


def time(row: Record) -> str:
    return str(row.get("eventTime") or row["@timestamp"])


ORDERS: dict[str, Callable[[Record], Any]] = {
    "by time": time,
    "by id": lambda row: row["eventID"],
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", SETS)
def test_in_whichever_order_they_are_delivered(name: str, order: str, tmp_path: Path) -> None:
    days = sorted(records(name), key=lambda row: (time(row)[:13], ORDERS[order](row)))  # hours are in order
    assert told(days, tmp_path / "rows.jsonl") == as_published(name)


@pytest.mark.parametrize("name", SETS)
def test_delivered_twice(name: str, tmp_path: Path) -> None:
    assert told(records(name) * 2, tmp_path / "rows.jsonl") == as_published(name)


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("client", ["aws-cli/2.13.5", "Boto3/1.26.0"])
def test_whatever_the_tool_calls_itself(name: str, client: str, tmp_path: Path) -> None:
    assert told(named(records(name), client), tmp_path / "rows.jsonl") == as_published(name)


def test_a_tool_that_calls_itself_automation_hides_its_pace_and_not_its_denials(tmp_path: Path) -> None:
    """The limit of what a user agent can say; without `automation` it says nothing at all."""
    name = "stratus-detonation"
    rules = {rule for rule, _ in as_published(name)}
    assert rules == {"behaviour.denied_burst", "behaviour.machine_pace"}
    hidden = told(named(records(name), TERRAFORM), tmp_path / "rows.jsonl")
    assert {rule for rule, _ in hidden} == {"behaviour.denied_burst"}
    policy = tmp_path / "policy.toml"
    policy.write_text((DATA / "policy.toml").read_text().partition("automation =")[0])
    unnamed = told(records(name), tmp_path / "rows.jsonl", session(policy=policy))
    assert {rule for rule, _ in unnamed} == {"behaviour.denied_burst"}


def test_terraform_by_another_name_is_not_told_for_its_twenty_secrets(tmp_path: Path) -> None:
    """It names what it reads, one at a time. (All that it reads in a minute would be: its parameters are 43 more.)"""
    rows = [{**row, "userAgent": "my-script/1"} for row in labelled("invictus-aws", "secrets-read-by-terraform")]
    assert not told(rows, tmp_path / "rows.jsonl")


def test_a_sweep_over_datasets_of_their_own_is_told_at_the_fifth(tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    lines = (DATA / "policy.toml").read_text().splitlines()
    policy.write_text("\n".join(line for line in lines if 'match = "arn:aws:ec2:' not in line))
    sweep = labelled("invictus-aws", "user-data-sweep")
    for number, expected in ((4, set()), (5, {"behaviour.denied_burst"})):
        found = told(sweep[:number], tmp_path / "rows.jsonl", session(policy=policy))
        assert {rule for rule, _ in found} == expected


def test_nobody_is_flagged_merely_for_being_new() -> None:
    """Everybody in these records is: whom nothing is told of outnumbers the rest, and is told of nothing."""
    for name in SETS:
        people = {alert.person for alert in alerts_of(name) if alert.family == "behaviour"}
        assert len(people) == {"invictus-aws": 1, "stratus-detonation": 2, "otrf": 0}[name]


@pytest.mark.parametrize("name", SETS)
def test_without_the_section_nothing_is_told_of_behaviour(name: str, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text((DATA / "policy.toml").read_text().partition("[behaviour]")[0])
    assert not told(records(name), tmp_path / "rows.jsonl", session(policy=policy))

"""Builds the small world of a case (`rules.cases`) and judges its one access."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
import orjson

from agents.geo import PackagedGeo
from rules.cases import DATASET, DAY, EMPLOYEE, EVENT, POLICY, Case, T
from rules.catalogue import RULE_IDS, RULES
from rules.join import Joiner
from rules.judge import Judge, Verdict
from rules.jurisdictions import shipped
from rules.knowledge import Knowledge
from rules.policy import Policy, parse
from rules.rule import Rule
from schemas.access import AccessEvent
from schemas.codec import ACCESS, DIRECTORY

LEGAL = shipped()
GEO = PackagedGeo()


def _row(topic: str, **fields: Any) -> Any:
    shifted = {
        "valid_from": T + fields.pop("valid_from_in", -60 * DAY),
        "valid_until": T + fields.pop("valid_until_in") if "valid_until_in" in fields else None,
        "recorded_at": T - 90 * DAY,
    }
    merged = {**shifted, **fields}
    return DIRECTORY[topic].decode(orjson.dumps({name: value for name, value in merged.items() if value is not None}))


def knowledge_of(case: Case) -> Knowledge:
    """The directories of a case."""
    knowledge = Knowledge()
    if case.employee is not None:
        knowledge.apply(_row("directory.employees", employee_id="e-1", **{**EMPLOYEE, **case.employee}))
    if case.badge is not None:
        knowledge.apply(
            _row("directory.locations", employee_id="e-1", evidence="badge", country=case.badge, valid_from_in=-DAY)
        )
    for evidence, country, since, until in case.locations:
        fields: dict[str, Any] = {} if until is None else {"valid_until_in": until}
        knowledge.apply(
            _row(
                "directory.locations",
                employee_id="e-1",
                evidence=evidence,
                country=country,
                valid_from_in=since,
                **fields,
            )
        )
    for role, since, until in case.roles:
        fields = {} if until is None else {"valid_until_in": until}
        knowledge.apply(_row("directory.roles", employee_id="e-1", role=role, valid_from_in=since, **fields))
    if case.dataset is not None:
        knowledge.apply(_row("directory.datasets", dataset_id="users", **{**DATASET, **case.dataset}))
    if case.workload is not None:
        knowledge.apply(_row("directory.workloads", principal_id="proxy", **case.workload))
    return knowledge


def event_of(case: Case) -> AccessEvent:
    """The access of a case."""
    fields = {"event_id": "ev-1", "occurred_at": T, "employee_id": "e-1", "dataset_id": "users", **EVENT, **case.event}
    return ACCESS.decode(orjson.dumps({name: value for name, value in fields.items() if value is not None}))


@cache
def _policy(text: str) -> Policy:
    return parse(text, "cases.toml", RULE_IDS)


def judge_of(case: Case, rules: tuple[Rule, ...] = RULES, knowledge: Knowledge | None = None) -> Judge:
    """A judge for a case's world."""
    policy = _policy(POLICY + case.policy)
    return Judge(Joiner(policy, knowledge or knowledge_of(case), LEGAL, GEO), rules)


def verdict_of(case: Case, rules: tuple[Rule, ...] = RULES) -> Verdict:
    """The verdict on a case's access."""
    judge = judge_of(case, rules)
    event = event_of(case)
    return judge.judge(event, judge.joiner.knowledge.find(event.person), reused=case.reused)


def replaced(event: AccessEvent, **fields: Any) -> AccessEvent:
    """An event with other fields."""
    return msgspec.structs.replace(event, **fields)

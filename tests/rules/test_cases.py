"""Every rule does what its cases say, reads only what it declares, and has the cases that a reader expects."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from rules.cases import Case
from rules.catalogue import RULES
from rules.facts import ALWAYS_READ, EVENT_FIELDS, Facts
from rules.rule import Rule
from tests.rules.world import event_of, judge_of, verdict_of

CASES = [pytest.param(rule, case, id=f"{rule.id}: {case.name}") for rule in RULES for case in rule.cases]


@pytest.mark.parametrize(("rule", "case"), CASES)
def test_case(rule: Rule, case: Case) -> None:
    verdict = verdict_of(case)
    assert not verdict.failures
    assert (rule.id in {finding.rule.id for finding in verdict.findings}) is case.fires


class _Declared:
    """Facts that refuse to be read where the rule did not declare it."""

    def __init__(self, facts: Facts, reads: frozenset[str]) -> None:
        self._facts, self._reads = facts, reads

    def __getattr__(self, name: str) -> Any:
        if name not in self._reads | {"at", "event"}:
            raise AssertionError(f"reads {name} without declaring it")
        return getattr(self._facts, name)


@pytest.mark.parametrize(("rule", "case"), CASES)
def test_a_rule_reads_only_what_it_declares(rule: Rule, case: Case) -> None:
    judge = judge_of(case)
    event = event_of(case)
    facts = judge.joiner.join(event, judge.joiner.knowledge.find(event.person), reused=case.reused).facts
    rule.check(_Declared(facts, rule.reads), judge.policy)  # type: ignore[arg-type]  # stands in for Facts


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_is_complete(rule: Rule) -> None:
    assert rule.title
    assert rule.why.endswith(".")
    assert rule.example.endswith(".")
    assert rule.tune.endswith(".")
    assert {case.fires for case in rule.cases} == {True, False}
    assert len({case.name for case in rule.cases}) == len(rule.cases)


def test_every_declared_fact_exists_and_says_from_which_fields_it_is_made() -> None:
    facts = {field.name for field in dataclasses.fields(Facts)}
    assert EVENT_FIELDS.keys() | {"at", "event", "reused", "transfer"} == facts
    assert EVENT_FIELDS.keys() >= ALWAYS_READ
    for rule in RULES:
        assert rule.reads <= EVENT_FIELDS.keys() | {"reused"}, rule.id


def test_ids_are_unique() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)

"""What counts as the same access: everything that a decision is compared with."""

from __future__ import annotations

from typing import Any

import pytest

from agents.matching.states import heard_of, kept_of
from rules.matching.elsewhere import KEPT_MS
from rules.matching.matcher import Matcher
from rules.matching.memory import DECISIONS_MAX, save
from schemas.alert import EventRef
from tests.matching.world import MINUTE, T, access, comparer_of, decision, found, policy_of


@pytest.mark.parametrize(
    ("obliged", "other"),
    [
        ({}, {"device_country": "CN"}),
        ({"ticket": True}, {"ticket": "T-2"}),
        ({"row_limit": 1}, {"subject_ids": ["a", "b"]}),
    ],
    ids=["country", "ticket", "subjects"],
)
def test_an_id_that_is_used_again_hides_nothing(obliged: dict[str, Any], other: dict[str, Any]) -> None:
    """A data plane, or whoever writes its log, gives the id of a proper access to one that is none."""
    matcher = Matcher(comparer_of())
    matcher.decide(decision(ticket="T-1", obligations=obliged), 0, T)
    for offset, more in enumerate(({}, other)):
        event = access(**{"ticket": "T-1", **more})
        matcher.access(event, EventRef(event_id="e-1"), offset, T + 1_000)
    first, second = matcher.advance(T + MINUTE, T + MINUTE)
    assert not first.compared.findings
    assert second.compared.findings


def test_how_long_a_gateway_may_be_quiet_costs_no_memory() -> None:
    """16 bytes for each of the decisions of two months would be 80 GB at 1,000 a second."""
    gateway = policy_of('[gateway.gateways.gw-2]\nquiet_after = "30d"\n').gateway
    assert gateway is not None
    assert kept_of(gateway) == 15 * MINUTE + KEPT_MS
    assert heard_of(gateway) == 60 * 24 * 60 * MINUTE


@pytest.mark.parametrize(
    ("named", "kind"), [({}, "gateway.bypass"), ({"decision_id": "d-1"}, "gateway.other_person")], ids=["not", "named"]
)
def test_a_guest_with_the_id_of_an_employee_uses_none_of_their_decisions(named: dict[str, str], kind: str) -> None:
    guest = access(employee_id=None, principal_type="external", principal_id="ann", **named)
    assert found([guest], [decision()]) == {"e-1": [kind]}
    theirs = decision(principal_type="external")
    assert found([guest], [theirs]) == {"e-1": []}


def test_who_floods_the_decision_point_does_not_stop_the_matching() -> None:
    """What is saved of one person fits into a record, and an access is compared in a moment."""
    matcher = Matcher(comparer_of())
    for number in range(DECISIONS_MAX + 500):
        matcher.decide(decision(f"d-{number}", decided_at=T + number), number, T + number)
    matcher.decide(decision("b-1", person="bob"), DECISIONS_MAX + 500, T)
    memory = matcher.people["ann"]
    assert len(memory.decisions) == DECISIONS_MAX
    assert matcher.crowded == 500
    assert len(save(memory)) < 2 * 1024 * 1024
    at = T + DECISIONS_MAX + 600
    compared, asked = matcher.comparer, []
    rank = compared._rank
    compared._rank = lambda event, each: asked.append(each) or rank(event, each)  # type: ignore[method-assign, assignment, func-returns-value]
    matcher.access(access(occurred_at=at), EventRef(event_id="e-1"), 0, at)
    (judged,) = matcher.advance(at + MINUTE, at + MINUTE)
    assert not judged.compared.findings
    assert judged.compared.decision is not None
    assert judged.compared.decision.decision_id == f"d-{DECISIONS_MAX + 499}", "the latest, as ever"
    assert len(asked) == 1

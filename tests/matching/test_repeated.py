"""What counts as the same access: everything that a decision is compared with."""

from __future__ import annotations

from typing import Any

import pytest

from agents.matching.matching import heard_of, kept_of
from rules.matching.elsewhere import KEPT_MS
from rules.matching.matcher import Matcher
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

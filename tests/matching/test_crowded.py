"""One person with more decisions than are remembered: the oldest are forgotten, and that is counted."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from agents.matching.metrics import MatchMetrics
from agents.matching.runner import MatchRunner
from agents.settings import Settings
from rules.matching import matcher as matchers
from rules.matching.elsewhere import Elsewhere
from rules.matching.matcher import Matcher
from schemas.codec import encode
from schemas.gateway_topics import GATEWAY_DECISIONS
from tests.matching.world import T, access, comparer_of, decision, found


async def test_decisions_that_are_forgotten_in_use_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matchers, "DECISIONS_MAX", 2)
    metrics = MatchMetrics("1")
    unused: Any = None  # never asked
    settings = Settings(partitions=1, identities="clear")
    make: Any = lambda _: Matcher(comparer_of())  # noqa: E731 - as a runner calls it
    runner = MatchRunner(settings, make, unused, unused, unused, unused, metrics, unused)
    matcher = Matcher(comparer_of())

    async def take(number: int) -> None:
        record = SimpleNamespace(
            value=encode(decision(f"d-{number}")), partition=0, topic=GATEWAY_DECISIONS, offset=number, timestamp=T
        )
        await runner._decision(record, matcher, SimpleNamespace(done=lambda: None))  # type: ignore[arg-type]  # no more is asked of it

    counted = "cloverwatch_matching_crowded_decisions_total"
    for number in range(2):
        await take(number)
    assert metrics.registry.get_sample_value(counted) == 0
    for number in range(2, 5):
        await take(number)
    assert metrics.registry.get_sample_value(counted) == 3


def test_an_access_under_a_forgotten_decision_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matchers, "DECISIONS_MAX", 2)
    elsewhere = Elsewhere(3_600_000)
    made = [decision(f"d-{number}", session_id=f"s-{number}") for number in range(3)]
    for each in made:
        elsewhere.add(each.decision_id, each.person, T)
    named, unnamed = access("named", decision_id="d-0", session_id="s-0"), access("unnamed", session_id="s-0")
    told = found([named, unnamed], made, comparer_of(elsewhere=elsewhere))
    assert told["named"] == ["gateway.expired"]
    assert told["unnamed"] == ["gateway.other_session"]

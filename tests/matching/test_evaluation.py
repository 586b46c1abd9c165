"""The evaluation of matching: a small vault has something of each kind, and what is said of it can be wrong."""

from __future__ import annotations

from collections import Counter

from benchmarks.evaluation.gateways import Matched, lines, match_seed, summed
from demo.gateways import KINDS


def test_a_small_vault_is_matched_without_a_false_alert() -> None:
    figures = summed([match_seed(3, 20, 7)])
    assert figures["falsely"] == []
    for kind, cell in figures["kinds"].items():
        assert cell["planted"] == (1 if kind in {"no_access", "quiet"} else 3), kind
        assert cell["found"] == cell["planted"], kind
        assert cell["as_it"] == cell["planted"], figures["missed"]
    assert figures["accesses"] > 3_000


def test_what_is_missed_or_false_is_counted() -> None:
    run = Matched(
        planted={"i-1": "bypass", "i-2": "bypass", "i-3": "wider"},
        found={"i-1": ["gateway.bypass"], "i-2": [], "i-3": ["gateway.bypass"]},
        false=Counter({"gateway.expired": 2}),
        falsely=["gateway.expired: x"],
        missed=["bypass (some)"],
        accesses=10,
        decisions=5,
        seconds=0.1,
    )
    figures = summed([run, run])
    assert figures["kinds"]["bypass"] == {"planted": 4, "found": 2, "as_it": 2, "false": 0}
    assert figures["kinds"]["wider"] == {"planted": 2, "found": 2, "as_it": 0, "false": 0}
    assert figures["kinds"]["expired"]["false"] == 4
    text = "\n".join(lines(figures))
    assert all(kind in text for kind in KINDS)
    assert "20 accesses, 10 decisions" in text

"""The evaluation runs, and its figures come from what it found."""

from __future__ import annotations

import pytest

from benchmarks.evaluate import interval, run
from demo.anomalies import KINDS
from rules.habits.thresholds import Behaviour

SEED = 4
"""Never used for tuning."""


@pytest.mark.slow
def test_a_small_population_with_incidents_of_every_kind() -> None:
    found = run(SEED, people=220, days=75, share=0.6, to=Behaviour())
    blatant = [label for label in found["planted"] if "/blatant/" in label]
    assert {label.split("/")[0] for label in blatant} == set(KINDS)
    assert sum(label in found["found"] for label in blatant) / len(blatant) > 0.8
    assert sum(found["false"].values()) / found["people_days"] * 1000 < 2.0


@pytest.mark.slow
def test_thresholds_that_nobody_reaches_find_nothing_of_volume() -> None:
    """The figures are found, not written: with other thresholds they are others."""
    blind = Behaviour(factor=1e6, peer_factor=1e6, floor_run=10**9, composite=99.0, drift=1e6)
    found = run(SEED, people=120, days=75, share=0.6, to=blind)
    bulk = [label for label in found["planted"] if label.startswith("volume/")]
    assert bulk
    assert not [label for label in bulk if "behaviour.volume" in found["found"].get(label, ())]


def test_an_interval_of_a_share() -> None:
    assert interval(0, 0) == (0.0, 1.0)
    low, high = interval(95, 100)
    assert 0.88 < low < 0.95 < high < 0.99

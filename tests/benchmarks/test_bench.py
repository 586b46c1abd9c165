"""The benchmarks run, and what they print is what they measured. How fast it is stands in no test: machines differ."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import hot
from tests.conftest import Broker

SLOWEST_HIT_US = 100.0
"""Ten times what a remembered verdict costs on a slow machine: beyond it something is done anew for every event."""


@pytest.mark.slow
def test_a_habit_costs_little_and_less_than_judging_in_full() -> None:
    cost = hot.measure(5_000)
    again, full = cost["the month again: habits are known"], cost["judged in full, memo off"]
    assert 0 < cost["decode alone (msgspec, typed)"] < again < SLOWEST_HIT_US
    assert again < full / 2


@pytest.mark.broker
@pytest.mark.slow
def test_every_figure_is_measured(embedded_broker: Broker, tmp_path: Path) -> None:
    assert embedded_broker.kind == "embedded"  # where it does not run, neither does the benchmark
    out = tmp_path / "bench.json"
    arguments = [
        "--broker",
        "embedded",
        "--events",
        "30000",
        "--employees",
        "2000",
        "--seconds",
        "8",
        "--out",
        str(out),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments], capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(out.read_text())
    assert found["throughput"].keys() == {"all", "one_rule", "bare", "stock", "stock_empty"}
    for name, run in found["throughput"].items():
        assert run["events"] > 0, name
        assert run["events_per_s"] > 0, name
    assert 0 < found["latency"]["p50_ms"] <= found["latency"]["p99_ms"]
    assert found["latency"]["missing"] == 0, "an alert for each event that should raise one"
    assert found["crowd"].keys() == {"1000", "2000"}
    assert found["ratios"].keys() == {"stock", "bare", "one_rule", "crowd"}
    assert "sent → alert readable" in done.stdout

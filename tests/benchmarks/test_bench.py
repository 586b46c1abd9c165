"""The benchmarks run, and what they print is what they measured. How fast it is stands in no test: machines differ."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import behaviour, hot
from benchmarks.__main__ import STATE_GOALS
from benchmarks.behaviour import Lived
from rules.habits.saved import save
from tests.conftest import Broker

SLOWEST_HIT_US = 100.0
"""Ten times what a remembered verdict costs on a slow machine: beyond it something is done anew for every event."""


@pytest.mark.slow
def test_a_habit_costs_little_and_less_than_judging_in_full() -> None:
    cost = hot.measure(5_000)
    again, full = cost["the month again: habits are known"], cost["judged in full, memo off"]
    assert 0 < cost["decode alone (msgspec, typed)"] < again < SLOWEST_HIT_US
    assert again < full / 2


@pytest.mark.slow
def test_a_long_stream_costs_at_its_end_what_it_costs_in_its_middle() -> None:
    """Nothing grows with the number of events: twice, where a machine that is shared may differ by half."""
    found = behaviour.flat(people=20, days=180)
    assert 0 < found.us[2] < 2 * found.us[1]
    assert found.bytes_saved[2] < 1.1 * found.bytes_saved[1]


@pytest.mark.slow
def test_a_habit_stays_within_its_bounds() -> None:
    life = Lived(people=60, days=70)
    life.live(70)
    saved = [save(habit) for habit in life.habits.values()]
    assert sum(map(len, saved)) / len(saved) < STATE_GOALS["saved_mean"]
    assert max(map(len, saved)) < 2 * STATE_GOALS["saved_mean"]


def test_the_interval_of_a_median_holds_it() -> None:
    low, high = behaviour.median_interval([float(value) for value in range(101)])
    assert low < 50 < high
    assert (low, high) == (40, 61)


@pytest.mark.broker
@pytest.mark.slow
@pytest.mark.timeout(600)  # a minute or two alone on a machine
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
        "--states",
        "500",
        "--seconds",
        "8",
        "--out",
        str(out),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments], capture_output=True, text=True, check=False, timeout=540
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
    assert found["behaviour"]["cost"]["events"] > 30_000
    assert found["state"]["employees"] == 500
    assert "sent → alert readable" in done.stdout
    assert "bytes saved a person" in done.stdout


@pytest.mark.broker
@pytest.mark.slow
@pytest.mark.timeout(600)  # a minute alone on a machine
def test_delivery_is_measured(embedded_broker: Broker, tmp_path: Path) -> None:
    assert embedded_broker.kind == "embedded"
    out = tmp_path / "bench.json"
    arguments = ["--only", "delivery", "--broker", "embedded", "--alerts", "8000", "--singles", "60", "--events", "0"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments, "--out", str(out)],
        capture_output=True,
        text=True,
        check=False,
        timeout=540,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(out.read_text())["delivery"]
    assert found["throughput"].keys() >= {"file", "hec"}
    for name, run in found["throughput"].items():
        assert run["there"] >= 8_000, name
        assert run["alerts_per_s"] > 0, name
    for way in ("each", "grouped"):
        assert found[way]["missing"] == 0, way
        assert 0 < found[way]["p50_ms"] <= found[way]["p99_ms"]
    assert "alert published → at a webhook" in done.stdout

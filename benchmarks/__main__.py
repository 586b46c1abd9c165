"""`make bench`: throughput, latency, behaviour and state beside baselines and goals: one table, `build/bench.json`."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from agents.settings import Settings
from benchmarks import delivery, gateway, latency, state
from benchmarks.brokers import broker, fill
from benchmarks.process import program
from benchmarks.stream import SEED, Load, crowd, load, one_rule
from benchmarks.throughput import Throughput, worker
from demo.files import EVENTS
from demo.run import write_files

RESULT: Final = Path("build/bench.json")
PARTS: Final = ("throughput", "latency", "crowd", "behaviour", "state", "delivery", "gateway")
STOCK_EVENTS: Final = 60_000
"""Of the events, so many for the stock agent: half a minute of its time at most."""

GOALS: Final = {"stock": 15.0, "bare": 0.5, "crowd": 0.8, "p50_ms": 5.0, "p99_ms": 25.0}
"""From the issue: multiples of the baselines, and milliseconds at `PACE`."""

STATE_GOALS: Final = {"saved_mean": 1024.0, "resident": 4096.0, "worker_s": 10.0}
"""From the issue: bytes of a person as saved and in memory, and seconds until a worker has loaded 100,000 of them."""

DELIVERY_GOALS: Final = {"alerts_per_s": 5_000.0, "p99_ms": 100.0}
"""From the issue: sustained, to a bulk destination; and of single alerts, from published to received."""

BESIDE_EVENTS: Final = 60_000
"""Accesses that a worker judges beside a destination that hangs, at most: six runs of them."""

PACE: Final = 10_000
"""Events a second at which latency is measured."""


def main(arguments: list[str]) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--broker", choices=("auto", "kafka", "embedded"), default="auto")
    parser.add_argument("--events", type=int, default=400_000, help="accesses of the throughput runs")
    parser.add_argument("--employees", type=int, default=1_000_000, help="of the large directory")
    parser.add_argument("--states", type=int, default=state.EMPLOYEES, help="employees whose habits are weighed")
    parser.add_argument("--alerts", type=int, default=30_000, help="to each bulk destination")
    parser.add_argument("--singles", type=int, default=delivery.SINGLES, help="alerts that are timed one by one")
    parser.add_argument("--seconds", type=float, default=30.0, help="of the latency run")
    parser.add_argument("--out", type=Path, default=RESULT, metavar="FILE", help="where the figures go as JSON")
    parser.add_argument("--only", choices=PARTS, help="a part of it")
    given = parser.parse_args(arguments)
    say = Console(stderr=True, highlight=False).print
    result: dict[str, Any] = {"machine": _machine(), "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    build = given.out.parent
    build.mkdir(parents=True, exist_ok=True)
    rows: list[tuple[str, str, str, str, str]] = []
    if given.only in {None, "throughput", "latency"}:
        say("making up a month of accesses")
        month = load(given.events)
        result["event_bytes"] = month.event_bytes
        with broker(given.broker) as (kind, settings):
            result["broker"] = kind
            say(f"{kind}: sending {len(month.rows):,} directory rows and {len(month.events):,} accesses")
            fill(settings, month)
            if given.only != "latency":
                rows += _throughput(settings, month, build, result, say)
            if given.only != "throughput":
                rows += _latency(settings, month, given.seconds, build, result, say)
    if given.only in {None, "crowd"}:
        rows += _crowd(given.broker, given.employees, given.events, build, result, say)
    if given.only in {None, "behaviour"}:
        rows += _behaviour(min(given.events, EVENTS), result, say)
    if given.only in {None, "state"}:
        rows += _state(given.broker, given.states, build, result, say)
    if given.only == "delivery":  # by itself: its receivers take the cores that the rest is measured on
        size = delivery.Size(given.alerts, given.singles, min(given.events, BESIDE_EVENTS))
        rows += _delivery(given.broker, size, build, result, say)
    if given.only == "gateway":  # by itself, too: who asks takes as much of the cores as who answers
        rows += gateway.rows(given.broker, given.seconds, build, result, say, _within)
    given.out.write_text(json.dumps(result, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    _print(result, rows)
    return 0


Say = Any
Rows = list[tuple[str, str, str, str, str]]
"""(what, figure, CPU µs an event, peak MiB, against the goal)."""


def _throughput(settings: Settings, month: Load, build: Path, result: dict[str, Any], say: Say) -> Rows:
    count = len(month.events)
    say("all rules on")
    ours = worker(replace(settings, group="bench-all"), count, build / "bench-all.log")
    say("one rule on")
    policy = one_rule(settings.data_dir)
    alone = worker(replace(settings, group="bench-one", policy=policy), count, build / "bench-one.log")
    say("aiokafka and the decode alone")
    bare = Throughput(**program("benchmarks.bare", settings.broker, str(count)))
    say("a stock Faust agent")
    files = settings.data_dir / "files"
    write_files(files, seed=SEED, events=count)
    few = str(min(count, STOCK_EVENTS))
    directory = str(files / "directory")
    stock = Throughput(**program("benchmarks.stock", settings.broker, directory, few))
    empty = Throughput(**program("benchmarks.stock", settings.broker, directory, few, "--empty"))
    runs = {"all": ours, "one_rule": alone, "bare": bare, "stock": stock, "stock_empty": empty}
    result["throughput"] = {name: run.plain() for name, run in runs.items()}
    against_stock, against_bare = ours.rate / stock.rate, ours.rate / bare.rate
    result["ratios"] = {"stock": against_stock, "bare": against_bare, "one_rule": ours.rate / alone.rate}
    hits = f"{ours.hit_share:.0%} of verdicts remembered"
    to_bare = _goal(against_bare, GOALS["bare"], "all rules: {:.2f} of it")
    to_stock = _goal(against_stock, GOALS["stock"], "all rules: {:.1f} times")
    return [
        _row(f"cloverwatch worker, all rules ({hits})", ours, ""),
        _row("cloverwatch worker, one rule", alone, f"all rules: {ours.rate / alone.rate:.2f} of it"),
        _row("(b) aiokafka getmany + typed decode", bare, to_bare),
        _row("(a) stock Faust agent, same session", stock, to_stock),
        _row("    stock Faust agent, empty body", empty, ""),
    ]


def _latency(settings: Settings, month: Load, seconds: float, build: Path, result: dict[str, Any], say: Say) -> Rows:
    say(f"latency at {PACE:,} events/s")
    found = latency.measure(replace(settings, group="bench-latency"), month, PACE, seconds, build / "bench-latency.log")
    result["latency"] = asdict(found)
    what = f"sent → alert readable at {found.pace:,.0f} events/s"
    used = f"{found.cpu_share * 1e6 / found.pace:.1f}"
    return [
        (f"{what}, p50", f"{found.p50_ms:.1f} ms", used, "", _most(found.p50_ms, GOALS["p50_ms"])),
        (f"{what}, p99", f"{found.p99_ms:.1f} ms", "", "", _most(found.p99_ms, GOALS["p99_ms"])),
    ]


def _crowd(kind: str, employees: int, events: int, build: Path, result: dict[str, Any], say: Say) -> Rows:
    found = {}
    for size in (1_000, employees):
        say(f"a directory of {size:,} employees")
        with broker(kind) as (_, settings):
            fill(settings, crowd(size, 1_000, events))
            found[size] = worker(replace(settings, group="bench-crowd"), events, build / f"bench-{size}.log")
    small, large = found[1_000], found[employees]
    result["crowd"] = {str(size): run.plain() for size, run in found.items()}
    result.setdefault("ratios", {})["crowd"] = large.rate / small.rate
    goal = _goal(large.rate / small.rate, GOALS["crowd"], "{:.2f} of 1,000")
    return [
        _row(f"1,000 employees, 1,000 active, start {small.ready_s:.0f} s", small, ""),
        _row(f"{employees:,} employees, 1,000 active, start {large.ready_s:.0f} s", large, goal),
    ]


def _behaviour(events: int, result: dict[str, Any], say: Say) -> Rows:
    say("a month with and without behaviour, and a long stream")
    found = program("benchmarks.behaviour", "--events", str(events))
    result["behaviour"] = found
    cost, flat = found["cost"], found["flat"]
    between = f"with it {cost['with_behaviour']:.1f}, without {cost['without']:.1f}; 95 %"
    thirds = ", ".join(f"{us:.1f}" for us in flat["us"])
    return [
        (
            "behaviour, in process: costs",
            "",
            f"{cost['difference']:.1f}",
            "",
            f"{between} [{cost['low']:.1f} {cost['high']:.1f}]; last third {cost['settled']:.1f}",
        ),
        ("behaviour, eight months by thirds", "", f"{flat['us'][-1]:.1f}", "", f"µs an event: {thirds}"),
    ]


def _state(kind: str, employees: int, build: Path, result: dict[str, Any], say: Say) -> Rows:
    say(f"the habits of {employees:,} employees")
    found = asdict(state.measure(kind, employees, state.SAMPLE, build))
    result["state"] = found
    parts = f"CPU {found['worker_cpu_s']:.1f} s, of it rows {found['rows_s']:.1f}, habits {found['restore_s']:.1f}"
    return [
        (
            f"habits of {employees:,}, bytes saved a person",
            f"{found['saved_mean']:,.0f} B",
            "",
            "",
            f"{_within(found['saved_mean'], STATE_GOALS['saved_mean'], 'B')}; the most {found['saved_most']:,}",
        ),
        (
            "    resident a person",
            f"{found['resident']:,.0f} B",
            "",
            f"{found['resident'] * employees / 2**20:,.0f}",
            _within(found["resident"], STATE_GOALS["resident"], "B"),
        ),
        ("    all saved", f"{found['save_s']:.1f} s", f"{found['save_s'] * 1e6 / employees:.1f}", "", "a person"),
        (
            "    directories and habits loaded by a worker",
            f"{found['worker_s']:.1f} s",
            "",
            "",
            f"{_within(found['worker_s'], STATE_GOALS['worker_s'], 's')}; {parts}",
        ),
    ]


def _delivery(kind: str, size: delivery.Size, build: Path, result: dict[str, Any], say: Say) -> Rows:
    with broker(kind) as (name, settings):
        result["broker"] = name
        result["delivery"] = found = delivery.measure(replace(settings, group="bench"), size, build, say)
    rows = [
        (
            f"cloverwatch deliver to {where}, {run['there']:,} there",
            f"{run['alerts_per_s']:,.0f}/s",
            f"{run['cpu_us']:.0f}",
            f"{run['peak_mib']:,.0f}",
            _goal(run["alerts_per_s"], DELIVERY_GOALS["alerts_per_s"], _receiver(run)),
        )
        for where, run in found["throughput"].items()
    ]
    for what in ("each", "grouped"):
        soon = found[what]
        rows.append(
            (
                f"alert published → at a webhook ({what}), p50; p99",
                f"{soon['p50_ms']:.1f}; {soon['p99_ms']:.1f} ms",
                "",
                "",
                f"{_most(soon['p99_ms'], DELIVERY_GOALS['p99_ms'])}; {soon['missing']} missing",
            )
        )
    if "beside" in found:
        pair = found["beside"]
        share = pair["hanging"] / pair["alone"]
        rows += [
            ("worker, no deliverer", f"{pair['alone']:,.0f}/s", f"{pair['alone_us']:.1f}", "", ""),
            (
                "worker beside a destination that hangs",
                f"{pair['hanging']:,.0f}/s",
                f"{pair['hanging_us']:.1f}",
                "",
                f"{share:.2f} of it; two runs alone differ by {pair['spread']:.0%}",
            ),
        ]
    return rows


def _receiver(run: dict[str, Any]) -> str:
    used = run["receiver_cpu_us"]
    return f"the receiver: {used:.0f} µs an alert" if used else "receipts stored"


def _row(what: str, run: Throughput, against: str) -> tuple[str, str, str, str, str]:
    return what, f"{run.rate:,.0f}/s", f"{run.cpu_s * 1e6 / run.events:.1f}", f"{run.peak_mib:,.0f}", against


def _goal(value: float, goal: float, text: str) -> str:
    return f"{text.format(value)} (goal {goal:g}: {'met' if value >= goal else 'missed'})"


def _most(value: float, goal: float) -> str:
    return _within(value, goal, "ms")


def _within(value: float, goal: float, unit: str) -> str:
    return f"goal {goal:g} {unit}: {'met' if value <= goal else 'missed'}"


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}, Python {platform.python_version()}"


def _print(result: dict[str, Any], rows: Rows) -> None:
    table = Table(title=f"{result.get('broker', '')}, {result['machine']}, broker and sender on the same cores")
    for heading in ("what", "figure", "CPU µs/event", "peak MiB", "against the goal"):
        table.add_column(heading, justify="left" if heading in {"what", "against the goal"} else "right")
    for row in rows:
        table.add_row(*row)
    console = Console() if sys.stdout.isatty() else Console(width=150)
    console.print(table)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The gauges of delivery that are asked when somebody looks, not told when something happens."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from agents.delivering.metrics import DeliveryMetrics
from agents.delivering.runner import Runner
from agents.watching import wall_clock


def refresh(metrics: DeliveryMetrics, runners: Mapping[str, Runner], silences: Iterable[str]) -> None:
    """Ask every runner; `silences` are those of the policy: one that hides nothing is 0."""
    silenced = dict.fromkeys(silences, 0)
    now = wall_clock()
    for name, runner in runners.items():
        ages = [now - ref.published_at for ref in runner.under_way]
        deadline = runner.mine.deadline
        parked = len(runner.memory.parked)
        metrics.undelivered.labels(name).set(len(ages))
        metrics.held.labels(name).set(runner.held)
        metrics.oldest.labels(name).set(max(0, *ages) / 1000 if ages else 0)
        metrics.deadline.labels(name).set(deadline / 1000)
        metrics.overdue.labels(name).set(sum(age > deadline for age in ages) + parked)
        metrics.parked.labels(name).set(parked)
        metrics.up.labels(name).set(1 if runner.sender.up else 0)
        metrics.lag.labels(name).set(runner.group.lag)
        for silence, count in runner.silenced.items():
            silenced[silence] = max(count, silenced.get(silence, 0))
    metrics.silenced.clear()
    for silence, count in silenced.items():
        metrics.silenced.labels(silence).set(count)

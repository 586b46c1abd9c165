"""Counters of delivery that begin at 0 instead of being absent, and gauges that end with what they are about.

As `agents/zeroes.py` does it for workers, and for its reason: `increase(...)` sees the first event only where there
was a sample before it. What is about one destination is there while this process delivers to it.
"""

from __future__ import annotations

from typing import Final, get_args

from prometheus_client import Gauge

from agents.delivering.metrics import DeliveryMetrics
from schemas.action import ActionKind
from schemas.errors import REASONS
from schemas.receipt import ReceiptState
from schemas.topics import ACTIONS, ALERTS

READ_TOPICS: Final = (ALERTS, ACTIONS)
"""Topics of which delivery puts away what it cannot use."""

OUTCOMES: Final = ("delivered", "failed", "refused")
"""What may come of an attempt."""

NO_KIND: Final = "none"
"""Label of an action that was refused: what kind it says it is was not signed by anybody, or is not to be read."""


def begin(metrics: DeliveryMetrics) -> None:
    """Let what is not about one destination begin at 0; `metrics` have counted nothing yet."""
    for topic in READ_TOPICS:
        for reason in REASONS:
            metrics.bad_records.labels(topic, reason)
    for kind in get_args(ActionKind):
        metrics.actions.labels(kind, "taken")
    metrics.actions.labels(NO_KIND, "refused")


def begin_destination(metrics: DeliveryMetrics, name: str) -> None:
    """Let what is about a destination begin at 0; what was counted of it before stays."""
    for state in get_args(ReceiptState):
        metrics.alerts.labels(name, state)
    for outcome in OUTCOMES:
        metrics.attempts.labels(name, outcome)
    metrics.latency.labels(name)


def end_destination(metrics: DeliveryMetrics, name: str) -> None:
    """Forget what was so of a destination to which this process delivers no more; what was counted stays."""
    for gauge in of_destination(metrics):
        gauge.remove(name)


def of_destination(metrics: DeliveryMetrics) -> tuple[Gauge, ...]:
    """Return the gauges of which each destination has one."""
    return (
        metrics.undelivered,
        metrics.held,
        metrics.oldest,
        metrics.deadline,
        metrics.overdue,
        metrics.parked,
        metrics.lag,
        metrics.up,
    )

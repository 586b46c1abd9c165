"""Every metric of `cloverwatch deliver`, with its help text, unit and bounded labels (destinations of the policy)."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from agents.registry import registry_of

LATENCY_BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 3600.0)
"""Upper bounds, seconds: from a few milliseconds over the goal of 0.1 s to an outage of an hour."""


class DeliveryMetrics:
    """The metrics of one delivering process, in a registry of their own."""

    def __init__(self, version: str) -> None:
        self.registry = registry_of(version)
        r = self.registry
        self.ready = Gauge("cloverwatch_delivery_ready", "1 while alerts are read and handed on.", registry=r)
        self.policy_failed = Gauge(
            "cloverwatch_delivery_policy_reload_failed",
            "1 while the policy file cannot be read and an older one is in force.",
            registry=r,
        )
        where = ["destination"]
        self.alerts = Counter(
            "cloverwatch_delivery_alerts",
            "Revisions of alerts by what became of them, each with its receipt stored.",
            ["destination", "state"],
            registry=r,
        )
        self.attempts = Counter(
            "cloverwatch_delivery_attempts",
            "Notices sent, by what came of it: delivered, failed (tried again), refused.",
            ["destination", "outcome"],
            registry=r,
        )
        self.undelivered = Gauge(
            "cloverwatch_delivery_undelivered_alerts", "Alerts that are read and on their way.", where, registry=r
        )
        self.held = Gauge(
            "cloverwatch_delivery_held_alerts",
            "Alerts that wait for the next notice of their group, or for a rate limit.",
            where,
            registry=r,
        )
        self.oldest = Gauge(
            "cloverwatch_delivery_oldest_undelivered_age_seconds",
            "Time since the oldest alert that is on its way was published; 0 where there is none.",
            where,
            registry=r,
        )
        self.deadline = Gauge(
            "cloverwatch_delivery_deadline_seconds", "Within which an alert must be delivered.", where, registry=r
        )
        self.overdue = Gauge(
            "cloverwatch_delivery_overdue_alerts",
            "Alerts on their way for longer than their deadline, and those parked.",
            where,
            registry=r,
        )
        self.parked = Gauge(
            "cloverwatch_delivery_parked_alerts", "Alerts that the destination did not take.", where, registry=r
        )
        self.silenced = Gauge(
            "cloverwatch_delivery_silenced_alerts", "Open alerts that a silence hides now.", ["silence"], registry=r
        )
        self.latency = Histogram(
            "cloverwatch_delivery_latency_seconds",
            "From an alert's publication to the destination's answer.",
            where,
            registry=r,
            buckets=LATENCY_BUCKETS_S,
        )
        self.lag = Gauge(
            "cloverwatch_delivery_lag_records", "Alerts that the destination's group has not read.", where, registry=r
        )
        self.up = Gauge(
            "cloverwatch_delivery_destination_up", "1 where the last attempt was answered well.", where, registry=r
        )
        self.open = Gauge("cloverwatch_delivery_open_alerts", "Alerts that are open.", ["severity"], registry=r)
        self.actions = Counter(
            "cloverwatch_delivery_actions",
            "What people did with alerts, by kind and whether it was taken.",
            ["kind", "result"],
            registry=r,
        )
        self.bad_records = Counter(
            "cloverwatch_delivery_bad_records", "Records that could not be used.", ["topic", "reason"], registry=r
        )
        self.receipts = Counter("cloverwatch_delivery_receipts_stored", "Receipts stored by the brokers.", registry=r)

"""Every metric of `cloverwatch audit log`."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge

from agents.audit.writing.positions import WENT_BACK
from agents.registry import registry_of
from schemas.entry import LOGGED

LOST: Final = ("lost_by_retention", "unexplained", WENT_BACK)
"""Whys of a hole that lost something; compaction and transactions lose nothing."""


class AuditMetrics:
    """The metrics of the process that writes the log, in a registry of their own."""

    def __init__(self, version: str) -> None:
        self.registry = registry_of(version)
        r = self.registry
        self.ready = Gauge("cloverwatch_audit_ready", "1 while the log is written.", registry=r)
        self.size = Gauge("cloverwatch_audit_log_entries", "Entries of the log.", registry=r)
        self.entries = Counter("cloverwatch_audit_entries", "Entries appended, by kind.", ["kind"], registry=r)
        self.lag = Gauge(
            "cloverwatch_audit_lag_records", "Records that are not in the log yet, by topic.", ["topic"], registry=r
        )
        self.age = Gauge(
            "cloverwatch_audit_checkpoint_age_seconds",
            "Time since a checkpoint was last signed; grows while nothing is to be appended.",
            registry=r,
        )
        self.witnessed = Gauge(
            "cloverwatch_audit_unwitnessed_entries",
            "Entries behind the last checkpoint that enough witnesses cosigned; 0 where none is asked.",
            registry=r,
        )
        self.witness_failures = Counter(
            "cloverwatch_audit_witness_failures", "Witnesses that did not cosign when asked.", ["witness"], registry=r
        )
        self.append_failures = Counter(
            "cloverwatch_audit_append_failures", "Appends that the storage refused, tried again.", registry=r
        )
        self.missing = Counter(
            "cloverwatch_audit_missing_records",
            "Offsets that were gone when the log came to them, by why.",
            ["topic", "why"],
            registry=r,
        )
        for kind in {*LOGGED.values(), "hole", "opened"}:
            self.entries.labels(kind)
        for topic in LOGGED:
            self.lag.labels(topic).set(0)
            for why in LOST:  # an alert rule looks for an increase: the first one must be one
                self.missing.labels(topic, why)

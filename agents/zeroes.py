"""Counters that begin at 0 instead of being absent.

Prometheus sees an increase between two samples of a series. A series that appears with its first event has no
sample before it, so that `increase(...) > 0` would miss exactly that event: the loss that happens once. What an
alert rule looks at is therefore there from the start, for every value that its labels may have.
Source: Prometheus documentation, "Instrumentation", section "Avoid missing metrics".
"""

from __future__ import annotations

from typing import Final

from agents.ledger import HoleKind
from agents.metrics import Metrics
from rules.behaviour import BEHAVIOUR_IDS
from rules.catalogue import RULE_IDS
from rules.judge import FAILED
from schemas.alert import SEVERITIES
from schemas.errors import REASONS
from schemas.gateway_topics import GATEWAY_APPROVALS
from schemas.topics import ACCESS_EVENTS, ACCESS_VISITS, DIRECTORY_TOPICS, RAW_TOPICS, REPORTS

STREAM_TOPICS: Final = (ACCESS_EVENTS, *RAW_TOPICS, REPORTS, ACCESS_VISITS)
"""Topics that workers read as a group, record by record."""

FAMILIES: Final = ("access", "behaviour", "dataset", "stream")
"""Families of alerts that are usual; others appear with their first alert."""


def begin(metrics: Metrics, partitions: int) -> None:
    """Let every counter that an alert rule looks at begin at 0.

    Args:
        metrics: of a worker that has counted nothing yet.
        partitions: of `access.events`: the one number that is promised.
    """
    metrics.partitions.labels(ACCESS_EVENTS).set(partitions)
    for topic in (ACCESS_EVENTS, *RAW_TOPICS):
        metrics.records.labels(topic)
    for topic in STREAM_TOPICS:
        for kind in HoleKind:
            metrics.gaps.labels(topic, kind.value)
    for reason in REASONS:
        for topic in (*STREAM_TOPICS, *DIRECTORY_TOPICS, GATEWAY_APPROVALS):
            metrics.dead_letters.labels(topic, reason)
        for topic in DIRECTORY_TOPICS:
            metrics.reference_bad.labels(topic, reason)
    for rule in (*sorted(RULE_IDS | BEHAVIOUR_IDS), FAILED):
        metrics.rule_failures.labels(rule)
    for rule in sorted(RULE_IDS):
        metrics.approved.labels(rule)
    for family in FAMILIES:
        for severity in SEVERITIES:
            metrics.alerts.labels(family, severity)

"""Every metric of `cloverwatch match`, with its help text, unit and bounded labels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from agents.registry import registry_of
from rules.gateway.unreviewed import UNREVIEWED
from rules.matching.kinds import KINDS
from schemas.errors import REASONS
from schemas.gateway_topics import GATEWAY_DECISIONS

OTHER: Final = "other"
"""The label of gateways that the policy does not name: labels are bounded by it."""

DELAY_BUCKETS_S: Final = (0.1, 0.25, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.5, 2.5, 5.0, 15.0, 60.0, 300.0)
"""Upper bounds, seconds: finely below the goal of one second."""


class MatchMetrics:
    """The metrics of one matching process, in a registry of their own."""

    def __init__(self, version: str) -> None:
        self.registry = registry_of(version)
        r = self.registry
        self.ready = Gauge("cloverwatch_matching_ready", "1 while accesses are matched with decisions.", registry=r)
        self.policy_failed = Gauge(
            "cloverwatch_matching_policy_reload_failed",
            "1 while the policy file cannot be read, or has no [gateway], and an older one is in force.",
            registry=r,
        )
        self.accesses = Counter(
            "cloverwatch_matching_accesses",
            "Accesses read: of_no_concern (need no decision), judged, repeated, elsewhere (in a partition that is not "
            "their person's: read again where they are put), unreadable (put away by the worker).",
            ["fate"],
            registry=r,
        )
        for fate in ("of_no_concern", "judged", "repeated", "elsewhere", "unreadable"):
            self.accesses.labels(fate)
        self.decisions = Counter("cloverwatch_matching_decisions", "Decisions read.", registry=r)
        self.crowded = Counter(
            "cloverwatch_matching_crowded_decisions",
            "Decisions that were forgotten while they could be used, since one person had more than are remembered.",
            registry=r,
        )
        self.findings = Counter("cloverwatch_matching_findings", "Findings, by kind.", ["rule_id"], registry=r)
        for rule_id in (*(kind.id for kind in KINDS), UNREVIEWED):
            self.findings.labels(rule_id)
        self.rows_unsaid = Counter(
            "cloverwatch_matching_rows_unsaid",
            "Accesses under a row limit that say neither record_count nor subject_ids, by the gateway of their "
            "decision: one of the policy's, or other.",
            ["gateway"],
            registry=r,
        )
        self.delay = Histogram(
            "cloverwatch_matching_delay_seconds",
            "From an access's append to the append of its alert.",
            registry=r,
            buckets=DELAY_BUCKETS_S,
        )
        self.waiting = Gauge(
            "cloverwatch_matching_waiting_accesses", "Accesses whose decisions may yet come.", registry=r
        )
        self.remembered = Gauge("cloverwatch_matching_remembered_decisions", "Decisions in memory.", registry=r)
        self.ids = Gauge("cloverwatch_matching_remembered_ids", "Ids of everybody's decisions in memory.", registry=r)
        self.people = Gauge("cloverwatch_matching_remembered_people", "People in memory.", registry=r)
        self.lag = Gauge("cloverwatch_matching_lag_records", "Accesses that the group has not read.", registry=r)
        self.state_bytes = Counter("cloverwatch_matching_state_bytes", "Bytes of snapshots written.", registry=r)
        self.bad_records = Counter(
            "cloverwatch_matching_bad_records", "Records that could not be used.", ["topic", "reason"], registry=r
        )
        for reason in REASONS:
            self.bad_records.labels(GATEWAY_DECISIONS, reason)
        self.rows_unsaid.labels(OTHER)
        self.restarts = Counter("cloverwatch_matching_restarts", "How often matching was begun anew.", registry=r)

    def adopt(self, gateways: Iterable[str]) -> None:
        """Begin at zero for every gateway of the policy in force."""
        for gateway in gateways:
            self.rows_unsaid.labels(gateway)

"""Every metric of `cloverwatch gateway`, with its help text, unit and bounded labels (callers of the policy, rules)."""

from __future__ import annotations

from typing import Final, get_args

from prometheus_client import Counter, Gauge, Histogram

from agents.gateway.answers import STALE, UNRECORDED
from agents.gateway.refusal import Why
from agents.registry import registry_of
from rules.catalogue import RULES
from schemas.decision import Decision, Effect

ANSWER_BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Upper bounds, seconds: from a millisecond over the goal of 25 ms to an outage."""

DECIDE_BUCKETS_S: Final = (0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.01)
"""Upper bounds, seconds: around the goal of 1 ms of processor time."""

OTHER: Final = "other"
"""The label of callers that the policy does not name, and of rules that are none of ours: there is no end of those."""

CONDITION: Final = "condition"
"""The label of the policy's request conditions."""


class GatewayMetrics:
    """The metrics of one decision point, in a registry of their own."""

    def __init__(self, version: str) -> None:
        self.registry = registry_of(version)
        r = self.registry
        self.ready = Gauge("cloverwatch_gateway_ready", "1 while decisions are made and recorded.", registry=r)
        self.policy = Gauge("cloverwatch_policy_info", "Hash of the policy in force; always 1.", ["policy"], registry=r)
        self.policy_failed = Gauge(
            "cloverwatch_gateway_policy_reload_failed",
            "1 while the policy file cannot be used and an older policy is in force.",
            registry=r,
        )
        self.credentials_failed = Gauge(
            "cloverwatch_gateway_credentials_reload_failed",
            "1 while tokens or certificate cannot be read and older ones are in force.",
            registry=r,
        )
        self.decisions = Counter(
            "cloverwatch_gateway_decisions", "Decisions that were answered.", ["effect", "caller"], registry=r
        )
        self.reasons = Counter(
            "cloverwatch_gateway_denials",
            "Denials by the rules that stood against them; one denial counts under each of its reasons.",
            ["rule"],
            registry=r,
        )
        self.searches = Counter("cloverwatch_gateway_searches", "Searches that were answered.", ["kind"], registry=r)
        self.refused = Counter(
            "cloverwatch_gateway_refused_requests", "Requests that got no decision.", ["reason"], registry=r
        )
        self.unrecorded = Counter(
            "cloverwatch_gateway_unrecorded_decisions",
            "Decisions that were not stored in time, by what was answered. An allow among them nobody can check.",
            ["answered"],
            registry=r,
        )
        self.stale = Counter(
            "cloverwatch_gateway_stale_decisions",
            "Decisions while directories or approvals were not known to be current, by what was answered.",
            ["answered"],
            registry=r,
        )
        self.corrected = Counter(
            "cloverwatch_gateway_corrected_decisions",
            "Allows that were stored after a denial was answered, each followed by a record of that denial.",
            registry=r,
        )
        self.answer = Histogram(
            "cloverwatch_gateway_answer_seconds",
            "From a request's head to its answer, decisions recorded.",
            buckets=ANSWER_BUCKETS_S,
            registry=r,
        )
        self.record = Histogram(
            "cloverwatch_gateway_record_seconds",
            "From a decision to its acknowledgement by the brokers.",
            buckets=ANSWER_BUCKETS_S,
            registry=r,
        )
        self.decide = Histogram(
            "cloverwatch_gateway_decide_cpu_seconds",
            "Processor time of one decision.",
            buckets=DECIDE_BUCKETS_S,
            registry=r,
        )
        self.in_flight = Gauge("cloverwatch_gateway_requests_in_flight", "Requests being answered.", registry=r)
        self.connections = Gauge("cloverwatch_gateway_connections", "Connections that are open.", registry=r)
        self.approvals = Gauge("cloverwatch_gateway_approvals", "Approvals that are known.", registry=r)
        self.reference_rows = Gauge(
            "cloverwatch_reference_rows", "Versions known of a directory.", ["topic"], registry=r
        )
        self.reference_bad = Counter(
            "cloverwatch_gateway_reference_bad_rows", "Directory rows that cannot be used.", ["topic"], registry=r
        )
        self.reference_lag = Gauge(
            "cloverwatch_reference_lag_records", "Offsets of a directory not read yet.", ["topic"], registry=r
        )
        self.reference_age = Gauge(
            "cloverwatch_reference_age_seconds",
            "Since a directory, or the approvals, were last known to be read to their end.",
            ["topic"],
            registry=r,
        )
        self._rules = frozenset(rule.id for rule in RULES) | {UNRECORDED, STALE, CONDITION}
        self._policy = ""
        self._counting: dict[tuple[str, str], Counter] = {}
        """The counters of decisions by effect and caller: a look-up by labels takes a lock and makes texts of them."""
        for reason in get_args(Why):
            self.refused.labels(reason)
        for effect in get_args(Effect):
            self.unrecorded.labels(effect)
            self.stale.labels(effect)
        for kind in ("subject", "resource", "action"):
            self.searches.labels(kind)
        for rule in sorted(self._rules):
            self.reasons.labels(rule)

    def adopt(self, policy: str, callers: frozenset[str]) -> None:
        """Take note of a new policy, by its version, and of the callers that it names; others count as `other`."""
        if self._policy:
            self.policy.remove(self._policy)
        self.policy.labels(policy).set(1)
        self._policy = policy
        self._counting = {
            (effect, caller): self.decisions.labels(effect, caller)
            for caller in sorted(callers)
            for effect in get_args(Effect)
        }

    def count(self, decision: Decision) -> None:
        """Count a decision that is answered."""
        counting = self._counting.get((decision.effect, decision.gateway_id))
        (counting or self.decisions.labels(decision.effect, OTHER)).inc()
        if decision.effect == "deny":
            rules = {reason.rule_id if reason.rule_id in self._rules else OTHER for reason in decision.reasons}
            for rule in rules | ({CONDITION} if decision.conditions else set()):
                self.reasons.labels(rule).inc()

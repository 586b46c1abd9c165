"""Every metric of a worker, with its help text, unit and bounded labels. Counted once a batch, never once an event."""

from __future__ import annotations

import platform
from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

from rules.haul import Haul

BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 3600.0, 86400.0)
"""Upper bounds, seconds: from the goal of 5 ms over the grace of 10 s to a day of backlog."""


class BatchHistogram(Collector):
    """A histogram that takes a batch of observations at once: one sort and one bisection a bucket."""

    def __init__(self, name: str, help_text: str, registry: CollectorRegistry) -> None:
        """Register it; `name` ends in `_seconds`, observations are milliseconds."""
        self._name, self._help = name, help_text
        self._bounds = [int(bound * 1000) for bound in BUCKETS_S]
        self._counts = [0] * len(BUCKETS_S)
        self._total = 0
        self._sum_ms = 0
        registry.register(self)

    def observe(self, milliseconds: Sequence[int]) -> None:
        """Take observations; one that is negative (a clock ahead of ours) counts as 0."""
        ordered = sorted(milliseconds)
        for at, bound in enumerate(self._bounds):
            self._counts[at] += bisect_left(ordered, bound + 1)
        self._total += len(ordered)
        self._sum_ms += sum(ordered[bisect_left(ordered, 0) :])

    def collect(self) -> list[HistogramMetricFamily]:
        """Return the histogram as Prometheus reads it."""
        buckets = [(str(bound), float(count)) for bound, count in zip(BUCKETS_S, self._counts, strict=True)]
        family = HistogramMetricFamily(self._name, self._help)
        family.add_metric([], [*buckets, ("+Inf", float(self._total))], self._sum_ms / 1000)
        return [family]


class Metrics:
    """The metrics of one worker, in a registry of their own."""

    def __init__(self, version: str) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        r = self.registry
        ProcessCollector(registry=r)  # memory, processor time, and when it started: a restart is told by that
        build = Gauge("cloverwatch_build_info", "Version of the program; always 1.", ["version", "python"], registry=r)
        build.labels(version, platform.python_version()).set(1)
        self.policy = Gauge("cloverwatch_policy_info", "Hash of the policy in force; always 1.", ["policy"], registry=r)
        self.policy_failed = Gauge(
            "cloverwatch_policy_reload_failed",
            "1 while the policy file cannot be read and an older policy is in force.",
            registry=r,
        )
        self.policy_refused = Counter(
            "cloverwatch_policy_refused", "Policies refused because the auditors did not sign them.", registry=r
        )
        self.identities_clear = Gauge(
            "cloverwatch_identities_clear", "1 where alerts name people in clear, 0 where by pseudonyms.", registry=r
        )
        self.people_keys = Gauge("cloverwatch_people_keys", "People of whom there is a key of pseudonyms.", registry=r)
        self.ready = Gauge("cloverwatch_ready", "1 while the worker judges, 0 while it cannot.", registry=r)
        self.records = Counter("cloverwatch_records", "Records read, by topic.", ["topic"], registry=r)
        self.newest = Gauge(
            "cloverwatch_newest_record_age_seconds",
            "Time since the newest record that was read of a topic was written.",
            ["topic"],
            registry=r,
        )
        self._written_at: dict[str, int] = {}
        self.judged = Counter(
            "cloverwatch_events_judged",
            "Accesses judged, by class of the country they came from, sensitivity of the data and outcome.",
            ["place_class", "sensitivity", "outcome"],
            registry=r,
        )
        self.findings = Counter(
            "cloverwatch_findings", "Findings in alerts, by rule and severity.", ["rule", "severity"], registry=r
        )
        self.shadow_findings = Counter(
            "cloverwatch_shadow_findings",
            "Findings of rules in shadow, in no alert that anybody is told of.",
            ["rule", "severity"],
            registry=r,
        )
        self.exempted = Counter(
            "cloverwatch_exempted", "Findings that an exemption hides.", ["rule", "exemption"], registry=r
        )
        self.approved = Counter(
            "cloverwatch_approved_findings", "Findings that an approval covers, by rule.", ["rule"], registry=r
        )
        self.approvals_old_form = Gauge(
            "cloverwatch_approvals_old_form",
            "Records of approvals that count no more: of before each step had its own, as compaction left them.",
            registry=r,
        )
        self.rule_failures = Counter("cloverwatch_rule_failures", "Rules that raised.", ["rule"], registry=r)
        self.alerts = Counter(
            "cloverwatch_alerts", "Alerts stored by the brokers, by family.", ["family", "severity"], registry=r
        )
        self.dead_letters = Counter(
            "cloverwatch_dead_letters", "Records put away as unusable.", ["topic", "reason"], registry=r
        )
        self.skipped = Counter(
            "cloverwatch_source_skipped",
            "Records of other systems that are no access to data.",
            ["source", "reason"],
            registry=r,
        )
        self.duplicates = Counter(
            "cloverwatch_duplicates", "Repetitions of an access that was judged already.", registry=r
        )
        self.ahead = Counter("cloverwatch_events_ahead", "Accesses dated later than their append time.", registry=r)
        self.late = Counter("cloverwatch_events_late", "Accesses older than history may reach.", registry=r)
        self.misplaced = Counter(
            "cloverwatch_misplaced", "Records in another partition than their person's, written anew.", registry=r
        )
        self.waiting = Gauge("cloverwatch_waiting_events", "Accesses waiting for a directory row.", registry=r)
        self.overflow = Counter(
            "cloverwatch_waiting_overflow", "Accesses judged as unknown because too many wait already.", registry=r
        )
        self.memo_hits = Counter(
            "cloverwatch_memo_hits", "Accesses whose verdict still held from an earlier one.", registry=r
        )
        self.habit_late = Counter(
            "cloverwatch_habit_late_events", "Accesses of an earlier day than the habit's present one.", registry=r
        )
        self.habit_known = Counter(
            "cloverwatch_habit_known_events", "Accesses read again that the habit held already.", registry=r
        )
        self.forgotten_habits = Gauge(
            "cloverwatch_forgotten_habits", "Habits of unknown principals given up as too many.", registry=r
        )
        self.state_items = Gauge("cloverwatch_habits", "People whose habit is kept.", registry=r)
        self.state_bytes = Counter("cloverwatch_state_written_bytes", "Bytes of snapshots written.", registry=r)
        self.state_load = Gauge(
            "cloverwatch_state_load_seconds", "How long it took to read what is known of the past.", registry=r
        )
        self.watched_subjects = Gauge(
            "cloverwatch_watched_subjects", "Data subjects whose visitors are remembered, for crowds.", registry=r
        )
        self.watched_sources = Gauge(
            "cloverwatch_watched_sources", "Sources whose rhythm is kept; 0 where another worker oversees.", registry=r
        )
        self.silent_sources = Gauge(
            "cloverwatch_silent_sources",
            "Sources that have gone quiet, as alerts say by name; 0 where another worker oversees.",
            registry=r,
        )
        self.refused_sources = Gauge(
            "cloverwatch_refused_source_reports", "Reports of sources beyond those that can be watched.", registry=r
        )
        self.dropped_days = Gauge(
            "cloverwatch_late_peer_reports", "People's days that came after their version was closed.", registry=r
        )
        self.overseer_behind = Gauge(
            "cloverwatch_overseer_age_seconds",
            "How long ago the time is up to which all partitions are known to be read; 0 where another oversees.",
            registry=r,
        )
        self.peers_version = Gauge(
            "cloverwatch_peers_version_age_seconds",
            "Time since the end of the last day of which peers' statistics are known; 0 before the first.",
            registry=r,
        )
        self.lag = Gauge(
            "cloverwatch_consumer_lag_records",
            "Offsets between what is committed and the end of the log.",
            ["topic", "partition"],
            registry=r,
        )
        self.partitions = Gauge(
            "cloverwatch_topic_partitions",
            "Partitions that a topic is promised to have, each of which some worker must read.",
            ["topic"],
            registry=r,
        )
        self.gaps = Counter(
            "cloverwatch_offset_gap_records", "Offsets that were never delivered.", ["topic", "kind"], registry=r
        )
        self.head_age = Gauge(
            "cloverwatch_ledger_head_age_seconds", "Age of the oldest batch that is not finished.", registry=r
        )
        self.commit_age = Gauge(
            "cloverwatch_commit_age_seconds", "Time since offsets were last committed or had no need to be.", registry=r
        )
        self.rebalances = Counter("cloverwatch_rebalances", "Assignments that the group has given.", registry=r)
        self.assigned = Gauge("cloverwatch_assigned_partitions", "Partitions that this worker reads.", registry=r)
        self.reference_rows = Gauge(
            "cloverwatch_reference_rows", "Versions known of a directory.", ["topic"], registry=r
        )
        self.reference_bad = Counter(
            "cloverwatch_reference_bad_rows", "Directory rows that cannot be used.", ["topic", "reason"], registry=r
        )
        self.reference_keys = Gauge(
            "cloverwatch_reference_strange_keys", "Directory rows under a key that is not their own.", registry=r
        )
        self.reference_lag = Gauge(
            "cloverwatch_reference_lag_records", "Offsets of a directory not read yet.", ["topic"], registry=r
        )
        self.reference_age = Gauge(
            "cloverwatch_reference_age_seconds",
            "Time since a directory was last known to be read to its end.",
            ["topic"],
            registry=r,
        )
        self.reference_newest = Gauge(
            "cloverwatch_reference_newest_row_age_seconds",
            "Time since the newest row of a directory was written; absent while it has none.",
            ["topic"],
            registry=r,
        )
        self.occurrence_to_verdict = BatchHistogram(
            "cloverwatch_occurrence_to_verdict_seconds", "From the access to its verdict.", r
        )
        self.arrival_to_alert = BatchHistogram(
            "cloverwatch_arrival_to_alert_seconds", "From a record's append to its alert stored by the brokers.", r
        )

    def read(self, topic: str, number: int, newest: int) -> None:
        """Count records that were read, the newest of them written at `newest`, milliseconds since 1970."""
        self.records.labels(topic).inc(number)
        self._written_at[topic] = max(newest, self._written_at.get(topic, 0))

    def look_at_clock(self, now: int) -> None:
        """Set what grows older by itself; `now` is the wall clock, milliseconds since 1970."""
        for topic, written_at in self._written_at.items():
            self.newest.labels(topic).set(max(0, now - written_at) / 1000)

    def count(self, haul: Haul) -> None:
        """Add what came of a batch."""
        for (place_class, sensitivity, outcome), number in haul.tally.items():
            self.judged.labels(place_class, sensitivity, outcome).inc(number)
        for (rule, exemption), number in haul.exempted.items():
            self.exempted.labels(rule, exemption).inc(number)
        for rule, number in haul.approved.items():
            self.approved.labels(rule).inc(number)
        for rule, number in haul.failures.items():
            self.rule_failures.labels(rule).inc(number)
        self.duplicates.inc(haul.duplicates)
        self.ahead.inc(haul.ahead)
        self.late.inc(haul.late)
        self.misplaced.inc(len(haul.misplaced))
        self.overflow.inc(haul.overflowed)
        self.memo_hits.inc(haul.memo_hits)
        self.habit_late.inc(haul.habit_late)
        self.habit_known.inc(haul.habit_known)
        self.occurrence_to_verdict.observe(haul.delays)

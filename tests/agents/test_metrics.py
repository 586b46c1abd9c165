"""The metrics: named as Prometheus asks, helpful, bounded, and right about batches."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from typing import Any, Protocol, get_args

import pytest
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from agents.delivering import zeroes
from agents.delivering.metrics import DeliveryMetrics
from agents.ledger import HoleKind
from agents.metrics import BUCKETS_S, Metrics
from agents.watching import SOURCE_OF
from agents.zeroes import begin
from rules.behaviour import BEHAVIOUR_IDS
from rules.catalogue import RULE_IDS
from rules.haul import Haul
from rules.judge import FAILED
from schemas.access import Outcome
from schemas.action import ActionKind
from schemas.alert import SEVERITIES
from schemas.directory import Sensitivity
from schemas.errors import REASONS
from schemas.places import PlaceClass
from schemas.receipt import ReceiptState
from schemas.topics import ACCESS_EVENTS, ACTIONS, ALERTS, BY_NAME, DIRECTORY_TOPICS, RAW_TOPICS
from tests.conftest import require

LABELS: dict[str, tuple[str, ...]] = {
    "topic": tuple(BY_NAME),
    "reason": tuple(REASONS),
    "source": tuple(SOURCE_OF.values()),
    "rule": (*sorted(RULE_IDS | BEHAVIOUR_IDS), FAILED),
    "severity": SEVERITIES,
    "sensitivity": get_args(Sensitivity),
    "outcome": get_args(Outcome),
    "place_class": tuple(PlaceClass),
    "kind": tuple(kind.value for kind in HoleKind),
    "family": ("access", "dataset", "stream", FAILED),
    "partition": ("0", "1"),
    "exemption": ("rota",),
    "policy": ("0123456789abcdef",),
    "version": ("0.1.0",),
    "python": ("3.11.7",),
}
"""Every label with what it may hold: closed lists, but for partitions, the policy's exemptions and versions."""

OF_DELIVERY: dict[str, tuple[str, ...]] = {
    "destination": ("pager",),
    "silence": ("office-move",),
    "state": get_args(ReceiptState),
    "outcome": zeroes.OUTCOMES,
    "severity": SEVERITIES,
    "kind": (*get_args(ActionKind), zeroes.NO_KIND),
    "result": ("taken", "refused"),
    "topic": zeroes.READ_TOPICS,
    "reason": tuple(REASONS),
    "version": ("0.1.0",),
    "python": ("3.11.7",),
}
"""The same of `cloverwatch deliver`: closed lists, but for the policy's destinations and silences, and versions."""


class HasRegistry(Protocol):
    """Metrics of any of our programs."""

    registry: CollectorRegistry


def fed() -> Metrics:
    """Metrics into each of which something was fed."""
    metrics = Metrics("0.1.0")
    for name, metric in vars(metrics).items():
        if name == "registry" or isinstance(metric, dict):
            continue
        if hasattr(metric, "observe"):
            metric.observe([1, 20, 300_000])
            continue
        names = metric._labelnames
        child = metric.labels(*(LABELS[label][0] for label in names)) if names else metric
        child.inc(2)
    return metrics


def fed_delivery() -> DeliveryMetrics:
    """The same of `cloverwatch deliver`."""
    metrics = DeliveryMetrics("0.1.0")
    for name, metric in vars(metrics).items():
        if name != "registry":
            names = metric._labelnames
            child = metric.labels(*(OF_DELIVERY[label][0] for label in names)) if names else metric
            child.observe(0.2) if isinstance(metric, Histogram) else child.inc(2)
    return metrics


def families(metrics: HasRegistry) -> dict[str, Any]:
    text = generate_latest(metrics.registry).decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


@pytest.mark.parametrize("of", [fed, fed_delivery])
def test_promtool_has_nothing_to_say(of: Callable[[], Metrics | DeliveryMetrics]) -> None:
    promtool = shutil.which("promtool")
    require(None if promtool else "promtool is not installed (Debian: prometheus)")
    done = subprocess.run(
        [str(promtool), "check", "metrics"],
        input=generate_latest(of().registry),
        capture_output=True,
        check=False,
        timeout=30,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


@pytest.mark.parametrize(("of", "least"), [(fed, 25), (fed_delivery, 18)])
def test_every_metric_helps_and_is_named_by_its_unit(of: Callable[[], Metrics | DeliveryMetrics], least: int) -> None:
    found = {name: family for name, family in families(of()).items() if not name.endswith("_created")}
    assert {"process_start_time_seconds", "process_resident_memory_bytes"} <= found.keys(), "restarts, memory"
    found = {name: family for name, family in found.items() if not name.startswith(("process_", "python_gc_"))}
    assert len(found) > least
    for name, family in found.items():
        assert re.fullmatch(r"cloverwatch_[a-z]+(_[a-z]+)*", name), name
        assert re.fullmatch(r"[A-Z0-9].*\.", family.documentation), name
        assert not re.search(r"_(ms|milliseconds|minutes|count|sum|total|bytes_total)$", name), name
        timed = family.type == "histogram" or bool({"age", "load", "deadline"} & set(name.split("_")))
        assert name.endswith("_seconds") is timed, name
        assert (family.type == "counter") is any(sample.name.endswith("_total") for sample in family.samples), name


def test_every_label_is_bounded() -> None:
    for name, family in families(fed()).items():
        for sample in family.samples:
            assert sample.labels.keys() - {"le"} <= LABELS.keys(), name
    for name, family in families(fed_delivery()).items():
        for sample in family.samples:
            assert sample.labels.keys() - {"le", "generation"} <= OF_DELIVERY.keys(), name
    # What a person, a dataset or an address is called never becomes a label.
    assert not (LABELS | OF_DELIVERY).keys() & {"employee", "person", "dataset", "event", "address", "country"}


def test_what_an_alert_rule_looks_at_begins_at_zero_for_every_label_it_may_have() -> None:
    """Else the first loss, dead letter or failure would be no increase, and nobody would be told."""
    metrics = Metrics("0.1.0")
    begin(metrics, 4)
    value = metrics.registry.get_sample_value
    for topic in (*RAW_TOPICS, ACCESS_EVENTS):
        for kind in HoleKind:
            assert value("cloverwatch_offset_gap_records_total", {"topic": topic, "kind": kind}) == 0
        for reason in REASONS:
            assert value("cloverwatch_dead_letters_total", {"topic": topic, "reason": reason}) == 0
    for topic in DIRECTORY_TOPICS:
        for reason in REASONS:
            assert value("cloverwatch_reference_bad_rows_total", {"topic": topic, "reason": reason}) == 0
    for rule in LABELS["rule"]:
        assert value("cloverwatch_rule_failures_total", {"rule": rule}) == 0
    assert value("cloverwatch_topic_partitions", {"topic": ACCESS_EVENTS}) == 4


def test_what_a_rule_looks_at_of_delivery_begins_at_zero() -> None:
    metrics = DeliveryMetrics("0.1.0")
    zeroes.begin(metrics)
    value = metrics.registry.get_sample_value
    for topic in (ALERTS, ACTIONS):
        for reason in REASONS:
            assert value("cloverwatch_delivery_bad_records_total", {"topic": topic, "reason": reason}) == 0
    assert value("cloverwatch_delivery_actions_total", {"kind": "none", "result": "refused"}) == 0
    assert value("cloverwatch_delivery_actions_total", {"kind": "ack", "result": "taken"}) == 0
    assert value("cloverwatch_delivery_policy_reload_failed") == 0
    assert value("cloverwatch_delivery_alerts_total", {"destination": "pager", "state": "parked"}) is None
    zeroes.begin_destination(metrics, "pager")
    for state in get_args(ReceiptState):
        assert value("cloverwatch_delivery_alerts_total", {"destination": "pager", "state": state}) == 0
    for outcome in ("delivered", "failed", "refused"):
        assert value("cloverwatch_delivery_attempts_total", {"destination": "pager", "outcome": outcome}) == 0
    assert value("cloverwatch_delivery_latency_seconds_count", {"destination": "pager"}) == 0


def test_a_destination_that_ends_leaves_no_gauge_and_keeps_what_was_counted() -> None:
    """Else one that was taken out of the policy while it was down would be down for ever."""
    metrics = fed_delivery()
    zeroes.begin_destination(metrics, "siem")
    for gauge in zeroes.of_destination(metrics):
        gauge.labels("siem").set(1)
    zeroes.end_destination(metrics, "pager")
    left = [family for family in metrics.registry.collect() if family.type == "gauge"]
    told = {
        sample.labels["destination"] for family in left for sample in family.samples if "destination" in sample.labels
    }
    assert told == {"siem"}
    labels = {"destination": "pager", "state": "delivered"}
    assert metrics.registry.get_sample_value("cloverwatch_delivery_alerts_total", labels) == 2
    zeroes.end_destination(metrics, "pager")  # nothing is there, and nothing raises


def test_the_newest_record_grows_older() -> None:
    metrics = Metrics("0.1.0")
    metrics.read("access.events", 5, 10_000)
    metrics.read("access.events", 2, 7_000)  # another partition, behind
    labels = {"topic": "access.events"}
    for now, age in ((10_000, 0.0), (12_500, 2.5), (9_000, 0.0)):
        metrics.look_at_clock(now)
        assert metrics.registry.get_sample_value("cloverwatch_newest_record_age_seconds", labels) == age
    assert metrics.registry.get_sample_value("cloverwatch_records_total", labels) == 7


def test_a_haul_is_counted_whole() -> None:
    metrics = Metrics("0.1.0")
    haul = Haul(
        misplaced=[(None, "e-1")],
        duplicates=2,
        ahead=3,
        late=4,
        overflowed=5,
        memo_hits=6,
        tally={("third_country", "restricted", "success"): 7, ("inside", "public", "denied"): 8},
        exempted={("role.none", "rota"): 9},
        failures={"role.none": 10},
        delays=[1, 10_000],
    )
    metrics.count(haul)
    metrics.count(haul)

    def value(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(f"cloverwatch_{name}", labels)

    assert value("misplaced_total") == 2
    assert value("duplicates_total") == 4
    assert value("events_ahead_total") == 6
    assert value("events_late_total") == 8
    assert value("waiting_overflow_total") == 10
    assert value("memo_hits_total") == 12
    judged = {"place_class": "third_country", "sensitivity": "restricted", "outcome": "success"}
    assert value("events_judged_total", **judged) == 14
    assert value("exempted_total", rule="role.none", exemption="rota") == 18
    assert value("rule_failures_total", rule="role.none") == 20
    assert value("occurrence_to_verdict_seconds_count") == 4
    assert value("occurrence_to_verdict_seconds_sum") == pytest.approx(20.002)


def test_a_histogram_counts_a_batch_as_one_by_one() -> None:
    """Bounds are inclusive and cumulative; a time before ours counts as none."""
    metrics = Metrics("0.1.0")
    observed = [-5, 0, 1, 2, 3, 5, 6, 10_000, 10_001, 86_400_000, 86_400_001, 10**12]
    metrics.arrival_to_alert.observe(observed[:5])
    metrics.arrival_to_alert.observe([])
    metrics.arrival_to_alert.observe(observed[5:])
    for bound in BUCKETS_S:
        expected = sum(each <= bound * 1000 for each in observed)
        labels = {"le": str(bound)}
        found = metrics.registry.get_sample_value("cloverwatch_arrival_to_alert_seconds_bucket", labels)
        assert found == expected, bound
    value = metrics.registry.get_sample_value
    assert value("cloverwatch_arrival_to_alert_seconds_bucket", {"le": "+Inf"}) == len(observed)
    assert value("cloverwatch_arrival_to_alert_seconds_sum") == sum(each for each in observed if each > 0) / 1000

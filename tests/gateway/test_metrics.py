"""Metrics of a decision point: what promtool says of them, how they are named, which labels they have."""

from __future__ import annotations

import re
import shutil
import subprocess

from prometheus_client import Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from agents.gateway.answers import UNRECORDED
from agents.gateway.metrics import OTHER, GatewayMetrics
from schemas.alert import Reason
from schemas.decision import Decision
from schemas.places import PlaceClass
from tests.conftest import require

LABELS = {
    "version": "0.1.0",
    "python": "3.11.7",
    "policy": "0123456789abcdef",
    "effect": "deny",
    "caller": "one",
    "rule": UNRECORDED,
    "kind": "subject",
    "reason": "rate",
    "answered": "allow",
    "topic": "directory.roles",
}


def fed() -> GatewayMetrics:
    metrics = GatewayMetrics("0.1.0")
    metrics.adopt(LABELS["policy"], frozenset({"one"}))
    for name, metric in vars(metrics).items():
        if name != "registry" and not name.startswith("_"):
            names = metric._labelnames
            child = metric.labels(*(LABELS[label] for label in names)) if names else metric
            child.observe(0.002) if isinstance(metric, Histogram) else child.inc(2)
    return metrics


def test_promtool_has_nothing_to_say() -> None:
    promtool = shutil.which("promtool")
    require(None if promtool else "promtool is not installed (Debian: prometheus)")
    done = subprocess.run(
        [str(promtool), "check", "metrics"],
        input=generate_latest(fed().registry),
        capture_output=True,
        check=False,
        timeout=30,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_every_metric_helps_and_is_named_by_its_unit() -> None:
    found = {
        family.name: family
        for family in text_string_to_metric_families(generate_latest(fed().registry).decode())
        if family.name.startswith("cloverwatch") and not family.name.endswith("_created")
    }
    assert len(found) > 15
    for name, family in found.items():
        assert re.fullmatch(r"cloverwatch_[a-z]+(_[a-z]+)*", name), name
        assert re.fullmatch(r"[A-Z0-9].*\.", family.documentation), name
        assert name.endswith("_seconds") is (family.type == "histogram" or name.endswith("_age_seconds")), name


def a_decision(caller: str, rule: str) -> Decision:
    return Decision(
        decision_id="d-1",
        gateway_id=caller,
        effect="deny",
        decided_at=0,
        expires_at=1,
        person="e-1",
        dataset_id="users",
        action="read",
        place_class=PlaceClass.INSIDE,
        reasons=(Reason(rule_id=rule, rule_version=1, severity="low", sentence="it is so"),),
    )


def test_callers_and_rules_that_the_policy_does_not_name_count_as_others() -> None:
    """Certificates may name whom they like: a label must not grow with them."""
    metrics = GatewayMetrics("0.1.0")
    metrics.adopt("v1", frozenset({"one"}))
    for number in range(50):
        metrics.count(a_decision(f"stranger-{number}", f"rule-{number}"))
    metrics.count(a_decision("one", "role.none"))
    text = generate_latest(metrics.registry).decode()
    assert f'cloverwatch_gateway_decisions_total{{caller="{OTHER}",effect="deny"}} 50.0' in text
    assert 'cloverwatch_gateway_decisions_total{caller="one",effect="deny"} 1.0' in text
    assert "stranger" not in text
    assert "rule-" not in text


def test_a_new_policy_takes_the_place_of_the_old_one() -> None:
    metrics = GatewayMetrics("0.1.0")
    metrics.adopt("v1", frozenset({"one"}))
    metrics.adopt("v2", frozenset({"one"}))
    text = generate_latest(metrics.registry).decode()
    assert 'policy="v2"' in text
    assert 'policy="v1"' not in text

"""What the program and Prometheus export: every metric by the name that queries use, with its labels."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml
from prometheus_client import Histogram

from agents.audit.writing.metrics import AuditMetrics
from agents.gateway.metrics import GatewayMetrics
from agents.matching.metrics import MatchMetrics
from tests.agents.test_metrics import families, fed, fed_delivery
from tests.deploy.promql import FROM_PROMETHEUS, asked

PROMETHEUS = Path("deploy/prometheus")

OF_PROMETHEUS: dict[str, tuple[str, ...]] = {"up": (), "ALERTS": ("alertname", "alertstate", "severity")}
"""Series that Prometheus itself makes: of scrapes, and of the rules that fire."""


def rules(name: str) -> list[dict[str, Any]]:
    """The rules of a file under deploy/prometheus, in order."""
    groups = yaml.safe_load((PROMETHEUS / name).read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def fed_enclave() -> list[GatewayMetrics | MatchMetrics | AuditMetrics]:
    """Metrics of `cloverwatch gateway`, `match` and `audit log`, into each of which something was fed."""
    made: list[GatewayMetrics | MatchMetrics | AuditMetrics] = [
        GatewayMetrics("0.1.0"),
        MatchMetrics("0.1.0"),
        AuditMetrics("0.1.0"),
    ]
    for metrics in made:
        for name, metric in vars(metrics).items():
            if name == "registry" or name.startswith("_"):
                continue
            names = metric._labelnames
            child = metric.labels(*("some" for _ in names)) if names else metric
            child.observe(0.2) if isinstance(metric, Histogram) else child.inc(2)
    return made


@cache
def exported() -> dict[str, frozenset[str]]:
    """Labels by name of the series: of all programs, of Prometheus and of the recording rules."""
    found: dict[str, frozenset[str]] = {}
    of_all = [fed(), fed_delivery(), *fed_enclave()]
    for family in (family for metrics in of_all for family in families(metrics).values()):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, frozenset()) | set(sample.labels) | FROM_PROMETHEUS
    for name, labels in OF_PROMETHEUS.items():
        found[name] = frozenset(labels) | FROM_PROMETHEUS
    for rule in rules("recording.yml"):
        found[rule["record"]] = asked(rule["expr"]).grouped - {"le"}
    return found


def unknown(expr: str) -> list[str]:
    """A sentence for each metric or label of a query that nothing exports."""
    query, there = asked(expr), exported()
    wrong = [f"{each.name} is exported by nothing" for each in query.selectors if each.name not in there]
    known: set[str] = set()
    for each in query.selectors:
        labels = there.get(each.name, frozenset())
        known |= labels
        wrong += [f"{each.name} has no label {label}" for label in sorted(each.labels - labels) if each.name in there]
    return wrong + [f"nothing in it has the label {label}" for label in sorted(query.grouped - known)]

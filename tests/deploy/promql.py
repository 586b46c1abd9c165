"""What a query asks for, told by a PromQL parser: metrics with the labels that are matched, and labels grouped by."""

from __future__ import annotations

import re
from dataclasses import dataclass

import promql_parser

FROM_PROMETHEUS = frozenset({"job", "instance"})
"""Labels that a scrape adds."""


@dataclass(frozen=True, slots=True)
class Selector:
    """A metric with the labels that its matchers name."""

    name: str
    labels: frozenset[str]
    text: str
    """As PromQL, without range and offset."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a query asks for."""

    selectors: tuple[Selector, ...]
    grouped: frozenset[str]
    """Labels by which something is grouped or joined."""


def filled(expr: str) -> str:
    """A panel's query as Grafana sends it: everything chosen, a quarter of an hour shown."""
    for variable, value in (("$__rate_interval", "1m"), ("$__range", "15m"), ("$instance", ".+"), ("$topic", ".+")):
        expr = expr.replace(variable, value)
    assert "$" not in expr, f"a variable that is not known: {expr}"
    return expr


def asked(expr: str) -> Asked:
    """Parse a query; fail where it is none."""
    selectors: list[Selector] = []
    grouped: set[str] = set()

    def visit(node: promql_parser.Expr) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            assert node.name, f"a selector without a metric: {expr}"
            matchers = node.matchers.matchers
            text = f"{node.name}{{{','.join(str(matcher) for matcher in matchers)}}}"
            selectors.append(Selector(node.name, frozenset(matcher.name for matcher in matchers), text))
        elif isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None:
            grouped.update(node.modifier.labels)
        elif isinstance(node, promql_parser.BinaryExpr) and node.modifier is not None:
            grouped.update(node.modifier.matching.labels if node.modifier.matching is not None else ())
            grouped.update(node.modifier.group_labels or ())

    promql_parser.walk(promql_parser.parse(expr), visit)
    assert selectors, f"asks for nothing: {expr}"
    return Asked(tuple(selectors), frozenset(grouped))


def variables(text: str) -> set[str]:
    """Labels that a legend or a template names."""
    return set(re.findall(r"\{\{ ?(?:\$labels\.)?([a-z_]+) ?\}\}", text))

"""What deciding costs: CPU a decision, without HTTP and without the broker. `python -m benchmarks.deciding`.

A company of 10,000 employees and 1,000 datasets, judged by the demo's policy with a `[gateway]` of ordinary size.
"""

from __future__ import annotations

import argparse
import gc
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

import orjson

from agents.geo import PackagedGeo
from rules.behaviour import BEHAVIOUR_IDS
from rules.catalogue import RULE_IDS, RULES
from rules.gateway.decide import DecisionPoint
from rules.gateway.request import AccessRequest, AskedAction, Resource, Subject
from rules.join import Joiner
from rules.judge import Judge
from rules.jurisdictions import shipped
from rules.knowledge import Knowledge
from rules.policy import parse
from schemas.codec import DIRECTORY

PEOPLE: Final = 10_000
DATASETS: Final = 1_000
DECISIONS: Final = 20_000
WARM: Final = 2_000
"""Decisions before it is measured: what the law says of a country is looked up once."""

NOW: Final = 1_772_445_600_000
"""2026-03-02T10:00:00Z."""

DAY: Final = 86_400_000

GATEWAY: Final = """
[gateway]
valid_for = "15m"
[gateway.gateways.gw-dub-1]
datasets = ["eea-*", "ch-*", "gb-*"]
[gateway.break_glass]
roles = ["incident-manager"]
[[gateway.obligations]]
sensitivity = ["allowable"]
places = ["adequate", "conditional", "third_country", "unknown"]
pseudonymised = true
[[gateway.obligations]]
sensitivity = ["restricted"]
row_limit = 100
[[gateway.obligations]]
sensitivity = ["restricted"]
actions = ["export", "delete", "grant"]
ticket = true
[[gateway.conditions]]
name = "archived"
sentence = "The record is archived: ask an administrator."
actions = ["write", "update"]
when = { "resource.status" = "archived" }
unless = { "subject.role" = "data-engineer" }
[[gateway.conditions]]
name = "hard-delete"
sentence = "Delete softly."
actions = ["delete"]
when = { "action.soft" = false }
"""

COUNTRIES: Final = ("IE", "IE", "IE", "DE", "FR", "NO", "GB", "US", "IN", "JP")
ROLES: Final = ("support-agent", "data-engineer", "security", "incident-manager", "allowable-reader", "analyst")
ENTITIES: Final = {"IE": "clover-ie", "NO": "clover-no", "GB": "clover-uk", "US": "clover-us", "IN": "clover-in"}
ADDRESSES: Final = {"IE": "10.16.0.9", "DE": "10.12.0.9", "FR": "10.14.0.9", "NO": "10.20.0.9", "GB": "10.15.0.9"}


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one decision, microseconds of CPU; and how many of all were allowed."""

    p50: float
    p99: float
    worst: float
    allowed: float


def main(arguments: list[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.deciding")
    parser.add_argument("--decisions", type=int, default=DECISIONS)
    given = parser.parse_args(arguments)
    cost = measure(given.decisions)
    print(f"{PEOPLE:,} employees, {DATASETS:,} datasets, {given.decisions:,} decisions, {cost.allowed:.0%} allowed")
    print(f"CPU a decision: p50 {cost.p50:.0f} µs, p99 {cost.p99:.0f} µs, worst {cost.worst:.0f} µs")
    return 0


def measure(decisions: int, people: int = PEOPLE, datasets: int = DATASETS, seed: int = 7) -> Cost:
    """Decide so many different requests, and return what one cost."""
    random = Random(seed)
    point = company(people, datasets, random)
    asked = [a_request(random, people, datasets) for _ in range(decisions + WARM)]
    costs, allowed = [], 0
    gc.collect()
    gc.freeze()
    try:
        for number, request in enumerate(asked):
            began = time.thread_time_ns()
            decided = point.decide(request, caller="gw-dub-1", now=NOW + number, decision_id="d", request_id="r")
            costs.append((time.thread_time_ns() - began) / 1_000)
            allowed += decided.record.effect == "allow"
    finally:
        gc.unfreeze()
    costs = sorted(costs[WARM:])
    return Cost(costs[len(costs) // 2], costs[len(costs) * 99 // 100], costs[-1], allowed / len(asked))


def company(people: int, datasets: int, random: Random) -> DecisionPoint:
    """Return a decision point over a company of such a size."""
    text = without_gateway(Path("demo/policy.toml").read_text(encoding="utf-8")) + GATEWAY
    policy = parse(text, "demo/policy.toml", RULE_IDS | BEHAVIOUR_IDS)
    knowledge = Knowledge()

    def row(topic: str, **fields: Any) -> None:
        fields.setdefault("valid_from", NOW - 60 * DAY)
        knowledge.apply(DIRECTORY[topic].decode(orjson.dumps({"recorded_at": NOW - 60 * DAY, **fields})))

    for number in range(people):
        who, home = f"e-{number:05}", random.choice(COUNTRIES)
        row("directory.employees", employee_id=who, status="active", home_country=home,
            employer=ENTITIES.get(home, "clover-ie"))  # fmt: skip
        row("directory.locations", employee_id=who, evidence="contract", country=home)
        for days in range(1, 4):
            row("directory.locations", employee_id=who, evidence="badge", country=home, valid_from=NOW - days * DAY)
        row("directory.locations", employee_id=who, evidence="device", country=home, valid_from=NOW - DAY // 4)
        for role in random.sample(ROLES, 2):
            row("directory.roles", employee_id=who, role=role)
    for number in range(datasets):
        region = ("EEA", "EEA", "CH", "GB")[number % 4]
        row("directory.datasets", dataset_id=dataset(number), subject_region=region, site="dub-1", site_country="IE",
            sensitivity=("restricted", "allowable", "pseudonymised", "public")[number % 7 % 4])  # fmt: skip
    return DecisionPoint(
        Judge(Joiner(policy, knowledge, shipped(), PackagedGeo()), RULES), knowledge, policy, memo=True
    )


def without_gateway(policy: str) -> str:
    """Return a policy's text without its `[gateway]`: a benchmark sets its own."""
    tables = re.split(r"(?m)^(?=\[)", policy)
    return "".join(table for table in tables if not re.match(r"\[+gateway\b", table))


def dataset(number: int) -> str:
    """Return a dataset's id."""
    return f"{('eea', 'eea', 'ch', 'gb')[number % 4]}-{number:04}"


def a_request(random: Random, people: int, datasets: int) -> AccessRequest:
    """Return what somebody may ask: anybody, for anything."""
    purpose = random.choice(("support", "investigation", "operations"))
    context: dict[str, Any] = {"purpose": purpose, "ticket": f"T-{random.randrange(10_000)}", "session_id": "s"}
    address = ADDRESSES.get(random.choice(COUNTRIES))
    if address is not None:
        context["ip"] = address
    return AccessRequest(
        subject=Subject(type="user", id=f"e-{random.randrange(people):05}", properties={"department": "support"}),
        action=AskedAction(
            name=random.choice(("read", "list", "query", "update", "export")), properties={"soft": True}
        ),
        resource=Resource(type="record", id=dataset(random.randrange(datasets)), properties={"status": "active"}),
        context=context,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

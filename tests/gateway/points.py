"""Decision points for tests: over the certification's fixture, and over the small world of the cases."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from agents.files import load_directory
from rules.behaviour import BEHAVIOUR_IDS
from rules.catalogue import RULE_IDS, RULES
from rules.gateway.decide import DecisionPoint
from rules.gateway.request import AccessRequest, AskedAction, Decided, Resource, Subject
from rules.join import Joiner
from rules.judge import Judge
from rules.knowledge import Knowledge
from rules.policy import parse
from rules.rule import Rule
from schemas.directory import Row
from tests.rules.streams import knowing, policy
from tests.rules.world import GEO, LEGAL

CERTIFICATION: Final = Path(__file__).parent / "certification"
CALLER: Final = "gw-1"

GATEWAY: Final = """
[gateway]
[gateway.gateways.gw-1]
[gateway.gateways.gw-logs]
datasets = ["log*"]
[gateway.gateways.gw-machines]
principals = ["workload", "service"]
"""
"""What is added to the policy of the cases: three gateways, the first for all data and all people."""


def certification() -> DecisionPoint:
    """A decision point over the certification's fixture."""
    knowledge = load_directory(CERTIFICATION / "directories").knowledge
    whole = parse((CERTIFICATION / "policy.toml").read_text(), "policy.toml", RULE_IDS | BEHAVIOUR_IDS)
    return DecisionPoint(Judge(Joiner(whole, knowledge, LEGAL, GEO), RULES), knowledge, whole)


def point(
    rows: Iterable[Row] | Knowledge = (), more: str = "", *, gateway: str = GATEWAY, rules: tuple[Rule, ...] = RULES
) -> DecisionPoint:
    """A decision point over rows, by the policy of the cases with `gateway` and `more` behind it."""
    knowledge = rows if isinstance(rows, Knowledge) else knowing(rows)
    whole = policy(gateway + more)
    return DecisionPoint(Judge(Joiner(whole, knowledge, LEGAL, GEO), rules), knowledge, whole)


def request(
    who: str = "e-1",
    action: str = "read",
    dataset: str = "users",
    *,
    kind: str = "user",
    properties: dict[str, dict[str, Any]] | None = None,
    **context: Any,
) -> AccessRequest:
    """A request in which everything is right; a context of None is left out."""
    of = properties or {}
    said = {"purpose": "support", "ticket": "T-1", **context}
    return AccessRequest(
        subject=Subject(type=kind, id=who, properties=of.get("subject", {})),
        action=AskedAction(name=action, properties=of.get("action", {})),
        resource=Resource(type="dataset", id=dataset, properties=of.get("resource", {})),
        context={name: value for name, value in said.items() if value is not None},
    )


def decided(at: DecisionPoint, asked: AccessRequest, now: int, *, caller: str = CALLER) -> Decided:
    """The decision, with ids that say nothing."""
    return at.decide(asked, caller=caller, now=now, decision_id="d-1", request_id="r-1")

"""A small world with a gateway: one policy, some people and datasets, decisions and accesses in a few words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from agents.geo import PackagedGeo
from rules.catalogue import RULE_IDS
from rules.join import Joiner
from rules.jurisdictions import shipped
from rules.knowledge import Knowledge
from rules.matching.compare import Comparer
from rules.matching.elsewhere import Elsewhere
from rules.matching.kinds import MATCHING_IDS
from rules.matching.matcher import Matcher
from rules.policy import Policy, parse
from schemas.access import AccessEvent
from schemas.alert import EventRef
from schemas.approval import Approval
from schemas.codec import ACCESS, DIRECTORY
from schemas.decision import Decision, Obligations
from schemas.places import PlaceClass

T = 1_764_000_000_000
MINUTE = 60_000
POLICY = """\
version = 1
[perimeter]
countries = ["EEA"]
regime = "EU"
[gateway]
must_pass = ["vault-*", "unheard-*"]
valid_for = "15m"
uses = 5
wait = "500ms"
[gateway.gateways.gw-dub-1]
quiet_after = "1h"
"""


def policy_of(more: str = "") -> Policy:
    return parse(POLICY + more, "policy.toml", RULE_IDS | MATCHING_IDS)


def rows() -> list[tuple[str, dict[str, Any]]]:
    """The directories: two people in Ireland, two datasets behind gateways, and one that is nobody's secret."""
    found: list[tuple[str, dict[str, Any]]] = [
        ("datasets", {"dataset_id": "vault-users", "sensitivity": "restricted", "subject_region": "IE"}),
        ("datasets", {"dataset_id": "vault-mail", "sensitivity": "allowable", "subject_region": "IE"}),
        ("datasets", {"dataset_id": "vault-stats", "sensitivity": "public", "subject_region": "IE"}),
    ]
    for name in ("ann", "bob"):
        found.append(("employees", {"employee_id": name, "status": "active", "employer": "clover-ie"}))
        found.append(("locations", {"employee_id": name, "evidence": "contract", "country": "IE"}))
    return [(f"directory.{topic}", {"valid_from": 0, "recorded_at": 0, **fields}) for topic, fields in found]


def knowledge() -> Knowledge:
    found = Knowledge()
    for topic, fields in rows():
        found.apply(DIRECTORY[topic].decode(orjson.dumps(fields)))
    return found


def comparer_of(
    policy: Policy | None = None, approvals: Mapping[str, Approval] | None = None, elsewhere: Elsewhere | None = None
) -> Comparer:
    joiner = Joiner(policy or policy_of(), knowledge(), shipped(), PackagedGeo())
    return Comparer(joiner, approvals or {}, elsewhere or Elsewhere(3_600_000))


def decision(name: str = "d-1", **fields: Any) -> Decision:
    at = fields.pop("decided_at", T)
    given: dict[str, Any] = {
        "gateway_id": "gw-dub-1",
        "effect": "allow",
        "decided_at": at,
        "expires_at": at + 15 * MINUTE,
        "person": "ann",
        "dataset_id": "vault-users",
        "action": "read",
        "session_id": "s-1",
        "country": "IE",
        "place_class": PlaceClass.INSIDE,
        "uses": 5,
        "obligations": Obligations(**fields.pop("obligations", {})),
    }
    return Decision(decision_id=name, **{**given, **fields})


def access(name: str = "e-1", **fields: Any) -> AccessEvent:
    """An access of Ann's in her session, without the id of a decision."""
    given: dict[str, Any] = {
        "event_id": name,
        "occurred_at": T + 1_000,
        "employee_id": "ann",
        "dataset_id": "vault-users",
        "action": "read",
        "session_id": "s-1",
    }
    merged = {**given, **fields}
    return ACCESS.decode(orjson.dumps({key: value for key, value in merged.items() if value is not None}))


def found(
    events: list[AccessEvent], decisions: list[Decision], comparer: Comparer | None = None
) -> dict[str, list[str]]:
    """By event id the kinds that are found, where decisions are appended when they are made, and accesses too."""
    matcher = Matcher(comparer or comparer_of())
    for offset, each in enumerate(decisions):
        matcher.decide(each, offset, each.decided_at)
    told: dict[str, list[str]] = {}
    for offset, event in enumerate(events):
        matcher.access(event, EventRef(event_id=event.event_id), offset, event.occurred_at)
    for judged in matcher.advance(T * 2, T * 2):
        told[judged.access.event.event_id] = [each.kind.id for each in judged.compared.findings]
    return told

"""Streams of accesses and directory rows for tests of a session, in the small world of the cases (`rules.cases`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import msgspec
import orjson

from agents.files import Line
from rules.behaviour import BEHAVIOUR_IDS
from rules.cases import DATASET, DAY, EMPLOYEE, EVENT, POLICY, T
from rules.catalogue import RULE_IDS, RULES
from rules.haul import Haul
from rules.join import Joiner
from rules.judge import Judge
from rules.knowledge import Knowledge
from rules.policy import Policy, parse
from rules.rule import Rule
from rules.session import Session
from schemas.access import AccessEvent
from schemas.alert import Alert, EventRef, JudgedWith
from schemas.codec import DIRECTORY
from schemas.directory import Row
from tests.rules.world import GEO, LEGAL

JUDGED_WITH = JudgedWith(policy="p", legal_table="l", geo_table="g", directories="d", known={})

IRISH = "87.32.0.1"
INDIAN = "1.6.0.1"
"""Addresses that registries have given to networks in Ireland and in India."""


def line(event: dict[str, Any], offset: int, timestamp: int | None = None, partition: int = 0) -> Line:
    """A message: an access that is appended when it happens, unless told otherwise."""
    given = {name: value for name, value in event.items() if value is not None}
    at = given["occurred_at"] if timestamp is None else timestamp
    return Line(orjson.dumps(given), at, offset, "access.events", partition)


def access(**fields: Any) -> dict[str, Any]:
    """An access in which everything is right; None leaves a field out."""
    base = {"event_id": "ev-1", "occurred_at": T, "employee_id": "e-1", "dataset_id": "users", **EVENT}
    return {**base, **fields}


def row(topic: str, **fields: Any) -> Row:
    """A directory row as it is decoded; None leaves a field out."""
    whole = {"valid_from": T - 60 * DAY, "recorded_at": T - 90 * DAY, **fields}
    return DIRECTORY[topic].decode(orjson.dumps({name: value for name, value in whole.items() if value is not None}))


def employee(who: str = "e-1", **fields: Any) -> Row:
    """Employment."""
    return row("directory.employees", employee_id=who, **{**EMPLOYEE, **fields})


def badge(country: str = "IE", who: str = "e-1", **fields: Any) -> Row:
    """A badge's swipe, yesterday."""
    given = {"evidence": "badge", "valid_from": T - DAY, **fields}
    return row("directory.locations", employee_id=who, country=country, **given)


def role(name: str = "reader", who: str = "e-1", **fields: Any) -> Row:
    """A role held."""
    return row("directory.roles", employee_id=who, role=name, **fields)


def dataset(which: str = "users", **fields: Any) -> Row:
    """A dataset."""
    return row("directory.datasets", dataset_id=which, **{**DATASET, **fields})


def workload(who: str = "proxy", **fields: Any) -> Row:
    """A machine's role, with its networks."""
    return row("directory.workloads", principal_id=who, **{"networks": ["10.0.0.0/16", "2001:db8::/32"], **fields})


def complete(who: str = "e-1") -> list[Row]:
    """Everything about one employee at work in Ireland."""
    return [employee(who), badge(who=who), role(who=who)]


@cache
def policy(more: str = "") -> Policy:
    """The policy of the cases, and more of it."""
    return parse(POLICY + more, "cases.toml", RULE_IDS | BEHAVIOUR_IDS)


def knowing(rows: Iterable[Row]) -> Knowledge:
    """Directories that hold these rows."""
    knowledge = Knowledge()
    for each in rows:
        knowledge.apply(each)
    return knowledge


def judge(knowledge: Knowledge, more: str = "", rules: Sequence[Rule] = RULES) -> Judge:
    """A judge over directories."""
    return Judge(Joiner(policy(more), knowledge, LEGAL, GEO), rules)


def describe(message: Any, event: AccessEvent) -> EventRef:
    """Where an access came from."""
    return EventRef(event_id=event.event_id, topic=message.topic, partition=message.partition, offset=message.offset)


def session(rows: Iterable[Row] = (), *, more: str = "", rules: Sequence[Rule] = RULES, **options: Any) -> Session:
    """A session over directories; `options` are the session's own."""
    made = judge(knowing(rows), more, rules)
    return Session(made, describe=describe, provenance=lambda: JUDGED_WITH, **options)


def counted(haul: Haul) -> dict[str, Any]:
    """What came of a batch, without what only says how it was reached."""
    plain = {name: getattr(haul, name) for name in haul.__slots__ if name not in {"memo_hits", "bad"}}
    plain["bad"] = [(message.offset, error.reason) for message, error in haul.bad]
    return plain


def timeless(alert: Alert) -> Alert:
    """An alert without the moment at which somebody happened to judge it."""
    return msgspec.structs.replace(alert, detected_at=0)


def by_id(alerts: Iterable[Alert]) -> dict[str, Alert]:
    """Alerts by id; the same id twice must be the same alert."""
    found: dict[str, Alert] = {}
    for alert in map(timeless, alerts):
        assert found.setdefault(alert.alert_id, alert) == alert
    return found

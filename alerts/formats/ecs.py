"""An alert as a document of the Elastic Common Schema 9.4.

One document an alert: a later revision replaces the former. The alert is the event (`event.kind` is `alert`), so
`@timestamp` is when the revision came to be and `event.created` when it was detected; when the access was is in
`event.start` and `event.end`. What ECS has no field for stands in `cloverwatch.*`, whose fields are few and the same in
every document: `facts` and `evidence`, whose keys are many, are objects that the mapping stores and does not index.
Source: the field list of ECS 9.4.0, https://www.elastic.co/docs/reference/ecs; what is made here is checked against it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from time import gmtime, strftime
from typing import Any, Final

import orjson
from msgspec import UnsetType

from alerts.formats.ocsf import began_at, revised_at, rule_version
from schemas.alert import SEVERITIES, Alert, Evidence

SCHEMA_VERSION: Final = "9.4.0"
PRODUCT: Final = "cloverwatch"
CHANGES: Final = frozenset({"write", "update", "delete", "create", "grant"})
"""Actions whose `event.type` is `change`; the others are `access`."""

OUTCOMES: Final = {"success": "success", "denied": "failure", "error": "failure"}
"""`event.outcome` has three values; what is neither is `unknown`."""

SECONDS_KEPT: Final = 4096
"""Seconds whose text is kept made: a document has four times, mostly of one second, which its neighbours share."""

PSEUDONYM: Final = re.compile(r"[a-z][0-9a-z]{0,11}:[a-z2-7]{24}")
"""`epoch:token`. Only that goes into `user.hash`, which is for people who are not to be named."""


def document(alert: Alert, *, now: int, version: str) -> dict[str, Any]:  # noqa: ARG001  # as the other formats
    """Return an alert as an ECS document, plain JSON values, objects nested.

    There is no `event.risk_score`: it is for a score of the source's own, and we have none; `event.severity` is 1
    (informational) to 5 (critical).

    Args:
        alert: one revision of an alert. Its `person` is what stands in `user.id`: a pseudonym, unless the destination
            may have clear names.
        now: milliseconds since 1970; nothing depends on it, so that a document sent again is the same.
        version: of the program.
    """
    event: dict[str, Any] = {
        "kind": "alert",
        "id": alert.alert_id,
        "code": alert.rule_id,
        "module": PRODUCT,
        "dataset": "cloverwatch.alerts",
        "provider": PRODUCT,
        "sequence": alert.revision,
        "severity": SEVERITIES.index(alert.severity) + 1,
        "reason": alert.explanation,
        "created": stamp(alert.detected_at),
        "start": stamp(began_at(alert)),
        "end": stamp(alert.occurred_at),
        "outcome": "unknown" if isinstance(alert.outcome, UnsetType) else OUTCOMES.get(alert.outcome, "unknown"),
    }
    if not isinstance(alert.dataset_id, UnsetType):
        event["category"] = ["database"]
        event["type"] = ["info"]
    if not isinstance(alert.action, UnsetType):
        event["action"] = alert.action
        event["category"] = ["database"]
        event["type"] = ["change" if alert.action in CHANGES else "access"]
    top = alert.reasons[0]
    made: dict[str, Any] = {
        "@timestamp": stamp(revised_at(alert)),
        "message": alert.explanation,
        "ecs": {"version": SCHEMA_VERSION},
        "event": event,
        "rule": {
            "id": alert.rule_id,
            "name": alert.title,
            "version": str(rule_version(alert)),
            "category": alert.family,
            "description": top.sentence,
            "ruleset": PRODUCT,
        },
        "observer": {"vendor": PRODUCT, "product": PRODUCT, "version": version, "type": "monitor"},
        "cloverwatch": _own(alert),
    }
    if alert.test:
        made["tags"] = ["test"]
    if not isinstance(alert.person, UnsetType):
        user: dict[str, Any] = {"id": alert.person}
        if PSEUDONYM.fullmatch(alert.person):
            user["hash"] = alert.person
        roles = alert.facts.get("roles")
        if isinstance(roles, list):
            user["roles"] = roles
        made["user"] = user
        before = alert.person_before
        made["related"] = {"user": [alert.person] if isinstance(before, UnsetType) else [alert.person, before]}
    if not isinstance(alert.place, UnsetType) and alert.place.country is not None:
        made["source"] = {"geo": {"country_iso_code": alert.place.country}}
    return made


def encode(alert: Alert, *, now: int, version: str) -> bytes:
    """Return `document` as JSON, one line."""
    return orjson.dumps(document(alert, now=now, version=version))


def stamp(at_ms: int) -> str:
    """Return milliseconds since 1970 as RFC 3339 in UTC: as `schemas.fields.iso`, for a document's many times."""
    seconds, milliseconds = divmod(at_ms, 1000)
    return f"{_second(seconds)}.{milliseconds:03d}Z"


@lru_cache(maxsize=SECONDS_KEPT)
def _second(seconds: int) -> str:
    return strftime("%Y-%m-%dT%H:%M:%S", gmtime(seconds))


def _own(alert: Alert) -> dict[str, Any]:
    """Return `cloverwatch.*`: one level of keywords, numbers and booleans, and the two objects that are not indexed."""
    made: dict[str, Any] = {
        "status": alert.status,
        "cause": alert.cause,
        "severity": alert.severity,
        "dedup_key": alert.dedup_key,
        "principal_type": alert.principal_type,
        "rule_ids": [reason.rule_id for reason in alert.reasons],
        "reasons": [reason.sentence for reason in alert.reasons],
        "policy": alert.judged_with.policy,
        "legal_table": alert.judged_with.legal_table,
        "geo_table": alert.judged_with.geo_table,
        "directories": alert.judged_with.directories,
        "test": alert.test,
        "facts": alert.facts,
    }
    for name in ("dataset_id", "sensitivity", "action", "outcome", "person_before"):
        value = getattr(alert, name)
        if not isinstance(value, UnsetType):
            made[name] = value
    if not isinstance(alert.event, UnsetType):
        made["event_id"] = alert.event.event_id
        for name in ("topic", "partition", "offset", "source"):
            value = getattr(alert.event, name)
            if value is not None:
                made[f"event_{name}"] = value
    if not isinstance(alert.place, UnsetType):
        made["place_class"] = alert.place.place_class.value
        made["place_presumed"] = alert.place.presumed
        made["evidence"] = [_seen(each) for each in alert.place.evidence]
    if not isinstance(alert.transfer, UnsetType):
        for name in ("importer", "importer_country", "basis", "judged_on", "regime", "note"):
            value = getattr(alert.transfer, name)
            if value:
                made[f"transfer_{name}"] = value
    if not isinstance(alert.handled, UnsetType):
        made["handled"] = alert.handled.state
        if alert.handled.by:
            made["handled_by"] = alert.handled.by
        if alert.handled.at:
            made["handled_at"] = stamp(alert.handled.at)
        if alert.handled.comments:
            made["comments"] = [comment.text for comment in alert.handled.comments]
    return made


def _seen(evidence: Evidence) -> dict[str, Any]:
    return {
        "kind": evidence.kind,
        "country": evidence.country,
        "place_class": None if evidence.place_class is None else evidence.place_class.value,
        "age_ms": evidence.age_ms,
        "stood": evidence.stood,
        "note": evidence.note,
    }

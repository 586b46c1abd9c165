"""An alert as OCSF 1.8.0: class 2004, Detection Finding.

One finding a revision: activity Create for the first, Update for later ones, Close when it is over. What OCSF has no
attribute for stands in `unmapped`. The profile `data_classification` is applied where the data has a class. Source of
every name and number: the schema, version 1.8.0, https://schema.ocsf.io/1.8.0/classes/detection_finding; what is made
here is checked against it.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import orjson
from msgspec import UnsetType

from schemas.action import Handling
from schemas.alert import SEVERITIES, Alert, EventRef, JudgedWith, Place, Transfer

SCHEMA_VERSION: Final = "1.8.0"
PRODUCT: Final = "cloverwatch"
CATEGORY_UID: Final = 2
CLASS_UID: Final = 2004
CREATE: Final = 1
UPDATE: Final = 2
CLOSE: Final = 3
ACTIVITIES: Final = {CREATE: "Create", UPDATE: "Update", CLOSE: "Close"}
NEW: Final = 1
IN_PROGRESS: Final = 2
SUPPRESSED: Final = 3
RESOLVED: Final = 4
STATUSES: Final = {NEW: "New", IN_PROGRESS: "In Progress", SUPPRESSED: "Suppressed", RESOLVED: "Resolved"}
"""A withdrawn alert is Suppressed: looked at again, with a fact that came late, and found to be none. Deleted it is
not: the record stays."""

SEVERITY_NAMES: Final = {name: name.capitalize() for name in SEVERITIES}
SEVERITY_IDS: Final = {name: index + 1 for index, name in enumerate(SEVERITIES)}
RULE: Final = 1
BEHAVIORAL: Final = 2
ANALYTICS: Final = {RULE: "Rule", BEHAVIORAL: "Behavioral"}
BEHAVIOUR_FAMILY: Final = "behaviour"
"""The family of the alerts about what somebody does, judged by their own habit."""

USER_TYPES: Final = {
    "employee": (1, "User"),
    "external": (1, "User"),
    "service": (4, "Service"),
    "workload": (4, "Service"),
}
CONFIDENTIALITY: Final = {"restricted": (6, "Restricted"), "public": (1, "Not Confidential")}
"""What OCSF has a number for; the other classes are 99, Other, under their own name."""

DATA_CLASSIFICATION: Final = "data_classification"
OTHER: Final = 99
AFFECTED: Final = 3
UNKNOWN_ENDPOINT: Final = "unknown"
"""An endpoint must have a name or an id beside its place, and the alert knows neither."""

RESOURCE_UID: Final = 10
COUNTRY: Final = 14
USER_UID: Final = 31


def activity_of(alert: Alert) -> int:
    """Return the activity of a revision: CREATE, UPDATE or CLOSE."""
    if alert.status in {"resolved", "withdrawn"} or _handled(alert) == "closed":
        return CLOSE
    return UPDATE if alert.revision else CREATE


def status_of(alert: Alert) -> int:
    """Return the status of the finding under a revision: NEW, IN_PROGRESS, SUPPRESSED or RESOLVED."""
    if alert.status == "withdrawn":
        return SUPPRESSED
    handled = _handled(alert)
    if alert.status == "resolved" or handled == "closed":
        return RESOLVED
    return IN_PROGRESS if handled == "acknowledged" else NEW


def revised_at(alert: Alert) -> int:
    """Return when a revision came to be, milliseconds.

    As it says itself; one that does not say it: when it was detected, or when a person last acted on it.
    """
    if not isinstance(alert.revised_at, UnsetType):
        return max(alert.detected_at, alert.revised_at)
    if isinstance(alert.handled, UnsetType):
        return alert.detected_at
    last = alert.handled.comments[-1].at if alert.handled.comments else 0
    return max(alert.detected_at, alert.handled.at, last)


def began_at(alert: Alert) -> int:
    """Return when what the alert is about began, milliseconds: one access, or the first of a long tale."""
    since = alert.facts.get("since")
    return min(since, alert.occurred_at) if type(since) is int else alert.occurred_at


def rule_version(alert: Alert) -> int:
    """Return the version of the rule that gives the alert its name."""
    for reason in alert.reasons:
        if reason.rule_id == alert.rule_id:
            return reason.rule_version
    return alert.reasons[0].rule_version


def _handled(alert: Alert) -> str:
    return "none" if isinstance(alert.handled, UnsetType) else alert.handled.state


def finding(alert: Alert, *, now: int, version: str) -> dict[str, Any]:
    """Return an alert as a Detection Finding, plain JSON values.

    Args:
        alert: one revision of an alert. Its `person` is what stands in `actor.user.uid`: a pseudonym, unless the
            destination may have clear names.
        now: milliseconds since 1970, for `metadata.transmit_time`; nothing else depends on it.
        version: of the program.
    """
    return _mapped(alert, now, version) | {"unmapped": orjson.loads(_write(_unmapped(alert)))}


def encode(alert: Alert, *, now: int, version: str) -> bytes:
    """Return `finding` as JSON, one line."""
    # The same as orjson.dumps(finding(...)), in two thirds of the time: msgspec writes records without making dicts.
    return orjson.dumps(_mapped(alert, now, version) | {"unmapped": orjson.Fragment(_write(_unmapped(alert)))})


def _mapped(alert: Alert, now: int, version: str) -> dict[str, Any]:
    """Return a finding but for `unmapped`."""
    activity, status = activity_of(alert), status_of(alert)
    made: dict[str, Any] = {
        "activity_id": activity,
        "activity_name": ACTIVITIES[activity],
        "category_uid": CATEGORY_UID,
        "category_name": "Findings",
        "class_uid": CLASS_UID,
        "class_name": "Detection Finding",
        "type_uid": CLASS_UID * 100 + activity,
        "type_name": f"Detection Finding: {ACTIVITIES[activity]}",
        "time": revised_at(alert),
        "start_time": began_at(alert),
        "end_time": alert.occurred_at,
        "severity_id": SEVERITY_IDS[alert.severity],
        "severity": SEVERITY_NAMES[alert.severity],
        "status_id": status,
        "status": STATUSES[status],
        "status_detail": alert.cause,
        "is_alert": activity != CLOSE,
        "message": alert.title,
        "metadata": _metadata(alert, now, version),
        "finding_info": _finding_info(alert, activity),
    }
    if not isinstance(alert.handled, UnsetType) and alert.handled.comments:
        made["comment"] = alert.handled.comments[-1].text
    _add_what_was_seen(alert, made)
    return made


def _metadata(alert: Alert, now: int, version: str) -> dict[str, Any]:
    made = {
        "version": SCHEMA_VERSION,
        "product": {"name": PRODUCT, "vendor_name": PRODUCT, "version": version},
        "uid": f"{alert.alert_id}:{alert.revision}",
        "sequence": alert.revision,
        "event_code": alert.rule_id,
        "log_name": "alerts",
        "transmit_time": now,
    }
    if not isinstance(alert.event, UnsetType):
        made["correlation_uid"] = alert.event.event_id
    if alert.test:
        made["labels"] = ["test"]
    return made


def _finding_info(alert: Alert, activity: int) -> dict[str, Any]:
    kind = BEHAVIORAL if alert.family == BEHAVIOUR_FAMILY else RULE
    made: dict[str, Any] = {
        "uid": alert.alert_id,
        "title": alert.title,
        "desc": alert.explanation,
        "types": [alert.family],
        "first_seen_time": began_at(alert),
        "last_seen_time": alert.occurred_at,
        "analytic": {
            "uid": alert.rule_id,
            "name": alert.title,
            "type_id": kind,
            "type": ANALYTICS[kind],
            "version": str(rule_version(alert)),
        },
        "related_analytics": [
            {
                "uid": reason.rule_id,
                "desc": reason.sentence,
                "type_id": kind,
                "type": ANALYTICS[kind],
                "version": str(reason.rule_version),
            }
            for reason in alert.reasons
        ],
        "tags": [{"name": "dedup_key", "value": alert.dedup_key}],
    }
    # A later revision carries its own time only: when the first one was made, the receiver has from the first one.
    made["created_time" if activity == CREATE else "modified_time"] = revised_at(alert)
    if not isinstance(alert.event, UnsetType):
        made["related_events"] = [{"uid": alert.event.event_id, "first_seen_time": alert.occurred_at, "type": "access"}]
        if alert.event.topic is not None:
            made["data_sources"] = [alert.event.topic]
    return made


def _add_what_was_seen(alert: Alert, made: dict[str, Any]) -> None:
    """Add who reached what from where: `evidences`, `resources`, `observables`."""
    actor: dict[str, Any] = {}
    seen: dict[str, Any] = {}
    observed: list[dict[str, Any]] = []
    if not isinstance(alert.person, UnsetType):
        number, caption = USER_TYPES.get(alert.principal_type, (OTHER, alert.principal_type))
        user: dict[str, Any] = {"uid": alert.person, "type_id": number, "type": caption}
        if not isinstance(alert.person_before, UnsetType):
            user["uid_alt"] = alert.person_before
        actor["user"] = user
        observed.append(_observable("evidences[].actor.user.uid", USER_UID, "User Object: uid", alert.person))
    if isinstance(session := alert.facts.get("session_id"), str):
        actor["session"] = {"uid": session}
    if actor:
        seen["actor"] = actor
    if not isinstance(alert.place, UnsetType) and alert.place.country is not None:
        seen["src_endpoint"] = {"name": UNKNOWN_ENDPOINT, "location": {"country": alert.place.country}}
        where = "evidences[].src_endpoint.location.country"
        observed.append(_observable(where, COUNTRY, "Country", alert.place.country))
    if not isinstance(alert.action, UnsetType):
        seen["api"] = {"operation": alert.action}
    if not isinstance(alert.dataset_id, UnsetType):
        resource: dict[str, Any] = {
            "uid": alert.dataset_id,
            "type": "dataset",
            "role_id": AFFECTED,
            "role": "Affected",
        }
        if not isinstance(alert.sensitivity, UnsetType):
            number, caption = CONFIDENTIALITY.get(alert.sensitivity, (OTHER, alert.sensitivity))
            resource["data_classifications"] = [{"confidentiality_id": number, "confidentiality": caption}]
            made["metadata"]["profiles"] = [DATA_CLASSIFICATION]
        made["resources"] = [resource]
        observed.append(_observable("resources[].uid", RESOURCE_UID, "Resource UID", alert.dataset_id))
    if seen:
        made["evidences"] = [seen]
    if observed:
        made["observables"] = observed


def _observable(name: str, type_id: int, caption: str, value: str) -> dict[str, Any]:
    return {"name": name, "type_id": type_id, "type": caption, "value": value}


class Unmapped(msgspec.Struct, frozen=True, kw_only=True):
    """What the alert says beyond OCSF, under its own names."""

    principal_type: str
    event: EventRef | UnsetType
    outcome: str | UnsetType
    sensitivity: str | UnsetType
    place: Place | UnsetType
    transfer: Transfer | UnsetType
    handled: Handling | UnsetType
    judged_with: JudgedWith
    facts: dict[str, Any]


_write = msgspec.json.Encoder().encode


def _unmapped(alert: Alert) -> Unmapped:
    return Unmapped(
        principal_type=alert.principal_type,
        event=alert.event,
        outcome=alert.outcome,
        sensitivity=alert.sensitivity,
        place=alert.place,
        transfer=alert.transfer,
        handled=alert.handled,
        judged_with=alert.judged_with,
        facts=alert.facts,
    )

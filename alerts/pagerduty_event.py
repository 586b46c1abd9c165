"""The events of PagerDuty's Events API v2: what is in one, and within which lengths.

Source: PagerDuty, "Send an Alert Event" (fields, lengths) and "Events API v2 Overview" (512 KB).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from alerts.http import bounded
from alerts.notice import Notice
from alerts.wording import by_gravity, ids_of, in_words, link_to
from schemas.alert import Alert, Severity
from schemas.fields import iso, known

Action = Literal["trigger", "acknowledge", "resolve"]

DEDUP_KEY_MAX: Final = 255
"""Characters of a key ("Send an Alert Event"): one of ours may have one more, and is hashed then."""

SUMMARY_MAX: Final = 1024
"""Characters of a summary ("Send an Alert Event")."""

EVENT_MAX: Final = 512 * 1024
"""Bytes of an event ("Size Limits"); ids and details are left out until it fits."""

DETAILED_MAX: Final = 20
"""Alerts of a group that are told in words: what fits on a page of the incident."""

IDS_MAX: Final = 1000
"""Ids in the details of an event, 32 KiB. The receipts name the incident of the others."""

SEVERITY: Final[Mapping[Severity, str]] = {
    "critical": "critical",
    "high": "error",
    "medium": "warning",
    "low": "info",
    "informational": "info",
}
"""PagerDuty knows four (PD-CEF)."""


def event_of(notice: Notice, action: Action, key: str, *, link: str | None, host: str) -> bytes:
    """Return an event as JSON, at most `EVENT_MAX` bytes; what is left out for that is counted in it."""
    event: dict[str, Any] = {"routing_key": key, "event_action": action, "dedup_key": dedup_key(notice.key)}
    if action != "trigger":
        return msgspec.json.encode(event)
    words = in_words(notice)
    lead = words.lead
    event["client"] = "cloverwatch"
    if to := link_to(link, notice, lead):
        event["links"] = [{"href": to, "text": "The alert in cloverwatch"}]
    detailed, ids = DETAILED_MAX, IDS_MAX
    while True:
        event["payload"] = {
            "summary": bounded(f"{words.headline}. {words.explanation}".removesuffix(". "), SUMMARY_MAX),
            "source": (lead and known(lead.dataset_id)) or host,
            "severity": SEVERITY[notice.severity],
            "timestamp": iso(notice.started_at),
            **({"class": lead.rule_id, "group": lead.family} if lead else {}),
            **({"component": lead.place.place_class.value} if lead and lead.place else {}),
            "custom_details": _details(notice, detailed, ids),
        }
        raw = msgspec.json.encode(event)
        if len(raw) <= EVENT_MAX or not (detailed or ids):
            return raw
        detailed, ids = detailed // 2, ids // 2


def dedup_key(key: str) -> str:
    """Return a notice's key as PagerDuty takes it: itself, or its SHA-256 where it is too long."""
    return key if len(key) <= DEDUP_KEY_MAX else hashlib.sha256(key.encode()).hexdigest()


def _details(notice: Notice, detailed: int, ids: int) -> dict[str, Any]:
    words = in_words(notice)
    listed, left_out = ids_of(notice, ids)
    details: dict[str, Any] = {"What to do": words.next_step, "What happened": words.explanation, **dict(words.facts)}
    others = [alert for alert in by_gravity(notice.alerts) if alert is not words.lead]
    details["Other alerts"] = [_line(alert) for alert in others[:detailed]]
    if len(others) > detailed:
        details["Other alerts, not listed"] = len(others) - detailed
    details["alert_ids"] = list(listed)
    if left_out:
        details["alert_ids_left_out"] = left_out
    return {name: value for name, value in details.items() if value}


def _line(alert: Alert) -> str:
    return f"{alert.severity}: {bounded(alert.explanation, 300)} [{alert.alert_id}]"

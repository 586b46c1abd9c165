"""Labels of an incident in Alertmanager: bounded, without people, and the same until something graver is known.

They are an alert's identity there: a set that differs is another alert, and another page. What of them the next notice
must know is kept in the answer (`Notice.before`), each part within `schemas.receipt.ANSWER_MAX`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from alerts.notice import Notice
from alerts.wording import is_open, lead_of
from schemas.alert import Alert
from schemas.fields import known

LABELS_MAX: Final = 400
"""Characters of the policy's own labels as JSON: they are kept in each answer, to be ended as they were sent."""

_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_OWN: Final = ("alertname", "severity", "family", "place_class", "sensitivity")
"""Labels that are taken from an alert. Each has few values: rule ids, severities, families, classes of places, the
policy's sensitivities. A team is none of them: an organisation has any number, and some are one person."""
_RESERVED: Final = frozenset({*_OWN, "dedup_key", "source", "test", "digest"})


@dataclass(frozen=True, slots=True)
class LabelSet:
    """Labels, and the alert that they were taken from."""

    labels: dict[str, str]
    alert_id: str


def labels_of(notice: Notice, extra: Mapping[str, str]) -> LabelSet:
    """Return the labels of an incident: those that it has, unless the notice says other than they do.

    They stay where the notice is a repetition, ends the incident, or brings alerts that change its severity in nothing:
    a set that changed with each alert of a group would be a new alert there, and a new page, each time.

    Args:
        notice: what is told.
        extra: the policy's own labels.
    """
    former, alert_id = labels_before(notice), notice.before.get("alert_id", "")
    if former and (notice.again or notice.state == "resolved"):
        return LabelSet(former, alert_id)
    if former and former["severity"] == notice.severity:
        lead = next((alert for alert in notice.alerts if alert.alert_id == alert_id and is_open(alert)), None)
    else:
        lead = _gravest(notice, first=not former)
    own = _own(lead) if lead else _own_before(notice.before)
    own["severity"] = notice.severity
    labels = {**extra, **{name: value for name, value in own.items() if value}, **_fixed(notice)}
    return LabelSet(labels, lead.alert_id if lead else alert_id)


def labels_before(notice: Notice) -> dict[str, str]:
    """Return the labels that were sent last and still fire; nothing for a first notice and after a resolution."""
    before = notice.before
    if "alertname" not in before:
        return {}
    extra: dict[str, str] = msgspec.json.decode(before.get("labels", "{}"), type=dict[str, str])
    return {**extra, **_own_before(before), **_fixed(notice)}


def kept(notice: Notice, extra: Mapping[str, str]) -> dict[str, str]:
    """Return what of the labels the next notice must know; nothing where the incident has ended."""
    if notice.state == "resolved":
        return {"state": notice.state}
    chosen = labels_of(notice, extra)
    others = {name: value for name, value in chosen.labels.items() if name not in _RESERVED}
    return {
        "state": notice.state,
        "alert_id": chosen.alert_id,
        **{name: chosen.labels[name] for name in _OWN if name in chosen.labels},
        **({"labels": msgspec.json.encode(others).decode()} if others else {}),
    }


def check_labels(extra: Mapping[str, str]) -> str | None:
    """Return what is wrong with the policy's own labels, or None."""
    for name, value in extra.items():
        if not _LABEL.fullmatch(name):
            return f"labels: {name!r} is no name of a label: letters, digits and _, no digit first"
        if name in _RESERVED:
            return f"labels: {name!r} is set by cloverwatch; so are {', '.join(sorted(_RESERVED - {name}))}"
        if not value:
            return f"labels: {name!r} is empty, and Alertmanager drops what is"
    if len(msgspec.json.encode(extra).decode()) > LABELS_MAX:
        return f"labels: longer than {LABELS_MAX} characters in all"
    return None


def _own(alert: Alert) -> dict[str, str]:
    return {
        "alertname": alert.rule_id,
        "family": alert.family,
        "place_class": alert.place.place_class.value if alert.place else "",
        "sensitivity": known(alert.sensitivity) or "",
    }


def _own_before(before: Mapping[str, str]) -> dict[str, str]:
    """Return those of the former notice; a name of our own for a first notice without alerts."""
    return {name: before[name] for name in _OWN if name in before} or {"alertname": "cloverwatch"}


def _fixed(notice: Notice) -> dict[str, str]:
    marks = {"test": notice.test, "digest": notice.digest}
    return {
        "dedup_key": notice.key,
        "source": "cloverwatch",
        **{name: "true" for name, said in marks.items() if said},
    }


def _gravest(notice: Notice, *, first: bool) -> Alert | None:
    """Return the alert that the incident has its severity from, where the notice holds it."""
    for alert in notice.alerts:
        if is_open(alert) and alert.severity == notice.severity:
            return alert
    return lead_of(notice) if first else None

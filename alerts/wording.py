"""What a person is told: a notice in words that somebody understands who was just woken by it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from alerts.http import bounded, check_url
from alerts.notice import Notice
from schemas.alert import SEVERITIES, Alert
from schemas.countries import NAMES
from schemas.fields import known, plain

EXPLANATION_MAX: Final = 1500
"""Characters of an explanation: a screen of a telephone. The alert itself has all of it."""

FACT_MAX: Final = 200
"""Characters of one fact: a line or two."""

MINUTE_MS: Final = 60_000
"""Evidence that is younger is of the access itself: its age says nothing to a person."""

LISTED_MAX: Final = 5
"""Alerts of a group that are told in words; of the others the ids are enough, and their number."""

LINK_NAMES: Final = ("alert_id", "key")
"""What a `link` of the policy may name in braces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """A notice in words. Nothing in it is longer than a chat program or a pager takes."""

    headline: str
    """State, severity and title in one line."""
    explanation: str
    """Of the alert that matters most: who did what, and why that is an alert."""
    facts: tuple[tuple[str, str], ...]
    """Names and values, the most telling first."""
    others: tuple[str, ...]
    """The other alerts of the notice, a line each, up to `LISTED_MAX`."""
    unlisted: int
    """How many alerts of the notice are in neither."""
    next_step: str
    """What to type."""
    lead: Alert | None
    """The alert that matters most."""


def in_words(notice: Notice) -> Words:
    """Return what to say of a notice."""
    lead = lead_of(notice)
    rest = [alert for alert in by_gravity(notice.alerts) if alert is not lead]
    listed = rest[:LISTED_MAX]
    return Words(
        headline=headline(notice),
        explanation=bounded(lead.explanation, EXPLANATION_MAX) if lead else "",
        facts=tuple((name, bounded(value, FACT_MAX)) for name, value in _facts(notice, lead) if value),
        others=tuple(
            f"{alert.severity}: {bounded(alert.explanation, FACT_MAX)} [{alert.alert_id}]" for alert in listed
        ),
        unlisted=len(rest) - len(listed),
        next_step=_next_step(notice, lead),
        lead=lead,
    )


def headline(notice: Notice) -> str:
    """Return state, severity and title in one line."""
    said = {
        "firing": notice.severity.upper(),
        "acknowledged": f"ACKNOWLEDGED, {notice.severity}",
        "resolved": "RESOLVED",
    }[notice.state]
    return bounded(f"{'TEST, ' if notice.test else ''}{said}: {notice.title}", 300)


def lead_of(notice: Notice) -> Alert | None:
    """Return the alert that matters most: still open, then gravest, then first."""
    ordered = by_gravity(notice.alerts)
    return next((alert for alert in ordered if is_open(alert)), ordered[0] if ordered else None)


def by_gravity(alerts: Iterable[Alert]) -> list[Alert]:
    """Return alerts, the gravest first, in their order within one severity."""
    return sorted(alerts, key=lambda alert: -SEVERITIES.index(alert.severity))


def is_open(alert: Alert) -> bool:
    """Whether an alert still asks for somebody."""
    return alert.status in {"open", "amended"}


def counts(notice: Notice) -> str:
    """Return how many alerts there are, in words."""
    told = len(notice.alerts)
    here = f"{told} alert{'' if told == 1 else 's'} in this message"
    return f"{here}, {notice.firing} open in all"


def handled_by(notice: Notice) -> str:
    """Return who acknowledged or closed alerts of the notice, or nothing."""
    names = {
        alert.handled.by: None
        for alert in notice.alerts
        if alert.handled and alert.handled.state != "none" and alert.handled.by
    }
    return ", ".join(names)


def last_comment(notice: Notice) -> str:
    """Return the newest comment on an alert of the notice, with its author, or nothing."""
    comments = [comment for alert in notice.alerts if alert.handled for comment in alert.handled.comments]
    if not comments:
        return ""
    newest = max(comments, key=lambda comment: comment.at)
    return f"{newest.by}: {newest.text}"


def ids_of(notice: Notice, most: int) -> tuple[tuple[str, ...], int]:
    """Return the ids of at most so many alerts of the notice, and how many are left out: their receipts name it."""
    ids = tuple(alert.alert_id for alert in notice.alerts[:most])
    return ids, len(notice.alerts) - len(ids)


def link_to(link: str | None, notice: Notice, lead: Alert | None) -> str | None:
    """Return the policy's link with its names filled in; None where there is none."""
    if link is None:
        return None
    return link.replace("{alert_id}", quote(lead.alert_id if lead else "", safe="")).replace(
        "{key}", quote(notice.key, safe="")
    )


def check_link(name: str, link: str | None) -> str | None:
    """Return what is wrong with a link of the policy, or None. It is for browsers: `http://` is allowed."""
    if link is None:
        return None
    for found in re.findall(r"\{([^}]*)\}", link):
        if found not in LINK_NAMES:
            return f"{name}: {{{found}}} is not known; allowed: {', '.join(f'{{{each}}}' for each in LINK_NAMES)}"
    wrong = check_url(link, allow_plaintext=True)
    return f"{name}: {wrong}" if wrong else None


def _facts(notice: Notice, lead: Alert | None) -> list[tuple[str, str]]:
    facts: list[tuple[str, str]] = []
    if lead is not None:
        dataset, sensitivity = known(lead.dataset_id), known(lead.sensitivity)
        people = {known(alert.person) for alert in notice.alerts} - {None}
        facts += [
            ("Who", f"{len(people)} people" if len(people) > 1 else known(lead.person) or ""),
            ("Data", f"{dataset} ({sensitivity})" if dataset and sensitivity else dataset or ""),
            ("Action", ", ".join(part for part in (known(lead.action), known(lead.outcome)) if part)),
            ("From", _where(lead)),
            ("Evidence", _evidence(lead)),
            ("When", plain(lead.occurred_at)),
        ]
    if len(notice.alerts) != 1 or notice.firing > 1:
        facts.append(("Alerts", counts(notice)))
    if plain(notice.started_at) != (plain(lead.occurred_at) if lead else ""):
        facts.append(("Since", plain(notice.started_at)))
    if lead is not None:
        facts.append(("Rule", lead.rule_id))
    closed = notice.state == "resolved"
    facts += [("Closed by" if closed else "Acknowledged by", handled_by(notice)), ("Comment", last_comment(notice))]
    return facts


def _where(alert: Alert) -> str:
    if not alert.place:
        return ""
    kind = alert.place.place_class.replace("_", " ")
    country = alert.place.country
    said = f"{NAMES.get(country, country)} ({kind})" if country else kind
    return f"{said}, presumed from the contract" if alert.place.presumed else said


def _evidence(alert: Alert) -> str:
    """Return what says where somebody was, also what says otherwise: by it a false alarm is told from a true one."""
    if not alert.place:
        return ""
    said = []
    for piece in alert.place.evidence:
        if piece.country is None:
            continue
        age = f", {_span(piece.age_ms)} before" if piece.age_ms >= MINUTE_MS else ""
        country = NAMES.get(piece.country, piece.country)
        said.append(f"{piece.kind.replace('_', ' ')}: {country}{age} ({piece.stood.replace('_', ' ')})")
    return "; ".join(said)


def _span(ms: int) -> str:
    """Return a duration in its greatest unit, rounded down."""
    for name, length in (("day", 1440 * MINUTE_MS), ("hour", 60 * MINUTE_MS), ("minute", MINUTE_MS)):
        if ms >= length:
            return f"{ms // length} {name}{'' if ms // length == 1 else 's'}"
    return "moments"


def _next_step(notice: Notice, lead: Alert | None) -> str:
    if notice.test:
        return "This is a test: nothing happened, and nothing is to be done."
    if notice.state == "resolved" or lead is None:
        return ""
    if notice.state == "acknowledged":
        return f"Somebody is on it. To close it: cloverwatch alerts close {lead.alert_id}"
    return f"To take it: cloverwatch alerts ack {lead.alert_id}"

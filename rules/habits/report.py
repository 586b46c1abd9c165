"""From what is to be told of somebody's behaviour to an alert: what was expected, what was seen, over how long."""

from __future__ import annotations

from typing import Any, Final

from rules.habits.anomalies import Telling
from rules.habits.signal import BehaviourRule
from rules.policy import Policy
from rules.report import digest
from schemas.alert import SEVERITIES, Alert, EventRef, JudgedWith, Reason, Severity
from schemas.countries import NAMES
from schemas.fields import plain

FAMILY: Final = "behaviour"

DAY_MS: Final = 86_400_000
"""Anomalies of one person that begin on one UTC day are one incident. Not the policy's `dedup_window`: a policy may
change while an anomaly goes on, and no alert changes its key. Without any window the key would name the person for
ever."""


def behaviour_alert_id(person: str, since: int) -> str:
    """Return the id of the alert about an anomaly of a person that began at a time."""
    return digest(FAMILY, person, since)


def behaviour_alert(
    telling: Telling, ref: EventRef, *, now: int, detected_at: int, judged_with: JudgedWith, policy: Policy
) -> Alert:
    """Return the alert, or its next revision, about what somebody does.

    Args:
        telling: what is to be told.
        ref: the event that showed it.
        now: append time of the event's record, milliseconds.
        detected_at: the wall clock, milliseconds.
        judged_with: what the judgement rests on.
        policy: whose severities hold.
    """
    event = telling.event
    ordered = sorted(telling.signals, key=lambda each: (-SEVERITIES.index(severity_of(each[0], policy)), each[0].id))
    top, _ = ordered[0]
    kind = "Employee" if event.principal == "employee" else event.principal.capitalize()
    where = NAMES.get(telling.setting.country or "", "an unknown place")
    said = "; ".join(signal.sentence for _, signal in ordered)
    signals: dict[str, Any] = {
        rule.id: {
            "expected": signal.expected,
            "seen": signal.seen,
            "history_days": signal.history_days,
            "score": round(signal.score, 2),
            **signal.facts,
        }
        for rule, signal in ordered
    }
    return Alert(
        alert_id=behaviour_alert_id(telling.person, telling.since),
        family=FAMILY,
        revision=telling.revision,
        status="amended" if telling.revision else "open",
        cause="it goes on" if telling.revision else "found",
        rule_id=top.id,
        severity=severity_of(top, policy),
        title=top.title,
        explanation=f"{kind} {telling.person} on {plain(telling.at)} from {where}: {said}.",
        reasons=tuple(
            Reason(
                rule_id=rule.id,
                rule_version=rule.version,
                severity=severity_of(rule, policy),
                sentence=signal.sentence,
            )
            for rule, signal in ordered
        ),
        occurred_at=telling.at,
        detected_at=detected_at,
        event=ref,
        person=telling.person,
        principal_type=event.principal,
        dataset_id=event.dataset_id,
        sensitivity=telling.setting.sensitivity,
        action=event.action,
        outcome=event.result,
        facts={"appended_at": now, "since": telling.since, "signals": signals},
        judged_with=judged_with,
        dedup_key=digest(FAMILY, telling.person, "day", telling.since // DAY_MS),
    )


def severity_of(rule: BehaviourRule, policy: Policy) -> Severity:
    """Return how severe a rule's signal is under a policy."""
    given = policy.settings(rule.id).severity
    return rule.severity if given is None or given == "matrix" else given

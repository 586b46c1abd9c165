"""From a verdict to alerts: stable ids, one sentence a person reads, every fact that was used."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, Final

from msgspec import UNSET

from rules.join import country_name
from rules.judge import FAILED, Finding, Verdict, gravest
from rules.policy import Policy
from schemas.access import MAX_SUBJECTS, AccessEvent
from schemas.alert import Alert, EventRef, JudgedWith, Reason, Severity
from schemas.directory import DatasetRow
from schemas.fields import known, plain

ACCESS: Final = "access"
DATASET: Final = "dataset"
FAILED_SEVERITY: Final[Severity] = "high"
"""A rule that raises is a hole in the watch."""

_ID_BYTES: Final = 16
"""128 bits: no two of the alerts of any company will ever meet."""


def digest(*parts: object) -> str:
    """Return a stable id of parts, 32 hex digits; parts are told apart by their lengths."""
    whole = blake2b(digest_size=_ID_BYTES)
    for part in parts:
        text = str(part).encode()
        whole.update(len(text).to_bytes(4, "big") + text)
    return whole.hexdigest()


def report(
    verdict: Verdict, ref: EventRef, *, now: int, detected_at: int, judged_with: JudgedWith, policy: Policy
) -> list[Alert]:
    """Return the alerts of a verdict: at most one about the access, one about the dataset, one about failed rules.

    Args:
        verdict: what was found.
        ref: which event it is about.
        now: append time of the event's record, milliseconds.
        detected_at: the wall clock, milliseconds.
        judged_with: what the verdict rests on.
        policy: whose `dedup_window` groups alerts.
    """
    about_access = [finding for finding in verdict.findings if finding.rule.scope == "access"]
    about_dataset = [finding for finding in verdict.findings if finding.rule.scope == "dataset"]
    alerts = []
    if about_access:
        alerts.append(_access_alert(verdict, about_access, ref, now, detected_at, judged_with, policy))
    if about_dataset and verdict.facts.dataset is not None:
        alerts.append(_dataset_alert(verdict.facts.dataset, about_dataset, detected_at, judged_with))
    if verdict.failures:
        alerts.append(_failure_alert(verdict, ref, now, detected_at, judged_with, policy))
    return alerts


def access_alert_id(event: AccessEvent) -> str:
    """Return the id of the alert about one access, be there one or not: that of its event id, and of who did what.

    The same access delivered again has the same id, whenever that is and by whichever source it came. The same event id
    of another person, or for something else, has an id of its own: otherwise its alert would replace the first one's in
    a compacted topic, however long after. An id must not be a way to hide.
    """
    return digest(ACCESS, *identity_of(event))


def identity_of(event: AccessEvent) -> tuple[object, ...]:
    """Return what makes an access the same one, for the ids of alerts about it."""
    return (
        event.event_id,
        event.person,
        event.occurred_at,
        event.dataset_id,
        event.action,
        event.result,
        known(event.destination),
        known(event.source_ip),
        known(event.device_country),
        known(event.record_count),
    )


def dataset_version_id(dataset: DatasetRow) -> str:
    """Return the id of the alert about one version of a dataset."""
    return digest(DATASET, dataset.dataset_id, dataset.valid_from, dataset.recorded_at)


def _access_alert(
    verdict: Verdict,
    findings: list[Finding],
    ref: EventRef,
    now: int,
    detected_at: int,
    judged_with: JudgedWith,
    policy: Policy,
) -> Alert:
    facts, top = verdict.facts, gravest(findings)
    event = facts.event
    ordered = [top, *(finding for finding in findings if finding is not top)]
    said = "; ".join(finding.sentence for finding in ordered)
    return Alert(
        alert_id=access_alert_id(event),
        family=ACCESS,
        rule_id=top.rule.id,
        severity=top.severity,
        title=top.rule.title,
        explanation=f"{who_did_what(verdict)}: {said}.",
        reasons=tuple(_reason(finding) for finding in ordered),
        occurred_at=facts.at,
        detected_at=detected_at,
        event=ref,
        facts=facts_of(verdict, now, policy),
        judged_with=judged_with,
        dedup_key=dedup_key_of(ACCESS, event, policy),
        **subject_of(verdict),
    )


def _dataset_alert(dataset: DatasetRow, findings: list[Finding], detected_at: int, judged_with: JudgedWith) -> Alert:
    """Return the alert about a version of a dataset: the same whichever access made us look."""
    top = gravest(findings)
    owner = known(dataset.owner)
    return Alert(
        alert_id=dataset_version_id(dataset),
        family=DATASET,
        rule_id=top.rule.id,
        severity=top.severity,
        title=top.rule.title,
        explanation=f"Dataset {dataset.dataset_id} ({dataset.sensitivity}, {dataset.subject_region}) is "
        f"{top.sentence}, since {plain(dataset.valid_from)}.",
        reasons=tuple(_reason(finding) for finding in findings),
        occurred_at=dataset.valid_from,
        detected_at=detected_at,
        dataset_id=dataset.dataset_id,
        sensitivity=dataset.sensitivity,
        facts={"owner": owner, "site": known(dataset.site), "site_country": known(dataset.site_country)},
        judged_with=judged_with,
        dedup_key=digest(DATASET, owner or dataset.dataset_id),
    )


def _failure_alert(
    verdict: Verdict, ref: EventRef, now: int, detected_at: int, judged_with: JudgedWith, policy: Policy
) -> Alert:
    failed = ", ".join(f"{failure.rule.id} ({failure.error})" for failure in verdict.failures)
    event = verdict.facts.event
    return Alert(
        alert_id=digest(FAILED, *identity_of(event)),
        family=FAILED,
        rule_id=FAILED,
        severity=FAILED_SEVERITY,
        title="A rule failed",
        explanation=f"{who_did_what(verdict)}: not judged by {failed}; the other rules' verdicts stand.",
        reasons=tuple(
            Reason(
                rule_id=FAILED,
                rule_version=1,
                severity=FAILED_SEVERITY,
                sentence=f"the rule {failure.rule.id} raised {failure.error}",
            )
            for failure in verdict.failures
        ),
        occurred_at=verdict.facts.at,
        detected_at=detected_at,
        event=ref,
        facts=facts_of(verdict, now, policy),
        judged_with=judged_with,
        dedup_key=digest(FAILED, *(failure.rule.id for failure in verdict.failures)),
        **subject_of(verdict),
    )


def _reason(finding: Finding) -> Reason:
    return Reason(
        rule_id=finding.rule.id,
        rule_version=finding.rule.version,
        severity=finding.severity,
        sentence=finding.sentence,
    )


def subject_of(verdict: Verdict) -> dict[str, Any]:
    """Return the fields of an alert that say whose access it was, to what, and from where."""
    facts = verdict.facts
    return {
        "person": facts.event.person,
        "principal_type": facts.principal,
        "dataset_id": facts.dataset_id,
        "sensitivity": facts.sensitivity,
        "action": facts.action,
        "outcome": facts.outcome,
        "place": facts.place,
        "transfer": facts.transfer,
    }


_VERBS: Final = {
    "read": "read",
    "list": "listed",
    "query": "queried",
    "export": "exported",
    "write": "wrote",
    "update": "changed",
    "delete": "deleted",
    "create": "created",
    "decrypt": "decrypted",
    "grant": "opened",
}


def who_did_what(verdict: Verdict) -> str:
    """Return how a sentence about an access begins."""
    facts = verdict.facts
    kind = "Employee" if facts.principal == "employee" else facts.principal.capitalize()
    region = f", {facts.dataset.subject_region}" if facts.dataset is not None else ""
    verb = _VERBS[facts.action] if facts.outcome == "success" else f"tried ({facts.outcome}) to {facts.action}"
    return (
        f"{kind} {facts.event.person} {verb} {facts.dataset_id} ({facts.sensitivity}{region}) "
        f"on {plain(facts.at)} from {country_name(facts.place.country)}"
    )


def clock_of(at: int, now: int, policy: Policy) -> str:
    """Return how an event's time stands to its append time: `on_time`, `ahead` or `late`."""
    if at > now + policy.clock_ahead:
        return "ahead"
    return "late" if at < now - policy.late else "on_time"


def facts_of(verdict: Verdict, now: int, policy: Policy) -> dict[str, Any]:
    """Return the facts that have no field of their own. Data subjects are counted, never named."""
    facts, event = verdict.facts, verdict.facts.event
    subjects = known(event.subject_ids)
    found: dict[str, Any] = {
        "appended_at": now,
        "clock": clock_of(facts.at, now, policy),
        "place_class": facts.effective.value,
        "cross_border": facts.place.place_class.value,
        "regime": facts.regime,
        "employee_status": None if facts.employee is None else facts.employee.status,
        "employer": None if facts.employee is None else known(facts.employee.employer),
        "team": None if facts.employee is None else known(facts.employee.team),
        "roles": sorted(facts.roles),
        "roles_out_of_time": sorted({lapsed.name for lapsed in facts.lapsed}),
        "dataset_owner": None if facts.dataset is None else known(facts.dataset.owner),
        "dataset_site": None if facts.dataset is None else known(facts.dataset.site),
        "destination": None if facts.destination is None else facts.destination.name,
        "purpose": facts.purpose,
        "ticket": facts.ticket,
        "subjects": None if subjects is None else min(len(subjects), MAX_SUBJECTS),
        "records": known(event.record_count),
        "bytes": known(event.bytes),
        "unknown": sorted(verdict.missing),
        "exempted": [
            {"rule_id": hidden.finding.rule.id, "exemption": hidden.exemption.id} for hidden in verdict.exempted
        ],
        "approved": [
            {"rule_id": granted.finding.rule.id, "approval": granted.approval.approval_id}
            for granted in verdict.approved
        ],
        "break_glass": None if verdict.break_glass is None else verdict.break_glass.approval_id,
    }
    for name in ("gateway_id", "decision_id", "session_id", "service_account", "client"):
        value = getattr(event, name)
        if value is not UNSET:
            found[name] = value
    return {name: value for name, value in found.items() if value not in (None, [], ())}


def dedup_key_of(family: str, event: AccessEvent, policy: Policy) -> str:
    """Return what a pager groups by: family, person, dataset and a window of the event's time."""
    return digest(family, event.person, event.dataset_id, event.occurred_at // policy.dedup_window)

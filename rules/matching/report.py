"""From what is wrong with an access to its alert, and from what is wrong with a gateway to one."""

from __future__ import annotations

from rules.join import Joiner
from rules.judge import Verdict
from rules.knowledge import Person
from rules.matching.compare import Compared
from rules.matching.kinds import FAMILY, Kind
from rules.policy import Policy
from rules.report import dedup_key_of, digest, facts_of, identity_of, subject_of, who_did_what
from schemas.access import AccessEvent
from schemas.alert import SEVERITIES, Alert, EventRef, JudgedWith, Reason
from schemas.fields import plain
from schemas.places import PlaceClass


def match_alert_id(event: AccessEvent) -> str:
    """Return the id of the alert about an access and its decision, be there one or not."""
    return digest(FAMILY, *identity_of(event))


def match_alert(
    event: AccessEvent,
    person: Person,
    compared: Compared,
    ref: EventRef,
    joiner: Joiner,
    *,
    appended_at: int,
    detected_at: int,
    judged_with: JudgedWith,
) -> Alert:
    """Return the alert about an access: every finding is a reason, the gravest gives the title.

    Args:
        event: the access.
        person: what is known of its person.
        compared: with at least one finding.
        ref: where the event came from.
        joiner: for the facts that an analyst needs beside it.
        appended_at: of the event's record, milliseconds.
        detected_at: the wall clock, milliseconds.
        judged_with: what it rests on.
    """
    joined, policy = joiner.join(event, person), joiner.policy
    verdict = Verdict(
        joined.facts, (), (), (), joined.missing, joined.since, joined.until, joined.law_since, joined.law_until
    )
    place = joined.facts.effective
    reasons = sorted(
        (
            Reason(
                rule_id=each.kind.id,
                rule_version=each.kind.version,
                severity=each.kind.severity_in(policy, joined.facts.sensitivity, place),
                sentence=each.sentence,
            )
            for each in compared.findings
        ),
        key=lambda reason: (-SEVERITIES.index(reason.severity), reason.rule_id),
    )
    titles = {each.kind.id: each.kind.title for each in compared.findings}
    facts = facts_of(verdict, appended_at, policy)
    decision = compared.decision
    if decision is not None:
        facts |= {
            "decision_id": decision.decision_id,
            "decided_by": decision.gateway_id,
            "decided_at": decision.decided_at,
            "decided": "allow" if decision.allow else "deny",
            "decision_expires_at": decision.expires_at,
            "decision_used": decision.used,
            **({"approval_id": decision.approval_id} if decision.approval_id else {}),
            **({"approvals": list(decision.rests_on)} if decision.rests_on else {}),
        }
    return Alert(
        alert_id=match_alert_id(event),
        family=FAMILY,
        rule_id=reasons[0].rule_id,
        severity=reasons[0].severity,
        title=titles[reasons[0].rule_id],
        explanation=f"{who_did_what(verdict)}: {'; '.join(reason.sentence for reason in reasons)}.",
        reasons=tuple(reasons),
        occurred_at=event.occurred_at,
        detected_at=detected_at,
        event=ref,
        facts=facts,
        judged_with=judged_with,
        dedup_key=dedup_key_of(FAMILY, event, policy),
        **subject_of(verdict),
    )


def gateway_alert(
    kind: Kind,
    gateway: str,
    sentence: str,
    *,
    since: int,
    detected_at: int,
    judged_with: JudgedWith,
    policy: Policy,
    over: bool = False,
) -> Alert:
    """Return the alert about a gateway that is quiet or whose decisions see no access; `over`: that it ended.

    Args:
        kind: which of both.
        gateway: its name in the policy.
        sentence: what is wrong.
        since: when it began, milliseconds: part of the id, so the same state has the same alert after a restart.
        detected_at: the wall clock, milliseconds.
        judged_with: what it rests on.
        policy: whose severities hold.
        over: whether it ended.
    """
    severity = kind.severity_in(policy, "restricted", PlaceClass.UNKNOWN)
    return Alert(
        alert_id=digest(kind.id, gateway, since),
        family=FAMILY,
        revision=int(over),
        status="resolved" if over else "open",
        cause="heard again" if over else "found",
        rule_id=kind.id,
        severity=severity,
        title=kind.title,
        explanation=f"Gateway {gateway}, since {plain(since)}: {sentence}.",
        reasons=(Reason(rule_id=kind.id, rule_version=kind.version, severity=severity, sentence=sentence),),
        occurred_at=since,
        detected_at=detected_at,
        facts={"gateway": gateway},
        judged_with=judged_with,
        dedup_key=digest(FAMILY, kind.id, gateway),
    )

"""Break-glass: told when it is taken, and told again when nobody has looked at it in time. Pure.

The worker tells of the first (`agents/approvals/working.py`); whoever has a clock and all approvals asks `unreviewed`
every minute or so and tells of the second. Alert ids come of the approval's id: told twice, it is the same alert.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from rules.gateway.section import GatewayPolicy
from rules.report import digest
from schemas.alert import Alert, JudgedWith, Reason, Severity
from schemas.approval import Approval
from schemas.fields import plain

FAMILY: Final = "gateway"
BREAK_GLASS: Final = "gateway.break_glass"
UNREVIEWED: Final = "gateway.break_glass_unreviewed"
RULE_IDS: Final = frozenset({BREAK_GLASS, UNREVIEWED})
RULE_VERSION: Final = 1

TAKEN_SEVERITY: Final[Severity] = "high"
UNREVIEWED_SEVERITY: Final[Severity] = "critical"
"""What nobody looks at is as good as a door without a lock."""


def is_taken(approval: Approval) -> bool:
    """Whether an approval is break-glass that somebody took."""
    return approval.break_glass and approval.approved is not None


def unreviewed(approvals: Iterable[Approval], gateway: GatewayPolicy, now: int) -> list[Approval]:
    """Return the break-glass that should have been reviewed by `now` and is not, the oldest first.

    Args:
        approvals: all that stand (`ApprovalTail.approvals`).
        gateway: the policy's; `review_within` says by when.
        now: milliseconds since 1970.
    """
    found = [each for each in approvals if is_taken(each) and each.reviewed is None and _due(each, gateway) <= now]
    return sorted(found, key=lambda each: (_due(each, gateway), each.approval_id))


def taken_alert(approval: Approval, *, detected_at: int, judged_with: JudgedWith) -> Alert:
    """Return the alert that break-glass was taken; the reason's text stays where it is, it may name others."""
    sentence = (
        f"took break-glass for {', '.join(approval.actions)} of {', '.join(approval.datasets)} until "
        f"{plain(approval.ends)}"
    )
    at = 0 if approval.approved is None else approval.approved.at
    return _alert(
        BREAK_GLASS, "Break-glass was taken", TAKEN_SEVERITY, sentence, approval, at, detected_at, judged_with
    )


def unreviewed_alert(approval: Approval, gateway: GatewayPolicy, *, detected_at: int, judged_with: JudgedWith) -> Alert:
    """Return the alert that nobody has reviewed a break-glass in time; it is about the moment when that was due."""
    due = _due(approval, gateway)
    sentence = f"took break-glass that nobody has reviewed by {plain(due)}"
    title = "Break-glass was not reviewed in time"
    return _alert(UNREVIEWED, title, UNREVIEWED_SEVERITY, sentence, approval, due, detected_at, judged_with)


def _due(approval: Approval, gateway: GatewayPolicy) -> int:
    return (approval.since or 0) + gateway.review_within


def _alert(
    rule_id: str,
    title: str,
    severity: Severity,
    sentence: str,
    approval: Approval,
    at: int,
    detected_at: int,
    judged_with: JudgedWith,
) -> Alert:
    facts: dict[str, Any] = {
        "approval_id": approval.approval_id,
        "datasets": list(approval.datasets),
        "actions": list(approval.actions),
        "until": approval.until,
        "purpose": approval.purpose,
        "ticket": approval.ticket,
    }
    return Alert(
        alert_id=digest(FAMILY, rule_id, approval.approval_id),
        family=FAMILY,
        rule_id=rule_id,
        severity=severity,
        title=title,
        explanation=f"Employee {approval.person} {sentence}; why stands in gateway.approvals under "
        f"{approval.approval_id}.",
        reasons=(Reason(rule_id=rule_id, rule_version=RULE_VERSION, severity=severity, sentence=sentence),),
        occurred_at=at,
        detected_at=detected_at,
        person=approval.person,
        principal_type="employee",
        facts={name: value for name, value in facts.items() if value},
        judged_with=judged_with,
        dedup_key=digest(FAMILY, BREAK_GLASS, approval.approval_id),
    )

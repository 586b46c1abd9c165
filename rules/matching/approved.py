"""Whether the approvals that a decision rests on held when the access was made."""

from __future__ import annotations

from collections.abc import Mapping

from rules.matching.covering import CLOCKS_MS, span
from rules.matching.memory import Known
from schemas.access import AccessEvent
from schemas.approval import Approval


def wrong_with_approvals(event: AccessEvent, decision: Known, approvals: Mapping[str, Approval]) -> list[str]:
    """Return what is wrong with the approvals of a decision at the time of an access; it needs all of them."""
    if not decision.rests_on:
        wrong = decision.approval_id and _wrong(event, approvals.get(decision.approval_id))
        return [f"the approval of its decision {wrong}"] if wrong else []
    each = ((approval_id, _wrong(event, approvals.get(approval_id))) for approval_id in decision.rests_on)
    return [f"the approval {approval_id} of its decision {wrong}" for approval_id, wrong in each if wrong]


def _wrong(event: AccessEvent, approval: Approval | None) -> str | None:
    """Return what is wrong with an approval at the time of an access."""
    at = event.occurred_at
    if approval is None:
        return "is not known"
    if approval.since is None or approval.state == "refused":
        return f"is {approval.state}, not approved"
    if approval.person != event.person:
        return "is somebody else's"
    if approval.withdrawn is not None and approval.withdrawn.at <= at:
        return f"was withdrawn {span(at - approval.withdrawn.at)} before"
    if at < approval.since - CLOCKS_MS:
        return f"was given {span(approval.since - at)} after it"
    if at > approval.until + CLOCKS_MS:
        return f"had ended {span(at - approval.until)} before"
    return None

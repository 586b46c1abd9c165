"""What is answered: AuthZEN's decision with its context, and the headers of a proxy's answer."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

from msgspec import structs

from rules.gateway.request import Decided
from schemas.alert import Reason
from schemas.decision import Decision, Obligations
from schemas.fields import iso

UNRECORDED: Final = "gateway.unrecorded"
"""Stands where a rule's id stands, when a decision could not be recorded."""

_SENTENCE: Final = "The decision could not be recorded, so the access is not let through. Try again in a moment."
_REASON: Final = Reason(
    rule_id=UNRECORDED,
    rule_version=1,
    severity="high",
    sentence="The brokers did not store the decision in time: nobody could check it later",
)

STALE: Final = "gateway.stale"
"""Stands where a rule's id stands, when directories or approvals were not known to be current."""

_STALE_SENTENCE: Final = "What is known is not up to date, so the access is not let through. Try again in a moment."

_PLAIN: Final = " !#$&'()*+,-./:;<=>?@[]^_`{|}~"
"""Characters beside letters and digits that a header's value shows as they are; the others as %XX of UTF-8."""


def refused_unrecorded(record: Decision) -> Decision:
    """Return a decision that could not be recorded as what is answered: a denial, under the same id."""
    return _denied(record, _REASON)


def _denied(record: Decision, reason: Reason) -> Decision:
    return structs.replace(
        record,
        effect="deny",
        uses=0,
        obligations=Obligations(),
        reasons=(*record.reasons, reason),
        approval_id="",
        approvals=(),
        break_glass=False,
    )


def denied_stale(decided: Decided, why: list[str], expires_at: int) -> Decided:
    """Return a decision by what may be too old as a denial that says so; `why` is for the administrator."""
    reason = Reason(rule_id=STALE, rule_version=1, severity="high", sentence="; ".join(why))
    record = structs.replace(_denied(decided.record, reason), expires_at=min(decided.record.expires_at, expires_at))
    return Decided(record=record, sentence=_STALE_SENTENCE if decided.record.effect == "allow" else decided.sentence)


def denied_unrecorded(decided: Decided) -> Decided:
    """As `refused_unrecorded`, with the sentence for the employee."""
    return Decided(record=refused_unrecorded(decided.record), sentence=_SENTENCE)


def evaluation(decided: Decided, *, unrecorded: bool = False) -> dict[str, Any]:
    """Return AuthZEN's response to one evaluation.

    `context` has `decision_id expires_at obligations reason_user reason_admin`, and where they apply `uses
    approval_id approvals break_glass unrecorded`; times are RFC 3339.
    """
    record = decided.record
    context: dict[str, Any] = {
        "decision_id": record.decision_id,
        "expires_at": iso(record.expires_at),
        "reason_user": decided.sentence,
        "reason_admin": [
            *(
                {"rule": reason.rule_id, "severity": reason.severity, "sentence": reason.sentence}
                for reason in record.reasons
            ),
            *({"condition": name} for name in record.conditions),
        ],
        "obligations": _obligations(record.obligations),
    }
    if record.effect == "allow":
        context["uses"] = record.uses
    if record.approval_id:
        context["approval_id"] = record.approval_id
        context["approvals"] = list(record.rests_on)
    if record.break_glass:
        context["break_glass"] = True
    if unrecorded:
        context["unrecorded"] = True
    return {"decision": record.effect == "allow", "context": context}


def failed(status: int, message: str) -> dict[str, Any]:
    """Return the response to one evaluation of a batch that got no decision (AuthZEN 1.0, "Errors")."""
    return {"decision": False, "context": {"error": {"status": status, "message": message}}}


def proxy_headers(decided: Decided, *, unrecorded: bool = False) -> dict[str, str]:
    """Return the headers of an answer to a proxy: `X-Cloverwatch-Decision-Id -Obligations -Expires -Reason`.

    Obligations are words separated by commas: `pseudonymised`, `row_limit=N`, `ticket`; none: the header is empty.
    """
    record = decided.record
    obligations = _obligations(record.obligations)
    words = [name if value is True else f"{name}={value}" for name, value in obligations.items()]
    headers = {
        "X-Cloverwatch-Decision-Id": header_text(record.decision_id),
        "X-Cloverwatch-Obligations": ",".join(words),
        "X-Cloverwatch-Expires": iso(record.expires_at),
        "X-Cloverwatch-Reason": header_text(decided.sentence),
    }
    if unrecorded:
        headers["X-Cloverwatch-Unrecorded"] = "true"
    return headers


def header_text(text: str) -> str:
    """Return text as a header's value: no line break and nothing beyond ASCII, those as %XX of UTF-8."""
    return quote(text, safe=_PLAIN)


def _obligations(asked: Obligations) -> dict[str, Any]:
    """Return what is asked, nothing else: an obligation that is not there is not asked."""
    found: dict[str, Any] = {}
    if asked.pseudonymised:
        found["pseudonymised"] = True
    if asked.row_limit is not None:
        found["row_limit"] = asked.row_limit
    if asked.ticket:
        found["ticket"] = True
    return found

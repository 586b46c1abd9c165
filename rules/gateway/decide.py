"""The decision point: may this person do this with that data, here and now, and for how long does the answer stand.

What it says and what the stream finds on the access afterwards cannot disagree: the request is judged as the access
that it asks for, by the stream's own judge (`docs/gateway.md`, "How a decision is made").
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Literal

from rules.gateway import sentences
from rules.gateway.asked import understand
from rules.gateway.recalling import Recall
from rules.gateway.request import AccessRequest, Decided
from rules.gateway.search import Found, Seeker, Slices
from rules.gateway.weighing import Scales, Weighed
from rules.judge import FAILED, Judge
from rules.knowledge import Knowledge
from rules.policy import Policy
from rules.report import FAILED_SEVERITY
from schemas.alert import Reason, Severity
from schemas.decision import Decision, Obligations
from schemas.errors import ConfigurationError
from schemas.fields import TIME_MAX, known

DENIAL_KEPT_MS: Final = 1_000
"""How long a denial may be kept at most. Rows, roles and approvals take effect within a second, and whoever was just
given what they lacked should not be refused for longer; a second still takes the force out of a client that insists."""

CALLER: Final = "decision.caller"
"""Reason of a denial: the policy does not list who asked, or not for this dataset and such principals."""

TICKET: Final = "decision.ticket"
"""Reason of a denial: the policy obliges to a ticket, and none was given."""

MISSING: Final = "decision.missing"
"""Beside what denies: rows for which the stream would wait, and a decision cannot."""

_SEVERITIES: Final[dict[str, Severity]] = {CALLER: "high", TICKET: "low", MISSING: "informational"}
"""A gateway that nobody listed is a hole or an attack; a ticket is soon fetched; what is late is no fault."""


class DecisionPoint:
    """Decides by one policy (`rules.gateway.request.Decider`); another policy is another decision point."""

    def __init__(self, judge: Judge, knowledge: Knowledge, policy: Policy, *, memo: bool = False) -> None:
        """Take the judge, the directories and the policy of the stream.

        `memo`: remember what was clean (`rules/gateway/recalling.py`). What people mean is noted in the directories, so
        that nobody else may judge by them, but by a memo of none.

        Raises:
            ConfigurationError: the policy has no `[gateway]`.
            ValueError: the judge is another policy's, or judges by other directories.
        """
        if policy.gateway is None:
            raise ConfigurationError(
                "gateway: the policy has no such section, so nothing can be decided; see docs/policy.md"
            )
        if judge.policy is not policy or judge.joiner.knowledge is not knowledge:
            raise ValueError("the judge judges by another policy or by other directories: decisions would differ")
        self._policy = policy
        self._gateway = policy.gateway
        self._scales = Scales(judge, knowledge, policy.gateway, Recall(judge) if memo else None)
        self._seeker = Seeker(self._scales, knowledge, policy.gateway)

    def decide(self, request: AccessRequest, *, caller: str, now: int, decision_id: str, request_id: str) -> Decided:
        """Return the decision; as `Decider.decide` says."""
        asked = understand(request, self._gateway, now)
        weighed = self._scales.weigh(asked, caller)
        event = asked.event
        allowed = weighed.allowed
        rests_on = _rests_on(weighed) if allowed else ()
        record = Decision(
            decision_id=decision_id,
            request_id=request_id,
            gateway_id=caller,
            effect="allow" if allowed else "deny",
            decided_at=now,
            expires_at=self._expires(weighed, now),
            person=event.person,
            principal_type=event.principal,
            dataset_id=event.dataset_id,
            action=event.action,
            session_id=known(event.session_id) or "",
            purpose=known(event.purpose) or "",
            ticket=known(event.ticket) or "",
            source_ip=known(event.source_ip) or "",
            device_country=known(event.device_country) or "",
            destination=known(event.destination) or "",
            country=weighed.country or "",
            place_class=weighed.place_class,
            obligations=weighed.obligations if allowed else Obligations(),
            reasons=tuple(_reasons(weighed, caller)),
            conditions=tuple(condition.name for condition in weighed.refusing),
            approval_id=rests_on[0] if rests_on else "",
            approvals=rests_on,
            break_glass=allowed and weighed.glass is not None,
            policy=self._policy.version,
            uses=self._gateway.uses if allowed else 0,
        )
        return Decided(record=record, sentence=self._sentence(weighed))

    def search(
        self,
        kind: Literal["subject", "action", "resource"],
        request: dict[str, Any],
        *,
        caller: str,
        now: int,
        most: int,
        after: str = "",
    ) -> Found:
        """Return whoever or whatever would be allowed.

        `after` goes on behind an earlier answer's `Found.last`.
        """
        slices = self.slices(kind, request, caller=caller, now=now, most=most, after=after)
        while True:
            try:
                next(slices)
            except StopIteration as end:
                found: Found = end.value
                return found

    def slices(
        self,
        kind: Literal["subject", "action", "resource"],
        request: dict[str, Any],
        *,
        caller: str,
        now: int,
        most: int,
        after: str = "",
    ) -> Slices:
        """Search in small pieces; what `search` returns is the generator's value."""
        return self._seeker.slices(kind, request, caller=caller, now=now, most=most, after=after)

    def _expires(self, weighed: Weighed, now: int) -> int:
        """Return when the answer stops standing: never later than the facts, or the approval, that it rests on."""
        allowed = weighed.allowed
        ends = [now + (self._gateway.valid_for if allowed else DENIAL_KEPT_MS), weighed.until, TIME_MAX]
        if weighed.ends is not None:
            ends.append(weighed.ends)
        return min(ends)

    def _sentence(self, weighed: Weighed) -> str:
        if weighed.allowed:
            return sentences.allowance(
                weighed.obligations, approved=bool(weighed.approvals), glass=weighed.glass is not None
            )
        others = [sentences.CALLER] if not weighed.served else []
        others += [sentences.FAILED] if weighed.failures else []
        others += [condition.sentence for condition in weighed.refusing]
        others += [sentences.TICKET] if weighed.ticket_missing else []
        return sentences.denial(
            [finding.rule.id for finding in weighed.against],
            others,
            missing=bool(weighed.missing),
            never=self._gateway.never,
            approvable=bool(weighed.against) and not others,
        )


def _rests_on(weighed: Weighed) -> tuple[str, ...]:
    """Return the ids of the approvals without which it would have been denied; break-glass comes first."""
    return tuple(each.approval_id for each in (weighed.glass, *weighed.approvals) if each is not None)


def _reasons(weighed: Weighed, caller: str) -> Iterable[Reason]:
    """Yield what denies, or what was overridden; for the administrator."""
    if not weighed.listed:
        yield _own(CALLER, f"the policy does not list the gateway {caller}")
    elif not weighed.served:
        yield _own(
            CALLER,
            f"the policy does not let the gateway {caller} ask about this dataset, or about principals of this type",
        )
    for finding in weighed.overridden if weighed.allowed else weighed.against:
        yield Reason(
            rule_id=finding.rule.id,
            rule_version=finding.rule.version,
            severity=finding.severity,
            sentence=finding.sentence,
        )
    for failure in weighed.failures:
        yield Reason(
            rule_id=FAILED,
            rule_version=1,
            severity=FAILED_SEVERITY,
            sentence=f"the rule {failure.rule.id} raised {failure.error}",
        )
    if weighed.ticket_missing:
        yield _own(TICKET, "the policy obliges to a ticket, and none was given that will do")
    if weighed.missing:
        rows = ", ".join(sorted(weighed.missing))
        yield _own(MISSING, f"nothing is known yet of: {rows}; the stream would wait for it, a decision cannot")


def _own(reason: str, sentence: str) -> Reason:
    return Reason(rule_id=reason, rule_version=1, severity=_SEVERITIES[reason], sentence=sentence)

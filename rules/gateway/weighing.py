"""What stands against an access, by all that decides: rules, approvals, conditions, obligations, the caller.

The rules are the stream's own: the same judge over the same facts. So what is weighed here as free of findings is what
the stream finds nothing on, for as long as the verdict's facts hold.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from msgspec import UNSET

from rules.gateway.asked import Asked
from rules.gateway.conditions import Conditions
from rules.gateway.obliging import obligations_of
from rules.gateway.section import Condition, GatewayPolicy
from rules.judge import Failure, Finding, Judge, Verdict
from rules.knowledge import Knowledge, Person
from rules.shadow import live_of
from schemas.access import PrincipalType
from schemas.alert import SEVERITIES
from schemas.approval import Approval
from schemas.decision import Obligations

NOBODY: Final = Person()
"""Of whom nothing is known. Not `Knowledge.find`: a decision must not make the stream forget a stranger for another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """Everything that a decision rests on."""

    verdict: Verdict
    """Without anything of rules in shadow."""
    against: tuple[Finding, ...]
    """Findings that stand against it, the gravest first: those that the policy tolerates do not."""
    overridden: tuple[Finding, ...]
    """Findings that would, but for approvals, or for break-glass."""
    approvals: tuple[Approval, ...]
    """Those that override them; the one that ends first comes first."""
    glass: Approval | None
    """Break-glass, where it is what lets it through."""
    refusing: tuple[Condition, ...]
    served: bool
    """Whether the caller may ask about the dataset, and about such a principal."""
    listed: bool
    """Whether the policy lists the caller at all."""
    obligations: Obligations
    ticket_missing: bool
    """Whether a ticket is an obligation and none was given, or none of the form that the purpose asks for."""

    @property
    def failures(self) -> tuple[Failure, ...]:
        """Rules that raised: nobody knows what they would have found."""
        return self.verdict.failures

    @property
    def allowed(self) -> bool:
        """Whether nothing stands against it."""
        return self.served and not (self.against or self.failures or self.refusing or self.ticket_missing)

    @property
    def missing(self) -> frozenset[str]:
        """Rows for which the stream would wait, where something stands against it that they might clear."""
        return self.verdict.missing if self.against else frozenset()

    @property
    def ends(self) -> int | None:
        """When the first of the approvals that it rests on ends."""
        given = [*self.approvals, *([] if self.glass is None else [self.glass])]
        return min((each.ends for each in given), default=None)


class Scales:
    """Weighs under one policy."""

    def __init__(self, judge: Judge, knowledge: Knowledge, policy: GatewayPolicy) -> None:
        self._judge = judge
        self._knowledge = knowledge
        self._policy = policy
        self._conditions = Conditions(policy.conditions)

    def serves(self, caller: str, dataset_id: str, principal: PrincipalType) -> bool:
        """Whether a caller may ask what somebody may do with a dataset; one that the policy does not list may not."""
        gateway = self._policy.gateways.get(caller)
        return (
            gateway is not None
            and principal in gateway.principals
            and any(fnmatchcase(dataset_id, pattern) for pattern in gateway.datasets)
        )

    def weigh(self, asked: Asked, caller: str) -> Weighed:
        """Weigh one access.

        Raises:
            BadRequestError: a property is of another kind than the policy's conditions compare it with.
        """
        self._conditions.check(asked.properties)
        event, policy = asked.event, self._policy
        person = self._knowledge.known(event.person) or NOBODY
        verdict = live_of(self._judge.judge(event, person), self._judge.policy)
        facts = verdict.facts
        against = _gravest_first(f for f in verdict.findings if f.rule.id not in policy.tolerates)
        relied = [each for each in getattr(verdict, "approved", ()) if each.finding.rule.id not in policy.tolerates]
        overridden = _gravest_first(each.finding for each in relied)
        approvals = {each.approval.approval_id: each.approval for each in relied}
        glass: Approval | None = None
        if against and not any(finding.rule.id in policy.never for finding in against):
            glass = getattr(verdict, "break_glass", None)
        if glass is not None:
            against, overridden = (), _gravest_first((*against, *overridden))
        obligations = obligations_of(facts, policy.obligations)
        return Weighed(
            verdict=verdict,
            against=against,
            overridden=overridden,
            approvals=tuple(sorted(approvals.values(), key=lambda each: (each.ends, each.approval_id))),
            glass=glass,
            refusing=self._conditions.refusing(asked.properties, facts.action, facts.roles.keys()),
            served=self.serves(caller, event.dataset_id, event.principal),
            listed=caller in policy.gateways,
            obligations=obligations,
            ticket_missing=obligations.ticket and (event.ticket is UNSET or facts.ticket == "refused"),
        )


def _gravest_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(findings, key=lambda each: (-SEVERITIES.index(each.severity), each.rule.id)))

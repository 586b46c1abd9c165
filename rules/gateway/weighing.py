"""What stands against an access, by all that decides: rules, approvals, conditions, obligations, the caller.

The rules are the stream's own: the same judge over the same facts. So what is weighed here as free of findings is what
the stream finds nothing on, for as long as the verdict's facts hold.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Final

import msgspec
from msgspec import UNSET

from rules.gateway.asked import Asked
from rules.gateway.conditions import Conditions
from rules.gateway.obliging import obligations_of
from rules.gateway.recalling import Outcome, Recall
from rules.gateway.section import Condition, GatewayPolicy
from rules.judge import Failure, Finding, Judge
from rules.knowledge import Knowledge, Person
from rules.shadow import live_of
from schemas.access import PrincipalType
from schemas.alert import SEVERITIES
from schemas.approval import Approval
from schemas.decision import Obligations
from schemas.places import PlaceClass

NOBODY: Final = Person()
"""Of whom nothing is known. Not `Knowledge.find`: a decision must not make the stream forget a stranger for another."""


class Weighed(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a decision rests on. Nothing of rules in shadow is in it."""

    country: str | None
    """Where the person is."""
    place_class: PlaceClass
    until: int
    """When the facts may be others."""
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
    failures: tuple[Failure, ...] = ()
    """Rules that raised: nobody knows what they would have found."""
    missing: frozenset[str] = frozenset()
    """Rows for which the stream would wait, where something stands against it that they might clear."""

    @property
    def allowed(self) -> bool:
        """Whether nothing stands against it."""
        return self.served and not (self.against or self.failures or self.refusing or self.ticket_missing)

    @property
    def ends(self) -> int | None:
        """When the first of the approvals that it rests on ends."""
        given = [*self.approvals, *([] if self.glass is None else [self.glass])]
        return min((each.ends for each in given), default=None)


class Scales:
    """Weighs under one policy."""

    def __init__(self, judge: Judge, knowledge: Knowledge, policy: GatewayPolicy, recall: Recall | None = None) -> None:
        self._judge = judge
        self._knowledge = knowledge
        self._policy = policy
        self._conditions = Conditions(policy.conditions)
        self._recall = recall

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
        event, policy, recall = asked.event, self._policy, self._recall
        person = self._knowledge.known(event.person)
        place = None if recall is None or person is None else recall.place(event, person)
        if recall is not None and place is not None:
            found = recall.find(place, event.occurred_at)
            if found is not None:
                return self._clean(asked, caller, found, place.until)
        whole = self._judge.judge(event, person or NOBODY)
        verdict = live_of(whole, self._judge.policy)
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
        if recall is not None and place is not None:
            recall.keep(place, whole, obligations)
        return Weighed(
            country=facts.place.country,
            place_class=facts.place.place_class,
            until=verdict.until,
            against=against,
            overridden=overridden,
            approvals=tuple(sorted(approvals.values(), key=lambda each: (each.ends, each.approval_id))),
            glass=glass,
            refusing=self._conditions.refusing(asked.properties, facts.action, facts.roles.keys()),
            served=self.serves(caller, event.dataset_id, event.principal),
            listed=caller in policy.gateways,
            obligations=obligations,
            ticket_missing=obligations.ticket and (event.ticket is UNSET or facts.ticket == "refused"),
            failures=verdict.failures,
            missing=verdict.missing if against else frozenset(),
        )

    def _clean(self, asked: Asked, caller: str, found: Outcome, until: int) -> Weighed:
        """Weigh an access whose verdict is remembered as clean; caller and properties are looked at anew."""
        event, obligations = asked.event, found.obligations
        return Weighed(
            country=found.country,
            place_class=found.place_class,
            until=min(until, found.law_until),
            against=(),
            overridden=(),
            approvals=(),
            glass=None,
            refusing=self._conditions.refusing(asked.properties, event.action, found.roles),
            served=self.serves(caller, event.dataset_id, event.principal),
            listed=caller in self._policy.gateways,
            obligations=obligations,
            ticket_missing=obligations.ticket and (event.ticket is UNSET or found.ticket_refused),
        )


def _gravest_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(findings, key=lambda each: (-SEVERITIES.index(each.severity), each.rule.id)))

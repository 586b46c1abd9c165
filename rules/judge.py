"""The judge: facts in, a verdict out. Gates, severities and exemptions are the same for every rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from rules.exemptions import Exemption
from rules.facts import Facts
from rules.gateway.granting import Access, Grant, grants, holding
from rules.join import Joined, Joiner
from rules.knowledge import Person
from rules.policy import Policy
from rules.rule import Rule
from schemas.access import AccessEvent
from schemas.alert import SEVERITIES, Severity
from schemas.approval import Approval
from schemas.fields import known
from schemas.places import PlaceClass

FAILED: Final = "rule.failed"
"""The id under which a rule that raised is reported: the event gets an alert of its own."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule's finding on one access, with its severity."""

    rule: Rule
    severity: Severity
    sentence: str


@dataclass(frozen=True, slots=True)
class Exempted:
    """A finding that an exemption hides: it stays counted."""

    finding: Finding
    exemption: Exemption


@dataclass(frozen=True, slots=True)
class Approved:
    """A finding that an approval covers: it stays counted."""

    finding: Finding
    approval: Approval


@dataclass(frozen=True, slots=True)
class Failure:
    """A rule that raised. `error` is the class of what it raised: its text might quote the record."""

    rule: Rule
    error: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Everything that was found on one access. `since` and `until` bound the times for which the same facts hold."""

    facts: Facts
    findings: tuple[Finding, ...]
    exempted: tuple[Exempted, ...]
    failures: tuple[Failure, ...]
    missing: frozenset[str]
    since: int
    until: int
    law_since: int
    law_until: int
    """As `Joined` has them."""
    shadowed: tuple[Finding, ...] = ()
    """Findings of rules in shadow: they are told apart from the others' everywhere."""
    approved: tuple[Approved, ...] = ()
    break_glass: Approval | None = None
    """Break-glass that covers the access. It hides nothing; alerts say that it was taken."""

    @property
    def clean(self) -> bool:
        """Whether nothing at all was found, hidden or failed."""
        return not (self.findings or self.failures or self.shadowed)


class Judge:
    """Judges accesses by the enabled rules under one policy."""

    def __init__(self, joiner: Joiner, rules: Sequence[Rule]) -> None:
        self.joiner = joiner
        self.policy: Policy = joiner.policy
        self.rules = tuple(rule for rule in rules if self.policy.settings(rule.id).enabled)
        self._sensitivities = {
            rule.id: set(given) if (given := self.policy.settings(rule.id).sensitivities) is not None
            else rule.sensitivities
            for rule in self.rules
        }  # fmt: skip
        self._applying: dict[tuple[str, str, str], tuple[Rule, ...]] = {}
        """The rules that look at a kind of access; there are as many kinds as combinations of three closed lists."""
        self._bounds = sorted({time for e in self.policy.exemptions for time in (e.since, e.until)})

    def judge(self, event: AccessEvent, person: Person, *, reused: bool = False) -> Verdict:
        """Return the verdict on one access as of its own time."""
        return self.decide(self.joiner.join(event, person, reused=reused), person.approvals)

    def decide(self, joined: Joined, approvals: Mapping[str, Approval] | None = None) -> Verdict:
        """Return the verdict on facts; `approvals` are those of the person, by id."""
        facts = joined.facts
        findings: list[Finding] = []
        shadowed: list[Finding] = []
        exempted: list[Exempted] = []
        approved: list[Approved] = []
        failures: list[Failure] = []
        given = self._grants(facts, approvals.values()) if approvals else ()
        grant = holding(given, facts.at, break_glass=False) if given else None
        gate = facts.principal, facts.outcome, facts.sensitivity
        rules = self._applying.get(gate)
        if rules is None:
            rules = self._applying[gate] = tuple(rule for rule in self.rules if self.applies(rule, facts))
        for rule in rules:
            try:
                flag = rule.check(facts, self.policy)
            except Exception as error:  # noqa: BLE001 - whatever a rule raises, the others' verdicts stand
                failures.append(Failure(rule, type(error).__name__))
                continue
            if flag is None:
                continue
            finding = Finding(rule, self._severity(rule, facts, flag.place_class), flag.sentence)
            exemption = self._exemption(finding, facts)
            if exemption is not None:
                exempted.append(Exempted(finding, exemption))
            elif grant is not None and self._may_approve(rule):
                approved.append(Approved(finding, grant))
            else:
                (shadowed if rule.id in self.policy.shadowed else findings).append(finding)
        since, until = joined.since, joined.until
        for bound in (*self._bounds, *(bound for each in given for bound in (each.since, each.until))):
            if bound <= facts.at:
                since = max(since, bound)
            else:
                until = min(until, bound)
        # Nobody waits for a location row whose access is clean without one: many companies have only addresses. Nor for
        # a rule in shadow: it must not change when, and with which rows, the others judge.
        missing = joined.missing | {"place"} if joined.unlocated and findings else joined.missing
        return Verdict(
            facts,
            tuple(findings),
            tuple(exempted),
            tuple(failures),
            missing,
            since,
            until,
            joined.law_since,
            joined.law_until,
            tuple(shadowed),
            tuple(approved),
            holding(given, facts.at, break_glass=True) if given else None,
        )

    def applies(self, rule: Rule, facts: Facts) -> bool:
        """Whether a rule looks at such an access at all."""
        sensitivities = self._sensitivities[rule.id]
        return (
            facts.principal in rule.principals
            and facts.outcome in rule.outcomes
            and (sensitivities is None or facts.sensitivity in sensitivities)
        )

    def _severity(self, rule: Rule, facts: Facts, place_class: PlaceClass | None) -> Severity:
        severity = self.policy.settings(rule.id).severity or rule.severity
        if severity == "matrix":
            return self.policy.severity(facts.sensitivity, place_class or facts.effective)
        return severity

    def _grants(self, facts: Facts, approvals: Iterable[Approval]) -> tuple[Grant, ...]:
        """Return what is granted of such an access at any time: an employee's only, and only under `[gateway]`."""
        gateway = self.policy.gateway
        if gateway is None or facts.principal != "employee":
            return ()
        ticket = known(facts.event.ticket)
        access = Access(facts.event.person, facts.dataset_id, facts.action, facts.purpose, ticket)
        return tuple(grants(approvals, access, gateway))

    def _may_approve(self, rule: Rule) -> bool:
        """Whether an approval overrides a rule: one about a dataset itself is about nobody who could be let through."""
        gateway = self.policy.gateway
        return gateway is not None and rule.scope == "access" and rule.id not in gateway.never

    def _exemption(self, finding: Finding, facts: Facts) -> Exemption | None:
        for exemption in self.policy.exemptions:
            if (
                finding.rule.id in exemption.rules
                and exemption.since <= facts.at < exemption.until
                and (not exemption.employees or facts.event.person in exemption.employees)
                and (not exemption.countries or facts.place.country in exemption.countries)
                and (not exemption.roles or not exemption.roles.isdisjoint(facts.roles))
                and (
                    not exemption.datasets
                    or any(fnmatchcase(facts.dataset_id, pattern) for pattern in exemption.datasets)
                )
            ):
                return exemption
        return None


def gravest(findings: Sequence[Finding]) -> Finding:
    """Return the most severe finding; ties go to the first id."""
    return min(findings, key=lambda f: (-SEVERITIES.index(f.severity), f.rule.id))

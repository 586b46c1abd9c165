"""The judge: facts in, a verdict out. Gates, severities and exemptions are the same for every rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from rules.exemptions import Exemption
from rules.facts import Facts
from rules.join import Joined, Joiner
from rules.knowledge import Person
from rules.policy import Policy
from rules.rule import Rule
from schemas.access import AccessEvent
from schemas.alert import SEVERITIES, Severity
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
        return self.decide(self.joiner.join(event, person, reused=reused))

    def decide(self, joined: Joined) -> Verdict:
        """Return the verdict on facts."""
        facts = joined.facts
        findings: list[Finding] = []
        shadowed: list[Finding] = []
        exempted: list[Exempted] = []
        failures: list[Failure] = []
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
            if exemption is None:
                (shadowed if rule.id in self.policy.shadowed else findings).append(finding)
            else:
                exempted.append(Exempted(finding, exemption))
        since, until = joined.since, joined.until
        for bound in self._bounds:
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

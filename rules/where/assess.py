"""One access as a report sees it: country, class of place, basis of transfer, and what rules find on it.

Facts come from the same join and the same rules as the stream's, so that a report and a verdict cannot disagree. Who
does the same from the same place is assessed once for as long as the answer holds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final

from rules.facts import ALWAYS_READ, EVENT_FIELDS, Facts
from rules.judge import Judge
from rules.where.law import LawUsed
from schemas.access import AccessEvent, PrincipalType
from schemas.alert import Basis
from schemas.directory import Sensitivity
from schemas.fields import known
from schemas.places import PlaceClass

REMEMBERED_MAX: Final = 200_000
"""Assessments kept, some 500 bytes each: people times datasets times addresses of a month of a large company. The next
one forgets them all."""

NOT_KNOWN: Final = ""
"""Stands for a country, team or importer that nothing says."""


@dataclass(frozen=True, slots=True, eq=False)
class Assessed:
    """What holds of such an access on [`since`, `until`) (milliseconds)."""

    since: int
    until: int
    country: str
    place: PlaceClass
    basis: Basis
    importer: str
    regime: str
    dataset: str
    sensitivity: Sensitivity
    team: str
    principal: PrincipalType
    destination: str
    destination_country: str
    destination_class: PlaceClass | None
    found: frozenset[str]
    """Ids of the rules that fire; empty where rules are not asked."""


class Assessor:
    """Assesses accesses under one policy and one table of the law."""

    def __init__(self, judge: Judge, *, judging: bool) -> None:
        """Take a judge; `judging`: whether its rules are asked, which takes three times as long."""
        self._judge = judge
        self._joiner = judge.joiner
        self._judging = judging
        self.policy = judge.policy
        self.law = LawUsed(self._joiner.legal, judge.policy.perimeter)
        reads = {"place", "dataset", "destination", "principal"}
        if judging:
            reads |= ALWAYS_READ.union(*(rule.reads for rule in judge.rules)) & EVENT_FIELDS.keys()
        fields = {field for fact in reads for field in EVENT_FIELDS[fact]} | {"person", "action"}
        self._ticketed = "ticket" in fields
        self._key: Callable[[AccessEvent], Any] = attrgetter(*sorted(fields - {"ticket"}))
        self._remembered: dict[Any, Assessed] = {}

    def assess(self, event: AccessEvent) -> Assessed:
        """Return what holds of an access as of its own time."""
        key = self._key(event)
        if self._ticketed and event.ticket.__class__ is str:
            # There are as many tickets as accesses, and few meanings of one.
            key = key, self._joiner.ticket(known(event.purpose), known(event.ticket))
        found = self._remembered.get(key)
        if found is None or not found.since <= event.occurred_at < found.until:
            found = self._assess(event)
            if len(self._remembered) >= REMEMBERED_MAX:
                self._remembered.clear()
            self._remembered[key] = found
        return found

    def _assess(self, event: AccessEvent) -> Assessed:
        joined = self._joiner.join(event, self._joiner.knowledge.find(event.person))
        facts, since, until, rules = joined.facts, joined.since, joined.until, frozenset[str]()
        if self._judging:
            verdict = self._judge.decide(joined)
            since, until = max(since, verdict.since), min(until, verdict.until)
            rules = frozenset(finding.rule.id for finding in verdict.findings)
        employer = None if facts.employee is None else known(facts.employee.employer)
        entity = self.policy.entities.get(employer or "")
        if entity is not None:
            # The join leaves the importer's law out of its interval: the stream dates every transfer by itself.
            answer = self._joiner.classify(entity.country, facts.at, facts.regime)
            since, until = max(since, answer.valid_from_ms), min(until, answer.valid_until_ms)
        self._note_law(facts, None if entity is None or entity.establishment == "eu" else entity.country)
        to = facts.destination
        return Assessed(
            since=since,
            until=until,
            country=facts.place.country or NOT_KNOWN,
            place=facts.place.place_class,
            basis=facts.transfer.basis,
            importer=facts.transfer.importer or NOT_KNOWN,
            regime=facts.regime,
            dataset=facts.dataset_id,
            sensitivity=facts.sensitivity,
            team=NOT_KNOWN if facts.employee is None else known(facts.employee.team) or NOT_KNOWN,
            principal=facts.principal,
            destination="" if to is None else to.name,
            destination_country=NOT_KNOWN if to is None else to.country or NOT_KNOWN,
            destination_class=None if to is None else to.place_class,
            found=rules,
        )

    def _note_law(self, facts: Facts, importer: str | None) -> None:
        to = None if facts.destination is None else facts.destination.country
        for country in {facts.place.country, importer, to}:
            self.law.note(country, facts.at, facts.regime)

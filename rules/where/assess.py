"""One access as a report sees it: country, class of place, basis of transfer, and what rules find on it.

The parts are the join's own (`rules/join.py`), and the rules are the stream's, so that a report and a verdict cannot
disagree. Each part is asked once for as long as its answer holds: a person's standing, their place, the basis of their
employer, a dataset.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final, NamedTuple

from msgspec import UNSET

from rules.facts import ALWAYS_READ, EVENT_FIELDS
from rules.join import UNKNOWN_SENSITIVITY, Standing
from rules.judge import Judge
from rules.knowledge import Knowledge, Person
from rules.meaning import Meanings
from rules.place import Interval
from rules.session import BY_MEANING
from rules.transfer import classify_transfer
from rules.where.law import LawUsed
from schemas.access import AccessEvent, PrincipalType
from schemas.alert import Basis
from schemas.directory import Sensitivity
from schemas.fields import known
from schemas.places import PlaceClass

REMEMBERED_MAX: Final = 200_000
"""Answers kept of each kind, some 200 bytes each: people times datasets times addresses of weeks of a large company.
The next one forgets them all."""

NOT_KNOWN: Final = ""
"""Stands for a country, team or importer that nothing says."""

NOTHING: Final = frozenset[str]()


@dataclass(frozen=True, slots=True, eq=False)
class Assessed:
    """What holds of an access; equal ones are the same object."""

    country: str
    place: PlaceClass
    basis: Basis
    importer: str
    regime: str
    dataset: str
    sensitivity: Sensitivity
    team: str
    principal: PrincipalType


@dataclass(frozen=True, slots=True)
class Sent:
    """Where an export or a grant went."""

    name: str
    country: str
    place: PlaceClass | None


NOWHERE: Final = Sent("", NOT_KNOWN, None)
"""The destination that a record does not name."""


class _Remembered(NamedTuple):
    since: int
    until: int
    assessed: Assessed


class _Who:
    """A person's standing on [`since`, `until`), and their places while it holds."""

    __slots__ = ("employer", "places", "since", "standing", "team", "until")

    def __init__(self, standing: Standing) -> None:
        self.standing, self.since, self.until = standing, standing.since, standing.until
        row = standing.employee
        self.employer = None if row is None else known(row.employer)
        self.team = NOT_KNOWN if row is None else known(row.team) or NOT_KNOWN
        self.places: dict[Any, tuple[int, int, str, PlaceClass]] = {}


class Assessor:
    """Assesses accesses under one policy and one table of the law, over directories that stand still."""

    def __init__(self, judge: Judge) -> None:
        """Take a judge, whose directories nobody else judges by: what people mean is noted in them."""
        self._judge = judge
        self._joiner = judge.joiner
        self.policy = judge.policy
        self.knowledge: Knowledge = judge.joiner.knowledge
        self.law = LawUsed(judge.joiner.legal)
        self._remembered: dict[Any, _Remembered] = {}
        self._people: dict[str, _Who] = {}
        self._bases: dict[tuple[str | None, str], tuple[int, int, Basis, str]] = {}
        self._same: dict[tuple[Any, ...], Assessed] = {}
        self._clean: dict[Any, tuple[int, int]] = {}
        self._begin_anew()
        reads = ALWAYS_READ.union(*(rule.reads for rule in judge.rules)) & EVENT_FIELDS.keys()
        fields = {name for read in reads for name in EVENT_FIELDS[read]} | {"dataset_id", "action"}
        self._key = attrgetter(*sorted(fields - BY_MEANING))

    def _begin_anew(self) -> None:
        self._meanings = Meanings(self._joiner)
        self._clean.clear()

    def assess(self, event: AccessEvent) -> Assessed:
        """Return what holds of an access as of its own time."""
        at = event.occurred_at
        key = event.person, event.dataset_id, event.source_ip, event.device_country, event.principal_type
        found = self._remembered.get(key)
        if found is None or not found.since <= at < found.until:
            found = self._assess(event, at)
            _keep(self._remembered, key, found)
        return found.assessed

    def sent(self, event: AccessEvent) -> Sent:
        """Return where an export or a grant goes."""
        if event.destination is UNSET:
            return NOWHERE
        facts = self._joiner.join(event, self.knowledge.find(event.person)).facts
        to = facts.destination
        if to is None:
            return NOWHERE
        self._note(to.country, facts.at, facts.regime)
        return Sent(to.name, to.country or NOT_KNOWN, to.place_class)

    def found(self, event: AccessEvent) -> frozenset[str]:
        """Return the ids of the rules that speak of an access.

        That nothing is found is remembered as a session does (`rules/session.py`): under what person, place and dataset
        mean. What is found is found anew each time.
        """
        if self._meanings.full:
            self._begin_anew()
        at = event.occurred_at
        person = self.knowledge.find(event.person)
        where = event.dataset_id, event.source_ip, event.device_country
        scene = None if person.meaning is None else person.meaning.scenes.get(where)
        if scene is None or not scene.since <= at < scene.until:
            scene = self._meanings.scene(person, at, where)
        ticket = self._joiner.ticket(known(event.purpose), known(event.ticket))
        key = scene.number, ticket, self._key(event)
        holds = self._clean.get(key)
        if holds is not None and holds[0] <= at < holds[1]:
            return NOTHING
        verdict = self._judge.judge(event, person)
        if verdict.clean and not (verdict.missing or verdict.exempted):
            _keep(self._clean, key, (verdict.law_since, verdict.law_until))
        return frozenset(finding.rule.id for finding in verdict.findings)

    def _assess(self, event: AccessEvent, at: int) -> _Remembered:
        name, interval = event.person, Interval()
        person = self.knowledge.find(name)
        dataset = None
        timeline = self.knowledge.datasets.get(event.dataset_id)
        if timeline is not None:
            dataset, since, until = timeline.at(at)
            interval.narrow(since, until)
        regime = self._joiner.regime(dataset)
        who = self._people.get(name)
        if who is None or not who.since <= at < who.until:
            who = _Who(self._joiner.standing(person, at))
            _keep(self._people, name, who)
        interval.narrow(who.since, who.until)
        country, place = self._place(event, person, who, at, regime, interval)
        basis, importer = self._basis(who.employer, at, regime, interval)
        sensitivity = UNKNOWN_SENSITIVITY if dataset is None else dataset.sensitivity
        values = country, place, basis, importer, regime, event.dataset_id, sensitivity, who.team, event.principal
        same = self._same.get(values) or self._same.setdefault(values, Assessed(*values))
        return _Remembered(interval.since, interval.until, same)

    def _place(
        self, event: AccessEvent, person: Person, who: _Who, at: int, regime: str, interval: Interval
    ) -> tuple[str, PlaceClass]:
        key = event.source_ip, event.device_country, regime
        found = who.places.get(key)
        if found is None or not found[0] <= at < found[1]:
            address, own = known(event.source_ip), Interval()
            origin = None if address is None else self._joiner.origin(address)
            device = known(event.device_country)
            place = self._joiner.locate(person, who.standing, at, device, origin, regime, own).place
            self._note(place.country, at, regime)
            found = own.since, own.until, place.country or NOT_KNOWN, place.place_class
            _keep(who.places, key, found)
        interval.narrow(found[0], found[1])
        return found[2], found[3]

    def _basis(self, employer: str | None, at: int, regime: str, interval: Interval) -> tuple[Basis, str]:
        found = self._bases.get((employer, regime))
        if found is None or not found[0] <= at < found[1]:
            own = Interval()
            transfer = classify_transfer(
                employer, self.policy, regime, at, lambda country: self._joiner.classify(country, at, regime)
            )
            entity = self.policy.entities.get(employer or "")
            if entity is not None and entity.establishment != "eu":
                answer = self._joiner.classify(entity.country, at, regime)
                own.narrow(answer.valid_from_ms, answer.valid_until_ms)
                self._note(entity.country, at, regime)
            found = self._bases[employer, regime] = own.since, own.until, transfer.basis, transfer.importer or NOT_KNOWN
        interval.narrow(found[0], found[1])
        return found[2], found[3]

    def _note(self, country: str | None, at: int, regime: str) -> None:
        if country is not None:
            self.law.note(country, at, self._joiner.classify(country, at, regime))


def _keep(answers: dict[Any, Any], key: Any, answer: Any) -> None:
    if len(answers) >= REMEMBERED_MAX:
        answers.clear()
    answers[key] = answer

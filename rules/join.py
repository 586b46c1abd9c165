"""The join: one event and everything known, as of the event's own time, become facts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Final

from rules.facts import Destination, Facts, Lapsed, Stored, Ticket
from rules.geo import GeoTable
from rules.jurisdictions import Classification, LegalTable
from rules.knowledge import Knowledge, Person
from rules.networks import Origin
from rules.place import Interval, Located, locate
from rules.policy import Policy, Role
from rules.transfer import classify_transfer, effective_class
from schemas.access import AccessEvent
from schemas.countries import NAMES, normalise
from schemas.directory import DatasetRow, EmployeeRow, Sensitivity, WorkloadRow
from schemas.fields import known
from schemas.places import PlaceClass
from schemas.sources.addresses import read_address

Classify = Callable[[str], Classification]

ORIGINS_MAX: Final = 65_536
"""Addresses whose meaning is remembered: staff use far fewer, and an address costs some hundred bytes."""

UNKNOWN_SENSITIVITY: Final[Sensitivity] = "restricted"
"""A dataset that the directory does not know is judged as the worst that it could be (`records.md`)."""


@dataclass(frozen=True, slots=True)
class Joined:
    """Facts, the time on which they stay the same, and what no directory has any row of."""

    facts: Facts
    since: int
    until: int
    missing: frozenset[str]
    """Of `employee roles dataset place`: an event waits for these (`docs/semantics.md`, "Waiting")."""
    law_since: int
    law_until: int
    """The time on which the law stays the same for where the dataset is stored and where an export goes."""
    unlocated: bool
    """No row says where the employee was: what the address says may be overruled by one that is late."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Who a principal is on [`since`, `until`)."""

    employee: EmployeeRow | None
    workload: WorkloadRow | None
    roles: dict[str, Role]
    lapsed: tuple[Lapsed, ...]
    since: int
    until: int


class Joiner:
    """Joins events with the directories under one policy and one set of tables."""

    def __init__(self, policy: Policy, knowledge: Knowledge, legal: LegalTable, geo: GeoTable | None) -> None:
        self.policy = policy
        self.knowledge = knowledge
        self.legal = legal
        self.origin = lru_cache(maxsize=ORIGINS_MAX)(lambda address: policy.networks.locate(address, geo))
        self._law: dict[tuple[str, str], Classification] = {}
        self._default_roles = {name: policy.roles[name] for name in policy.default_roles}

    def join(self, event: AccessEvent, person: Person, *, reused: bool = False) -> Joined:
        """Return the facts of `event` as of its `occurred_at`."""
        at = event.occurred_at
        interval, law = Interval(), Interval()
        standing = self.standing(person, at)
        interval.narrow(standing.since, standing.until)
        dataset = self._dataset(event.dataset_id, at, interval)
        regime = self.regime(dataset)

        def classify(country: str) -> Classification:
            return self.classify(country, at, regime)

        address = known(event.source_ip)
        origin: Origin | None = None if address is None else self.origin(address)
        located = self.locate(person, standing, at, known(event.device_country), origin, regime, interval)
        employer = None if standing.employee is None else known(standing.employee.employer)
        transfer = classify_transfer(employer, self.policy, regime, at, classify)
        at_home = on_site(standing.workload, address, origin)
        purpose = known(event.purpose)
        destination = self._destination(known(event.destination), classify, law)
        stored = self._stored(dataset, classify, law)
        interval.narrow(law.since, law.until)
        facts = Facts(
            event=event,
            at=at,
            principal=event.principal,
            action=event.action,
            outcome=event.result,
            employee_known=person.employment is not None,
            employee=standing.employee,
            roles=standing.roles,
            lapsed=standing.lapsed,
            dataset_known=event.dataset_id in self.knowledge.datasets,
            dataset=dataset,
            dataset_id=event.dataset_id,
            sensitivity=UNKNOWN_SENSITIVITY if dataset is None else dataset.sensitivity,
            regime=regime,
            place=located.place,
            effective=located.effective,
            conflict=located.conflict,
            conflict_class=located.conflict_class,
            transfer=transfer,
            destination=destination,
            stored=stored,
            purpose=purpose,
            ticket=self.ticket(purpose, known(event.ticket)),
            workload=standing.workload,
            on_site=at_home,
            reused=reused,
        )
        return Joined(
            facts,
            interval.since,
            interval.until,
            _missing(facts, person),
            law.since,
            law.until,
            unlocated=facts.principal == "employee" and not person.locations,
        )

    def standing(self, person: Person, at: int) -> Standing:
        """Return who a principal is at `at`."""
        interval = Interval()
        employee = workload = None
        if person.employment is not None:
            employee, since, until = person.employment.at(at)
            interval.narrow(since, until)
        if person.workload is not None:
            workload, since, until = person.workload.at(at)
            interval.narrow(since, until)
        roles, lapsed = self._roles(person, at, interval, employed=employee is not None)
        return Standing(employee, workload, roles, lapsed, interval.since, interval.until)

    def locate(
        self,
        person: Person,
        standing: Standing,
        at: int,
        device: str | None,
        origin: Origin | None,
        regime: str,
        interval: Interval,
    ) -> Located:
        """Weigh the evidence of where a person was at `at`; `interval` is narrowed to the time the answer holds."""
        entity = (
            None if standing.employee is None else self.policy.entities.get(known(standing.employee.employer) or "")
        )

        def classify(country: str) -> Classification:
            return self.classify(country, at, regime)

        def effective(country: str, answer: Classification) -> PlaceClass:
            return effective_class(entity, country, answer)

        return locate(person, at, device, origin, self.policy, classify, effective, interval)

    def regime(self, dataset: DatasetRow | None) -> str:
        """Return the law under which a dataset is judged."""
        return self.policy.regime if dataset is None else self.legal.regime_of(dataset.subject_region)

    def classify(self, country: str, at: int, regime: str) -> Classification:
        """Return the class of a country; the last answer serves for as long as the law does not change."""
        answer = self._law.get((country, regime))
        if answer is None or not answer.valid_from_ms <= at < answer.valid_until_ms:
            answer = self.legal.classify(country, at, regime, self.policy.perimeter)
            self._law[country, regime] = answer
        return answer

    def ticket(self, purpose: str | None, ticket: str | None) -> Ticket:
        """Return how the ticket stands to what the purpose asks for."""
        asked = self.policy.purposes.get(purpose or "")
        if asked is None or not asked.ticket:
            return "not_asked"
        if ticket is None:
            return "missing"
        return "given" if self.policy.ticket_patterns[purpose or ""].fullmatch(ticket) else "refused"

    def _dataset(self, dataset_id: str, at: int, interval: Interval) -> DatasetRow | None:
        timeline = self.knowledge.datasets.get(dataset_id)
        if timeline is None:
            return None
        row, since, until = timeline.at(at)
        interval.narrow(since, until)
        return row

    def _roles(
        self, person: Person, at: int, interval: Interval, *, employed: bool
    ) -> tuple[dict[str, Role], tuple[Lapsed, ...]]:
        """Return the roles held at `at` that the policy knows, and the versions that are past or to come."""
        held = dict(self._default_roles) if employed else {}
        lapsed = []
        for name, timeline in person.roles.items():
            row, since, until = timeline.at(at)
            interval.narrow(since, until)
            role = self.policy.roles.get(name)
            if role is None:
                continue
            if row is not None:
                held[name] = role
            else:
                lapsed += [Lapsed(name, role, span.since, span.until) for span in timeline.spans()]
        return held, tuple(lapsed)

    def _destination(self, name: str | None, classify: Classify, interval: Interval) -> Destination | None:
        if name is None:
            return None
        site = self.policy.sites.get(name)
        country = name if site is None else site.country
        try:
            country = normalise(country)
        except ValueError:
            return Destination(name, None, PlaceClass.UNKNOWN)
        answer = classify(country)
        self._narrow(answer, interval)
        return Destination(name, country, answer.cls)

    def _stored(self, dataset: DatasetRow | None, classify: Classify, interval: Interval) -> Stored | None:
        if dataset is None:
            return None
        country = self.stored_in(dataset)
        if country is None:
            return None
        answer = classify(country)
        self._narrow(answer, interval)
        return Stored(country, known(dataset.site), answer.cls)

    def stored_in(self, dataset: DatasetRow) -> str | None:
        """Return the country in which a version of a dataset is stored, None where nothing says so."""
        site = self.policy.sites.get(known(dataset.site) or "")
        return known(dataset.site_country) or (site.country if site else None)

    @staticmethod
    def _narrow(answer: Classification, interval: Interval) -> None:
        interval.narrow(answer.valid_from_ms, answer.valid_until_ms)


def _missing(facts: Facts, person: Person) -> frozenset[str]:
    missing = set()
    if not facts.dataset_known:
        missing.add("dataset")
    if facts.principal == "employee":
        if not facts.employee_known:
            missing.add("employee")
        if not person.roles:
            missing.add("roles")
        if not person.locations and facts.place.place_class is PlaceClass.UNKNOWN:
            missing.add("place")
    return frozenset(missing)


def on_site(row: WorkloadRow | None, address: str | None, origin: Origin | None) -> bool | None:
    """Return whether an address is in a workload's networks; None where either is not known."""
    if row is None or not row.networks or address is None or origin is None or origin.kind == "malformed":
        return None
    text = read_address(address).ip
    if text is None:
        return None
    bare = ip_address(text)
    return any(bare in ip_network(network, strict=False) for network in row.networks)


def country_name(code: str | None) -> str:
    """Return a country's name for a sentence."""
    return "an unknown place" if code is None else NAMES.get(code, code)

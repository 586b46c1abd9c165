"""What an event's person, place and dataset mean to the rules, as small numbers: equal numbers, equal facts.

There are many people, addresses and datasets, and few meanings: an active employee with these roles; a badge in Ireland
that nothing contradicts; restricted data of the EEA stored in Norway. The three together are a scene. A clean verdict
is remembered by the scene's number (`rules/session.py`), so that it serves everybody and everything alike: what else is
known stands in sentences, and nothing is said of a clean access. Each meaning holds on an interval of time and is asked
anew beyond it; a person's scenes are kept beside them, so that a sitting at the same work costs one look-up an event.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any, Final, NamedTuple

from msgspec import UNSET

from rules.habits.observer import Setting
from rules.habits.sketch import bloom_of, mark
from rules.join import ORIGINS_MAX, UNKNOWN_SENSITIVITY, Joiner, Standing, on_site
from rules.knowledge import Person
from rules.place import Interval
from rules.policy import Policy
from rules.timeline import Timeline
from schemas.directory import DatasetRow, WorkloadRow
from schemas.fields import known

DATASETS_MAX: Final = 65_536
"""Datasets whose meaning is remembered, some hundred bytes each: more than a company's catalogue of sensitive data."""

PLACES_MAX: Final = 64
"""Places remembered of one person while their standing holds: from a few countries, under a few regimes."""

SCENES_MAX: Final = 32
"""Scenes remembered of one person while their standing holds, some 250 bytes each: a day's datasets, from a place or
two. The next one forgets them all."""

NUMBERS_MAX: Final = 1_000_000
"""Meanings that are told apart before everything is forgotten and begins anew: no company comes near (200 MB)."""


Where = tuple[str, Any, Any]
"""(dataset, address, what the device claims) as an event says them; the latter two may be `UNSET`."""


class PlaceMeaning(NamedTuple):
    """What the evidence of a place means on [`since`, `until`)."""

    since: int
    until: int
    number: int
    country: str | None


class PersonMeaning:
    """What is known of a person means `number` on [`since`, `until`); beside it, their places and scenes then."""

    __slots__ = ("number", "places", "scenes", "since", "standing", "until", "works")

    def __init__(self, standing: Standing, number: int) -> None:
        self.since, self.until, self.number, self.standing = standing.since, standing.until, number, standing
        self.places: dict[tuple[Any, int, str], PlaceMeaning] = {}
        self.scenes: dict[Where, Scene] = {}
        self.works: Any = None
        """The same as the habits see it (`rules/habits/days.py`, `Standing`), None until asked."""


class DatasetMeaning(NamedTuple):
    """What a dataset means on [`since`, `until`), as long as `timeline` is its history."""

    timeline: Timeline[DatasetRow] | None
    since: int
    until: int
    number: int
    regime: str
    sensitivity: str
    canary: bool
    bloom: int
    """The dataset's bits in a filter (`rules/habits/sketch.py`)."""


class Scene(NamedTuple):
    """Who, from where and on what mean `number` on [`since`, `until`), while `timeline` is the dataset's history."""

    timeline: Timeline[DatasetRow] | None
    since: int
    until: int
    number: int
    setting: Setting
    """The same, as the rules about behaviour see it."""


class Meanings:
    """Meanings under one policy; a change of policy makes new ones."""

    def __init__(self, joiner: Joiner) -> None:
        """Take the joiner whose facts are meant."""
        self._joiner = joiner
        self._patterns = _patterns(joiner.policy)
        self._numbers: dict[object, int] = {}
        self.addresses: dict[Any, int] = {}
        self.datasets: dict[str, DatasetMeaning] = {}

    @property
    def full(self) -> bool:
        """Whether it is time to begin anew."""
        return len(self._numbers) >= NUMBERS_MAX

    def address(self, address: Any) -> int:
        """Return a number for the country that an address says; why it says none is for sentences only."""
        number = self.addresses.get(address)
        if number is not None:
            return number
        if len(self.addresses) >= ORIGINS_MAX:
            self.addresses.clear()
        country = None if address is UNSET else self._joiner.origin(address).country
        return self.addresses.setdefault(address, self._number("address", country))

    def dataset(self, dataset_id: str, at: int) -> DatasetMeaning:
        """Return what a dataset means at a time."""
        joiner = self._joiner
        timeline = joiner.knowledge.datasets.get(dataset_id)
        if timeline is None:
            bloom = bloom_of(mark(dataset_id))
            unknown = self._number("dataset", None), joiner.regime(None), UNKNOWN_SENSITIVITY
            return DatasetMeaning(None, at, at + 1, *unknown, canary=False, bloom=bloom)
        row, since, until = timeline.at(at)
        matched = frozenset(pattern for pattern in self._patterns if fnmatchcase(dataset_id, pattern))
        means = row and (row.sensitivity, row.subject_region, joiner.stored_in(row))
        number = self._number("dataset", (means, matched))
        sensitivity, canary = (UNKNOWN_SENSITIVITY, False) if row is None else (row.sensitivity, row.canary)
        bloom = bloom_of(mark(dataset_id))
        found = DatasetMeaning(timeline, since, until, number, joiner.regime(row), sensitivity, canary, bloom)
        if len(self.datasets) >= DATASETS_MAX:
            self.datasets.clear()
        self.datasets[dataset_id] = found
        return found

    def person(self, person: Person, at: int) -> PersonMeaning:
        """Return what is known of a person at a time, and keep it beside them."""
        standing = self._joiner.standing(person, at)
        employee, workload = standing.employee, standing.workload
        means = (
            person.employment is not None,
            employee and (employee.status, known(employee.employer)),
            frozenset(standing.roles),
            frozenset((lapsed.name, lapsed.until <= at) for lapsed in standing.lapsed),
            # Of whom nothing at all is known waits for a row.
            bool(person.roles),
            bool(person.locations),
            workload and tuple(workload.networks or ()),
        )
        found = PersonMeaning(standing, self._number("person", means))
        person.meaning = found
        return found

    def scene(self, person: Person, at: int, where: Where) -> Scene:
        """Return what who, from where and on what mean together at a time, and keep it beside the person."""
        dataset_id, address, device = where
        whose: PersonMeaning | None = person.meaning
        if whose is None or not whose.since <= at < whose.until:
            whose = self.person(person, at)
        data = self.datasets.get(dataset_id)
        timeline = self._joiner.knowledge.datasets.get(dataset_id)
        if data is None or data.timeline is not timeline or not data.since <= at < data.until:
            data = self.dataset(dataset_id, at)
        place = whose.places.get((device, self.address(address), data.regime))
        if place is None or not place.since <= at < place.until:
            place = self.place(person, whose, at, device, address, data.regime)
        # A workload's networks are finer than what an address means to others.
        means = whose.number, place.number, data.number, self._on_site(whose.standing.workload, address)
        since = max(whose.since, place.since, data.since)
        until = min(whose.until, place.until, data.until)
        named = None if address is UNSET else self._joiner.origin(address).country
        setting = Setting(data.bloom, data.sensitivity, data.canary, place.country, known(device), named)
        found = Scene(timeline, since, until, self._number("scene", means), setting)
        if len(whose.scenes) >= SCENES_MAX:
            whose.scenes.clear()
        whose.scenes[where] = found
        return found

    def place(
        self, person: Person, whose: PersonMeaning, at: int, device: Any, address: Any, regime: str
    ) -> PlaceMeaning:
        """Return what the evidence of a place means at a time, and keep it beside the person."""
        interval = Interval()
        origin = None if address is UNSET else self._joiner.origin(address)
        located = self._joiner.locate(person, whose.standing, at, known(device), origin, regime, interval)
        place = located.place
        means = place.country, place.place_class, place.presumed, located.effective, located.conflict_class
        found = PlaceMeaning(interval.since, interval.until, self._number("place", means), place.country)
        if len(whose.places) >= PLACES_MAX:
            whose.places.clear()
        whose.places[device, self.address(address), regime] = found
        return found

    def _on_site(self, workload: WorkloadRow | None, address: Any) -> bool | None:
        if workload is None or address is UNSET:
            return None
        return on_site(workload, address, self._joiner.origin(address))

    def _number(self, what: str, means: object) -> int:
        return self._numbers.setdefault((what, means), len(self._numbers))


def _patterns(policy: Policy) -> frozenset[str]:
    """Return the patterns of dataset ids by which roles tell datasets apart."""
    return frozenset(
        pattern for role in policy.roles.values() for may in role.may for pattern in may.datasets if pattern != "*"
    )

"""Ordinary life at work: everybody with hours, datasets and cases of their own, on the working days of their country.

Numbers without a source are assumptions and say so: no public log of accesses to user data tells them. That daily
numbers are lognormal among people and from day to day is what counts of human activity are found to be.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

import holidays

from demo.accesses import EEA_ONLY, WORK, Planned, Writer
from demo.organisation import CLOUD, HOUR, MONTH_DAYS, VPN_EGRESS, ZONES, Dataset, Organisation, Person, office_in
from demo.population import moment

DATASETS_A_HEAD: Final = 4
"""Datasets that somebody works on, the first of them most. An assumption, as all below are."""

SESSION_LENGTH: Final = 2
"""Mean accesses of one sitting."""

PAUSE_MS: Final = 40_000
"""Mean pause between two accesses of a sitting."""

AMONG, BETWEEN = 0.4, 0.3
"""Spread (of the logarithm) of the daily number of accesses among people, and between one person's days."""

AT_WORK: Final = 0.95
"""Of the working days, so many are worked on; one in fifty of the days off."""

AWAY: Final = 1 / 6
"""So many people take a week or two off in a month."""

LATE_DAYS: Final = 1 / 30
"""On so many days somebody stays up to two hours longer."""

NEW_DATASET: Final = 0.01
"""On so many days somebody gets a dataset of their kind of work that is new to them."""

CASE_GOES_ON: Final = 0.55
"""How often the next access of case work is about the same data subject as the last."""

RECORDS, RECORDS_SPREAD = 60.0, 0.5
"""Records of an access that is no case work: median, and spread of the logarithm."""

CASE_WORK: Final = frozenset(role for role, (*_, ticket) in WORK.items() if ticket)
"""Roles whose accesses are about data subjects, case by case."""

SUBJECTS: Final = 5_000_000
"""Data subjects, numbered."""


class Calendar:
    """Local midnights and working days of the countries, by the number of a day: 0 is the month's first."""

    def __init__(self, start: int) -> None:
        self._first = datetime.fromtimestamp(start / 1000, UTC).date()
        self._midnights: dict[tuple[str, int], int] = {}
        self._holidays: dict[str, holidays.HolidayBase] = {}

    def midnight(self, country: str, day: int) -> int:
        """Return when a day begins there, milliseconds."""
        found = self._midnights.get((country, day))
        if found is None:
            found = self._midnights[country, day] = moment(self._date(day), 0.0, ZoneInfo(ZONES[country]))
        return found

    def works(self, country: str, day: int) -> bool:
        """Whether people work on a day there."""
        on = self._date(day)
        if country not in self._holidays:
            self._holidays[country] = holidays.country_holidays(country)
        return on.weekday() < 5 and on not in self._holidays[country]

    def working_days(self, country: str, days: Iterable[int]) -> list[int]:
        """Return those of the days on which people work there."""
        return [day for day in days if self.works(country, day)]

    def _date(self, day: int) -> date:
        return self._first + timedelta(days=day)


class Catalogue:
    """The datasets that each role is for."""

    def __init__(self, org: Organisation) -> None:
        self._by_role = {
            role: [
                dataset
                for dataset in org.datasets
                if dataset.sensitivity in sensitivities and (dataset.region == "EEA" or role not in EEA_ONLY)
            ]
            for role, (sensitivities, *_) in WORK.items()
        }

    def of(self, role: str) -> list[Dataset]:
        """Return them."""
        return self._by_role[role]

    def some(self, random: Random, role: str) -> list[Dataset]:
        """Return what one holder of the role works on."""
        return random.sample(self._by_role[role], DATASETS_A_HEAD)


@dataclass(slots=True)
class Life:
    """How one person works."""

    person: Person
    datasets: list[Dataset]
    starts: float
    """Local hour."""
    hours: float
    desk: str
    """Their address in the office."""
    case: str | None = None
    ticket: str | None = None

    def day(self, writer: Writer, midnight: int, count: int) -> Iterator[Planned]:
        """Yield so many accesses of one day, sitting by sitting."""
        random = writer.random
        late = random.uniform(0.5, 2.0) if random.random() < LATE_DAYS else 0.0
        weights = [1 / (rank + 1) for rank in range(len(self.datasets))]
        address = self._address(random)
        while count > 0:
            at = midnight + int((self.starts + self.hours * random.betavariate(1.6, 1.4) + late) * HOUR)
            late = 0.0
            # A sitting: some accesses in a row to a dataset or two.
            datasets = random.choices(self.datasets, weights, k=2)
            for _ in range(min(count, 1 + int(random.expovariate(1 / SESSION_LENGTH)))):
                at += 1 + int(random.expovariate(1 / PAUSE_MS))
                yield self.access(writer, random.choice(datasets), at, address)
                count -= 1

    def access(self, writer: Writer, dataset: Dataset, at: int, address: str) -> Planned:
        """Return one access of ordinary work."""
        random = writer.random
        if self.person.role not in CASE_WORK:
            records = max(1, round(RECORDS * math.exp(random.gauss(0.0, RECORDS_SPREAD))))
            size = {"record_count": records, "bytes": records * 512}
            return Planned(writer.access(self.person, dataset, at, source_ip=address, **size))
        if self.case is None or random.random() > CASE_GOES_ON:
            self.case, self.ticket = f"s-{random.randrange(SUBJECTS)}", f"T-{random.randrange(10**6)}"
        case = {"record_count": 1, "bytes": 2_000, "subject_ids": [self.case], "ticket": self.ticket}
        return Planned(writer.access(self.person, dataset, at, source_ip=address, **case))

    def _address(self, random: Random) -> str:
        place = random.random()
        if place < 0.3:
            return self.desk
        if place < 0.4:
            return VPN_EGRESS + str(random.randrange(1, 200))
        return random.choice(CLOUD) + str(random.randrange(1, 200)) if place < 0.45 else self.person.address


def life_of(random: Random, person: Person, catalogue: Catalogue) -> Life:
    """Return how somebody works."""
    starts, hours, desk = random.gauss(8.6, 0.6), random.uniform(7.5, 9.0), office_in(random, person.country)
    return Life(person, catalogue.some(random, person.role), starts, hours, desk)


def ordinary(org: Organisation, writer: Writer, count: int) -> Iterator[Planned]:
    """Yield `count` accesses of everybody who plays no part, in the order of no time in particular."""
    random, calendar, catalogue = writer.random, Calendar(org.start), Catalogue(org)
    days: list[tuple[Life, int, float]] = []
    for person in org.people:
        if person.cast:
            continue
        life, rate = life_of(random, person, catalogue), math.exp(random.gauss(0.0, AMONG))
        gone = random.randrange(MONTH_DAYS) if random.random() < AWAY else MONTH_DAYS
        away = range(gone, gone + random.choice((7, 14)))
        for day in range(MONTH_DAYS):
            share = AT_WORK if calendar.works(person.country, day) else 0.02
            if day not in away and random.random() < share:
                days.append((life, day, rate * math.exp(random.gauss(0.0, BETWEEN))))
    each = count / sum(weight for *_, weight in days)
    due = 0.0
    for life, day, weight in days:
        due += weight * each
        if random.random() < NEW_DATASET:
            life.datasets = [*life.datasets, random.choice(catalogue.of(life.person.role))]
        number = min(round(due), count)
        due -= number
        count -= number
        yield from life.day(writer, calendar.midnight(life.person.country, day), number)

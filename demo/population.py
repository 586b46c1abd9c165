"""A population that works for weeks: everybody's accesses, day by day, with the oddities of life.

It knows nothing of what judges it (`tests/test_house.py`). Who the people are, and where numbers come from, stands in
`demo/people.py`; a number of this file that names no source is an assumption.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import accumulate
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

import holidays
import msgspec

from demo.people import PLACES, RARE_DAYS, Worker, hire

HOUR: Final = 3_600_000
DAY: Final = 24 * HOUR

HOT_DAYS: Final = 0.1
"""Of a team's days: one case is everybody's, as when a service fails or somebody is in the news."""

HOT_SHARE: Final = 0.08
"""Of the accesses of such a day, those that are about that case."""

BUSY_DAYS: Final = 0.02
"""Of a team's days: all of it has nearly twice the work."""

LOCKED_OUT: Final = 0.0002
"""Of the days: somebody's grant has lapsed, and they try until they believe it."""

LATE_DAYS: Final = 1 / 60
"""Of a person's days: up to two and a half hours more. One in three has such a day in a month (Eurofound 2015)."""

DUTY_LOAD: Final = (3.0, 10.0)
"""How many times the usual records a quarter's end or a migration means to those who have the duty."""


class Act(msgspec.Struct, frozen=True, gc=False):
    """One access of the population, before it is anybody's record."""

    at: int
    worker: str
    dataset: str
    action: str
    outcome: str = "success"
    subjects: tuple[str, ...] = ()
    records: int = 1
    size: int = 0
    ticket: bool = False
    country: str = ""
    """Where the device is."""
    address: str = ""
    """What the address says where it is not the device's country."""
    account: str | None = None
    gateway: str = ""
    label: str | None = None
    """Which incident it belongs to."""


@dataclass(slots=True)
class Mood:
    """What one day asks of one person."""

    day: date
    times: list[float]
    zone: ZoneInfo
    country: str
    address: str
    load: float
    """On the records of an access."""
    hot: str | None


@dataclass(slots=True)
class Population:
    """Everybody, and the days they live through. The same seed gives the same acts."""

    seed: int
    people: int
    days: int
    first: date = date(2026, 1, 19)
    """A quarter's end, Easter and both continents' change of clocks fall into the second half of 90 days."""
    workers: list[Worker] = field(default_factory=list)

    def __post_init__(self) -> None:
        random = Random(f"people-{self.seed}")
        self.workers = [hire(random, number, self.people, self.days) for number in range(self.people)]

    def acts(self, worker: Worker) -> Iterator[Act]:
        """Yield what somebody does, in order but for the night of a call."""
        random = Random(f"{self.seed}-{worker.name}")
        datasets = list(worker.datasets)
        weights = _ranks(len(datasets))
        end = self.days if worker.leaves is None else min(self.days, worker.leaves)
        for number in range(worker.joined, end):
            today = self.first + timedelta(days=number)
            if number in worker.away:
                continue
            day_off = today.weekday() >= 5 or today in holidays_of(worker.country)
            call = number in worker.on_call and random.random() < 0.5
            if worker.moves_team == number:
                datasets = [f"{worker.team}-new-d{each}" for each in random.sample(range(24), 6)]
                weights = _ranks(len(datasets))
            if worker.project is not None and worker.project <= number < worker.project + 3:
                datasets += [f"project-{worker.name}-d{number}-{each}" for each in range(2)]
                weights = [*weights, 0.3, 0.3]
            works = random.random() < (0.5 if worker.weekends else 0.02 if day_off else 0.95) or (not day_off and call)
            if worker.rare:
                works = works and random.random() < RARE_DAYS
            if number in worker.travels and number in {worker.travels[0], worker.travels[-1]}:
                continue
            if not works and not call:
                continue
            if random.random() < 0.02:
                new = f"{worker.team}-d{random.randrange(24)}"
                if new not in datasets:
                    datasets.append(new)
                    weights = [*weights, 0.5]
            mood = self._mood(random, worker, number, today, day_off=day_off, works=works, call=call)
            yield from _day(random, worker, mood, datasets, list(accumulate(weights)))

    def _mood(
        self, random: Random, worker: Worker, number: int, today: date, *, day_off: bool, works: bool, call: bool
    ) -> Mood:
        count = worker.accesses * math.exp(random.gauss(0, worker.trade.between)) * (0.3 if day_off else 1.0)
        load, hot = 1.0, None
        if is_quarter_end(today) and worker.trade.name == "analyst":
            count *= 1.5  # all of them have more to do; those with the duty much more
            load = random.uniform(*DUTY_LOAD) / 1.5 if worker.quarter_end else 1.0
        if number in worker.migration:
            load = random.uniform(*DUTY_LOAD)
        team = Random(f"{self.seed}-{worker.team}-{number}")
        if team.random() < HOT_DAYS:
            hot = f"s-{team.randrange(5_000_000)}"
        if team.random() < BUSY_DAYS:
            count *= 1.8
        late = random.uniform(0.5, 2.5) if random.random() < LATE_DAYS else 0.0
        times = [
            worker.starts + worker.hours * _hour(random) + (late if random.random() < 0.3 else 0)
            for _ in range(_about(random, count) if works else 0)
        ]
        if call:
            times += [random.uniform(22.0, 29.0) for _ in range(random.randint(1, 8))]
        zone, country, address = worker.zone, worker.country, ""
        if number in worker.travels:
            zone, country = ZoneInfo(PLACES[worker.travels_to][0]), worker.travels_to
        elif worker.exit_country is not None and random.random() < 0.05:
            address = worker.exit_country
        return Mood(today, sorted(times), zone, country, address, load, hot)


def is_quarter_end(day: date) -> bool:
    """Whether books are closed: the last five days of a quarter, and two after it."""
    return (day.month % 3 == 0 and day.day >= 27) or (day.month % 3 == 1 and day.day <= 2)


def _day(random: Random, worker: Worker, mood: Mood, datasets: list[str], weights: list[float]) -> Iterator[Act]:
    trade, name, gateway = worker.trade, worker.name, worker.gateway
    case: str | None = None
    midnight = moment(mood.day, 0, mood.zone)
    locked = bool(mood.times) and random.random() < LOCKED_OUT
    for hour in mood.times:
        at = midnight + round(hour * HOUR)
        dataset = random.choices(datasets, cum_weights=weights)[0]
        denied = random.random() < 0.004
        outcome = "denied" if denied else "success"
        away = mood.address if random.random() < 0.5 else ""
        if trade.case_work:
            if case is None or random.random() < 0.45:
                case = f"s-{random.randrange(5_000_000)}"
            whom = mood.hot if mood.hot is not None and random.random() < HOT_SHARE else case
            yield Act(
                at,
                name,
                dataset,
                "read",
                outcome,
                (whom,),
                size=2_000,
                ticket=random.random() < 0.97,
                country=mood.country,
                address=away,
                gateway=gateway,
            )
        else:
            records = max(1, round(trade.records * mood.load * math.exp(random.gauss(0, trade.records_spread))))
            account = random.choice(worker.accounts) if worker.accounts and random.random() < 0.3 else None
            yield Act(
                at,
                name,
                dataset,
                "query",
                outcome,
                (),
                records,
                records * 400,
                country=mood.country,
                address=away,
                account=account,
                gateway=gateway,
            )
        again = random.randint(1, 3) if denied and random.random() < 0.3 else 0
        if locked:
            again, locked = random.randint(4, 10), False
        for each in range(again):  # somebody who tries again
            late = at + 20_000 * (each + 1)
            yield Act(late, name, dataset, "read", "denied", country=mood.country, gateway=gateway)


def _hour(random: Random) -> float:
    """Return a share of the working day: more in its middle than at its ends.

    Kumaraswamy's distribution, which is like a beta of about the same parameters and costs one draw instead of three.
    """
    return float((1 - (1 - random.random()) ** (1 / 1.45)) ** (1 / 1.6))


def _ranks(count: int) -> list[float]:
    """Return how often each of a person's datasets is used: as the rank's inverse (Zipf)."""
    return [1 / (rank + 1) for rank in range(count)]


@lru_cache(maxsize=len(PLACES))
def holidays_of(country: str) -> holidays.HolidayBase:
    """Return the public holidays of a country."""
    return holidays.country_holidays(country)


@lru_cache(maxsize=8192)
def _midnight(day: date, zone: ZoneInfo) -> int:
    return round(datetime.combine(day, time(), tzinfo=zone).astimezone(UTC).timestamp() * 1000)


def moment(day: date, hour: float, zone: ZoneInfo) -> int:
    """Return the milliseconds of a local hour; hours beyond 24 are of the night after."""
    return _midnight(day, zone) + round(hour * HOUR)


def _about(random: Random, mean: float) -> int:
    """Return a whole number that is `mean` on average."""
    low = int(mean)
    return low + (random.random() < mean - low)

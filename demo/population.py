"""A population that works for weeks: people of several trades, each with habits of their own, and the oddities of life.

It knows nothing of what judges it (`tests/test_house.py`). Where a number has no source it is an assumption and says
so: daily numbers of accesses are lognormal among people and from day to day, as counts of human activity are found to
be; one working day in thirty runs late, one person in ten is on call for a week, one in five takes two weeks off.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

import holidays

HOUR: Final = 3_600_000
DAY: Final = 24 * HOUR

PLACES: Final = {
    "IE": ("Europe/Dublin", 24),
    "NO": ("Europe/Oslo", 14),
    "DE": ("Europe/Berlin", 14),
    "ES": ("Europe/Madrid", 8),
    "PL": ("Europe/Warsaw", 10),
    "IN": ("Asia/Kolkata", 10),
    "US": ("America/New_York", 12),
    "SG": ("Asia/Singapore", 5),
    "BR": ("America/Sao_Paulo", 3),
}
"""Country → its zone, and its share of the staff in hundredths. An assumption."""


@dataclass(frozen=True, slots=True)
class Trade:
    """A kind of work. Numbers are medians and standard deviations of the logarithm; assumptions."""

    name: str
    share: float
    accesses: float
    """A day."""
    among: float
    """Spread among people."""
    between: float
    """Spread between one person's days."""
    records: float
    """An access."""
    records_spread: float
    case_work: bool
    """Whether accesses are about data subjects, case by case."""


TRADES: Final = (
    Trade("support", 0.55, 16, 0.5, 0.35, 1, 0.0, case_work=True),
    Trade("engineer", 0.25, 7, 0.6, 0.5, 120, 1.1, case_work=False),
    Trade("analyst", 0.20, 6, 0.6, 0.45, 900, 0.9, case_work=False),
)


@dataclass(slots=True)
class Worker:
    """One person and how they work."""

    name: str
    trade: Trade
    team: str
    country: str
    zone: ZoneInfo
    starts: float
    hours: float
    accesses: float
    datasets: list[str]
    joined: int
    """First day, counted from the beginning."""
    weekends: bool
    on_call: range
    away: range
    leave_known: bool
    travels: range
    travels_to: str
    moves_team: int | None


@dataclass(frozen=True, slots=True)
class Act:
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
    account: str | None = None
    label: str | None = None
    """Which incident it belongs to."""


@dataclass(slots=True)
class Population:
    """Everybody, and the days they live through. The same seed gives the same acts."""

    seed: int
    people: int
    days: int
    first: date = date(2026, 3, 2)
    workers: list[Worker] = field(default_factory=list)

    def __post_init__(self) -> None:
        random = Random(f"people-{self.seed}")
        self.workers = [self._worker(random, number) for number in range(self.people)]

    def _worker(self, random: Random, number: int) -> Worker:
        trade = random.choices(TRADES, [each.share for each in TRADES])[0]
        country = random.choices(list(PLACES), [share for _, share in PLACES.values()])[0]
        team = f"{trade.name}-{random.randrange(max(1, round(self.people * trade.share / 25)))}"
        pool = [f"{team}-d{each}" for each in range(24)]
        away = random.randrange(10, self.days)
        trip = random.randrange(10, self.days)
        call = random.randrange(5, self.days)
        others = [each for each in PLACES if each != country]
        return Worker(
            name=f"w-{number:05d}",
            trade=trade,
            team=team,
            country=country,
            zone=ZoneInfo(PLACES[country][0]),
            starts=random.gauss(8.6, 0.7),
            hours=random.uniform(7.0, 9.0),
            accesses=trade.accesses * math.exp(random.gauss(0, trade.among)),
            datasets=random.sample(pool, random.randint(4, 10)),
            joined=random.randrange(20, self.days - 5) if random.random() < 0.08 else 0,
            weekends=random.random() < 0.08,
            on_call=range(call, call + 7) if trade.name != "analyst" and random.random() < 0.1 else range(0),
            away=range(away, away + 14) if random.random() < 0.2 else range(0),
            leave_known=random.random() < 0.8,
            travels=range(trip, trip + 5) if random.random() < 0.08 else range(0),
            travels_to=random.choice(others),
            moves_team=random.randrange(15, self.days - 15) if random.random() < 0.03 else None,
        )

    def acts(self, worker: Worker) -> Iterator[Act]:
        """Yield what somebody does, in order."""
        random = Random(f"{self.seed}-{worker.name}")
        datasets = list(worker.datasets)
        weights = [1 / (rank + 1) for rank in range(len(datasets))]
        for number in range(worker.joined, self.days):
            today = self.first + timedelta(days=number)
            if number in worker.away:
                continue
            day_off = today.weekday() >= 5 or today in _holidays(worker.country)
            call = number in worker.on_call and random.random() < 0.5
            if worker.moves_team == number:
                datasets = [f"{worker.team}-new-d{each}" for each in random.sample(range(24), 6)]
                weights = [1 / (rank + 1) for rank in range(len(datasets))]
            works = random.random() < (0.5 if worker.weekends else 0.02 if day_off else 0.95) or (not day_off and call)
            if not works and not call:
                continue
            if random.random() < 0.02:
                new = f"{worker.team}-d{random.randrange(24)}"
                if new not in datasets:
                    datasets.append(new)
                    weights.append(0.5)
            count = worker.accesses * math.exp(random.gauss(0, worker.trade.between)) * (0.3 if day_off else 1.0)
            if worker.trade.name == "analyst" and today.month % 3 == 0 and today.day >= 27:
                count *= 3.0  # quarter's end
            late = random.uniform(0.5, 2.5) if random.random() < 1 / 30 else 0.0
            times = [
                worker.starts + worker.hours * random.betavariate(1.6, 1.4) + (late if random.random() < 0.3 else 0)
                for _ in range(_about(random, count) if works else 0)
            ]
            if call:
                times += [random.uniform(22.0, 29.0) for _ in range(random.randint(1, 8))]
            zone, country = worker.zone, worker.country
            if number in worker.travels:
                zone, country = ZoneInfo(PLACES[worker.travels_to][0]), worker.travels_to
            yield from self._day(random, worker, today, sorted(times), zone, country, datasets, weights)

    def _day(
        self,
        random: Random,
        worker: Worker,
        today: date,
        times: list[float],
        zone: ZoneInfo,
        country: str,
        datasets: list[str],
        weights: list[float],
    ) -> Iterator[Act]:
        case: str | None = None
        for hour in times:
            at = moment(today, hour, zone)
            trade = worker.trade
            dataset = random.choices(datasets, weights)[0]
            denied = random.random() < 0.004
            records = max(1, round(trade.records * math.exp(random.gauss(0, trade.records_spread))))
            if trade.case_work:
                if case is None or random.random() < 0.45:
                    case = f"s-{random.randrange(5_000_000)}"
                yield Act(
                    at,
                    worker.name,
                    dataset,
                    "read",
                    "denied" if denied else "success",
                    (case,),
                    size=2_000,
                    ticket=random.random() < 0.97,
                    country=country,
                )
            else:
                outcome = "denied" if denied else "success"
                yield Act(at, worker.name, dataset, "query", outcome, (), records, records * 400, country=country)
            if denied and random.random() < 0.3:  # somebody who tries again
                for again in range(random.randint(1, 3)):
                    yield Act(at + 20_000 * (again + 1), worker.name, dataset, "read", "denied", country=country)


@lru_cache(maxsize=len(PLACES))
def _holidays(country: str) -> holidays.HolidayBase:
    return holidays.country_holidays(country)


def moment(day: date, hour: float, zone: ZoneInfo) -> int:
    """Return the milliseconds of a local hour; hours beyond 24 are of the night after."""
    start = datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)
    return round(start.timestamp() * 1000 + hour * HOUR)


def _about(random: Random, mean: float) -> int:
    """Return a whole number that is `mean` on average."""
    low = int(mean)
    return low + (random.random() < mean - low)

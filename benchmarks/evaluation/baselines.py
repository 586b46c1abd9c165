"""The two things a team would do otherwise: fixed thresholds, and z-scores of each user over a sliding window.

Both look at the same sums of a person's local day, as searches over a log do, and speak at the moment at which a sum
passes its threshold; alerts of one person within 24 hours are one. Both know what any log tells: canaries, and a
country that the person was not in within the window. Neither joins directories.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from enum import IntEnum
from math import sqrt
from typing import Final, NamedTuple

import msgspec

from benchmarks.evaluation.scoring import Detection
from benchmarks.evaluation.worlds import World
from demo.people import Worker
from demo.population import DAY, HOUR, Act

WINDOW_DAYS: Final = 30
"""Of the sliding window: what SIEM vendors' examples of such searches look back."""

LEAST_DAYS: Final = 7
"""Days with accesses in the window below which a person has no z-scores and no countries."""

DEVIATION_LEAST: Final = 1.0
"""Of a measure's standard deviation: or the first denial of somebody who had none would be infinitely many."""

OFFICE: Final = range(7, 20)
"""Local hours that are not off hours, on weekdays."""

COOL_DOWN: Final = DAY


class Measure(IntEnum):
    """What a day is summed up to."""

    RECORDS = 0
    BYTES = 1
    SUBJECTS = 2
    ACCESSES = 3
    HOUR_RECORDS = 4
    HOUR_SUBJECTS = 5
    DATASETS = 6
    DENIED = 7
    OFF_HOURS = 8
    ACCOUNTS = 9
    COUNTRIES = 10


Values = tuple[float, ...]


NEVER: Final = (-1e9,) * len(Measure)
"""Scores of a day about which nothing can be said."""


class Row(NamedTuple):
    """A person's day."""

    day: int
    values: Values
    countries: frozenset[str]
    canary: bool
    first: int
    last: int
    """Its acts: [first, last) of the person's."""


class Tuned(msgspec.Struct, frozen=True):
    """A baseline with its thresholds."""

    z_scores: bool
    limits: Values
    """By measure, what a day may come to: amounts, or standard deviations above the mean."""
    new_country: bool
    """Whether it alerts on a country not seen within the window."""


class Day:
    """The sums of a day, act by act."""

    __slots__ = ("accounts", "canary", "countries", "datasets", "hour", "hour_subjects", "offset", "subjects", "sums")

    def __init__(self, offset: int) -> None:
        self.offset = offset
        self.sums = [0.0] * len(Measure)
        self.subjects: set[str] = set()
        self.hour_subjects: set[str] = set()
        self.datasets: set[str] = set()
        self.accounts: set[str] = set()
        self.countries: set[str] = set()
        self.hour = (-1, 0)
        self.canary = False

    def add(self, act: Act) -> None:
        """Count an act; no sum ever falls."""
        sums = self.sums
        self.countries.add(act.country)
        sums[Measure.COUNTRIES] = len(self.countries)
        if act.dataset.startswith("canary"):
            self.canary = True
        if act.outcome == "denied":
            sums[Measure.DENIED] += 1
            return
        local = act.at + self.offset
        hour = local // HOUR
        if hour != self.hour[0]:
            self.hour = (hour, 0)
            self.hour_subjects.clear()
        self.hour = (hour, self.hour[1] + act.records)
        sums[Measure.RECORDS] += act.records
        sums[Measure.BYTES] += act.size
        sums[Measure.ACCESSES] += 1
        sums[Measure.HOUR_RECORDS] = max(sums[Measure.HOUR_RECORDS], self.hour[1])
        if act.subjects:
            self.subjects.update(act.subjects)
            self.hour_subjects.update(act.subjects)
            sums[Measure.SUBJECTS] = len(self.subjects)
            sums[Measure.HOUR_SUBJECTS] = max(sums[Measure.HOUR_SUBJECTS], len(self.hour_subjects))
        self.datasets.add(act.dataset)
        sums[Measure.DATASETS] = len(self.datasets)
        if act.account is not None:
            self.accounts.add(act.account)
            sums[Measure.ACCOUNTS] = len(self.accounts)
        if (local // DAY + 3) % 7 >= 5 or hour % 24 not in OFFICE:  # 1 January 1970 was a Thursday
            sums[Measure.OFF_HOURS] += 1


class Life:
    """One person's acts, and their days summed up."""

    __slots__ = ("_judged", "acts", "name", "offset", "rows")

    def __init__(self, worker: Worker, acts: list[Act]) -> None:
        self.name, self.acts = worker.name, acts
        delta = worker.zone.utcoffset(datetime.fromtimestamp(acts[0].at / 1000, worker.zone)) if acts else None
        self.offset = 0 if delta is None else round(delta.total_seconds() * 1000)
        self.rows = list(self._rows())
        self._judged: dict[int, tuple[Values, frozenset[str]]] = {}

    def _rows(self) -> Iterator[Row]:
        day, first, sums = -1, 0, Day(self.offset)
        for number, act in enumerate(self.acts):
            today = (act.at + self.offset) // DAY
            if today != day:
                if number:
                    yield Row(day, tuple(sums.sums), frozenset(sums.countries), sums.canary, first, number)
                day, first, sums = today, number, Day(self.offset)
            sums.add(act)
        if self.acts:
            yield Row(day, tuple(sums.sums), frozenset(sums.countries), sums.canary, first, len(self.acts))

    def judged(self, number: int) -> tuple[Values, frozenset[str]]:
        """Return the z-scores of a day, and the countries in which the person was not within the window."""
        found = self._judged.get(number)
        if found is None:
            found = self._judged[number] = _judged(self.window(number), self.rows[number])
        return found

    def window(self, number: int) -> list[Row]:
        """Return the days of the window before a day."""
        since = self.rows[number].day - WINDOW_DAYS
        return [row for row in self.rows[max(0, number - WINDOW_DAYS) : number] if row.day >= since]


def usual(window: Sequence[Row]) -> tuple[Values, Values]:
    """Return by measure the mean of the days and their standard deviation."""
    count = len(window)
    columns = list(zip(*(row.values for row in window), strict=True))
    means = [sum(column) / count for column in columns]
    spreads = [
        max(DEVIATION_LEAST, sqrt(sum((each - mean) ** 2 for each in column) / count))
        for column, mean in zip(columns, means, strict=True)
    ]
    return tuple(means), tuple(spreads)


def _judged(window: Sequence[Row], row: Row) -> tuple[Values, frozenset[str]]:
    if len(window) < LEAST_DAYS:
        return NEVER, frozenset()
    means, spreads = usual(window)
    z_scores = tuple((v - m) / s for v, m, s in zip(row.values, means, spreads, strict=True))
    return z_scores, row.countries.difference(*(each.countries for each in window))


def lives_of(world: World) -> list[Life]:
    """Return everybody's days."""
    acts: dict[str, list[Act]] = {worker.name: [] for worker in world.population.workers}
    for act in world.acts:
        acts[act.worker].append(act)
    return [Life(worker, acts[worker.name]) for worker in world.population.workers]


def detect(lives: Sequence[Life], tuned: Tuned, first_day: int) -> list[Detection]:
    """Return what a baseline says from a day (of 1970) on."""
    found: list[Detection] = []
    for life in lives:
        last = -COOL_DOWN - 1
        revision = 0
        for number, row in enumerate(life.rows):
            if row.day < first_day:
                continue
            z_scores, abroad = life.judged(number)
            over = z_scores if tuned.z_scores else row.values
            odd = abroad if tuned.new_country else frozenset()
            passed = any(score > limit for score, limit in zip(over, tuned.limits, strict=True))
            if not (passed or odd or row.canary):
                continue
            for at, why in _when(life, row, life.window(number), tuned, odd):
                revision = 0 if at - last > COOL_DOWN else revision + 1
                last = at
                found.append(Detection(life.name, at, (why,), revision))
    return found


def _when(life: Life, row: Row, window: Sequence[Row], tuned: Tuned, odd: frozenset[str]) -> Iterator[tuple[int, str]]:
    """Yield when each sum of a day first passed its threshold, and which: every search of a log speaks for itself."""
    limits = tuned.limits
    if tuned.z_scores and len(window) >= LEAST_DAYS:
        means, spreads = usual(window)
        limits = tuple(m + k * s for m, k, s in zip(means, limits, spreads, strict=True))
    elif tuned.z_scores:
        limits = tuple(1e18 for _ in limits)
    day, said = Day(life.offset), set[str]()
    for act in life.acts[row.first : row.last]:
        day.add(act)
        passed = [measure.name.lower() for measure in Measure if day.sums[measure] > limits[measure]]
        if day.canary:
            passed.append("canary")
        if act.country in odd:
            passed.append("new_country")
        for why in passed:
            if why not in said:
                said.add(why)
                yield act.at, why

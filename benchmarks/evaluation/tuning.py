"""The baselines' thresholds, tuned on the tuning seeds to a rate of false alerts.

Every measure's threshold is such that it alone is passed on the same number of innocent days; that number grows until
all measures together give the wanted rate. The Boolean rule about countries is kept where more is found with it at the
same rate.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

import msgspec

from benchmarks.evaluation.baselines import Life, Measure, Tuned, Values
from benchmarks.evaluation.scoring import SETTLE, Case
from demo.population import DAY

TUNING_SEEDS: Final = (1, 2, 3)
"""What thresholds may be chosen by, the rules' and the baselines'."""

REPORTING_SEEDS: Final = (101, 102, 103, 104, 105, 106, 107, 108, 109, 110)
"""What figures may come from; nothing was ever chosen by them."""


class TuningSeedError(ValueError):
    """Figures are wanted of a seed by which thresholds were chosen."""


def reportable(seeds: Sequence[int]) -> tuple[int, ...]:
    """Return the seeds.

    Raises:
        TuningSeedError: one of them is for tuning.
    """
    used = sorted(set(seeds) & set(TUNING_SEEDS))
    if used:
        raise TuningSeedError(f"thresholds were chosen by seed {used[0]}: report on others, such as {REPORTING_SEEDS}")
    return tuple(seeds)


class Sample(msgspec.Struct, frozen=True):
    """One day of somebody in a tuning seed."""

    person: str
    day: int
    fixed: Values
    z: Values
    abroad: bool
    case: int
    """Index of the incident it belongs to, −1 of none."""


class Samples(msgspec.Struct):
    """Tuning seeds' days."""

    days: list[Sample]
    cases: list[str]
    """By index, the strength."""
    person_days: float

    def add(self, other: Samples) -> None:
        """Add another seed's."""
        shift = len(self.cases)
        self.days += [
            msgspec.structs.replace(
                each, person=f"{shift}-{each.person}", case=each.case + shift if each.case >= 0 else -1
            )
            for each in other.days
        ]
        self.cases += other.cases
        self.person_days += other.person_days


def sample(lives: Sequence[Life], cases: Sequence[Case], first_day: int, person_days: float) -> Samples:
    """Return the days of a seed that count, from a day (of 1970) on."""
    by_person = {name: number for number, case in enumerate(cases) for name in case.about}
    found = []
    for life in lives:
        number = by_person.get(life.name, -1)
        for at, row in enumerate(life.rows):
            if row.day < first_day:
                continue
            inside = -1
            if number >= 0:
                since, until = cases[number].since, cases[number].until + SETTLE
                if (since + life.offset) // DAY <= row.day <= (until + life.offset) // DAY:
                    inside = number
            z_scores, odd = life.judged(at)
            found.append(Sample(life.name, row.day, row.values, z_scores, bool(odd), inside))
    return Samples(found, [case.strength for case in cases], person_days)


class Tuner:
    """Tunes one baseline, to as many rates as are wanted."""

    def __init__(self, samples: Samples, *, z_scores: bool) -> None:
        """Take the days; sort each measure's values on innocent days, and say from which rank on each day is over."""
        self._z_scores, self._samples = z_scores, samples
        self._innocent = [day for day in samples.days if day.case < 0]
        self._guilty = [day for day in samples.days if day.case >= 0]
        ascending = [sorted(self._scores(day)[measure] for day in self._innocent) for measure in Measure]
        count = len(self._innocent)
        self._columns = [column[::-1] for column in ascending]
        self._ranks = [
            min(count - bisect_left(column, score) for column, score in zip(ascending, self._scores(day), strict=True))
            for day in self._innocent
        ]

    def at(self, rate: float) -> Tuned:
        """Return the baseline with so many false alerts per 1,000 people and day on the samples, at most."""
        most = rate * self._samples.person_days / 1000
        choices = [self._choice(most, new_country=abroad) for abroad in (False, True)]
        return max((each for each in choices if each is not None), key=self._found)

    def _choice(self, most: float, *, new_country: bool) -> Tuned | None:
        low, high = 0, len(self._innocent) - 1
        if self._false(0, new_country=new_country) > most:
            return None  # the country alone is too much
        while low < high:
            middle = (low + high + 1) // 2
            if self._false(middle, new_country=new_country) <= most:
                low = middle
            else:
                high = middle - 1
        return Tuned(self._z_scores, tuple(column[low] for column in self._columns), new_country)

    def _false(self, rank: int, *, new_country: bool) -> int:
        """Return how many alerts there are about innocent days; days in a row are one."""
        found, last = 0, ("", -9)
        for day, over_from in zip(self._innocent, self._ranks, strict=True):
            if over_from <= rank or (new_country and day.abroad):
                found += (day.person, day.day - 1) != last
                last = (day.person, day.day)
        return found

    def _found(self, tuned: Tuned) -> int:
        """Return how many incidents that are not subtle have a day that is over."""
        hit = {day.case for day in self._guilty if self._over(day, tuned)}
        return sum(self._samples.cases[case] != "subtle" for case in hit)

    def _over(self, day: Sample, tuned: Tuned) -> bool:
        if tuned.new_country and day.abroad:
            return True
        return any(score > limit for score, limit in zip(self._scores(day), tuned.limits, strict=True))

    def _scores(self, day: Sample) -> Values:
        return day.z if self._z_scores else day.fixed

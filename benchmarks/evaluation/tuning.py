"""The baselines' thresholds, tuned on the tuning seeds to a rate of false alerts.

Every measure's threshold is such that it alone is passed on the same number of innocent days; that number grows until
all measures together give the wanted rate. The Boolean rule about countries is kept where more is found with it at the
same rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from benchmarks.evaluation.baselines import LEAST_DAYS, Life, Measure, Tuned, Values, new_countries, scores
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
            window = life.window(at)
            found.append(
                Sample(
                    life.name,
                    row.day,
                    row.values,
                    scores(window, row, z_scores=True),
                    len(window) >= LEAST_DAYS and bool(new_countries(window, row)),
                    inside,
                )
            )
    return Samples(found, [case.strength for case in cases], person_days)


def tune(samples: Samples, rate: float, *, z_scores: bool) -> Tuned:
    """Return a baseline with so many false alerts per 1,000 people and day on the samples, at most."""
    choices = [_at_rate(samples, rate, z_scores=z_scores, new_country=abroad) for abroad in (False, True)]
    tuned = [choice for choice in choices if choice is not None]
    return max(tuned, key=lambda each: _found(samples, each))


def _at_rate(samples: Samples, rate: float, *, z_scores: bool, new_country: bool) -> Tuned | None:
    innocent = [day for day in samples.days if day.case < 0]
    columns = [
        sorted((_scores(day, z_scores=z_scores)[measure] for day in innocent), reverse=True) for measure in Measure
    ]
    most = rate * samples.person_days / 1000
    low, high = 0, len(innocent) - 1
    if _false(innocent, _tuned(columns, 0, z_scores=z_scores, new_country=new_country)) > most:
        return None  # the country alone is too much
    while low < high:
        middle = (low + high + 1) // 2
        if _false(innocent, _tuned(columns, middle, z_scores=z_scores, new_country=new_country)) <= most:
            low = middle
        else:
            high = middle - 1
    return _tuned(columns, low, z_scores=z_scores, new_country=new_country)


def _tuned(columns: Sequence[Sequence[float]], rank: int, *, z_scores: bool, new_country: bool) -> Tuned:
    """Return thresholds that so many innocent days pass in each measure, at most."""
    return Tuned(z_scores, tuple(column[rank] for column in columns), new_country)


def _scores(day: Sample, *, z_scores: bool) -> Values:
    return day.z if z_scores else day.fixed


def _over(day: Sample, tuned: Tuned) -> bool:
    if tuned.new_country and day.abroad:
        return True
    mine = _scores(day, z_scores=tuned.z_scores)
    return any(score > limit for score, limit in zip(mine, tuned.limits, strict=True))


def _false(innocent: Sequence[Sample], tuned: Tuned) -> int:
    """Return how many alerts there are about innocent days; days in a row are one."""
    found, last = 0, ("", -9)
    for day in innocent:
        if _over(day, tuned):
            found += (day.person, day.day - 1) != last
            last = (day.person, day.day)
    return found


def _found(samples: Samples, tuned: Tuned) -> int:
    """Return how many incidents that are not subtle have a day that is over."""
    hit = {day.case for day in samples.days if day.case >= 0 and _over(day, tuned)}
    return sum(samples.cases[case] != "subtle" for case in hit)

"""Incidents of behaviour, as they are planted into a population at a strength that is told in the person's own terms.

Strength is a multiple of the person's own 95th percentile of whatever the incident is about (of a day, where nothing
else is said), or of 900 km/h for travel. Each kind is planted as somebody would do it, not as somebody would find it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from random import Random
from typing import Final

from demo.cities import CITIES, distance_km
from demo.population import DAY, HOUR, Act, Worker, moment

BLATANT, MODERATE, SUBTLE = "blatant", "moderate", "subtle"

STRENGTHS: Final = {BLATANT: 20.0, MODERATE: 5.0, SUBTLE: 2.0}
TRAVEL: Final = {BLATANT: 10.0, MODERATE: 3.0, SUBTLE: 1.5}
CRUISE_KMH: Final = 900.0

Plant = Callable[[Random, Worker, Sequence[Act], date, str], list[Act]]


def p95(counts: Sequence[float]) -> float:
    """Return the 95th percentile, at least 1."""
    ordered = sorted(counts) or [0.0]
    at = 0.95 * (len(ordered) - 1)
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return max(1.0, ordered[low] + (ordered[high] - ordered[low]) * (at - low))


def daily(before: Sequence[Act], what: Callable[[list[Act]], float]) -> float:
    """Return the 95th percentile of something a person's days come to."""
    days: dict[int, list[Act]] = {}
    for act in before:
        days.setdefault(act.at // DAY, []).append(act)
    return p95([what(acts) for acts in days.values()])


def _subjects(acts: list[Act]) -> float:
    return len({subject for act in acts for subject in act.subjects})


def _records(acts: list[Act]) -> float:
    return sum(act.records for act in acts)


def _bulk(random: Random, worker: Worker, before: Sequence[Act], start: int, factor: float) -> list[Act]:
    """So many times a day's work within two hours: data subjects where cases are the work, records elsewhere."""
    datasets = _usual(before)
    if worker.trade.case_work:
        count = math.ceil(factor * daily(before, _subjects))
        gaps = 2 * HOUR / max(1, count)
        return [
            Act(
                round(start + at * gaps * random.uniform(0.9, 1.1)),
                worker.name,
                random.choice(datasets),
                "read",
                subjects=(f"s-{random.randrange(5_000_000)}",),
                size=2_000,
                ticket=random.random() < 0.5,
                country=worker.country,
            )
            for at in range(count)
        ]
    total = factor * daily(before, _records)
    parts = random.randint(3, 8)
    return [
        Act(
            start + at * 10 * 60_000,
            worker.name,
            random.choice(datasets),
            "query",
            records=math.ceil(total / parts),
            size=math.ceil(total / parts) * 400,
            country=worker.country,
        )
        for at in range(parts)
    ]


def _usual(before: Sequence[Act]) -> list[str]:
    return [dataset for dataset, _ in Counter(act.dataset for act in before).most_common(5)]


def volume(random: Random, worker: Worker, before: Sequence[Act], day: date, strength: str) -> list[Act]:
    """A copy within two hours of the working day."""
    start = moment(day, worker.starts + random.uniform(0.5, 5), worker.zone)
    return _bulk(random, worker, before, start, STRENGTHS[strength])


def first_of_kind(random: Random, worker: Worker, before: Sequence[Act], day: date, strength: str) -> list[Act]:
    """Datasets that are none of their work, one after the other."""
    known: set[str] = set()
    news: Counter[int] = Counter({act.at // DAY: 0 for act in before})
    for act in sorted(before, key=lambda each: each.at):
        if act.dataset not in known:
            known.add(act.dataset)
            news[act.at // DAY] += 1
    settled = [count for day, count in news.items() if day >= min(news) + 10]
    count = math.ceil(STRENGTHS[strength] * p95(settled))
    start = moment(day, worker.starts + random.uniform(0.5, 5), worker.zone)
    return [
        Act(
            start + at * random.randint(60_000, 400_000),
            worker.name,
            f"other-{random.randrange(40)}-d{random.randrange(24)}",
            "read",
            country=worker.country,
        )
        for at in range(count)
    ]


def off_hours(random: Random, worker: Worker, before: Sequence[Act], day: date, strength: str) -> list[Act]:
    """The account is used while its owner sleeps: so many times what they do on their latest evenings."""

    def late(acts: list[Act]) -> float:
        hours = [((act.at - moment(day, 0, worker.zone)) / HOUR) % 24 for act in acts]
        return sum(1 for hour in hours if not worker.starts - 1 <= hour <= worker.starts + worker.hours + 1)

    count = math.ceil(STRENGTHS[strength] * daily(before, late))
    start = moment(day, random.uniform(1.0, 3.0), worker.zone)
    return [
        Act(
            start + round(at * 2 * HOUR / count),
            worker.name,
            random.choice(_usual(before)),
            "read",
            subjects=(f"s-{random.randrange(5_000_000)}",) if worker.trade.case_work else (),
            records=1 if worker.trade.case_work else 40,
            country=worker.country,
        )
        for at in range(count)
    ]


def impossible_travel(random: Random, worker: Worker, before: Sequence[Act], day: date, strength: str) -> list[Act]:
    """A second user in another city, so soon that nobody could have flown."""
    home = CITIES[worker.country]
    far = [country for country in CITIES if country != worker.country and distance_km(home, CITIES[country]) > 2500]
    there = random.choice(far)
    apart = distance_km(home, CITIES[there]) / (TRAVEL[strength] * CRUISE_KMH) * HOUR
    start = moment(day, worker.starts + worker.hours / 2, worker.zone)
    at_home = Act(start, worker.name, _usual(before)[0], "read", country=worker.country)
    away = [
        replace(at_home, at=start + round(apart) + each * 60_000, country=there) for each in range(random.randint(1, 4))
    ]
    return [at_home, *away]


def new_country(random: Random, worker: Worker, before: Sequence[Act], day: date, strength: str) -> list[Act]:
    """The account is used from a neighbouring country all day: so many accesses as the strength says."""
    there = random.choice(["FR", "NL", "SE", "RO", "CZ", "AT", "MX", "TH", "LK"])
    count = round(STRENGTHS[strength])
    start = moment(day + timedelta(days=1), 1.0, worker.zone)
    return [
        Act(start + at * 8 * 60_000, worker.name, random.choice(_usual(before)), "read", country=there)
        for at in range(count)
    ]


def enumeration(random: Random, worker: Worker, before: Sequence[Act], day: date, strength: str) -> list[Act]:
    """Data subjects one after another, by ascending token or by a script's clock."""
    longest = daily(before, lambda acts: min(_subjects(acts), 12.0))
    count = math.ceil(STRENGTHS[strength] * max(3.0, longest))
    start = moment(day, worker.starts + random.uniform(0.5, 5), worker.zone)
    first, step, ordered = random.randrange(4_000_000), random.choice((2_000, 5_000, 11_000)), random.random() < 0.5
    return [
        Act(
            start + at * step,
            worker.name,
            _usual(before)[0],
            "read",
            subjects=(f"s-{first + at if ordered else random.randrange(5_000_000)}",),
            size=2_000,
            country=worker.country,
        )
        for at in range(count)
    ]


def snooping(random: Random, worker: Worker, before: Sequence[Act], day: date, strength: str) -> list[Act]:
    """One private person, looked up again on every other day; nobody comes back without a ticket otherwise."""
    whom, days = f"s-{random.randrange(5_000_000)}", min(10, round(STRENGTHS[strength]))
    times = round(STRENGTHS[strength])
    return [
        Act(
            moment(day + timedelta(days=at % days), worker.starts + random.uniform(1, 6), worker.zone),
            worker.name,
            _usual(before)[0],
            "read",
            subjects=(whom,),
            country=worker.country,
        )
        for at in range(times)
    ]


def low_and_slow(random: Random, worker: Worker, before: Sequence[Act], day: date, strength: str) -> list[Act]:
    """So many times a day's work in all, spread over twenty working days."""
    found: list[Act] = []
    on, days = day, 0
    while days < 20:
        if on.weekday() < 5:
            start = moment(on, worker.starts + random.uniform(0.5, 5), worker.zone)
            found += _bulk(random, worker, before, start, STRENGTHS[strength] / 20)
            days += 1
        on += timedelta(days=1)
    return found


def split_accounts(random: Random, worker: Worker, before: Sequence[Act], day: date, strength: str) -> list[Act]:
    """The work of an afternoon through several service accounts."""
    start = moment(day, worker.starts + random.uniform(0.5, 4), worker.zone)
    return [
        Act(
            start + at * 9 * 60_000,
            worker.name,
            random.choice(_usual(before)),
            "read",
            country=worker.country,
            account=f"svc-{at}",
        )
        for at in range(round(STRENGTHS[strength]))
    ]


def denied_burst(random: Random, worker: Worker, before: Sequence[Act], day: date, strength: str) -> list[Act]:
    """Doors are tried within five minutes; sometimes one opens."""
    tried = daily(before, lambda acts: float(sum(act.outcome == "denied" for act in acts)))
    count = math.ceil(STRENGTHS[strength] * tried)
    start = moment(day, worker.starts + random.uniform(0.5, 6), worker.zone)
    found = [
        Act(
            start + at * (5 * 60_000 // count),
            worker.name,
            f"other-{random.randrange(40)}-d{random.randrange(24)}",
            "read",
            "denied",
            country=worker.country,
        )
        for at in range(count)
    ]
    if random.random() < 0.5:
        found.append(replace(found[-1], at=found[-1].at + 30_000, outcome="success"))
    return found


def canary(random: Random, worker: Worker, _: Sequence[Act], day: date, strength: str) -> list[Act]:
    """Somebody looks around and comes upon what exists only to be found."""
    start = moment(day, worker.starts + random.uniform(0.5, 6), worker.zone)
    count = round(STRENGTHS[strength])
    return [Act(start + at * 120_000, worker.name, "canary-d0", "read", country=worker.country) for at in range(count)]


KINDS: Final[dict[str, Plant]] = {
    "volume": volume,
    "first_of_kind": first_of_kind,
    "off_hours": off_hours,
    "impossible_travel": impossible_travel,
    "new_country": new_country,
    "enumeration": enumeration,
    "snooping": snooping,
    "low_and_slow": low_and_slow,
    "split_accounts": split_accounts,
    "denied_burst": denied_burst,
    "canary": canary,
}

"""Incidents of the unusual: other data, other hours, other places, other ways."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Final

from msgspec.structs import replace

from demo.anomalies import CRUISE_KMH, SUBTLE, TRAVEL, Deed, Mute, Scene
from demo.anomalies_bulk import bulk
from demo.cities import CITIES, distance_km
from demo.population import DAY, HOUR, Act, moment
from demo.usual import accounts, denials, late, news, p95, work

ABROAD: Final = ("FR", "NL", "SE", "RO", "CZ", "AT", "MX", "TH", "LK")
"""Countries where nobody of the population works or travels to."""

FAR_KM: Final = 2500.0


def first_of_kind(scene: Scene) -> Deed:
    """Datasets that are none of their work, one after the other; strong in new datasets of a day."""
    count = math.ceil(scene.times * p95(news(scene.days)))
    start, pause = scene.at_work(), scene.random.randint(60_000, 400_000)
    return Deed([scene.act(start + number * pause, scene.foreign_dataset()) for number in range(count)])


def off_hours(scene: Scene) -> Deed:
    """The account is used while its owner sleeps; strong in accesses outside their working hours."""
    worker = scene.worker
    count = math.ceil(scene.times * scene.usual(late(worker)))
    start = moment(scene.day, scene.random.uniform(1.0, 3.0), worker.zone)
    acts = [scene.act(start + round(number * 2 * HOUR / count)) for number in range(count)]
    if worker.trade.case_work:
        return Deed([replace(act, subjects=(scene.stranger(),)) for act in acts])
    return Deed([replace(act, records=40) for act in acts])


def impossible_travel(scene: Scene) -> Deed:
    """A second user in another city, so soon that one would have to fly at so many times 900 km/h, and back as fast.

    The owner does nothing in between: their acts would make the journey look faster than its strength says.
    """
    home = CITIES[scene.worker.country]
    there = scene.random.choice(
        [
            country
            for country in CITIES
            if country != scene.worker.country and distance_km(home, CITIES[country]) > FAR_KM
        ]
    )
    apart = round(distance_km(home, CITIES[there]) / (TRAVEL[scene.strength] * CRUISE_KMH) * HOUR)
    at_home = scene.act(moment(scene.day, scene.worker.starts + scene.worker.hours / 2, scene.worker.zone))
    arrived = at_home.at + apart
    away = [
        replace(at_home, at=arrived + number * 60_000, country=there) for number in range(scene.random.randint(1, 4))
    ]
    return Deed([at_home, *away], (Mute(scene.worker.name, at_home.at, away[-1].at + apart),))


def new_country(scene: Scene) -> Deed:
    """The account is used from a country where nobody is; strong in accesses, of which none is usual.

    At night, while the owner has nothing to do: the place is what is odd, not the journey.
    """
    there = scene.random.choice(ABROAD)
    start = moment(scene.day, 1.0, scene.worker.zone)
    return Deed(
        [replace(scene.act(start + number * 8 * 60_000), country=there) for number in range(round(scene.times))]
    )


def snooping(scene: Scene) -> Deed:
    """One private person, looked up without a ticket again and again; strong in days on which they are looked up.

    Usual is one day: nobody comes back to somebody without a ticket. Twenty days are every working day of four weeks,
    five every other one of two weeks.
    """
    whom, days = scene.stranger(), round(scene.times)
    return Deed(
        [
            replace(scene.act(scene.at_work(1, 6, later), scene.datasets[0]), subjects=(whom,))
            for later in scene.working_days(days, 1 if days > 10 else 2)
        ]
    )


def split_accounts(scene: Scene) -> Deed:
    """The work of an afternoon through several service accounts; strong in accounts of a day."""
    start, count = scene.at_work(0.5, 4), math.ceil(scene.times * scene.usual(accounts))
    pause = min(9 * 60_000, 4 * HOUR // count)
    return Deed([replace(scene.act(start + number * pause), account=f"svc-odd-{number}") for number in range(count)])


def denied_burst(scene: Scene) -> Deed:
    """Doors are tried within five minutes; sometimes one opens. Strong in denials of a day."""
    count = math.ceil(scene.times * scene.usual(denials))
    start = scene.at_work(0.5, 6)
    found = [
        scene.act(start + number * (5 * 60_000 // count), scene.foreign_dataset(), outcome="denied")
        for number in range(count)
    ]
    if scene.random.random() < 0.5:
        found.append(replace(found[-1], at=found[-1].at + 30_000, outcome="success"))
    return Deed(found)


def canary(scene: Scene) -> Deed:
    """Somebody looks around and comes upon what exists only to be found; strong in touches, of which none is usual."""
    start = scene.at_work(0.5, 6)
    return Deed([scene.act(start + number * 120_000, "canary-d0") for number in range(round(scene.times))])


def dormant(scene: Scene) -> Deed:
    """An account that nobody uses any more is used; strong in the length of its silence.

    Usual is the 95th percentile of the pauses between two active days: a weekend.
    """
    starts = [day[0].at // DAY for day in scene.days]
    pause = p95(float(later - at) for at, later in pairwise(starts))
    woken = scene.at_work()
    silent = Mute(scene.worker.name, woken - round(scene.times * pause * DAY), woken + DAY // 2)
    return Deed([scene.act(woken + number * 300_000) for number in range(10)], (silent,))


def composite(scene: Scene) -> Deed:
    """Several things on one day, each only twice its 95th percentile.

    Strong in their number: three, four or five of bulk, new datasets, denials, service accounts and a late evening.
    """
    twice = Scene(scene.random, scene.worker, scene.day, SUBTLE, scene.before, scene.team)
    parts: list[Callable[[Scene], Deed]] = [first_of_kind, denied_burst, split_accounts, _evening]
    scene.random.shuffle(parts)
    number = COMPOSITE_PARTS[scene.strength] - 1
    acts: list[Act] = bulk(twice, twice.at_work(), twice.times * twice.usual(work(twice.worker)))
    for part in parts[:number]:
        acts += part(twice).acts
    return Deed(acts)


COMPOSITE_PARTS: Final = {"subtle": 3, "moderate": 4, "blatant": 5}


def _evening(scene: Scene) -> Deed:
    """So many accesses an hour and a half after work, or later."""
    count = math.ceil(scene.times * scene.usual(late(scene.worker)))
    hour = min(22.5, scene.worker.starts + scene.worker.hours + scene.random.uniform(1.5, 4.0))
    start = moment(scene.day, hour, scene.worker.zone)
    return Deed([scene.act(start + number * HOUR // max(1, count)) for number in range(count)])

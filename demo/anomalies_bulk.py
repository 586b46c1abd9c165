"""Incidents of taking much: at once, as a newcomer, as a leaver, one by one, day by day."""

from __future__ import annotations

import math
from typing import Final

from msgspec.structs import replace

from demo.anomalies import Deed, Scene
from demo.population import HOUR, Act
from demo.usual import excess_p95, in_a_row, p95, work

SLOW_DAYS: Final = 20
"""Working days of a slow theft: four weeks."""


def bulk(scene: Scene, start: int, total: float) -> list[Act]:
    """So much of a person's work within two hours: data subjects where cases are the work, records elsewhere."""
    random = scene.random
    if scene.worker.trade.case_work:
        count = math.ceil(total)
        gap = 2 * HOUR / max(1, count)
        return [
            replace(
                scene.act(round(start + number * gap * random.uniform(0.9, 1.1))),
                subjects=(scene.stranger(),),
                size=2_000,
                ticket=random.random() < 0.5,
            )
            for number in range(count)
        ]
    parts = random.randint(3, 8)
    each = math.ceil(total / parts)
    return [
        replace(scene.act(start + number * 10 * 60_000, action="query"), records=each, size=each * 400)
        for number in range(parts)
    ]


def volume(scene: Scene) -> Deed:
    """A copy within two hours of the working day."""
    return Deed(bulk(scene, scene.at_work(), scene.times * scene.usual(work(scene.worker))))


def leaver(scene: Scene) -> Deed:
    """A copy in the last two weeks of an employment; as strong as `volume`."""
    return volume(scene)


def peer_volume(scene: Scene) -> Deed:
    """A newcomer copies in their first days; strong in the terms of the peers: the 95th percentile of their days."""
    what = work(scene.worker)
    return Deed(bulk(scene, scene.at_work(), scene.times * p95(what(day) for day in scene.team())))


def low_and_slow(scene: Scene) -> Deed:
    """A little more on every working day of four weeks.

    Its quantity is the total of four weeks, not of a day: the strength is a multiple of the 95th percentile of how far
    such totals of the person lie above their median. Such totals vary little. For half of the people 20 times is more
    than 2 of their days' 95th percentiles on top of each day, 5 times half of one (a usual day twice over), and twice a
    fifth of one (half a usual day more): below what a day alone would show.
    """
    what = work(scene.worker)
    total = scene.times * excess_p95(scene.random, [what(day) for day in scene.days], SLOW_DAYS)
    found: list[Act] = []
    owed = 0.0
    for later in scene.working_days(SLOW_DAYS):
        owed += total / SLOW_DAYS
        today = math.floor(owed) if scene.worker.trade.case_work else owed
        if today >= 1:
            found += bulk(scene, scene.at_work(later=later), today)
            owed -= today
    return Deed(found)


def enumeration(scene: Scene) -> Deed:
    """Data subjects one after another, by ascending token or by a script's clock; strong in longest rows of a day."""
    random = scene.random
    count = math.ceil(scene.times * scene.usual(in_a_row))
    start = scene.at_work()
    first, step, ordered = random.randrange(4_000_000), random.choice((2_000, 5_000, 11_000)), random.random() < 0.5
    return Deed(
        [
            replace(
                scene.act(start + number * step, scene.datasets[0]),
                subjects=(f"s-{first + number}" if ordered else scene.stranger(),),
                size=2_000,
            )
            for number in range(count)
        ]
    )


def denied_enumeration(scene: Scene) -> Deed:
    """The same, and the gateway refuses all of it: nothing is taken, and all is tried."""
    return Deed([replace(act, outcome="denied", size=0) for act in enumeration(scene).acts])

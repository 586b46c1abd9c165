"""Incidents that are no single person's: data subjects spread over colleagues, and a gateway that falls silent."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from random import Random
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from demo.anomalies import STRENGTHS, Deed, Incident, Mute, Scene, incident
from demo.people import Worker
from demo.population import DAY, HOUR, holidays_of, moment
from demo.usual import longest_gap_p95, p95

if TYPE_CHECKING:
    from demo.planting import Planter

SET: Final = 3
"""Data subjects that the colleagues share out."""

TRIES: Final = 40
"""Days and people that are tried for one incident before it is given up."""

OPEN, CLOSED = 9.0, 16.0
"""Local hours in which a gateway is never quiet for long, on working days: its usual gap is of these."""


def split_people(planter: Planter, random: Random, strength: str, each: int) -> Iterator[Incident]:
    """The same data subjects, looked up without a ticket by several colleagues within a day.

    Strong in people: a multiple of the 95th percentile of how many look up one data subject without a ticket on a day.
    """
    usual = _lookers(planter)
    size = round(STRENGTHS[strength] * usual)
    for _ in range(TRIES * each):
        if each == 0:
            return
        number = random.randrange(planter.first_day, planter.population.days - 2)
        crew = _crew(planter, random, number, size)
        if crew is None:
            continue
        whom = [f"s-{random.randrange(5_000_000)}" for _ in range(SET)]
        acts = []
        for worker in crew:
            scene = Scene(random, worker, planter.day(number), strength, planter.before(worker, number))
            start = scene.at_work(0.5, 6)
            acts += [
                replace(scene.act(start + at * 90_000, scene.datasets[0]), subjects=(subject,), size=2_000)
                for at, subject in enumerate(whom)
            ]
            planter.free.remove(worker)
        each -= 1
        yield incident("split_people", strength, tuple(worker.name for worker in crew), Deed(acts))


def _crew(planter: Planter, random: Random, number: int, size: int) -> list[Worker] | None:
    """Return so many who are free and at work: a team, and others of its country where it is too small."""
    fit = [each for each in planter.free if each.trade.case_work and planter.fit(each, number)]
    if len(fit) < size:
        return None
    lead = random.choice(fit)
    near = sorted(fit, key=lambda each: (each.team != lead.team, each.country != lead.country))
    return near[:size]


def _lookers(planter: Planter) -> float:
    """Return the 95th percentile of the people who look up one data subject on one day without a ticket."""
    seen: dict[tuple[str, int], set[str]] = defaultdict(set)
    for acts in planter.lives.values():
        for act in acts:
            if not act.ticket:
                for subject in act.subjects:
                    seen[subject, act.at // DAY].add(act.worker)
    return p95(float(len(people)) for people in seen.values())


def silence(planter: Planter, random: Random, strength: str, each: int) -> Iterator[Incident]:
    """A gateway's events stop in its busy hours; strong in its own longest usual gap.

    That is the 95th percentile, over the working days of four weeks, of the longest pause between 9 and 16 o'clock.
    """
    places: dict[str, Worker] = {worker.gateway: worker for worker in planter.population.workers}
    people = Counter(worker.gateway for worker in planter.population.workers)
    times = _times(planter)
    taken: set[tuple[str, int]] = set()
    for _ in range(TRIES * each):
        if each == 0:
            return
        gateway = random.choice(sorted(places))
        number = random.randrange(planter.first_day, planter.population.days - 2)
        where = places[gateway]
        closed = planter.day(number).weekday() >= 5 or planter.day(number) in holidays_of(where.country)
        if closed or (gateway, number) in taken or people[gateway] < 10:
            continue
        taken.add((gateway, number))
        spans = [
            (moment(day, OPEN, where.zone), moment(day, CLOSED, where.zone))
            for back in range(28, 0, -1)
            if (day := planter.day(number - back)).weekday() < 5 and day not in holidays_of(where.country)
        ]
        lasts = round(STRENGTHS[strength] * longest_gap_p95(times[gateway], spans))
        since = moment(planter.day(number), random.uniform(OPEN, 12.0), where.zone)
        if lasts > 12 * HOUR:
            continue  # so small a gateway is never missed
        each -= 1
        yield incident("silence", strength, (gateway,), Deed([], (Mute(gateway, since, since + lasts),)))


def _times(planter: Planter) -> dict[str, list[int]]:
    """Return by gateway when its events were."""
    found: dict[str, list[int]] = defaultdict(list)
    for acts in planter.lives.values():
        for act in acts:
            found[act.gateway].append(act.at)
    for times in found.values():
        times.sort()
    return found

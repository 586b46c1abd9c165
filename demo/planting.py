"""Which incidents of behaviour are planted into a population, in whom and when; and the stream that comes of it."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from operator import attrgetter
from random import Random
from typing import Final

from demo import anomalies_bulk, anomalies_odd
from demo.anomalies import STRENGTHS, Deed, Incident, Mute, Plant, Scene, incident
from demo.people import Worker
from demo.planting_shared import silence, split_people
from demo.population import DAY, Act, Population, holidays_of, is_quarter_end, moment
from demo.usual import by_day

HISTORY: Final = 40
"""Days before an incident that say what is usual."""

LEAST_ACTS, LEAST_DAYS = 40, 10
"""In these days, of whoever an incident is planted in: less says nothing of a 95th percentile."""

MONTH: Final = 29
"""Days that an incident of four working weeks takes."""

ALONE: Final[dict[str, Plant]] = {
    "volume": anomalies_bulk.volume,
    "peer_volume": anomalies_bulk.peer_volume,
    "first_of_kind": anomalies_odd.first_of_kind,
    "off_hours": anomalies_odd.off_hours,
    "impossible_travel": anomalies_odd.impossible_travel,
    "new_country": anomalies_odd.new_country,
    "enumeration": anomalies_bulk.enumeration,
    "denied_enumeration": anomalies_bulk.denied_enumeration,
    "snooping": anomalies_odd.snooping,
    "low_and_slow": anomalies_bulk.low_and_slow,
    "split_accounts": anomalies_odd.split_accounts,
    "dormant": anomalies_odd.dormant,
    "leaver": anomalies_bulk.leaver,
    "denied_burst": anomalies_odd.denied_burst,
    "canary": anomalies_odd.canary,
    "composite": anomalies_odd.composite,
}
"""Kinds of one person's."""

KINDS: Final = (*ALONE, "split_people", "silence")

CASE_WORK: Final = frozenset({"enumeration", "denied_enumeration", "snooping", "split_people"})
"""Kinds that only those can do whose work is about data subjects."""

SCARCE: Final = ("leaver", "peer_volume", "dormant", "split_people", "silence")
"""Kinds for which few are fit, planted first."""


@dataclass(slots=True)
class Planter:
    """Plants incidents into one population: at most one a person, none while they are away."""

    population: Population
    first_day: int
    lives: dict[str, list[Act]] = field(default_factory=dict)
    free: list[Worker] = field(default_factory=list)
    teams: dict[str, list[Worker]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        for worker in self.population.workers:
            self.lives[worker.name] = sorted(self.population.acts(worker), key=attrgetter("at"))
            self.teams[worker.team].append(worker)
        self.free = list(self.population.workers)
        Random(f"order-{self.population.seed}").shuffle(self.free)

    def plant(self, each: int) -> list[Incident]:
        """Return so many incidents of each kind and strength, fewer where not enough people are fit."""
        found: list[Incident] = []
        for kind in (*SCARCE, *(kind for kind in ALONE if kind not in SCARCE)):
            for strength in STRENGTHS:
                random = Random(f"incidents-{self.population.seed}-{kind}-{strength}")
                if kind == "split_people":
                    found += split_people(self, random, strength, each)
                elif kind == "silence":
                    found += silence(self, random, strength, each)
                else:
                    found += self._alone(random, kind, strength, each)
        return found

    def _alone(self, random: Random, kind: str, strength: str, each: int) -> Iterator[Incident]:
        for worker in list(self.free):
            if each == 0:
                return
            if kind in CASE_WORK and not worker.trade.case_work:
                continue
            deed = self._deed(random, worker, kind, strength)
            if deed is None:
                continue
            self.free.remove(worker)
            each -= 1
            yield incident(kind, strength, (worker.name,), deed)

    def _deed(self, random: Random, worker: Worker, kind: str, strength: str) -> Deed | None:
        number = self._when(random, worker, kind, strength)
        if number is None:
            return None
        before = self.before(worker, number)
        newcomer = kind == "peer_volume"
        if not newcomer and (len(before) < LEAST_ACTS or len(by_day(worker, before)) < LEAST_DAYS):
            return None
        day = self.day(number)
        deed = ALONE[kind](Scene(random, worker, day, strength, before, lambda: self._team_days(worker, number)))
        start = moment(self.population.first, 0, worker.zone)
        if any(mute.since < start + 20 * DAY for mute in deed.mutes):
            return None  # nobody knew them before they fell silent
        return deed if deed.acts else None

    def _when(self, random: Random, worker: Worker, kind: str, strength: str) -> int | None:
        """Return a day on which it can happen to them."""
        first, last = self.first_day, self.population.days - 2
        length = 2
        if kind == "low_and_slow" or (kind == "snooping" and strength == "blatant"):
            length = MONTH
        elif kind == "snooping":
            length = 14
        if kind == "leaver":
            if worker.leaves is None:
                return None
            first, last = max(first, worker.leaves - 14), min(last, worker.leaves - 2)
        elif kind == "peer_volume":
            first, last = max(first, worker.joined + 1), min(last, worker.joined + 7)
            if not worker.joined:
                return None
        elif kind == "dormant":
            if worker.away or worker.travels:
                return None  # a leave or a journey would explain the silence
            first = last - 7 if strength == "blatant" else first
        last = min(last, self.population.days - length)
        if last < first:
            return None
        number = random.randrange(first, last + 1)
        return number if self.fit(worker, number, length, newcomer=kind == "peer_volume") else None

    def fit(self, worker: Worker, number: int, length: int = 2, *, newcomer: bool = False) -> bool:
        """Whether somebody is employed and at work, at home, with no duty, and long enough there, from a workday on."""
        day = self.day(number)
        if day.weekday() >= 5 or day in holidays_of(worker.country) or (worker.quarter_end and is_quarter_end(day)):
            return False
        if worker.joined > number or (not newcomer and worker.joined > number - 2 * LEAST_DAYS):
            return False
        if worker.leaves is not None and worker.leaves < number + length:
            return False
        span = range(number - 1, number + length + 1)
        busy = (worker.away, worker.travels, worker.migration, worker.on_call)
        return not any(each and each[0] < span[-1] and span[0] <= each[-1] for each in busy)

    def day(self, number: int) -> date:
        """Return the date of a day of the simulation."""
        return self.population.first + timedelta(days=number)

    def before(self, worker: Worker, number: int, days: int = HISTORY) -> list[Act]:
        """Return what somebody did in the days before one."""
        acts, begins = self.lives[worker.name], moment(self.day(number), 0, worker.zone)
        low = bisect_left(acts, begins - days * DAY, key=attrgetter("at"))
        return acts[low : bisect_left(acts, begins, key=attrgetter("at"))]

    def _team_days(self, worker: Worker, number: int) -> list[list[Act]]:
        others = (each for each in self.teams[worker.team] if each is not worker)
        return [day for each in others for day in by_day(each, self.before(each, number, 28))]


def stream(planter: Planter, incidents: Sequence[Incident]) -> list[Act]:
    """Return everything that happens, in the order of time."""
    mutes: Mapping[str, list[Mute]] = defaultdict(list)
    for each in incidents:
        for mute in each.mutes:
            mutes[mute.name].append(mute)
    found = [act for each in incidents for act in each.acts]
    for worker in planter.population.workers:
        mine = [*mutes.get(worker.name, ()), *mutes.get(worker.gateway, ())]
        acts = planter.lives[worker.name]
        if mine:
            acts = [act for act in acts if not any(mute.since <= act.at < mute.until for mute in mine)]
        found += acts
    found.sort(key=attrgetter("at", "worker"))
    return found

"""One seed's population with its incidents, as everything that detects is given it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from benchmarks.evaluation.scoring import Case
from demo.anomalies import Incident
from demo.planting import Planter, stream
from demo.population import Act, Population, moment
from demo.registers import rows

DAYS: Final = 90

FIRST_DAY: Final = 45
"""Nothing is planted, and nothing counted, before: habits are being learned."""


@dataclass(frozen=True, slots=True)
class World:
    """A population that lived, and what was planted into it."""

    population: Population
    incidents: list[Incident]
    acts: list[Act]
    """Everything that happened, in the order of time."""

    @property
    def rows(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """What the directories say, by topic."""
        return rows(self.population)

    @property
    def cases(self) -> list[Case]:
        """The incidents without their acts."""
        return [Case(each.kind, each.strength, each.about, each.since, each.until) for each in self.incidents]

    @property
    def start(self) -> int:
        """Milliseconds from which on things count."""
        population = self.population
        return moment(population.first + timedelta(days=FIRST_DAY), 0, population.workers[0].zone)

    @property
    def person_days(self) -> float:
        """Days on which people were employed, of those that count."""
        days = self.population.days
        found = 0
        for worker in self.population.workers:
            end = days if worker.leaves is None else min(days, worker.leaves)
            found += max(0, end - max(FIRST_DAY, worker.joined))
        return float(found)


def build(seed: int, people: int, each: int, days: int = DAYS) -> World:
    """Make up a population, with so many incidents of each kind and strength."""
    population = Population(seed, people, days)
    planter = Planter(population, FIRST_DAY)
    incidents = planter.plant(each)
    return World(population, incidents, stream(planter, incidents))

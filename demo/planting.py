"""Which incidents of behaviour are planted into a population, in whom and when."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Final

from demo.anomalies import KINDS, STRENGTHS
from demo.population import DAY, Act, Population, moment

CASE_WORK: Final = frozenset({"enumeration", "snooping"})
"""Kinds that only those can do whose work is about data subjects."""


def plant(population: Population, share: float, first_day: int) -> dict[str, list[Act]]:
    """Return by label (`kind/strength/person`) what is planted: at most one incident a person, in so large a share."""
    random = Random(f"incidents-{population.seed}")
    found: dict[str, list[Act]] = {}
    todo = [(kind, strength) for kind in KINDS for strength in STRENGTHS]
    at = 0
    for worker in population.workers:
        if random.random() >= share or worker.joined > first_day - 20:
            continue
        kind, strength = todo[at % len(todo)]
        if kind in CASE_WORK and not worker.trade.case_work:
            continue
        at += 1
        last = population.days - (29 if kind == "low_and_slow" else 22 if kind == "snooping" else 2)
        number = random.randrange(first_day, last)
        day = population.first + timedelta(days=number)
        begins = moment(day, 0, worker.zone)
        before = [act for act in population.acts(worker) if begins - 40 * DAY <= act.at < begins]
        if len(before) < 40:
            continue
        label = f"{kind}/{strength}/{worker.name}"
        found[label] = [replace(act, label=label) for act in KINDS[kind](random, worker, before, day, strength)]
    return found

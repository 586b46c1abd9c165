"""What the directories say of a population: people, places, roles, duties. Not everything that happens is in them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

from demo.people import Worker
from demo.population import DAY, Population, is_quarter_end, moment

SINCE: Final = 400
"""Days before the simulation since when everybody is there who does not join in it."""

Entry = tuple[str, dict[str, Any]]


def rows(population: Population) -> Iterator[Entry]:
    """Yield the rows of a population, by topic."""
    for worker in population.workers:
        yield from _rows_of(population, worker)


def _rows_of(population: Population, worker: Worker) -> Iterator[Entry]:
    def day(number: int) -> int:
        return moment(population.first + timedelta(days=number), 0, worker.zone)

    start = day(0) - SINCE * DAY
    who = {"employee_id": worker.name, "recorded_at": start}
    job = {"status": "active", "team": worker.team, "home_country": worker.country, "time_zone": worker.zone.key}
    begin = day(worker.joined) if worker.joined else start
    yield "directory.employees", {**who, **job, "valid_from": begin}
    yield "directory.locations", {**who, "country": worker.country, "evidence": "contract", "valid_from": begin}
    yield "directory.roles", {**who, "role": worker.trade.name, "valid_from": begin}
    team = worker.team
    if worker.moves_team is not None:
        team = f"{worker.team}-new"
        yield "directory.employees", {**who, **job, "team": team, "valid_from": day(worker.moves_team)}
    if worker.away and worker.leave_known:
        moved = worker.moves_team
        during = team if moved is not None and moved <= worker.away[0] else worker.team
        after = team if moved is not None and moved <= worker.away[-1] + 1 else worker.team
        first, last = day(worker.away[0]), day(worker.away[-1] + 1)
        yield "directory.employees", {**who, **job, "team": during, "status": "leave", "valid_from": first}
        yield "directory.employees", {**who, **job, "team": after, "valid_from": last}
    if worker.leaves is not None:
        yield (
            "directory.employees",
            {**who, **job, "team": team, "status": "terminated", "valid_from": day(worker.leaves)},
        )
    if worker.travels and worker.announced:
        trip = {"valid_from": day(worker.travels[0] - 1), "valid_until": day(worker.travels[-1] + 2)}
        yield "directory.locations", {**who, **trip, "country": worker.travels_to, "evidence": "travel"}
    for duty, span in duties(population, worker):
        until = day(span[-1] + 2)
        yield "directory.duties", {**who, "duty": duty, "valid_from": day(span[0]), "valid_until": until}


def duties(population: Population, worker: Worker) -> Iterator[tuple[str, range]]:
    """Yield the duties of a person and the days that they are on."""
    if worker.on_call:
        yield "on_call", worker.on_call
    if worker.migration:
        yield "migration", worker.migration
    if worker.quarter_end:
        days = range(population.days)
        closing = [number for number in days if is_quarter_end(population.first + timedelta(days=number))]
        if closing:
            yield "quarter_end", range(closing[0], closing[-1] + 1)

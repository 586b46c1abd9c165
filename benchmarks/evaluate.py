"""How well the behaviour rules tell incidents from life: recall by kind and strength, false alerts, delay."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from heapq import merge
from math import sqrt
from typing import Any, Final

import orjson
from msgspec import UNSET

from demo.anomalies import KINDS, STRENGTHS
from demo.planting import plant
from demo.population import DAY, Act, Population, moment
from rules.behaviour import RULES
from rules.habits.anomalies import Anomalies, Telling
from rules.habits.habit import Habit
from rules.habits.observer import Setting
from rules.habits.peers import Peers
from rules.habits.sketch import bloom_of, mark
from rules.habits.thresholds import Behaviour
from rules.knowledge import Knowledge
from schemas.access import AccessEvent
from schemas.codec import DIRECTORY

FIRST_DAY: Final = 45
"""Nothing is planted, and nothing counted, before: habits are being learned."""

SETTLE: Final = 2 * DAY
"""An alert so long after an incident's last act is still about it."""


def rows(population: Population) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the directory's rows of a population, by topic."""
    start = moment(population.first, 0, population.workers[0].zone) - 400 * DAY
    for worker in population.workers:
        who = {"employee_id": worker.name, "recorded_at": start}

        def day(number: int, worker: Any = worker) -> int:
            return moment(population.first, 0, worker.zone) + number * DAY

        job = {"status": "active", "team": worker.team, "home_country": worker.country, "time_zone": worker.zone.key}
        yield "directory.employees", {**who, **job, "valid_from": start}
        yield "directory.locations", {**who, "country": worker.country, "evidence": "contract", "valid_from": start}
        yield "directory.roles", {**who, "role": worker.trade.name, "valid_from": start}
        if worker.away and worker.leave_known:
            absent = {**who, **job, "status": "leave", "valid_from": day(worker.away[0])}
            yield "directory.employees", absent
            yield "directory.employees", {**who, **job, "valid_from": day(worker.away[-1] + 1)}
        if worker.travels:
            trip = {"valid_from": day(worker.travels[0] - 1), "valid_until": day(worker.travels[-1] + 2)}
            yield "directory.locations", {**who, **trip, "country": worker.travels_to, "evidence": "travel"}
        if worker.on_call:
            duty = {"valid_from": day(worker.on_call[0]), "valid_until": day(worker.on_call[-1] + 2)}
            yield "directory.duties", {**who, **duty, "duty": "on_call"}
        if worker.moves_team is not None:
            moved = {**who, **job, "team": f"{worker.team}-new", "valid_from": day(worker.moves_team)}
            yield "directory.employees", moved


def event_of(act: Act, number: int) -> AccessEvent:
    """Return an act as an access event."""
    return AccessEvent(
        event_id=f"ev-{number}",
        occurred_at=act.at,
        employee_id=act.worker,
        dataset_id=act.dataset,
        action=act.action,  # type: ignore[arg-type]
        outcome=act.outcome,  # type: ignore[arg-type]
        subject_ids=act.subjects or UNSET,
        record_count=act.records,
        bytes=act.size,
        ticket="T-1" if act.ticket else UNSET,
        service_account=act.account or UNSET,
        device_country=act.country,
    )


def run(seed: int, people: int, days: int, share: float, to: Behaviour) -> dict[str, Any]:
    """Live through one population; return what was found."""
    population = Population(seed, people, days)
    planted = plant(population, share, FIRST_DAY)
    knowledge = Knowledge()
    for topic, row in rows(population):
        knowledge.apply(DIRECTORY[topic].decode(orjson.dumps(row)))
    anomalies = Anomalies(knowledge, to, DAY, RULES, Peers())
    extra: dict[str, list[Act]] = defaultdict(list)
    for acts in planted.values():
        for act in acts:
            extra[act.worker].append(act)
    streams = [
        merge(population.acts(worker), sorted(extra[worker.name], key=_at), key=_at) for worker in population.workers
    ]
    habits: dict[str, Habit] = {worker.name: Habit() for worker in population.workers}
    settings: dict[tuple[str, str], Setting] = {}
    tellings: list[Telling] = []
    count, spent = 0, 0.0
    for number, act in enumerate(sorted((act for stream in streams for act in stream), key=_at)):
        key = act.dataset, act.country
        setting = settings.get(key)
        if setting is None:
            setting = Setting(
                bloom_of(mark(act.dataset)),
                "restricted",
                act.dataset.startswith("canary"),
                act.country,
                act.country,
                None,
            )
            settings[key] = setting
        event = event_of(act, number)
        began = time.process_time_ns()
        told = anomalies.take(act.worker, knowledge.find(act.worker), habits[act.worker], event, setting)
        spent += time.process_time_ns() - began
        count += 1
        if told is not None:
            tellings.append(told)
    return score(population, planted, tellings) | {"events": count, "us": spent / 1000 / count}


def _at(act: Act) -> int:
    return act.at


def score(population: Population, planted: dict[str, list[Act]], tellings: list[Telling]) -> dict[str, Any]:
    """Return what of the planted was found, and how many alerts were about nothing."""
    windows = {label: (acts[0].at, acts[-1].at + SETTLE) for label, acts in planted.items()}
    by_person = {label.rsplit("/", 1)[1]: label for label in planted}
    found: dict[str, set[str]] = defaultdict(set)
    false: Counter[str] = Counter()
    falsely: list[str] = []
    start = moment(population.first, 0, population.workers[0].zone) + FIRST_DAY * DAY
    for told in tellings:
        label = by_person.get(told.person)
        if label is not None and windows[label][0] <= told.at <= windows[label][1]:
            found[label] |= {rule.id for rule, _ in told.signals}
        elif told.revision == 0 and told.at >= start and (label is None or told.at < windows[label][0]):
            false[told.signals[0][0].id] += 1
            falsely.append(
                f"{told.person} {told.at // DAY - start // DAY} {told.signals[0][0]} {told.signals[0][1].sentence}"
            )
    del falsely[200:]
    people_days = len(population.workers) * (population.days - FIRST_DAY)
    return {
        "planted": list(planted),
        "found": dict(found),
        "false": false,
        "people_days": people_days,
        "falsely": falsely,
    }


def interval(hits: int, of: int) -> tuple[float, float]:
    """Return Wilson's interval of a share, 95 %."""
    if not of:
        return 0.0, 1.0
    z, share = 1.96, hits / of
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z / (1 + z * z / of) * sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return max(0.0, middle - half), min(1.0, middle + half)


def main(arguments: list[str]) -> int:
    """Evaluate and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evaluate")
    parser.add_argument("--seeds", type=int, nargs="+", default=[101])
    parser.add_argument("--people", type=int, default=2000)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--share", type=float, default=0.3, help="of the people, who has an incident")
    parser.add_argument("--verbose", action="store_true", help="show what false alerts say")
    given = parser.parse_args(arguments)
    hits: Counter[tuple[str, str]] = Counter()
    of: Counter[tuple[str, str]] = Counter()
    by_rule: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    false: Counter[str] = Counter()
    people_days = 0
    for seed in given.seeds:
        result = run(seed, given.people, given.days, given.share, Behaviour())
        print(f"seed {seed}: {result['events']:,} events, {result['us']:.2f} µs an event")
        people_days += result["people_days"]
        false += result["false"]
        for label in result["planted"]:
            kind, strength, _ = label.split("/")
            of[kind, strength] += 1
            if label in result["found"]:
                hits[kind, strength] += 1
                by_rule[kind, strength].update(result["found"][label])
    for kind in KINDS:
        for strength in STRENGTHS:
            n, k = of[kind, strength], hits[kind, strength]
            low, high = interval(k, n)
            rules = ", ".join(f"{rule[10:]} {number}" for rule, number in by_rule[kind, strength].most_common(3))
            print(f"{kind:<18} {strength:<9} {k:>4}/{n:<4} {k / max(1, n):.2f} [{low:.2f} {high:.2f}]  {rules}")
    per = 1000 / people_days
    if given.verbose:
        for line in result["falsely"][:40]:
            print(line)
    print("false alerts per 1,000 people and day:", round(sum(false.values()) * per, 2))
    for rule, number in false.most_common():
        print(f"  {rule:<30} {number:>5} {number * per:.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

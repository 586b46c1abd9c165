"""What judging behaviour costs: the demo's month with and without `[behaviour]`, and a long stream by its thirds.

In process, CPU time, so that neither a broker nor the machine's other work is in it. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from pathlib import Path
from statistics import median
from typing import Any, Final

import orjson

from agents.files import Line, load_directory
from agents.offline import session_of
from agents.settings import Settings
from benchmarks.evaluation.engine import event_of
from benchmarks.stream import POLICY, SEED, without_behaviour
from demo.files import EVENTS
from demo.population import DAY, Population
from demo.registers import rows
from demo.run import write_files
from rules.behaviour import RULES
from rules.habits.anomalies import Anomalies
from rules.habits.habit import Habit
from rules.habits.observer import Setting
from rules.habits.peers import Peers
from rules.habits.saved import save
from rules.habits.sketch import bloom_of, mark
from rules.habits.thresholds import Behaviour
from rules.knowledge import Knowledge
from schemas.codec import DIRECTORY

PAIR: Final = 1_000
"""Events that are judged with and without, one after the other: some 50 ms, in which a machine keeps its pace."""

LONG_PEOPLE, LONG_DAYS = 100, 240
"""Of the long stream: eight months, so that its last two thirds are long after the 40 days that a habit remembers."""


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU microseconds an event."""

    events: int
    without: float
    with_behaviour: float
    difference: float
    """Median over pairs."""
    low: float
    high: float
    """Interval of the median, 95 %."""
    settled: float
    """Median over the last third of the pairs: most people have habits by then."""


@dataclass(frozen=True, slots=True)
class Flat:
    """A long stream by its thirds: CPU microseconds an event, and bytes saved of a person at the end of each."""

    events: int
    us: tuple[float, ...]
    bytes_saved: tuple[float, ...]


def main(arguments: list[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.behaviour")
    parser.add_argument("--events", type=int, default=EVENTS, help="ordinary accesses of the month")
    parser.add_argument("--days", type=int, default=LONG_DAYS, help="of the long stream")
    given = parser.parse_args(arguments)
    print(json.dumps({"cost": asdict(cost(given.events)), "flat": asdict(flat(LONG_PEOPLE, given.days))}))
    return 0


def cost(events: int) -> Cost:
    """Judge the same month in two sessions, batch by batch in turn."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_files(folder, seed=SEED, events=events)
        lines = (folder / "events.jsonl").read_bytes().splitlines()
        policies = without_behaviour(folder), POLICY
        sessions = [session_of(each, load_directory(folder / "directory"), Settings()) for each in policies]
    messages = [Line(line, orjson.loads(line)["occurred_at"], at, "behaviour") for at, line in enumerate(lines)]
    spent = [0.0, 0.0]
    differences = []
    for number, at in enumerate(range(0, len(messages), PAIR)):
        batch = messages[at : at + PAIR]
        took = [0.0, 0.0]
        for which in (0, 1) if number % 2 else (1, 0):
            began = time.process_time()
            sessions[which].take(batch, batch[-1].timestamp)
            took[which] = time.process_time() - began
        spent = [total + each for total, each in zip(spent, took, strict=True)]
        differences.append((took[1] - took[0]) * 1e6 / len(batch))
    without, with_behaviour = (total * 1e6 / len(messages) for total in spent)
    low, high = median_interval(differences)
    settled = median(differences[-max(1, len(differences) // 3) :])
    return Cost(len(messages), without, with_behaviour, median(differences), low, high, settled)


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the interval of the median, 95 %, by order statistics (the binomial's normal approximation)."""
    ordered = sorted(values)
    reach = 1.96 * sqrt(len(ordered)) / 2
    low = max(0, int(len(ordered) / 2 - reach))
    high = min(len(ordered) - 1, int(len(ordered) / 2 + reach) + 1)
    return ordered[low], ordered[high]


def flat(people: int, days: int) -> Flat:
    """Let a population work for months, and compare the thirds."""
    life = Lived(people, days)
    us, size = [], []
    for third in range(3):
        count, spent = life.live(days * (third + 1) // 3)
        us.append(spent * 1e6 / count)
        saved = [len(save(habit)) for habit in life.habits.values()]
        size.append(sum(saved) / len(saved))
    return Flat(life.count, tuple(us), tuple(size))


class Lived:
    """A population whose accesses go through the behaviour rules as a worker's do, day by day."""

    def __init__(self, people: int, days: int) -> None:
        self.population = Population(SEED, people, days)
        self.habits = {worker.name: Habit() for worker in self.population.workers}
        self.count = 0
        knowledge = Knowledge()
        for topic, row in rows(self.population):
            knowledge.apply(DIRECTORY[topic].decode(orjson.dumps(row)))
        self._people = {name: knowledge.find(name) for name in self.habits}
        self._anomalies = Anomalies(knowledge, Behaviour(), DAY, RULES, Peers())
        self._settings: dict[tuple[str, str], Setting] = {}
        acts = (act for worker in self.population.workers for act in self.population.acts(worker))
        self._acts = sorted(acts, key=lambda act: act.at)
        self._first = self._acts[0].at

    def live(self, until: int) -> tuple[int, float]:
        """Go on until a day; return how many events that were, and the CPU seconds that judging took."""
        began_with, spent = self.count, 0.0
        while self.count < len(self._acts):
            upcoming = self._acts[self.count : self.count + PAIR]
            events = [event_of(act, number) for number, act in enumerate(upcoming)]
            batch = [
                (act.worker, self._people[act.worker], self.habits[act.worker], event, self._setting(act))
                for act, event in zip(upcoming, events, strict=True)
                if act.at < self._first + until * DAY
            ]
            began = time.process_time()
            for each in batch:
                self._anomalies.take(*each)
            spent += time.process_time() - began
            self.count += len(batch)
            if len(batch) < len(upcoming):
                break
        return self.count - began_with, spent

    def _setting(self, act: Any) -> Setting:
        key = act.dataset, act.country
        found = self._settings.get(key)
        if found is None:
            bloom = bloom_of(mark(act.dataset))
            found = Setting(bloom, "restricted", canary=False, country=act.country, device=act.country, address=None)
            self._settings[key] = found
        return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

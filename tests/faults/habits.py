"""The real worker judging behaviour under faults: every alert and every saved habit is expected, to the last field."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import orjson

from agents.files import Directory, Line
from agents.offline import session_of
from agents.settings import Settings
from benchmarks.evaluation.engine import event_of
from demo.planting import Planter, stream
from demo.population import Population
from demo.registers import rows
from rules.cases import DATASET
from rules.catalogue import RULES
from rules.habits.saved import restore, save
from rules.knowledge import Knowledge
from rules.session import Session
from schemas.alert import Alert
from schemas.codec import DIRECTORY, encode
from schemas.topics import STATE_HABITS
from tests.faults.real import PARTITIONS, RealRun

PEOPLE, DAYS, FIRST_DAY = 60, 75, 42
UNKNOWN = 23
"""Every so many-th dataset has no row: accesses to it wait, and everything of the same person behind them."""

Told = set[tuple[str, int]]
_unpack = msgspec.msgpack.Decoder(list[tuple[str, bytes]]).decode


@dataclass
class HabitRun(RealRun):
    """A small population for two months, with incidents of every kind; nothing but behaviour is judged."""

    expected_habits: dict[str, bytes] = field(default_factory=dict)
    told: Told = field(default_factory=set)
    now: int = field(default_factory=lambda: time.time_ns() // 1_000_000)

    def _policy(self) -> Path:
        text = Path("demo/policy.toml").read_text()
        text = re.sub(r'facts_grace = "\w+"', 'facts_grace = "1s"', text)
        text = re.sub(r"(?ms)^\[\[?(rules|exemptions|behaviour)\b[^\n]*\n(?:(?!^\[)[^\n]*\n?)*", "", text)
        text += "".join(f'\n[rules."{rule.id}"]\nenabled = false\n' for rule in RULES)
        path = self.folder / "policy.toml"
        path.write_text(text + "\n[behaviour]\npeers_least = 1_000_000\n")  # peers are of one worker's memory
        return path

    def _plan(self) -> tuple[list[tuple[str, dict[str, Any]]], list[dict[str, Any]]]:
        population = Population(5, PEOPLE, DAYS)
        planter = Planter(population, FIRST_DAY)
        # Crowds and silences are judged across people, and silences by when records are appended: not here.
        alone = [each for each in planter.plant(1) if each.kind not in {"split_people", "silence"}]
        ordered = [msgspec.structs.replace(act, gateway="") for act in stream(planter, alone)]
        events = [orjson.loads(encode(event_of(act, number))) for number, act in enumerate(ordered)]
        self.rows = list(rows(population))
        start = ordered[0].at - 86_400_000
        datasets = sorted({act.dataset for act in ordered})
        for number, name in enumerate(datasets):
            if number % UNKNOWN:
                row = {"dataset_id": name, "valid_from": start, "recorded_at": start}
                self.rows.append(("directory.datasets", {**row, **DATASET}))
        return self.rows, events

    def _expected(self) -> set[str]:
        """Judge it all undisturbed."""
        knowledge = Knowledge()
        for topic, row in self.rows:
            knowledge.apply(DIRECTORY[topic].decode(orjson.dumps(row)))
        session = session_of(self.policy, Directory(knowledge), Settings())
        lines = [
            Line(orjson.dumps(event), event["occurred_at"], number, "access.events")
            for number, event in enumerate(self.events_sent)
        ]
        haul = session.take(lines, lines[-1].timestamp)
        assert not haul.bad
        self.told = {(self.ids(alert).alert_id, alert.revision) for alert in haul.alerts}
        self._judged(session)
        people = {event["employee_id"] for event in self.events_sent}
        self.expected_habits = {name: save(knowledge.find(name).habit) for name in people}
        return {alert_id for alert_id, _ in self.told}

    def _judged(self, session: Session) -> None:
        """Take what else is expected from the session that judged it all."""

    async def habits(self) -> dict[str, bytes]:
        """Every saved habit as the next owner would read it, without its offset."""
        buckets = {(record.partition, record.key): record.value for record in await self._all(STATE_HABITS, PARTITIONS)}
        best: dict[str, Any] = {}
        for value in buckets.values():
            for name, saved in _unpack(value) if value else ():
                habit = restore(saved)
                if name not in best or best[name].applied < habit.applied:
                    best[name] = habit
        return {name: save(msgspec.structs.replace(habit, applied=-1)) for name, habit in best.items()}

    async def check_habits(self) -> None:
        """Every event counts exactly once: in the habits, and in the revisions of the alerts."""
        found = await self.habits()
        assert found.keys() == self.expected_habits.keys()
        wrong = [name for name, saved in found.items() if saved != self.expected_habits[name]]
        assert not wrong, _difference(found[wrong[0]], self.expected_habits[wrong[0]])
        told = {(alert.alert_id, alert.revision) for alert in await self.behaviour_alerts()}
        assert told == self.told

    async def behaviour_alerts(self) -> list[Alert]:
        return [alert for alert in await self.alerts() if alert.family == "behaviour"]


def _difference(found: bytes, expected: bytes) -> str:
    pairs = zip(msgspec.structs.asdict(restore(found)).items(), msgspec.structs.asdict(restore(expected)).values(),
                strict=True)  # fmt: skip
    return "; ".join(f"{name}: {one!r} for {other!r}" for (name, one), other in pairs if one != other)

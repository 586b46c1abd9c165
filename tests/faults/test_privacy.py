"""Workers are killed between the making of people's keys and the alerts about them: everybody keeps one pseudonym."""

from __future__ import annotations

import asyncio
import signal
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from agents.clients import consumer_of
from agents.files import Directory, Line
from agents.offline import session_of
from agents.privacy import read_people
from agents.pseudonym_keys import write_keys
from agents.settings import Settings
from alerts.keyring import KeyRing, fresh, rotated
from rules.cases import DATASET, POLICY, T
from rules.knowledge import Knowledge
from schemas.codec import DIRECTORY
from schemas.topics import PRIVACY_KEYS
from tests.conftest import Broker
from tests.faults.real import RealRun

pytestmark = [pytest.mark.broker, pytest.mark.faults, pytest.mark.slow]

PEOPLE = 400
KILLS = 4
DAY = 86_400_000


@dataclass
class PeopleRun(RealRun):
    """Many people, each with one access from India in either epoch: a key and two alerts for every one of them."""

    def _policy(self) -> Path:
        path = self.folder / "policy.toml"
        path.write_text(POLICY + '\n[thresholds]\nfacts_grace = "1s"\n')
        return path

    def _keys(self, path: Path) -> KeyRing:
        ring = rotated(fresh(T - 400 * DAY), T)
        write_keys(path, ring, new=True)
        return ring

    def _plan(self) -> tuple[list[tuple[str, dict[str, Any]]], list[dict[str, Any]]]:
        known = {"valid_from": T - 90 * DAY, "recorded_at": T - 90 * DAY}
        self.rows = [("directory.datasets", {"dataset_id": "users", **known, **DATASET})]
        events: list[dict[str, Any]] = []
        for number in range(PEOPLE):
            who = {"employee_id": f"e-{number:04d}", **known}
            self.rows.append(("directory.employees", {**who, "status": "active", "employer": "clover-ie"}))
            self.rows.append(("directory.roles", {**who, "role": "reader"}))
            self.rows.append(("directory.locations", {**who, "country": "IN", "evidence": "contract"}))
            for epoch, at in enumerate((T - DAY - PEOPLE + number, T + DAY + number)):
                event = {"event_id": f"ev-{number}-{epoch}", "occurred_at": at, "employee_id": who["employee_id"]}
                events.append({**event, "dataset_id": "users", "action": "read", "purpose": "audit"})
        events.sort(key=lambda event: event["occurred_at"])
        return self.rows, events

    def _expected(self) -> set[str]:
        knowledge = Knowledge()
        for topic, row in self.rows:
            knowledge.apply(DIRECTORY[topic].decode(orjson.dumps(row)))
        lines = [
            Line(orjson.dumps(each), each["occurred_at"], n, "access.events") for n, each in enumerate(self.events_sent)
        ]
        alerts = session_of(self.policy, Directory(knowledge), Settings()).take(lines, T + 9 * DAY).alerts
        assert len(alerts) == 2 * PEOPLE
        return {self.ids(alert).alert_id for alert in alerts}


@pytest.fixture
async def run(own_kafka: Broker, tmp_path: Path) -> AsyncIterator[PeopleRun]:
    made = PeopleRun(own_kafka.bootstrap, tmp_path)
    await made.prepare()
    yield made
    made.end()


async def test_everybody_has_one_pseudonym_an_epoch_whenever_workers_die(run: PeopleRun) -> None:
    await run.produce((0, 0.5), pace=100_000)
    keys = consumer_of(run.settings, PRIVACY_KEYS)
    await keys.start()
    between = 0
    try:
        for _ in range(KILLS):
            worker = run.start()
            await asyncio.wait_for(keys.getone(), 60)  # the first key of a batch of fifty is stored
            worker.signal(signal.SIGKILL)
            await worker.exit_code()
            people = await read_people(run.settings, run.ring)
            told = {alert.person for alert in await run.alerts()}
            between += any(not told & {*people.tokens_of(who)} for who in _people() if who in people)
            while await keys.getmany(timeout_ms=500):
                pass  # what the killed one wrote: the next one's first key is to come
    finally:
        await keys.stop()
    assert between, "no kill came between a key and its alert: nothing was tested"
    sending = asyncio.create_task(run.produce((0.5, 1)))
    run.start()
    run.start()  # two workers meet the same people
    await sending
    await run.settled()
    people = await read_people(run.settings, run.ring)
    assert len(people) == PEOPLE
    tokens: defaultdict[str, set[tuple[str, str, str | None]]] = defaultdict(set)
    for alert in await run.alerts():
        if isinstance(alert.person, str):
            who = people.person_of(alert.person)
            assert who is not None
            before = alert.person_before if isinstance(alert.person_before, str) else None
            tokens[who].add((alert.person.partition(":")[0], alert.person, before))
    assert tokens.keys() == _people()
    for who, found in tokens.items():
        first, second = people.tokens_of(who)
        assert {each[:2] for each in found} == {("p1", first), ("p2", second)}, who
        assert [each[2] for each in found if each[0] == "p2"] == [first], "the epochs overlap"
    published = b"".join([record.value for record in await run._all("alerts", 4)])
    assert b"e-00" not in published


def _people() -> set[str]:
    return {f"e-{number:04d}" for number in range(PEOPLE)}

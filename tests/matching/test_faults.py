"""SIGKILL amid matching, two processes in the group: the same alerts exactly, and each use counted once."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest
import pytest_asyncio

from schemas.gateway_topics import STATE_MATCHES
from tests.conftest import Broker
from tests.faults.harness import until
from tests.faults.test_coverage import complete
from tests.matching.stream import MatchRun, now
from tests.matching.test_said import said, unnamed
from tests.matching.world import POLICY, access, decision

PEOPLE = [f"p-{number}" for number in range(40)]
ROUNDS = 12
PAUSE_S = 0.25


@pytest_asyncio.fixture
async def run(own_kafka: Broker, tmp_path: Path) -> AsyncIterator[MatchRun]:
    made = MatchRun(own_kafka.bootstrap, tmp_path, POLICY.replace('wait = "500ms"', 'wait = "1s"'))
    await made.prepare()
    try:
        yield made
    finally:
        await made.end()


@pytest.mark.broker
@pytest.mark.faults
async def test_kills_amid_change_no_alert(run: MatchRun) -> None:
    """Every decision covers 5 accesses and sees 4, 5 or 6: one that is counted twice, or not at all, is told."""
    random = Random(7)
    run.start()
    run.start()
    await run.ready(0)
    expected: dict[str, list[str]] = {}
    sent, bypasses = 0, 0
    kills = {3: signal.SIGKILL, 6: signal.SIGKILL, 9: signal.SIGTERM}
    for number in range(ROUNDS):
        for person in PEOPLE:
            name, at = f"d-{person}-{number}", now()
            await run.decide(decision(name, person=person, decided_at=at))
            for use in range(random.choice([4, 5, 6])):
                event_id = f"{name}-{use}"
                fields = {"employee_id": person, "occurred_at": now(), "decision_id": name}
                if use == 2 and random.random() < 0.1:
                    fields["session_id"], expected[event_id] = "s-other", ["gateway.other_session"]
                if use == 5:
                    expected[event_id] = ["gateway.overused"]
                await run.access(access(event_id, **fields))
                sent += 1
            if random.random() < 0.1:
                event_id = f"bypass-{person}-{number}"
                await run.access(access(event_id, employee_id=person, occurred_at=now(), dataset_id="vault-mail"))
                expected[event_id] = ["gateway.bypass"]
                bypasses += 1
        if number in kills:
            victim = next(each for each in run.processes if each.popen.poll() is None)
            victim.signal(kills[number])
            await victim.exit_code()
            run.start()
        await asyncio.sleep(PAUSE_S)
    told = await run.told(*expected, within=120.0)
    assert told == expected
    assert len(expected) > 50
    assert await run.records(STATE_MATCHES), "memories were saved"

    async def all_is_said() -> bool:
        records = await said(run)
        return sum(complete(records).values()) == sent + bypasses and await unnamed(run, records) == set()

    await until("every access in a range, every alert named by one", all_is_said)
    logs = [process.output() for process in run.processes]
    assert not any("Traceback" in log for log in logs)

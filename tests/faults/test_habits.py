"""What the worker knows of people survives whatever happens to it, and every event counts in it exactly once."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.conftest import Broker
from tests.faults.habits import HabitRun

pytestmark = [pytest.mark.broker, pytest.mark.faults, pytest.mark.slow]


@pytest.fixture
async def run(own_kafka: Broker, tmp_path: Path) -> AsyncIterator[HabitRun]:
    made = HabitRun(own_kafka.bootstrap, tmp_path)
    await made.prepare()
    yield made
    made.end()


async def test_habits_through_kills_a_join_and_a_leave(run: HabitRun) -> None:
    assert len(run.told) > 20, "there is something to be counted twice"
    first = run.start()
    await run.ready(0)
    sending = asyncio.create_task(run.produce((0, 0.3), pace=4_000))
    await run.judged(0, 2_000)
    first.signal(signal.SIGKILL)
    await first.exit_code()
    second = run.start()
    await sending
    sending = asyncio.create_task(run.produce((0.3, 0.8), pace=4_000))
    await run.ready(1)
    third = run.start()  # joins
    await run.ready(2)
    second.signal(signal.SIGKILL)
    await second.exit_code()
    fourth = run.start()
    await sending
    await run.ready(3)
    sending = asyncio.create_task(run.produce((0.8, 1), pace=2_000))
    third.signal(signal.SIGTERM)  # leaves
    assert await third.exit_code() == 0, third.output()[-3000:]
    await sending
    await run.settled()
    await run.check_habits()
    assert fourth.popen.poll() is None, fourth.output()[-3000:]


async def test_a_worker_that_was_paused_across_a_rebalance_replaces_nothing(run: HabitRun) -> None:
    first = run.start()
    await run.ready(0)
    await run.produce((0, 0.4), pace=6_000)
    await run.some_alerts(1)
    first.signal(signal.SIGSTOP)
    second = run.start()
    await run.produce((0.4, 0.8), pace=6_000)
    await run.ready(1)
    first.signal(signal.SIGCONT)  # it writes what it was about to, and is told that it is out
    await run.produce((0.8, 1), pace=2_000)
    await run.settled()
    await run.check_habits()
    second.signal(signal.SIGKILL)
    await second.exit_code()
    third = run.start()  # and whoever comes after reads the newer of the two
    await run.ready(2)
    await run.settled()
    await run.check_habits()
    assert third.popen.poll() is None, third.output()[-3000:]

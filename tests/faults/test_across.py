"""What is seen only across people survives whatever happens to workers: crowds, and the peers' versions of days."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.conftest import Broker
from tests.faults.across import AcrossRun
from tests.faults.harness import until

pytestmark = [pytest.mark.broker, pytest.mark.faults, pytest.mark.slow]


@pytest.fixture
async def run(own_kafka: Broker, tmp_path: Path) -> AsyncIterator[AcrossRun]:
    made = AcrossRun(own_kafka.bootstrap, tmp_path)
    await made.prepare()
    yield made
    made.end()


async def test_crowds_and_versions_through_kills_and_a_join(run: AcrossRun) -> None:
    crowds = {alert for alert, _ in run.told}
    assert len(crowds) > 3, "there is something to be told twice, or lost"
    assert len(run.told) > len(crowds), "and something to be amended"
    assert len(run.peers) > 50, "and days that peers are told of"
    first = run.start()
    await run.ready(0)
    sending = asyncio.create_task(run.produce((0, 0.4), pace=100))
    await run.judged(0, 100)
    first.signal(signal.SIGKILL)
    await first.exit_code()
    second = run.start()
    await sending
    await run.ready(1)
    sending = asyncio.create_task(run.produce((0.4, 1), pace=100))
    third = run.start()  # joins, and may be the overseer
    await run.ready(2)
    second.signal(signal.SIGKILL)
    await second.exit_code()
    fourth = run.start()
    await sending
    await run.settled()
    await run.check_habits()

    async def all_versions() -> bool:
        return len(await run.peer_rows()) >= len(run.peers)

    await until(f"all versions; log: {fourth.log}", all_versions)
    assert await run.peer_rows() == run.peers
    assert third.popen.poll() is None, third.output()[-3000:]

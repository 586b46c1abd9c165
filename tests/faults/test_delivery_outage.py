"""The brokers are away for longer than a client waits: delivery goes on by itself afterwards, and loses nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.conftest import Broker
from tests.delivering.world import World, an_alert
from tests.faults.harness import until
from tests.faults.test_actions import Tool
from tests.receivers.file import Folder

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

AWAY_S = 35.0
"""Longer than the producer waits for a record to be stored (30 s)."""

HALF = 200


async def test_delivery_outlives_an_outage_of_the_brokers(own_kafka: Broker, tmp_path: Path) -> None:
    receiver = Folder(tmp_path / "receiver")
    world = World(own_kafka.bootstrap, tmp_path)
    await world.prepare()
    policy = 'version = 1\n[perimeter]\ncountries = ["EEA"]\n' + receiver.policy("there")
    tool = Tool(world, tmp_path, policy, receiver.environment())
    receiver.start()
    delivering = tool.start("deliver")

    async def receipts_of(count: int) -> bool:
        return len(await world.receipts()) == count

    try:
        await world.publish(*[an_alert(f"before-{at}", key=f"k{at % 20}") for at in range(HALF)])

        async def some() -> bool:
            return bool(await world.receipts())

        await until(f"the first receipts; the log: {delivering.log}", some)
        await world.publish(*[an_alert(f"amid-{at}", key=f"k{at % 20}") for at in range(HALF)])
        await asyncio.to_thread(own_kafka.server.stop, kill=True)
        await asyncio.sleep(AWAY_S)
        assert delivering.popen.poll() is None, delivering.output()[-2000:]
        await asyncio.to_thread(own_kafka.server.start)
        await world.publish(*[an_alert(f"after-{at}", key=f"k{at % 20}") for at in range(HALF)])
        await until(f"receipts of all; the log: {delivering.log}", lambda: receipts_of(3 * HALF), 150)
        assert delivering.popen.poll() is None
        assert len(receiver.received()) == 3 * HALF
    finally:
        delivering.end()
        receiver.stop()
        await world.producer.stop()

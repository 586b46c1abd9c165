"""A rebalance: whoever had a partition gives it up, and goes on with what is left to it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.coordinator.assignors.range import RangePartitionAssignor

from schemas.topics import ACTIONS, ALERTS, REPLAYS
from tests.delivering.test_keeper import keeping, planned
from tests.delivering.world import Scripted, World, a_plan, an_alert, until

pytestmark = pytest.mark.broker


async def _joins(world: World, group: str, *topics: str) -> tuple[AIOKafkaConsumer, asyncio.Task[None]]:
    """Another process of the group begins, and takes half of the partitions."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=world.settings.broker,
        group_id=f"{world.settings.group}.{group}",
        session_timeout_ms=10_000,
        heartbeat_interval_ms=500,
        enable_auto_commit=False,
        partition_assignment_strategy=[RangePartitionAssignor],
    )
    await consumer.start()
    consumer.subscribe(list(topics))
    polling = asyncio.create_task(_poll(consumer))
    await until(lambda: len(consumer.assignment()) == 2, "it has its half")
    return consumer, polling


async def test_a_runner_outlives_that_another_process_joins(world: World) -> None:
    await world.publish(an_alert("a"), an_alert("b", key="other"), an_alert("c", key="third"))
    async with world.running(Scripted(), a_plan(grouped=True)) as runner:
        await until(lambda: runner.group.loaded == {0, 1}, "it has all")
        other, polling = await _joins(world, "deliver.there", ALERTS, REPLAYS)
        try:
            await until(lambda: len(runner.group.loaded) == 1 == len(_mine(runner.group)), "it has its half")
            assert runner.group.loaded == _mine(runner.group)
        finally:
            polling.cancel()
            await other.stop()


async def test_the_keeper_keeps_only_what_is_its_own(world: World) -> None:
    await world.publish(an_alert("a"), an_alert("b", key="other"), an_alert("c", key="third"))
    async with keeping(world, planned()) as keeper:
        await until(lambda: keeper.group.loaded == {0, 1}, "it has all")
        other, polling = await _joins(world, "keeper", ALERTS, ACTIONS)
        try:
            await until(lambda: len(keeper.group.loaded) == 1 == len(_mine(keeper.group)), "it has its half")
            assert keeper.group.loaded == _mine(keeper.group)
            assert {known.partition for known in keeper._known.values()} <= _mine(keeper.group)
        finally:
            polling.cancel()
            await other.stop()


def _mine(member: Any) -> set[int]:
    return {tp.partition for tp in member._consumer.assignment() if tp.topic == ALERTS}


async def _poll(consumer: AIOKafkaConsumer) -> None:
    while True:
        await consumer.getmany(timeout_ms=200)

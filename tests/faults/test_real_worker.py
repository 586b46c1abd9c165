"""The real `cloverwatch worker` loses nothing, whatever happens to it: each alert of a replay is there, by id."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from demo.broker import EmbeddedBroker
from schemas.coverage import Process as SaidProcess
from schemas.coverage import decode
from schemas.gateway_topics import COVERAGE
from tests.conftest import Broker
from tests.faults.real import RealRun

pytestmark = [pytest.mark.broker, pytest.mark.faults, pytest.mark.slow]


@pytest.fixture
def own_embedded() -> Iterator[Broker]:
    """An embedded broker for one test: the worker's topics have fixed names."""
    with EmbeddedBroker() as server:
        yield Broker("embedded", server.bootstrap, server)


@pytest.fixture(params=["own_embedded", "own_kafka"])
async def run(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RealRun]:
    broker: Broker = request.getfixturevalue(request.param)
    made = RealRun(broker.bootstrap, tmp_path)
    await made.prepare()
    yield made
    made.end()


async def test_killed_stopped_and_shared(run: RealRun) -> None:
    first = run.start()
    await run.ready(0)
    sending = asyncio.create_task(run.produce((0, 0.3)))
    await run.some_alerts(5)
    first.signal(signal.SIGKILL)
    assert await first.exit_code() == -signal.SIGKILL
    await sending
    second = run.start()
    await run.ready(1)
    sending = asyncio.create_task(run.produce((0.3, 0.6)))
    await run.waiting(1)
    second.signal(signal.SIGKILL)  # while events wait
    assert await second.exit_code() == -signal.SIGKILL
    await sending
    third = run.start()
    sending = asyncio.create_task(run.produce((0.6, 1)))
    fourth = run.start()  # joins
    await run.some_alerts(45)
    await run.ready(2)  # before it is, nothing stops it in order
    third.signal(signal.SIGTERM)  # leaves
    assert await third.exit_code() == 0, third.output()[-3000:]
    await sending
    await run.settled()
    assert fourth.popen.poll() is None, fourth.output()[-3000:]


async def test_stopped_across_a_rebalance_and_continued(run: RealRun) -> None:
    first = run.start()
    await run.produce((0, 0.5))
    await run.some_alerts(5)
    first.signal(signal.SIGSTOP)
    second = run.start()
    await run.produce((0.5, 1))
    await run.some_alerts(50)
    first.signal(signal.SIGCONT)
    await run.settled()
    assert second.popen.poll() is None, second.output()[-3000:]


async def test_broker_restarts(own_kafka: Broker, tmp_path: Path) -> None:
    run = RealRun(own_kafka.bootstrap, tmp_path)
    await run.prepare()
    try:
        worker = run.start()
        await run.produce((0, 0.5))
        await run.some_alerts(5)
        own_kafka.server.stop()
        own_kafka.server.start()
        await run.produce((0.5, 1))
        await run.settled()
        assert worker.popen.poll() is None, worker.output()[-3000:]
        await run.accounted_for(0)
    finally:
        run.end()


async def test_what_retention_deleted_unjudged_is_an_alert(own_kafka: Broker, tmp_path: Path) -> None:
    run = RealRun(own_kafka.bootstrap, tmp_path)
    await run.prepare()
    try:
        first = run.start()
        await run.produce((0, 0.3))
        await run.some_alerts(5)
        first.signal(signal.SIGTERM)
        assert await first.exit_code() == 0, first.output()[-3000:]
        await run.produce((0.3, 0.4), pace=20_000)
        lost = await run.delete_unread()
        second = run.start()
        await run.produce((0.4, 0.5))
        told = await run.stream_alerts(len(lost))
        assert {(a.facts["partition"], a.facts["first"], a.facts["last"]) for a in told} == lost
        assert {(a.rule_id, a.severity) for a in told} == {("stream.lost_by_retention", "critical")}
        assert second.popen.poll() is None, second.output()[-3000:]
    finally:
        run.end()


async def test_more_partitions_end_the_worker(own_kafka: Broker, tmp_path: Path) -> None:
    run = RealRun(own_kafka.bootstrap, tmp_path)
    await run.prepare()
    try:
        worker = run.start()
        await run.ready(0)
        await run.add_partitions(1)
        assert await worker.exit_code() == 1, worker.output()[-3000:]
        assert "Set CLOVERWATCH_PARTITIONS=" in worker.output()
        said = [decode.decode(record.value) for record in await run._all(COVERAGE, 1)]
        steps = {each.step for each in said if isinstance(each, SaidProcess)}
        assert "started" in steps
        assert "stopped" not in steps, "it did not stop in order"
    finally:
        run.end()

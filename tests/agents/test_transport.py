"""The transport on real brokers, through a worker process that copies records."""

import signal

import pytest

from tests.conftest import Broker
from tests.faults.conftest import MakeHarness, harness  # noqa: F401 - a fixture

pytestmark = [pytest.mark.broker]


async def test_every_record_of_several_topics_is_processed(broker: Broker, harness: MakeHarness) -> None:  # noqa: F811
    run = harness(broker, inputs=("access.events", "access.raw.cloudtrail"), partitions=3)
    await run.prepare()
    await run.produce(600, prefix="before")
    worker = run.start()
    await run.some_copied(600)
    await run.produce(300, prefix="after")
    await run.settled()
    worker.signal(signal.SIGTERM)
    assert await worker.exit_code() == 0, worker.output()
    copied = await run.copied()
    assert len(copied) == len(set(copied)), "without a fault nothing is processed twice"

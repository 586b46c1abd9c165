"""The transport on real brokers, through a worker process that copies records."""

import signal

import pytest

from tests.conftest import Broker
from tests.faults.conftest import MakeHarness, harness  # noqa: F401 - a fixture
from tests.faults.harness import until

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


async def test_the_lag_is_right_while_the_stream_is_stuck(broker: Broker, harness: MakeHarness) -> None:  # noqa: F811
    run = harness(broker, "--stuck-at", "r-0", "--print-lag", partitions=2)
    await run.prepare()
    await run.produce(100)
    worker = run.start()

    async def end_is(total: int) -> bool:
        return f"LAG end={total} " in worker.output()

    await until("the first end", lambda: end_is(100))
    # Nothing is fetched while the buffers are full and the agent hangs; the end of the log moves on all the same.
    # One record by itself at the end: the embedded broker tells the end of a longer last batch wrongly.
    await run.produce(2000, prefix="more")
    await run.produce(2, prefix="last")
    await until("the end after more was written", lambda: end_is(2102))
    committed = int(worker.output().rsplit("committed=", 1)[1].split()[0])
    assert committed <= 50, "the stuck partition commits nothing"


async def test_a_stream_that_acks_by_itself_is_refused(broker: Broker, harness: MakeHarness) -> None:  # noqa: F811
    run = harness(broker, "--auto-ack", partitions=1)
    await run.prepare()
    await run.produce(10)
    worker = run.start()
    assert await worker.exit_code() == 1, worker.output()
    assert "read it with agents.transport.deliveries()" in worker.output()
    assert not any((await run.committed()).values()), "nothing was judged"


async def test_what_must_be_stored_before_a_commit_keeps_the_commit_back(
    broker: Broker,
    harness: MakeHarness,  # noqa: F811
) -> None:
    run = harness(broker, "--refuse-commits", partitions=1)
    await run.prepare()
    await run.produce(10)
    worker = run.start()
    assert await worker.exit_code() == 1, worker.output()
    assert "nothing can be stored below" in worker.output()
    assert not any((await run.committed()).values()), "nothing was judged"

"""What may happen to a worker, and that no record is lost by it.

Each test ends in `settled`: every record produced is in the output at least once, everything is committed,
and no committed offset is beyond what was processed.
"""

import signal

import pytest

from tests.conftest import Broker
from tests.faults.conftest import MakeHarness
from tests.faults.harness import until

pytestmark = [pytest.mark.broker, pytest.mark.faults, pytest.mark.slow]

RECORDS = 1500
SLOW = ("--batch-delay", "0.1", "--max-poll-records", "20")
"""About 200 records a second, so that a fault lands in the middle."""

STOPPED_WITHIN_S = 30.0
"""Kubernetes' usual grace for a stop. A second is usual; a batch that is held open here is held for ten minutes."""


async def test_sigkill(broker: Broker, harness: MakeHarness) -> None:
    run = harness(broker, *SLOW)
    await run.prepare()
    await run.produce(RECORDS)
    for by in (100, 200):
        worker = run.start()
        await run.advance(by)
        worker.signal(signal.SIGKILL)
        assert await worker.exit_code() == -signal.SIGKILL
        await run.check()
    run.start()
    await run.settled()


async def test_sigterm_ends_the_batch_and_commits_it(broker: Broker, harness: MakeHarness) -> None:
    run = harness(broker, *SLOW)
    await run.prepare()
    await run.produce(RECORDS)
    for by in (100, 200):
        worker = run.start()
        await run.advance(by)
        worker.signal(signal.SIGTERM)
        assert await worker.exit_code() == 0, worker.output()
        await run.check()
    run.start()
    await run.settled()
    copied = await run.copied()
    assert len(copied) == len(set(copied)), "a clean stop finishes its batch and commits it"


async def test_an_exception_in_a_batch_ends_the_process_and_is_not_passed(broker: Broker, harness: MakeHarness) -> None:
    run = harness(broker, *SLOW, "--raise-at", "r-333")
    await run.prepare()
    await run.produce(RECORDS)
    for _ in range(2):
        worker = run.start()
        assert await worker.exit_code() == 1, worker.output()
        committed = await run.committed()
        planted = next(where for where, value in run.produced.items() if value == "r-333")
        assert committed.get(planted[:2], 0) <= planted[2]
        await run.check()
    # Mended, it goes on where it failed.
    assert "r-333" not in await run.copied()
    mended = run.folder / "mended"
    command = run.command
    run.command = lambda index: [*command(index), "--raise-once", str(mended)]
    run.start()
    await run.settled()


async def test_a_second_worker_joins_and_leaves(broker: Broker, harness: MakeHarness) -> None:
    run = harness(broker, *SLOW)
    await run.prepare()
    await run.produce(RECORDS)
    run.start()
    await run.some_copied(100)
    second = run.start()

    async def joined() -> bool:
        return "Worker ready" in second.output()

    await until("the second worker is ready", joined)
    await run.produce(300, prefix="both")
    await run.some_copied(600)
    second.signal(signal.SIGTERM)
    assert await second.exit_code() == 0, second.output()
    await run.settled()


async def test_a_worker_stopped_across_a_rebalance(broker: Broker, harness: MakeHarness) -> None:
    run = harness(broker, *SLOW, "--session-timeout", "3")
    await run.prepare()
    await run.produce(RECORDS)
    first = run.start()
    await run.some_copied(100)
    first.signal(signal.SIGSTOP)
    second = run.start()
    # The second one gets everything when the first one's session has ended, and reads again what was
    # uncommitted.
    await run.some_copied(700)
    first.signal(signal.SIGCONT)
    await run.produce(300, prefix="after")
    await run.settled()
    assert first.popen.poll() is None, first.output()
    assert second.popen.poll() is None, second.output()


async def test_batches_held_open_neither_hang_a_stop_nor_are_passed(broker: Broker, harness: MakeHarness) -> None:
    run = harness(broker, *SLOW, "--hold-every", 3, "--hold-for", 600)
    await run.prepare()
    await run.produce(400)
    worker = run.start()
    await run.some_copied(400)
    committed = await run.committed()
    ends = {where[:2]: 100 for where in run.produced}
    assert any(committed.get(tp, 0) < end for tp, end in ends.items()), "held batches keep the commit back"
    worker.signal(signal.SIGTERM)
    assert await worker.exit_code(STOPPED_WITHIN_S) == 0, worker.output()
    await run.check()
    command = run.command
    run.command = lambda index: [*command(index), "--hold-for", "0.2"]
    run.start()
    await run.settled()


async def test_a_hung_agent_is_ended_by_the_watchdog(broker: Broker, harness: MakeHarness) -> None:
    run = harness(broker, *SLOW, "--stuck-at", "r-100", "--stuck-limit", 2)
    await run.prepare()
    await run.produce(300)
    worker = run.start()
    assert await worker.exit_code() == 1, worker.output()
    assert "StreamStuckError" in worker.output()
    await run.check()

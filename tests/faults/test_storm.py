"""Many faults in an order drawn from a seed: CLOVERWATCH_STORM_SEED repeats or varies it.

On Apache Kafka only. In the embedded broker a group is stuck for good once its leader leaves while another member's
join is held: it goes on naming the leader that left, so nobody makes the assignment, nor does any worker that is
started later (seen in every third storm). Each fault alone runs on both brokers, in the modules beside this one.
"""

import os
import random
import signal

import pytest

from tests.conftest import Broker
from tests.faults.conftest import MakeHarness
from tests.faults.harness import Process

pytestmark = [pytest.mark.broker, pytest.mark.faults, pytest.mark.slow]

FAULTS = 12
AT_ONCE = 3
"""Workers at a time: each start of Python costs a second of one core."""


async def test_a_storm_of_faults_loses_nothing(kafka_broker: Broker, harness: MakeHarness) -> None:
    seed = int(os.environ.get("CLOVERWATCH_STORM_SEED", "7"))
    rng = random.Random(seed)
    run = harness(
        kafka_broker,
        *("--batch-delay", "0.02", "--max-poll-records", "20", "--session-timeout", "3"),
        *("--hold-every", "7", "--hold-for", "0.5"),
    )
    await run.prepare()
    running: list[Process] = [run.start()]
    stopped: list[Process] = []
    made = 0
    for _ in range(FAULTS):
        await run.produce(60, prefix=f"storm-{made}")
        made += 60
        fault = rng.choice(["join", "join", "kill", "term", "stop", "continue"])
        if not running or (fault == "join" and len(running) + len(stopped) < AT_ONCE):
            running.append(run.start())
        elif fault in {"kill", "term"} and running:
            worker = running.pop(rng.randrange(len(running)))
            worker.signal(signal.SIGKILL if fault == "kill" else signal.SIGTERM)
            await worker.exit_code()
        elif fault == "stop" and running:
            worker = running.pop(rng.randrange(len(running)))
            worker.signal(signal.SIGSTOP)
            stopped.append(worker)
        elif stopped:
            worker = stopped.pop()
            worker.signal(signal.SIGCONT)
            running.append(worker)
        if running:
            # Something goes on between two faults: a rebalance, a few batches, or both at once.
            await run.advance(rng.randrange(20))
        await run.check()
    for worker in stopped:
        worker.signal(signal.SIGCONT)
    if not running + stopped:
        run.start()
    await run.settled()
    assert not run.logged("hole "), f"seed {seed}: no offset is missing from this log"
    assert not run.logged("LedgerError"), f"seed {seed}"

"""What the log itself does to a reader: transactions, retention, a broker that restarts."""

import signal

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from tests.conftest import Broker
from tests.faults.conftest import MakeHarness
from tests.faults.harness import Harness, Process, create_topics, until

pytestmark = [pytest.mark.broker, pytest.mark.faults, pytest.mark.slow]


async def _transactions(run: Harness, topic: str) -> tuple[list[str], list[str]]:
    """Ten transactions of five records to partition 0, every other one aborted: (committed, aborted)
    values."""
    producer = AIOKafkaProducer(bootstrap_servers=run.bootstrap, transactional_id=f"tx-{run.group}")
    await producer.start()
    values: dict[bool, list[str]] = {True: [], False: []}
    try:
        for n in range(10):
            good = n % 2 == 0
            await producer.begin_transaction()
            for k in range(5):
                value = f"tx-{n}-{k}"
                at = await producer.send_and_wait(topic, value.encode(), partition=0)
                values[good].append(value)
                if good:
                    run.produced[at.topic, at.partition, at.offset] = value
            await (producer.commit_transaction() if good else producer.abort_transaction())
    finally:
        await producer.stop()
    return values[True], values[False]


async def test_aborted_records_are_never_seen_and_leave_explained_holes(
    kafka_broker: Broker, harness: MakeHarness
) -> None:
    run = harness(kafka_broker, partitions=1)
    await run.prepare()
    topic = next(iter(run.inputs))
    _, aborted = await _transactions(run, topic)
    worker = run.start()
    await run.settled()
    # Ten times five records and a marker each: the committed offset passes the last marker, so there is no
    # lag.

    async def at_the_end() -> bool:
        return await run.committed() == {(topic, 0): 60}

    await until("the markers at the end are passed", at_the_end)
    assert not set(aborted) & set(await run.copied())
    assert "hole control_or_aborted" in worker.output()
    assert "hole unexplained" not in worker.output()
    # 25 aborted records and 10 markers, each counted once.
    assert _missing(worker, "control_or_aborted") == 35


def _missing(worker: Process, kind: str) -> int:
    """Offsets in the logged holes of one kind: "hole <kind>: ... offsets a..b (n)"."""
    return sum(
        int(line.rsplit("(", 1)[1].split(")")[0]) for line in worker.output().splitlines() if f"hole {kind}:" in line
    )


async def _delete_before(broker: Broker, topic: str, offset: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    try:
        await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=offset)})
    finally:
        await admin.close()


async def test_retention_that_overtakes_a_stopped_group_is_reported_with_its_range(
    kafka_broker: Broker, harness: MakeHarness
) -> None:
    run = harness(kafka_broker, partitions=1)
    await run.prepare()
    topic = next(iter(run.inputs))
    await run.produce(100, prefix="first")
    worker = run.start()
    await run.settled()
    worker.signal(signal.SIGTERM)
    assert await worker.exit_code() == 0, worker.output()

    lost = await run.produce(200, prefix="lost")
    await _delete_before(kafka_broker, topic, 250)
    run.produced = {where: value for where, value in run.produced.items() if where[2] < 100 or where[2] >= 250}
    worker = run.start()
    await run.settled()
    assert f"hole lost_by_retention: topic {topic} partition 0 offsets 100..249 (150)" in worker.output()
    assert set(lost) & set(await run.copied()) == set(lost[150:])


async def test_retention_that_overtakes_a_running_worker_is_reported(
    kafka_broker: Broker, harness: MakeHarness
) -> None:
    # Stopped, it has at most one fetch under way, which the first ten records answer; the rest is deleted.
    run = harness(kafka_broker, "--max-poll-records", "50", "--batch-delay", "0.2", partitions=1)
    await run.prepare()
    topic = next(iter(run.inputs))
    await run.produce(20, prefix="first")
    worker = run.start()
    await run.some_copied(1)
    worker.signal(signal.SIGSTOP)
    await run.produce(10, prefix="fetched")
    await run.produce(500, prefix="lost")
    await _delete_before(kafka_broker, topic, 520)
    worker.signal(signal.SIGCONT)
    values = {value for (_, _, offset), value in run.produced.items() if offset >= 520}

    async def rest_copied() -> bool:
        return values <= set(await run.copied())

    await until("what was not deleted is copied", rest_copied)
    seen = set(await run.copied())
    gone = sorted(offset for (_, _, offset), value in run.produced.items() if value not in seen)
    assert gone, "something was deleted before it was fetched"
    assert (
        f"hole lost_by_retention: topic {topic} partition 0 offsets {gone[0]}..{gone[-1]} ({len(gone)})"
        in worker.output()
    )


@pytest.mark.parametrize("kill", [False, True], ids=["clean", "killed"])
async def test_a_broker_restart_is_waited_for(own_kafka: Broker, harness: MakeHarness, kill: bool) -> None:
    run = harness(own_kafka, "--batch-delay", "0.1", "--max-poll-records", "20")
    await run.prepare()
    await run.produce(800)
    worker = run.start()
    await run.some_copied(100)
    own_kafka.server.restart(kill=kill)
    await run.produce(100, prefix="after")
    await run.settled()
    assert worker.popen.poll() is None, f"the worker outlives its broker: {worker.output()}"


async def test_a_topic_created_anew_is_read_from_its_start(kafka_broker: Broker, harness: MakeHarness) -> None:
    run = harness(kafka_broker, partitions=1)
    await run.prepare()
    topic = next(iter(run.inputs))
    await run.produce(50, prefix="old")
    worker = run.start()
    await run.settled()
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_broker.bootstrap)
    await admin.start()
    try:
        await admin.delete_topics([topic])

        async def gone() -> bool:
            return topic not in await admin.list_topics()

        await until("the topic is gone", gone)
    finally:
        await admin.close()
    await create_topics(kafka_broker.bootstrap, {topic: 1})
    run.produced.clear()
    await run.produce(30, prefix="new")
    wanted = set(run.produced.values())

    async def copied() -> bool:
        return wanted <= set(await run.copied())

    await until("the new topic's records are copied", copied)
    # Offsets committed for the old topic mean nothing any more: the group's offset goes back with the log.

    async def committed() -> bool:
        return await run.committed() == {(topic, 0): 30}

    await until("the new topic's end is committed", committed)
    assert worker.popen.poll() is None, worker.output()

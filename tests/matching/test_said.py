"""What `cloverwatch match` says of its own work: every access once, and every alert named by the range that gave it."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from agents.publisher import partition_of
from demo.broker import EmbeddedBroker
from schemas.codec import ALERT, encode
from schemas.coverage import Holding, InForce, Judged, Process, Started, Stopped, decode, hash_of
from schemas.gateway_topics import COVERAGE
from schemas.topics import ACCESS_EVENTS, ALERTS
from tests.brokers import embedded
from tests.conftest import Broker, require
from tests.faults.harness import until
from tests.faults.test_coverage import Work, complete
from tests.matching.stream import PARTITIONS, MatchRun, now
from tests.matching.world import access, decision


@pytest_asyncio.fixture
async def run(tmp_path: Path) -> AsyncIterator[MatchRun]:
    require(embedded.missing())
    with EmbeddedBroker() as broker:
        made = MatchRun(broker.bootstrap, tmp_path)
        await made.prepare()
        try:
            yield made
        finally:
            await made.end()


async def said(run: MatchRun) -> list[Work]:
    """What matching said of its work, without that its process ran."""
    records = [decode.decode(record.value) for record in await run.records(COVERAGE, 1)]
    return [record for record in records if not isinstance(record, Process | Holding)]


async def unnamed(run: MatchRun, records: list[Work]) -> set[str]:
    """The alerts of the topic that no range names, after the hash of each range was compared with its alerts."""
    stored: dict[str, list[str]] = {}
    for record in await run.records(ALERTS):
        alert = ALERT.decode(record.value)
        stored.setdefault(f"{alert.alert_id}|{alert.revision}", []).append(sha256(record.value).hexdigest())
    named = set()
    for each in records:
        if isinstance(each, Judged):
            named |= set(each.alerts_of)
            assert each.alerts == len(each.alerts_of)
            marks = [(*_parts(name), stored[name]) for name in each.alerts_of]
            if all(len(values) == 1 for _, _, values in marks):
                assert each.alerts_hash == hash_of([(name, revision, values[0]) for name, revision, values in marks])
    return set(stored) - named


def _parts(name: str) -> tuple[str, int]:
    alert_id, _, revision = name.partition("|")
    return alert_id, int(revision)


@pytest.mark.broker
async def test_each_access_is_said_once_and_each_alert_is_named(run: MatchRun) -> None:
    process = run.start()
    await run.ready()
    at = now()
    await run.decide(decision("d-1", decided_at=at))
    for number in range(20):
        await run.access(access(f"fine-{number}", occurred_at=now(), decision_id="d-1", action="list"))
    await run.access(access("bypass", occurred_at=now(), dataset_id="vault-mail"))
    await run.access(access("open", employee_id="bob", occurred_at=now(), dataset_id="vault-stats"))
    await run.told("bypass", "fine-5")
    process.signal(signal.SIGTERM)
    assert await process.exit_code() == 0, process.output()[-3000:]
    records = await said(run)
    assert {each.by for each in records if not isinstance(each, Holding)} == {"match"}
    first, *others = records
    assert isinstance(first, InForce)
    assert first.sha256 == sha256((run.folder / "policy.toml").read_bytes()).hexdigest()
    ends = complete(others)
    assert sum(ends.values()) == 22, "an access that needs no decision is looked at too"
    assert {each.partition for each in others if isinstance(each, Started)} == {0, 1}
    assert {each.partition for each in others if isinstance(each, Stopped)} == {0, 1}
    assert await unnamed(run, others) == set()
    findings = [each.verdicts for each in others if isinstance(each, Judged) and each.verdicts]
    assert sum(each.get("gateway.bypass", 0) for each in findings) == 1
    assert {each.policy for each in others if isinstance(each, Judged)} == {first.policy}


@pytest.mark.broker
@pytest.mark.faults
async def test_a_kill_leaves_no_alert_without_a_range(run: MatchRun) -> None:
    """What was found of accesses in a batch that others of it still hold open is saved, and said by whoever is next."""
    first = run.start()
    await run.ready()
    at = now()
    await run.decide(decision("d-1", decided_at=at, uses=1_000))
    for number in range(30):
        await run.access(access(f"wide-{number}", occurred_at=now(), decision_id="d-1", action="export"))
        if number == 20:

            async def some() -> bool:
                return len(await run.alerts()) >= 5

            await until("some alerts", some)
            first.signal(signal.SIGKILL)
            await first.exit_code()
            run.start()
    await run.told(*(f"wide-{number}" for number in range(30)))
    second = run.processes[-1]

    async def all_is_said() -> bool:
        return await unnamed(run, await said(run)) == set()

    await until("every alert named by a range", all_is_said)
    second.signal(signal.SIGTERM)
    assert await second.exit_code() == 0, second.output()[-3000:]
    records = await said(run)
    assert sum(complete(records).values()) == 30
    assert await unnamed(run, records) == set()


async def in_transactions(run: MatchRun, *good: bool) -> None:
    """Each of two accesses of Ann's; what is not good is aborted."""
    producer = AIOKafkaProducer(bootstrap_servers=run.bootstrap, transactional_id="a data plane")
    await producer.start()
    try:
        for number, each in enumerate(good):
            await producer.begin_transaction()
            for use in range(2):
                event = access(f"tx-{number}-{use}", occurred_at=now(), dataset_id="vault-mail")
                await producer.send_and_wait(
                    ACCESS_EVENTS, key=b"ann", value=encode(event), partition=partition_of("ann", PARTITIONS)
                )
            await (producer.commit_transaction() if each else producer.abort_transaction())
    finally:
        await producer.stop()


@pytest.mark.broker
@pytest.mark.slow
async def test_offsets_that_hold_no_access_are_said_with_why(own_kafka: Broker, tmp_path: Path) -> None:
    """Markers and aborted records, also at the end; what retention deleted before it was read."""
    run = MatchRun(own_kafka.bootstrap, tmp_path)
    await run.prepare()
    partition = partition_of("ann", PARTITIONS)
    try:
        await in_transactions(run, True, False, True)
        process = run.start()
        await run.ready()

        async def said_to(offset: int) -> bool:
            return any(isinstance(each, Judged) and each.last == offset - 1 for each in await said(run))

        await until("the last marker is passed", lambda: said_to(9))
        process.signal(signal.SIGTERM)
        assert await process.exit_code() == 0, process.output()[-3000:]
        for number in range(4):
            await run.access(access(f"late-{number}", occurred_at=now(), dataset_id="vault-mail"))
        admin = AIOKafkaAdminClient(bootstrap_servers=run.bootstrap)
        await admin.start()
        tp = TopicPartition(ACCESS_EVENTS, partition)
        await admin.delete_records({tp: RecordsToDelete(before_offset=11)})
        await admin.close()
        run.start()
        await until("what is left is said", lambda: said_to(13))
        records = [
            each for each in await said(run) if isinstance(each, InForce | Holding) or each.partition == partition
        ]
        assert complete(records) == {(ACCESS_EVENTS, partition): 13}
        holes = [hole for each in records if isinstance(each, Judged) for hole in each.holes]
        gone = {(offset, hole.why) for hole in holes for offset in range(hole.first, hole.last + 1)}
        markers = {(offset, "control_or_aborted") for offset in (2, 3, 4, 5, 8)}
        assert gone == markers | {(offset, "lost_by_retention") for offset in (9, 10)}
    finally:
        await run.end()

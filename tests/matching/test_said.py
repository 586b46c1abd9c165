"""What `cloverwatch match` says of its own work: every access once, and every alert named by the range that gave it."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest
import pytest_asyncio

from demo.broker import EmbeddedBroker
from schemas.codec import ALERT
from schemas.coverage import Coverage, InForce, Judged, Started, Stopped, decode, hash_of
from schemas.gateway_topics import COVERAGE
from schemas.topics import ALERTS
from tests.brokers import embedded
from tests.conftest import require
from tests.faults.harness import until
from tests.faults.test_coverage import complete
from tests.matching.stream import MatchRun, now
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


async def said(run: MatchRun) -> list[Coverage]:
    return [decode.decode(record.value) for record in await run.records(COVERAGE, 1)]


async def unnamed(run: MatchRun, records: list[Coverage]) -> set[str]:
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
    assert {each.by for each in records} == {"match"}
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

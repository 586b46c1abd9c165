"""The process on a broker: who is told, how soon, and what is not told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from demo.broker import EmbeddedBroker
from schemas.codec import ALERT
from schemas.gateway_topics import GATEWAY_DECISIONS
from schemas.topics import ALERTS, DEAD_LETTERS
from tests.brokers import embedded
from tests.conftest import Broker, require
from tests.matching.stream import MatchRun, now
from tests.matching.world import access, decision

WITHIN_MS = 1_000
"""From the append of a planted bypass to the append of its alert."""


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


@pytest.mark.broker
async def test_what_is_decided_is_quiet_and_the_rest_is_told(run: MatchRun) -> None:
    run.start()
    await run.ready()
    at = now()
    await run.decide(decision("d-1", decided_at=at))
    await run.decide(decision("d-2", decided_at=at, person="bob"))
    await run.producer.send_and_wait(GATEWAY_DECISIONS, value=b"no decision", key=b"ann", partition=0)
    for name, fields in {
        "fine": {"decision_id": "d-1"},
        "fine-unnamed": {},
        "stolen": {"decision_id": "d-2"},
        "bypass": {"dataset_id": "vault-mail"},
        "wide": {"decision_id": "d-1", "action": "export"},
        "open": {"dataset_id": "vault-stats"},
    }.items():
        await run.access(access(name, occurred_at=now(), **fields))
    await run.read(6)
    assert await run.told("stolen", "bypass", "wide") == {
        "stolen": ["gateway.other_person"],
        "bypass": ["gateway.bypass"],
        "wide": ["gateway.wider"],
    }
    (letter,) = await run.records(DEAD_LETTERS, 1)
    assert letter.value == b"no decision"
    said = await run.metrics()
    assert said['cloverwatch_matching_findings_total{rule_id="gateway.bypass"}'] == 1
    assert said['cloverwatch_matching_bad_records_total{reason="not_json",topic="gateway.decisions"}'] == 1


@pytest.mark.broker
async def test_a_decision_that_comes_within_the_wait_after_its_access_is_no_alert(run: MatchRun) -> None:
    run.start()
    await run.ready()
    at = now()
    await run.access(access("early", occurred_at=at, decision_id="d-1"))
    await run.decide(decision("d-1", decided_at=at))
    await run.access(access("bypass", occurred_at=at, session_id="s-9", dataset_id="vault-mail"))
    assert await run.told("bypass") == {"bypass": ["gateway.bypass"]}


async def delays(run: MatchRun, count: int) -> list[int]:
    """Plant bypasses one after another; return how long each took, append to append, milliseconds."""
    appended = {}
    for number in range(count):
        stored = await run.access(access(f"bypass-{number}", occurred_at=now(), session_id=f"s-{number}"))
        appended[f"bypass-{number}"] = stored.timestamp
        await run.told(f"bypass-{number}")
    found = {}
    for record in await run.records(ALERTS):
        found[ALERT.decode(record.value).event.event_id] = record.timestamp  # type: ignore[union-attr]
    return [found[name] - at for name, at in appended.items()]


@pytest.mark.broker
@pytest.mark.slow
async def test_a_planted_bypass_is_flagged_within_a_second(
    own_kafka: Broker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = MatchRun(own_kafka.bootstrap, tmp_path)
    await run.prepare()
    try:
        run.start(CLOVERWATCH_REPLICATION_FACTOR="3")  # as in earnest: its answers are believed at once
        await run.ready()
        took = sorted(await delays(run, 10))
        with capsys.disabled():
            print(f"\n  bypass to alert, append to append: median {took[5]} ms, most {took[-1]} ms")
        assert took[5] <= WITHIN_MS
    finally:
        await run.end()

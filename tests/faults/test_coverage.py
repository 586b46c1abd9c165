"""What workers say of their own work, through kills: every offset once, or again after a `Started` that says so."""

from __future__ import annotations

import asyncio
import signal
from collections import defaultdict
from collections.abc import AsyncIterator
from hashlib import sha256
from itertools import combinations
from pathlib import Path

import pytest
from msgspec import UNSET

from agents.audit.verifying.notes import Verifier
from agents.audit.verifying.verify import Asked, verify
from agents.audit.writing.entries import entry_of
from agents.gave import Mark
from demo.broker import EmbeddedBroker
from schemas.codec import ALERT
from schemas.coverage import (
    HELD_EVERY_S,
    Holding,
    InForce,
    Judged,
    Process,
    Started,
    Stopped,
    decode,
    hash_of,
)
from schemas.entry import Entry
from schemas.gateway_topics import COVERAGE
from schemas.topics import ACCESS_EVENTS, ALERTS
from tests.audit.making import KEY, write_log
from tests.faults.harness import PATIENCE, until
from tests.faults.real import BAD, PARTITIONS, RealRun

pytestmark = [pytest.mark.broker, pytest.mark.faults, pytest.mark.slow]

NO_ALERTS = hash_of([])


@pytest.fixture
async def run(tmp_path: Path) -> AsyncIterator[RealRun]:
    """A broker of its own: the topics have fixed names."""
    with EmbeddedBroker() as server:
        made = RealRun(server.bootstrap, tmp_path, events=2_000)
        await made.prepare()
        yield made
        made.end()


Work = Judged | Started | Stopped | Holding | InForce


async def said(run: RealRun) -> list[Work]:
    """What workers say of their work; that they live is another matter (tests/audit_writing/test_lives.py)."""
    found = [decode.decode(record.value) for record in await run._all(COVERAGE, 1)]
    return [each for each in found if not isinstance(each, Process)]


def complete(records: list[Work]) -> dict[tuple[str, int], int]:
    """Check that no worker skips an offset, and that none begins behind what is judged; return the ends."""
    ends: dict[tuple[str, int], int] = {}
    cursors: dict[tuple[str, str, int], int] = {}
    for record in records:
        if isinstance(record, InForce | Holding):
            continue
        tp = record.topic, record.partition
        who = record.worker, *tp
        if isinstance(record, Started):
            assert record.offset <= ends.get(tp, record.offset), f"a gap: {record}"
            cursors[who] = record.offset
        elif isinstance(record, Judged):
            assert record.first == cursors[who], record
            holes = sum(hole.last - hole.first + 1 for hole in record.holes)
            assert record.records + holes == record.last - record.first + 1, record
            cursors[who] = record.last + 1
            ends[tp] = max(ends.get(tp, 0), record.last + 1)
        else:
            assert record.offset == cursors.pop(who), record
    return ends


async def test_one_worker_says_all_that_it_gave(run: RealRun) -> None:
    worker = run.start()
    await run.ready(0)
    await run.produce((0, 1), pace=4_000)
    await run.settled()

    async def idle() -> bool:
        """It says that it holds every partition, all judged: nothing comes any more."""
        held = [each.held.get(ACCESS_EVENTS, ()) for each in await said(run) if isinstance(each, Holding)]
        return bool(held) and len(held[-1]) == PARTITIONS and all(each.next == each.end for each in held[-1])

    await until("what is held, of an idle worker", idle, within=2 * HELD_EVERY_S + PATIENCE)
    worker.signal(signal.SIGTERM)
    assert await worker.exit_code() == 0, worker.output()[-3000:]
    records = await said(run)
    ends = complete(records)
    held = [each for each in records if isinstance(each, Holding)][-1].held[ACCESS_EVENTS]
    assert {each.partition: each.end for each in held} == {
        each: ends.get((ACCESS_EVENTS, each), 0) for each in range(PARTITIONS)
    }
    events = await run._all(ACCESS_EVENTS, PARTITIONS)
    assert sum(ends.get((ACCESS_EVENTS, partition), 0) for partition in range(PARTITIONS)) == len(events)
    assert isinstance(records[0], InForce)
    assert records[0].sha256 == sha256(run.policy.read_bytes()).hexdigest()
    stopped = {(each.topic, each.partition) for each in records if isinstance(each, Stopped)}
    assert stopped == {(each.topic, each.partition) for each in records if isinstance(each, Started)}

    judged = [each for each in records if isinstance(each, Judged) and each.topic == ACCESS_EVENTS]
    assert sum(each.dead_letters for each in judged) == len(BAD)
    # Every alert of the topic is in the range of the access that it is about, and its hash in that range's.
    by_range: dict[tuple[int, int], list[Mark]] = defaultdict(list)
    about_none: list[Mark] = []  # about a dataset: in the range that made somebody look at it
    verdicts: dict[str, int] = defaultdict(int)
    for record in await run._all(ALERTS, PARTITIONS):
        alert = ALERT.decode(record.value)
        mark = alert.alert_id, alert.revision, sha256(record.value).hexdigest()
        for reason in alert.reasons:
            verdicts[reason.rule_id] += 1
        if alert.event is UNSET:
            about_none.append(mark)
            continue
        ref = alert.event
        assert ref.offset is not None
        (home,) = [each for each in judged if each.partition == ref.partition and each.first <= ref.offset <= each.last]
        by_range[home.partition, home.first].append(mark)
    assert sum(verdicts.values()) > 20
    for each in judged:
        its = by_range[each.partition, each.first]
        more = [
            some
            for some in combinations(about_none, each.alerts - len(its))
            if hash_of([*its, *some]) == each.alerts_hash
        ]
        assert len(more) == 1, each
        assert (each.alerts == 0) == (each.alerts_hash == NO_ALERTS)
    assert sum(each.alerts for each in judged) == sum(map(len, by_range.values())) + len(about_none)
    total: dict[str, int] = defaultdict(int)
    for each in judged:
        for rule, number in each.verdicts.items():
            total[rule] += number
    assert total == verdicts


async def test_killed_workers_leave_no_offset_out(run: RealRun, tmp_path: Path) -> None:
    first = run.start()
    await run.ready(0)
    sending = asyncio.create_task(run.produce((0, 0.5)))
    await run.some_alerts(5)
    first.signal(signal.SIGKILL)
    assert await first.exit_code() == -signal.SIGKILL
    await sending
    run.start()
    sending = asyncio.create_task(run.produce((0.5, 1)))
    third = run.start()  # joins: partitions change hands
    await sending
    await run.settled()
    await run.ready(2)  # the other may have done it all: what has not started says nothing, and stops in no order
    third.signal(signal.SIGTERM)
    assert await third.exit_code() == 0, third.output()[-3000:]
    records = await said(run)
    ends = complete(records)
    events = await run._all(ACCESS_EVENTS, PARTITIONS)
    assert sum(ends.get((ACCESS_EVENTS, partition), 0) for partition in range(PARTITIONS)) == len(events)
    assert len({each.worker for each in records}) == 3
    # An auditor of a log over these topics: the killed worker is told of, and nothing that it gave is held against it.
    found: list[Entry | bytes] = [
        entry_of(topic, record)[0]
        for topic, partitions in ((ALERTS, PARTITIONS), (COVERAGE, 1))
        for record in await run._all(topic, partitions)
    ]
    write_log(tmp_path / "log", found)
    outcome = verify(Asked(folder=tmp_path / "log", keys=[Verifier.read(KEY)], grace=0))
    wrong = [each for each in outcome.findings.kept if each.kind != "delivery"]  # nobody delivered them
    assert wrong == []
    killed = [of.killed for (topic, _), of in outcome.completeness.judged.items() if topic == ACCESS_EVENTS]
    assert killed == [1] * PARTITIONS

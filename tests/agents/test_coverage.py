"""What a worker says it judged: in whatever order batches finish, every offset once, every alert where it belongs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from aiokafka.errors import KafkaConnectionError
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from agents import coverage
from agents.coverage import Coverage
from agents.cutting import ALERTS_MAX, HOLES_MAX
from agents.gave import Gave, attribute
from agents.holding import PLACES_MAX
from agents.ledger import Hole, HoleKind, Ledger
from agents.publisher import Told
from agents.settling import Open
from rules.catalogue import RULE_IDS
from rules.haul import Haul
from schemas.alert import EventRef, Reason
from schemas.coverage import Coverage as Record
from schemas.coverage import Holding, InForce, Judged, Place, Started, Stopped, hash_of
from schemas.entry import ENTRY_MAX
from tests.alerts.samples import alert as an_alert

TP = ("access.events", 3)


@dataclass
class Batch:
    """What of a `RecordBatch` is looked at."""

    span: Any
    records: range
    topic: str = TP[0]
    partition: int = TP[1]


@dataclass
class Said:
    """A coverage and what it published."""

    records: list[Record] = field(default_factory=list)
    policy: str = "p1"
    stored: bool = True
    ends: dict[tuple[str, int], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.coverage = Coverage(self._send, lambda: self.policy, lambda: "d1", lambda: 7, "1.0", lambda: self.ends)

    async def _send(self, record: Record) -> asyncio.Future[None]:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.stored:
            self.records.append(record)
            future.set_result(None)
        return future

    @property
    def judged(self) -> list[Judged]:
        return [each for each in self.records if isinstance(each, Judged)]


class Partition:
    """A partition as the transport would deliver it: the real ledger, and a coverage that is told what it would be."""

    def __init__(self, start: int = 0) -> None:
        self.said = Said()
        self.ledger = Ledger(self.said.coverage.hole)
        self.ledger.position(TP, start, fresh=True)
        self.said.coverage.positioned(TP, start, None)
        self.open: list[tuple[Any, Gave]] = []

    def batch(self, records: int) -> Gave:
        first = self.ledger.expected(TP)
        assert first is not None
        span = self.ledger.deliver(TP, first, first + records - 1)
        gave = self.said.coverage.begin(Batch(span, range(records)))
        self.open.append((span, gave))
        return gave

    def hole(self, size: int) -> None:
        first = self.ledger.expected(TP)
        assert first is not None
        self.ledger.note_hole(TP, first + size - 1, HoleKind.CONTROL_OR_ABORTED)

    def finish(self, at: int) -> None:
        span, _ = self.open.pop(at % len(self.open))
        self.ledger.finish(span)

    async def commit(self) -> None:
        committable = self.ledger.committable(TP)
        if committable is not None:
            await self.said.coverage.before_commit({TP: committable})


STEPS = st.lists(
    st.tuples(st.just("batch"), st.integers(1, 5))
    | st.tuples(st.just("hole"), st.integers(1, 3))
    | st.tuples(st.just("finish"), st.integers(0, 9))
    | st.tuples(st.just("commit"), st.just(0))
    | st.tuples(st.just("policy"), st.integers(1, 3)),
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_ranges_follow_each_other_and_count_every_record_in_whatever_order_batches_finish(
    steps: list[tuple[str, int]],
) -> None:
    async def run() -> None:
        partition = Partition(start=10)
        alerts: dict[int, Gave] = {}
        for number, (what, value) in enumerate([*steps, *[("finish", 0)] * 60, ("commit", 0)]):
            if what == "batch":
                gave = partition.batch(value)
                gave.add(an_alert(alert_id=f"a-{number}"), b"record")
                alerts[number] = gave
            elif what == "hole":
                partition.hole(value)
            elif what == "finish" and partition.open:
                partition.finish(value)
            elif what == "commit":
                await partition.commit()
            elif what == "policy":
                partition.said.policy = f"p{value}"
        judged = partition.said.judged
        expected = 10
        for each in judged:
            assert each.first == expected
            assert each.records + sum(hole.last - hole.first + 1 for hole in each.holes) == each.last - each.first + 1
            expected = each.last + 1
        assert expected == partition.ledger.expected(TP)
        assert sum(each.alerts for each in judged) == len(alerts)
        for number, gave in alerts.items():
            (home,) = [each for each in judged if each.first <= gave.first and gave.last <= each.last]
            assert home.policy == gave.policy, f"batch {number}"

    asyncio.run(run())


async def test_nothing_unfinished_is_said_and_a_commit_waits_until_it_is_stored() -> None:
    partition = Partition()
    partition.batch(3)
    partition.batch(2)
    partition.finish(1)
    await partition.commit()
    assert partition.said.judged == []
    partition.finish(0)
    partition.said.stored = False
    waiting = asyncio.create_task(partition.commit())
    for _ in range(10):
        await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()


async def test_what_a_waiting_event_gives_counts_where_its_record_stands() -> None:
    early, late = Gave(0, 9, 10, TP), Gave(10, 19, 10, TP)
    items = [Open(None, gave=each) for each in (early, late)]  # type: ignore[arg-type]  # no delivery is looked at
    of_early = an_alert(alert_id="early", event=EventRef(event_id="e", topic=TP[0], partition=TP[1], offset=4))
    of_late = an_alert(alert_id="late", event=EventRef(event_id="f", topic=TP[0], partition=TP[1], offset=12))
    haul = Haul(released=[items[0], items[0]], repeated=[items[0]], duplicates=3, misplaced=[(None, "e-1")])
    told = [Told(each, each.alert_id.encode(), asyncio.Future()) for each in (of_early, of_late)]
    attribute(haul, told, late, [each.gave for each in haul.released])
    assert [(each.offset, each.mark[0]) for each in early.alerts] == [(4, "early")]
    assert [(each.offset, each.mark[0]) for each in late.alerts] == [(12, "late")]
    assert (early.duplicates, late.duplicates, late.moved) == (1, 2, 1)
    attribute(Haul(), told[1:], None, [early])
    assert [each.mark[0] for each in early.alerts] == ["early", "late"], "nobody else gave it"


async def test_who_gets_a_partition_again_says_that_it_is_judged_again() -> None:
    partition = Partition(start=5)
    coverage = partition.said.coverage
    partition.batch(3)
    partition.finish(0)
    await partition.commit()
    coverage.positioned(TP, 8, 8)  # reading began again where all is said: nothing to say
    coverage.positioned(TP, 5, 5)  # the commit was refused
    coverage.revoked([TP])
    coverage.positioned(TP, 9, 6)  # deleted by retention from 6 on
    coverage.hole(Hole(TP, 6, 8, HoleKind.LOST_BY_RETENTION))
    await coverage.before_commit({TP: 9})
    kinds = [(type(each), getattr(each, "offset", getattr(each, "first", None))) for each in partition.said.records]
    assert kinds == [(Started, 5), (Judged, 5), (Started, 5), (Stopped, 5), (Started, 6), (Judged, 6)]
    assert partition.said.judged[-1].records == 0
    assert [each.why for each in partition.said.judged[-1].holes] == ["lost_by_retention"]


async def test_alerts_of_batches_that_are_read_again_within_an_assignment_stay_counted() -> None:
    partition = Partition()
    gave = partition.batch(3)
    gave.add(an_alert(alert_id="once"), b"record")
    partition.said.coverage.positioned(TP, 0, None)
    partition.ledger.position(TP, 0, fresh=True)
    partition.open.clear()
    partition.batch(3)  # its events are known: they give nothing more
    partition.finish(0)
    await partition.commit()
    (judged,) = partition.said.judged
    (given,) = gave.alerts
    assert (judged.alerts, judged.records, judged.alerts_hash) == (1, 3, hash_of([given.mark]))
    assert judged.alerts_of == ("once|0",)


async def test_records_with_every_rule_very_many_holes_and_alerts_fit_an_entry_each() -> None:
    partition = Partition(start=10**12)
    every = tuple(Reason(rule_id=rule, rule_version=1, severity="low", sentence="s") for rule in sorted(RULE_IDS))
    total = 0
    for number in range(3 * HOLES_MAX):
        gave = partition.batch(2)
        for each in range(3):  # about nobody's access: more of them than records
            gave.add(an_alert(number * 3 + each, revision=10**6, event=UNSET, reasons=every), b"record")
            total += 1
        partition.hole(1)
        partition.finish(0)
    partition.said.coverage.in_force("p1", b"[destinations.siem]\n[destinations.pager]\n", "l" * 64, "g" * 64)
    await partition.commit()
    judged = partition.said.judged
    assert len(judged) > total / ALERTS_MAX
    assert max(len(msgspec.json.encode(each)) for each in partition.said.records) < ENTRY_MAX - 2_000
    assert sum(each.records for each in judged) == 2 * 3 * HOLES_MAX
    assert sum(each.alerts for each in judged) == total
    assert all(len(each.alerts_of) == each.alerts for each in judged)
    assert sum(sum(each.verdicts.values()) for each in judged) == total * len(every)
    for before, after in pairwise(judged):
        assert after.first == before.last + 1
    (in_force,) = [each for each in partition.said.records if isinstance(each, InForce)]
    assert in_force.destinations == ("pager", "siem")


async def test_a_batch_with_more_alerts_than_an_entry_holds_is_several_records_each_with_its_own() -> None:
    partition = Partition()
    gave = partition.batch(2_000)
    for offset in range(2_000):
        ref = EventRef(event_id="e", topic=TP[0], partition=TP[1], offset=offset)
        gave.add(an_alert(offset, event=ref), b"%d" % offset)
    gave.dead_letters = 7
    partition.finish(0)
    await partition.commit()
    judged = partition.said.judged
    assert [each.alerts for each in judged] == [each.records for each in judged]
    assert [each.dead_letters for each in judged] == [0] * (len(judged) - 1) + [7]
    for each in judged:
        assert each.alerts_hash == hash_of([gave.alerts[at].mark for at in range(each.first, each.last + 1)])
        assert max(map(len, [msgspec.json.encode(each)])) < ENTRY_MAX


async def test_what_is_held_is_said_with_how_far_it_is_judged_behind_what_was_judged() -> None:
    partition = Partition(start=5)
    coverage = partition.said.coverage
    coverage.positioned(("access.raw.ocsf", 0), 7, 7)  # it has just come: where its log ends is not known yet
    partition.batch(3)
    partition.finish(0)
    partition.said.ends = {TP: 12}
    await partition.commit()
    coverage.hold()
    await coverage.before_commit({})
    assert partition.said.records[-2:] == [
        partition.said.judged[0],
        Holding(held={TP[0]: (Place(TP[1], 8, 12),)}, worker=coverage.worker, at=7),
    ]
    coverage.revoked([TP, ("access.raw.ocsf", 0)])
    coverage.hold()
    await coverage.before_commit({})
    assert isinstance(partition.said.records[-1], Stopped), "who holds nothing says nothing"


async def test_very_many_partitions_are_said_in_several_records_that_fit_an_entry_each() -> None:
    said = Said()
    tps = [(f"{'t' * 200}{topic}", partition) for topic in range(4) for partition in range(PLACES_MAX)]
    for tp in tps:
        said.coverage.positioned(tp, 2**53 - 1, None)
    said.ends = dict.fromkeys(tps, 2**53)
    said.coverage.hold()
    await said.coverage.before_commit({})
    holding = [each for each in said.records if isinstance(each, Holding)]
    assert len(holding) == 4
    assert max(len(msgspec.json.encode(each)) for each in holding) < ENTRY_MAX - 2_000
    assert [(topic, place.partition) for each in holding for topic in each.held for place in each.held[topic]] == tps


async def test_brokers_that_are_away_end_nothing_that_no_commit_waits_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is to be said is kept, and said when they are back; a commit that waits for it fails."""
    monkeypatch.setattr(coverage, "AGAIN_S", 0.01)
    said, send = Said(), Said._send
    away = [True]

    async def sends(record: Record) -> asyncio.Future[None]:
        if away[0]:
            raise KafkaConnectionError("no broker")
        return await send(said, record)

    said.coverage._send = sends
    async with said.coverage:
        said.coverage.positioned(TP, 0, None)
        await asyncio.sleep(0.05)
        assert not said.coverage.crashed
        with pytest.raises(KafkaConnectionError):
            await said.coverage.before_commit({})
        away[0] = False
        async with asyncio.timeout(10):
            while not said.records:
                await asyncio.sleep(0.01)
    assert [type(record) for record in said.records] == [Started, Stopped]

"""What matching tells of its batches, without a broker: which alerts count where, and what is no matter of it."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

import msgspec

from agents.coverage import Coverage
from agents.delivering.group import Batch
from agents.delivering.refs import Run
from agents.ledger import Hole, HoleKind, Ledger
from agents.matching.said import FIRST, Part, Saying, sends
from agents.publisher import Told
from rules.matching.compare import Compared
from rules.matching.matcher import Judged as Compare
from rules.matching.matcher import Waiting
from schemas.alert import Alert, EventRef, JudgedWith
from schemas.coverage import Coverage as Record
from schemas.coverage import Judged, Started, Stopped
from schemas.gateway_topics import GATEWAY_DECISIONS
from schemas.topics import ACCESS_EVENTS
from tests.matching.world import access

AT = (ACCESS_EVENTS, 1)


@dataclass
class Read:
    """A record, as far as it matters here."""

    offset: int
    partition: int


class World:
    """A ledger, and what is said of it."""

    def __init__(self) -> None:
        self.said: list[Record] = []
        self.saying = Saying(Coverage(sends(self._send), lambda: "p1", lambda: "d1", lambda: 7, "1.0"))
        self.ledger = Ledger(self.saying.hole)

    async def _send(self, record: Record) -> Awaitable[None]:
        async def stored() -> None:
            self.said.append(record)

        return stored()

    def begin(self, tp: tuple[str, int], offset: int = 0) -> None:
        self.ledger.position(tp, offset)
        self.saying.positioned(tp, offset, None)

    def read(self, first: int, last: int, tp: tuple[str, int] = AT) -> Part:
        records = [Read(offset, tp[1]) for offset in range(first, last + 1)]
        span = self.ledger.deliver(tp, first, last)
        return self.saying.begin(Batch(tp[0], records, Run(self.ledger, span, len(records)), 0))

    async def judged(self, **offsets: int) -> list[Judged]:
        before = len(self.said)
        found = await self.saying.before_commit(
            {(ACCESS_EVENTS, int(name.removeprefix("p"))): at for name, at in offsets.items()}
        )
        assert found == {int(name.removeprefix("p")): at for name, at in offsets.items()}
        return [each for each in self.said[before:] if isinstance(each, Judged)]


def alert_of(name: str, offset: int | None = None) -> Told:
    ref: Any = msgspec.UNSET
    if offset is not None:
        ref = EventRef(event_id=name, topic=ACCESS_EVENTS, partition=1, offset=offset)
    alert = Alert(
        alert_id=name, family="gateway", rule_id="gateway.bypass", severity="high", title="t", explanation="e",
        reasons=(), occurred_at=1, detected_at=2, event=ref, facts={}, dedup_key="k",
        judged_with=JudgedWith(policy="p1", legal_table="l", geo_table="g", directories="d", known={}),
    )  # fmt: skip
    return Told(alert, name.encode(), None)  # type: ignore[arg-type]


def one(part: Part, offset: int, *, repeated: bool = False) -> Compare:
    event = access(f"e-{offset}")
    return Compare(Waiting(event, EventRef(event_id=event.event_id), offset, 1, part), Compared(None), repeated)


async def test_an_alert_counts_in_the_range_of_its_access_when_the_whole_batch_is_done() -> None:
    world = World()
    world.begin(AT)
    first, second = world.read(0, 4), world.read(5, 9)
    world.saying.held(one(second, 7), "p2")
    world.saying.held(one(second, 8, repeated=True), "p2")
    world.saying.gave(one(second, 7), alert_of("a", 7))
    for _ in range(5):
        first()
    assert world.ledger.committable(AT) == 5
    (early,) = await world.judged(p1=5)
    assert (early.first, early.last, early.alerts_of, early.policy, early.by) == (0, 4, (), "p1", "match")
    for _ in range(5):
        second()
    (late,) = await world.judged(p1=10)
    assert (late.first, late.last, late.alerts_of, late.duplicates) == (5, 9, ("a|0",), 1)
    assert late.policy == "p2", "by which it was compared, not by which it was read"


async def test_decisions_are_no_matter_of_it() -> None:
    world = World()
    world.begin((GATEWAY_DECISIONS, 1))
    world.saying.hole(Hole((GATEWAY_DECISIONS, 1), 0, 4, HoleKind.UNEXPLAINED))
    assert await world.saying.before_commit({(GATEWAY_DECISIONS, 1): 5}) == {}
    world.saying.given_up()
    await world.judged()
    assert world.said == []


async def test_an_alert_about_a_gateway_is_named_by_the_next_range_of_the_first_partition() -> None:
    world = World()
    world.saying.of_gateways(alert_of("lost"))  # whoever has the partition tells it too
    world.begin(FIRST, 40)
    world.saying.of_gateways(alert_of("quiet"))
    part = world.read(40, 41, FIRST)
    part()
    part()
    (said,) = await world.judged(p0=42)
    assert (said.first, said.last, said.alerts_of) == (40, 41, ("quiet|0",))


async def test_what_is_given_up_is_said_with_the_offset_that_comes_next() -> None:
    world = World()
    world.begin(AT, 10)
    part = world.read(10, 11)
    part()
    world.saying.given_up()
    world.saying.given_up()
    await world.judged()
    started, stopped = world.said
    assert isinstance(started, Started)
    assert isinstance(stopped, Stopped)
    assert (started.offset, stopped.offset, stopped.by) == (10, 10, "match")
    part()
    world.saying.gave(one(part, 10), alert_of("late", 10))
    assert await world.judged(p1=12) == [], "nothing more of what was given up"

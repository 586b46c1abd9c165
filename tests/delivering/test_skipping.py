"""Offsets that a group reads over: what the log showed, what the broker deleted, what nobody can say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest

from agents.delivering.skipping import Skipping
from agents.ledger import TP, Hole, HoleKind, Ledger

HELD: TP = ("t", 0)


class Read(NamedTuple):
    """A record, as far as it matters here."""

    offset: int


@dataclass
class Client:
    """What is asked of a client: where the log begins, and how often that was."""

    begins: int = 0
    asked: int = 0

    async def beginning_offsets(self, tps: list[Any]) -> dict[Any, int]:
        self.asked += 1
        return dict.fromkeys(tps, self.begins)


@dataclass
class Seen:
    """Takes note."""

    holes: list[Hole] = field(default_factory=list)
    begun: list[tuple[TP, int, int | None]] = field(default_factory=list)

    def positioned(self, tp: TP, offset: int, committed: int | None) -> None:
        self.begun.append((tp, offset, committed))

    def hole(self, hole: Hole) -> None:
        self.holes.append(hole)


class Reading:
    """A group's partition, begun at an offset."""

    def __init__(self, at: int = 0, begins: int = 0, committed: int | None = None) -> None:
        self.seen, self.client = Seen(), Client(begins)
        self.ledger = Ledger(self.seen.hole)
        self.skipping = Skipping(self.ledger, self.seen)
        self.ledger.position(HELD, at, fresh=committed is None)
        self.skipping.positioned(HELD, at, committed)

    async def read(self, *offsets: int) -> None:
        records = [Read(offset) for offset in offsets]
        await self.skipping.account(self.client, HELD, records)
        self.ledger.finish(self.ledger.deliver(HELD, offsets[0], offsets[-1]))

    @property
    def holes(self) -> list[tuple[int, int, str]]:
        return [(hole.first, hole.last, hole.kind.value) for hole in self.seen.holes]


async def test_what_follows_on_costs_no_question() -> None:
    reading = Reading()
    await reading.read(0, 1, 2)
    await reading.read(3, 4)
    assert reading.holes == []
    assert reading.client.asked == 0
    assert reading.ledger.committable(HELD) == 5


async def test_markers_and_aborted_records_before_and_within_a_run() -> None:
    reading = Reading()
    await reading.read(0, 1)
    for first, last in ((2, 2), (5, 6)):
        reading.skipping._skipped.add(HELD, first, last)
    await reading.read(3, 4, 7)
    assert reading.holes == [(2, 2, "control_or_aborted"), (5, 6, "control_or_aborted")]
    assert reading.client.asked == 0
    assert reading.ledger.committable(HELD) == 8


@pytest.mark.parametrize(
    ("begins", "holes"),
    [
        (0, [(2, 9, "unexplained")]),
        (10, [(2, 9, "lost_by_retention")]),
        (5, [(2, 4, "lost_by_retention"), (5, 9, "unexplained")]),
    ],
)
async def test_what_the_log_did_not_show(begins: int, holes: list[tuple[int, int, str]]) -> None:
    reading = Reading(begins=begins)
    await reading.read(0, 1)
    await reading.read(10, 11)
    assert reading.holes == holes
    assert reading.ledger.missing[HoleKind.UNEXPLAINED] == sum(
        last - first + 1 for first, last, why in holes if why == "unexplained"
    )


async def test_what_is_at_the_end_is_passed() -> None:
    reading = Reading()
    await reading.read(0, 1)
    reading.skipping._skipped.add(HELD, 2, 3)
    reading.skipping.to_end(HELD)
    reading.skipping.to_end(HELD)
    assert reading.holes == [(2, 3, "control_or_aborted")]
    assert reading.ledger.committable(HELD) == 4


async def test_what_was_deleted_between_two_readers_is_lost() -> None:
    reading = Reading(at=30, committed=20)
    assert reading.seen.begun == [(HELD, 30, 20)]
    assert reading.holes == [(20, 29, "lost_by_retention")]

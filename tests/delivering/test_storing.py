"""Receipts leave together, in their order, and nothing counts as done before it is stored."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import ClassVar

import pytest
from aiokafka.errors import ProducerClosed

from agents.delivering.refs import Ref
from agents.delivering.storing import parked_key, parked_of
from agents.watching import wall_clock
from tests.delivering.world import PARTITIONS, World, an_alert, until

ALERTS = 6
REVISIONS = 60
"""Of each alert: more receipts than one batch of the client takes, so that some leave before they are told to."""


class Counted(Ref):
    """Counts how often it is done."""

    done_of: ClassVar[Counter[tuple[str, int]]] = Counter()

    def done(self) -> None:
        self.done_of[self.alert.alert_id, self.alert.revision] += 1


async def test_of_one_alert_the_last_receipt_stays(world: World) -> None:
    Counted.done_of.clear()

    async def told(destination: str) -> None:
        for revision in range(REVISIONS):
            for number in range(ALERTS):
                alert = an_alert(f"{destination}-{number}", revision=revision)
                ref = Counted(alert, number % PARTITIONS, revision, wall_clock(), 0)
                await world.storing.receipt(ref, destination, "delivered", policy="v")
            if revision % 7 == 0:
                await world.storing.flush(destination)
        await world.storing.flush(destination)

    await asyncio.gather(told("one"), told("other"))
    expected = {(f"{name}-{n}", r): 1 for name in ("one", "other") for n in range(ALERTS) for r in range(REVISIONS)}
    await until(lambda: len(Counted.done_of) == len(expected), "all are stored")
    assert Counted.done_of == expected
    receipts = await world.receipts()
    assert {each.revision for each in receipts.values()} == {REVISIONS - 1}
    assert len(receipts) == 2 * ALERTS
    assert world.metrics.receipts._value.get() == len(expected)
    assert world.metrics.alerts.labels("one", "delivered")._value.get() == ALERTS * REVISIONS
    assert not world.failures


async def test_what_is_parked_is_done_when_it_and_its_receipt_are_stored(world: World) -> None:
    Counted.done_of.clear()
    alert = an_alert("a")
    ref = Counted(alert, 0, 0, wall_clock(), 0)
    parked = parked_of(ref, "there", alert.dedup_key, "it does not fit", wall_clock())
    await world.storing.receipt(ref, "there", "parked", policy="v", parked=parked)
    assert not Counted.done_of, "its receipt has not left"
    await world.storing.flush("there")
    await until(lambda: Counted.done_of, "both are stored")
    assert await world.parked() == {parked_key("there", alert)}
    assert (await world.receipts())["a"].state == "parked"


async def test_nothing_is_done_where_the_producer_is_gone(world: World) -> None:
    Counted.done_of.clear()
    await world.storing.receipt(Counted(an_alert("a"), 0, 0, wall_clock(), 0), "there", "delivered", policy="v")
    await world.producer.stop()
    with pytest.raises(ProducerClosed):
        await world.storing.flush("there")
    assert not Counted.done_of

"""Replays keep the order, send once, and go on after a kill; nothing unsent is committed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from alerts.notice import Delivered, Failed, Notice, Outcome, Refused
from alerts.plan import Match, Route
from tests.delivering.world import Scripted, World, a_plan, an_alert, until

pytestmark = pytest.mark.broker


def _told(there: Scripted) -> list[tuple[str, int]]:
    return [(notice.alerts[0].alert_id, notice.alerts[0].revision) for notice in there.took]


async def test_a_replay_never_sends_an_older_revision_after_a_newer_one(world: World) -> None:
    first = {"is": True}

    def answer(notice: Notice) -> Outcome:
        if first["is"] and notice.alerts[0].revision == 0:
            return Refused("no such field")
        return Delivered()

    there = Scripted(answer)
    await world.publish(an_alert("a"), an_alert("a", revision=1, status="resolved"))
    async with world.running(there):
        await until(lambda: _parked(world, 2), "the first one is parked, and the other behind it")
        first["is"] = False
        await world.ask_for_replay()
        await until(lambda: _nothing_parked(world), "nothing is parked")
    assert _told(there)[-2:] == [("a", 0), ("a", 1)], "the last word is the last one there"
    assert (await world.receipts())["a"].revision == 1


async def test_two_replays_send_once(world: World) -> None:
    mode = {"is": "refuse"}

    def answer(notice: Notice) -> Outcome:
        if mode["is"] == "refuse":
            return Refused("no such field")
        return Failed("away") if mode["is"] == "away" else Delivered()

    there = Scripted(answer)
    async with world.running(there):
        await world.publish(an_alert("a"))
        await until(lambda: _parked(world), "it is parked")
        mode["is"] = "away"
        for _ in range(3):
            await world.ask_for_replay()
            await asyncio.sleep(2.0)
        mode["is"] = "take"
        await until(lambda: there.took, "it is sent")
        await asyncio.sleep(3.0)
    assert _told(there) == [("a", 0)]


async def test_a_replay_that_is_killed_goes_on_or_stays_parked_in_order(world: World) -> None:
    mode = {"is": "refuse"}

    def answer(notice: Notice) -> Outcome:
        if mode["is"] == "refuse" or (mode["is"] == "half" and notice.alerts[0].revision > 0):
            return Refused("no") if mode["is"] == "refuse" else Failed("away")
        return Delivered()

    there = Scripted(answer)
    async with world.running_until_killed(there):
        await world.publish(an_alert("a"))
        await until(lambda: _parked(world, 1), "it is parked")
        await world.publish(an_alert("a", revision=1))
        await until(lambda: _parked(world, 2), "both are parked")
    mode["is"] = "half"
    async with world.running(there):
        await world.ask_for_replay()
        await until(lambda: _parked(world, 1), "the first is replayed")
        await asyncio.sleep(1.5)  # the request is committed
    mode["is"] = "take"
    async with world.running(there):
        await world.publish(an_alert("a", revision=2, status="resolved"))
        await until(lambda: _answered(world, 2), "the newest is delivered, or parked behind what is")
        if len(await world.parked()) > 0:
            await world.ask_for_replay()
            await until(lambda: _nothing_parked(world), "nothing is parked")
    assert _told(there) == [("a", 0), ("a", 1), ("a", 2)]


async def test_nothing_is_committed_unsent_when_partitions_change_hands_while_a_batch_is_read(world: World) -> None:
    plan = a_plan(routes=(Route(match=Match(severity="critical"), to=("there",), final=False),))
    there = Scripted(lambda _: Failed("away"))
    async with world.running(there, plan) as runner:
        await until(lambda: runner.reading, "it reads")
        taking = runner._storing.receipt
        once = {"left": 1}

        async def receipt(*args: Any, **kwargs: Any) -> None:
            if once["left"]:
                once["left"] = 0
                # What aiokafka does on a rebalance, while the producer's buffer is full.
                await runner.group.on_partitions_revoked([])
            await taking(*args, **kwargs)

        runner._storing.receipt = receipt  # type: ignore[method-assign]
        # One batch: the first is not routed, so its receipt is written; the second is to be sent.
        await world.publish(an_alert("no"), an_alert("yes", severity="critical"))
        await asyncio.sleep(6.0)
        committed = dict(runner.group.committed)
        receipts = await world.receipts()
    ends = max((offset for tp, offset in committed.items() if tp.topic == "alerts"), default=0)
    assert ends < 2 or "yes" in receipts, "committed past an alert without a receipt"


async def _answered(world: World, revision: int) -> bool:
    found = (await world.receipts()).get("a")
    return found is not None and found.revision >= revision


async def _parked(world: World, count: int = 1) -> bool:
    return len(await world.parked()) == count


async def _nothing_parked(world: World) -> bool:
    return not await world.parked()

"""Defects of the keeper (each test fails until it is mended)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from schemas.action import Handling
from schemas.fields import known
from tests.delivering.test_keeper import do, keeping, last, planned
from tests.delivering.world import World, an_alert, until

pytestmark = pytest.mark.broker


async def _state(world: World, name: str) -> tuple[Any, ...]:
    found = await last(world, name)
    handled = known(found.handled) or Handling()
    return found.revision, found.severity, handled.state


async def test_an_amendment_written_while_the_keeper_is_away_is_not_lost(world: World) -> None:
    """DEFECT: `_load` reads past what is committed and counts it as seen (`by_worker`), so its turn changes nothing."""
    await world.publish(an_alert("a"))
    async with keeping(world, planned()):
        await do(world, "ack", "a")
        await until(lambda: _acked(world), "it is acknowledged")
    await world.publish(an_alert("a", revision=1, status="amended", severity="critical"))  # the keeper is down
    async with keeping(world, planned()) as keeper:
        await until(lambda: keeper.reading, "its past is read")
        await asyncio.sleep(3.0)
    assert await _state(world, "a") == (2, "critical", "acknowledged")


async def test_an_acknowledgement_outlives_two_amendments_while_the_keeper_is_away(world: World) -> None:
    """DEFECT: the same; a second amendment has the greater revision, and takes `handled` away."""
    await world.publish(an_alert("a"))
    async with keeping(world, planned()):
        await do(world, "ack", "a")
        await until(lambda: _acked(world), "it is acknowledged")
    await world.publish(*[an_alert("a", revision=at, status="amended", severity="critical") for at in (1, 2)])
    async with keeping(world, planned()) as keeper:
        await until(lambda: keeper.reading, "its past is read")
        await asyncio.sleep(3.0)
    assert (await _state(world, "a"))[1:] == ("critical", "acknowledged")


async def test_a_closed_alert_that_goes_on_is_open_for_everybody(world: World) -> None:
    """DEFECT: `status` says amended, `handled` says closed: SIEMs see it open, group books (`groups.over`) see it over."""
    from alerts.groups import over

    await world.publish(an_alert("a"))
    async with keeping(world, planned()):
        await do(world, "close", "a", "explained")
        await until(lambda: _closed(world), "it is closed")
        await world.publish(an_alert("a", revision=1, status="amended", severity="critical"))
        await until(lambda: _rev(world, 2), "the amendment has the next revision")
    found = await last(world, "a")
    assert over(found) == (found.status in {"resolved", "withdrawn"})


async def test_text_of_a_second_acknowledgement_is_kept(world: World) -> None:
    """DEFECT: `life.taken` returns None for an ack of what is acknowledged, and drops its text."""
    await world.publish(an_alert("a"))
    async with keeping(world, planned()):
        await do(world, "ack", "a")
        await until(lambda: _acked(world), "it is acknowledged")
        await do(world, "ack", "a", "I take over from here")
        await asyncio.sleep(2.0)
    handled = known((await last(world, "a")).handled) or Handling()
    assert [each.text for each in handled.comments] == ["I take over from here"]


async def _acked(world: World) -> bool:
    return (await _state(world, "a"))[2] == "acknowledged"


async def _closed(world: World) -> bool:
    return (await _state(world, "a"))[2] == "closed"


async def _rev(world: World, number: int) -> bool:
    return (await _state(world, "a"))[0] == number

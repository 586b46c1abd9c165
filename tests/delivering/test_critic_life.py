"""Defects of what the keeper does with time (each test fails until it is mended)."""

from __future__ import annotations

import asyncio

import pytest

from agents.watching import wall_clock
from tests.delivering.test_keeper import do, keeping, last, planned
from tests.delivering.world import World, an_alert, until

pytestmark = pytest.mark.broker


async def test_an_alert_on_which_somebody_works_does_not_resolve(world: World) -> None:
    """DEFECT: the time runs from `detected_at` alone: a comment a second ago does not count as something added, though
    the cause says "nothing was added"; what is acknowledged resolves at the pager under the hands of who works on it."""
    await world.publish(an_alert("a", detected_at=wall_clock() - 6_000))
    async with keeping(world, planned(auto_resolve_after=10_000)):
        await do(world, "comment", "a", "I am on it")
        await until(lambda: _commented(world), "the comment is taken up")
        commented = wall_clock()
        await asyncio.sleep(6.0)
        assert wall_clock() - commented < 10_000
        assert (await last(world, "a")).status != "resolved"


async def _commented(world: World) -> bool:
    return (await last(world, "a")).revision == 1

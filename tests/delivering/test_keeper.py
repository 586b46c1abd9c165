"""The keeper: alerts end by themselves, and what people do with them becomes a revision."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import msgspec
import pytest
from msgspec import structs

from agents.delivering.keeper import Keeper
from agents.delivering.looking_back import look_back
from agents.publisher import partition_of
from agents.watching import wall_clock
from alerts.plan import Plan
from alerts.signatures import Signer, sign
from schemas.action import Action
from schemas.alert import Alert
from schemas.codec import ALERT
from schemas.topics import ACTIONS, ALERTS, DEAD_LETTERS
from tests.delivering.world import PARTITIONS, World, a_plan, an_alert, until

pytestmark = pytest.mark.broker

ANNA = Signer("anna", bytes(32))
HOUR = 3_600_000


@asynccontextmanager
async def keeping(world: World, plan: Plan) -> AsyncIterator[Keeper]:
    keeper = Keeper(world.settings, plan, world.producer, world.storing, world.metrics)
    task = asyncio.create_task(keeper.run())
    try:
        yield keeper
    finally:
        keeper.stop()
        await task


async def written(world: World) -> list[Alert]:
    return [ALERT.decode(record.value) async for record in look_back(world.settings, ALERTS, range(PARTITIONS))]


async def last(world: World, name: str) -> Alert:
    return [alert for alert in await written(world) if alert.alert_id == name][-1]


async def do(world: World, kind: Any, name: str, text: str = "", signer: Signer = ANNA, key: str = "k") -> Action:
    action = sign(
        Action(action_id=f"{kind}-{text}", alert_id=name, kind=kind, by=signer.name, at=wall_clock(), text=text), signer
    )
    await world.producer.send_and_wait(
        ACTIONS, key=name.encode(), value=msgspec.json.encode(action), partition=partition_of(key, PARTITIONS)
    )
    return action


def planned(auto_resolve_after: int = HOUR) -> Plan:
    return a_plan(auto_resolve_after=auto_resolve_after, analysts={"anna": ANNA.public})


async def test_an_alert_resolves_when_nothing_was_added_for_its_time(world: World) -> None:
    old = wall_clock() - 2 * HOUR
    await world.publish(an_alert("old", detected_at=old), an_alert("new", key="other"))
    async with keeping(world, planned()) as keeper:
        await until(lambda: _is(world, "old", "resolved"), "the old one is resolved")
        keeper.refresh()
        open_ = world.metrics.open.labels("high")._value.get()
    found = await last(world, "old")
    assert (found.revision, found.cause) == (1, "nothing was added for auto_resolve_after")
    assert (await last(world, "new")).revision == 0
    assert open_ == 1


async def test_it_resolves_once_also_after_a_restart(world: World) -> None:
    await world.publish(an_alert("old", detected_at=wall_clock() - 2 * HOUR))
    for _ in range(2):
        async with keeping(world, planned()) as keeper:
            await until(lambda: _is(world, "old", "resolved"), "it is resolved")
            await until(partial(getattr, keeper, "reading"), "its past is read")
            await asyncio.sleep(1.0)
    assert [alert.revision for alert in await written(world)] == [0, 1]


async def test_what_people_do_becomes_revisions(world: World) -> None:
    await world.publish(an_alert("a"))
    async with keeping(world, planned()):
        await do(world, "ack", "a")
        await do(world, "comment", "a", "the badge was lent")
        await do(world, "close", "a", "explained")
        await until(lambda: _is(world, "a", "resolved"), "it is closed")
    found = await last(world, "a")
    assert [alert.cause for alert in await written(world)] == [
        "found",
        "acknowledged by anna",
        "commented by anna",
        "closed by anna",
    ]
    assert isinstance(found.handled, msgspec.Struct)
    assert (found.handled.state, found.handled.by) == ("closed", "anna")
    assert [comment.text for comment in found.handled.comments] == ["the badge was lent", "explained"]


async def test_what_nobody_may_do_is_put_away(world: World) -> None:
    await world.publish(an_alert("a"))
    async with keeping(world, planned()) as keeper:
        await until(lambda: keeper.reading, "its past is read")
        stranger = Signer("anna", bytes([1] * 32))
        await do(world, "close", "a", "by a stranger", stranger)
        await do(world, "close", "a", "unknown", Signer("ben", bytes(32)))
        await do(world, "close", "nothing-like-it", "unknown alert")
        await world.producer.send_and_wait(ACTIONS, key=b"a", value=b"{", partition=partition_of("k", PARTITIONS))
        await do(world, "comment", "a", "the last one")
        await until(lambda: _is(world, "a", "amended"), "the comment is taken up")
    assert [alert.revision for alert in await written(world)] == [0, 1]
    letters = [record async for record in look_back(world.settings, DEAD_LETTERS, [0])]
    assert len(letters) == 4
    assert all(b"by a stranger" not in b"".join(text for _, text in letter.headers) for letter in letters)


async def test_an_amendment_under_a_revision_that_the_keeper_gave_gets_the_next(world: World) -> None:
    await world.publish(an_alert("a"))
    async with keeping(world, planned()):
        await do(world, "ack", "a")
        await until(lambda: _is(world, "a", "amended"), "it is acknowledged")
        amended = structs.replace(an_alert("a", revision=1, status="amended"), cause="it goes on", severity="critical")
        await world.publish(amended)
        await until(lambda: _revision(world, "a", 2), "the amendment has the next revision")
        found = await last(world, "a")
        assert (found.severity, found.cause) == ("critical", "it goes on")
        assert isinstance(found.handled, msgspec.Struct)
        assert found.handled.state == "acknowledged", "what people did is kept"
        # A worker that was killed writes what it had written once more: the last revision stands on top again.
        await world.publish(an_alert("a"))
        await until(lambda: _revision(world, "a", 2), "the last revision stands on top")


async def _is(world: World, name: str, status: str) -> bool:
    return (await last(world, name)).status == status


async def _revision(world: World, name: str, revision: int) -> bool:
    return (await last(world, name)).revision == revision


async def test_an_amendment_that_came_while_no_keeper_ran_is_not_taken_for_a_repetition(world: World) -> None:
    await world.publish(an_alert("a"))
    async with keeping(world, planned()):
        await do(world, "ack", "a")
        await until(lambda: _is(world, "a", "amended"), "it is acknowledged")
    await world.publish(structs.replace(an_alert("a", revision=1, status="amended"), cause="it goes on"))
    async with keeping(world, planned()):
        await until(lambda: _revision(world, "a", 2), "the amendment has the next revision")
    assert (await last(world, "a")).cause == "it goes on"

"""What people did to an alert and what workers find out meanwhile: neither is lost, whoever was away."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from agents.delivering.looking_back import look_back
from agents.watching import wall_clock
from alerts.groups import over
from schemas.action import Handling
from schemas.fields import known
from schemas.topics import ALERTS, DEAD_LETTERS
from tests.delivering.test_keeper import HOUR, do, keeping, last, planned
from tests.delivering.world import World, an_alert, until

pytestmark = pytest.mark.broker


async def _state(world: World, name: str) -> tuple[Any, ...]:
    found = await last(world, name)
    handled = known(found.handled) or Handling()
    return found.revision, found.severity, handled.state


async def test_an_amendment_written_while_the_keeper_is_away_is_not_lost(world: World) -> None:
    await world.publish(an_alert("a"))
    async with keeping(world, planned()):
        await do(world, "ack", "a")
        await until(lambda: _acked(world), "it is acknowledged")
    await world.publish(an_alert("a", revision=1, status="amended", severity="critical"))  # the keeper is down
    async with keeping(world, planned()) as keeper:
        await until(lambda: keeper.reading, "its past is read")
        await until(lambda: _rev(world, 2), "it is joined with what people did")
    assert await _state(world, "a") == (2, "critical", "acknowledged")


async def test_an_acknowledgement_outlives_two_amendments_while_the_keeper_is_away(world: World) -> None:
    await world.publish(an_alert("a"))
    async with keeping(world, planned()):
        await do(world, "ack", "a")
        await until(lambda: _acked(world), "it is acknowledged")
    await world.publish(*[an_alert("a", revision=at, status="amended", severity="critical") for at in (1, 2)])
    async with keeping(world, planned()) as keeper:
        await until(lambda: keeper.reading, "its past is read")
        await until(lambda: _acked(world), "it is joined with what people did")
    assert (await _state(world, "a"))[1:] == ("critical", "acknowledged")


async def test_a_closed_alert_that_goes_on_is_open_for_everybody(world: World) -> None:
    await world.publish(an_alert("a"))
    async with keeping(world, planned()):
        await do(world, "close", "a", "explained")
        await until(lambda: _closed(world), "it is closed")
        await world.publish(an_alert("a", revision=1, status="amended", severity="critical"))
        await until(lambda: _rev(world, 2), "the amendment has the next revision")
    found = await last(world, "a")
    assert not over(found)
    assert found.status == "amended"


async def test_text_of_a_second_acknowledgement_is_kept(world: World) -> None:
    await world.publish(an_alert("a"))
    async with keeping(world, planned()):
        await do(world, "ack", "a")
        await until(lambda: _acked(world), "it is acknowledged")
        await do(world, "ack", "a", "I take over from here")
        await until(lambda: _rev(world, 2), "its text is taken up")
    handled = known((await last(world, "a")).handled) or Handling()
    assert [each.text for each in handled.comments] == ["I take over from here"]


async def test_an_alert_on_which_somebody_works_does_not_resolve(world: World) -> None:
    await world.publish(an_alert("a", detected_at=wall_clock() - 6_000))
    async with keeping(world, planned(auto_resolve_after=10_000)):
        await do(world, "comment", "a", "I am on it")
        await until(lambda: _commented(world), "the comment is taken up")
        commented = wall_clock()
        await until(lambda: _over(world), "it resolves in the end")
    # Not before its time, counted from the comment: 6 s sooner, counted from the detection.
    assert (known((await last(world, "a")).revised_at) or 0) - commented > 8_000


async def test_an_action_about_an_alert_that_is_not_read_yet_is_taken_up(world: World) -> None:
    async with keeping(world, planned()) as keeper:
        await until(lambda: keeper.reading, "its past is read")
        consumer = keeper.group._consumer
        assert consumer is not None
        consumer.pause(*[tp for tp in consumer.assignment() if tp.topic == ALERTS])  # as if its fetch were late
        await world.publish(an_alert("a"))
        await do(world, "ack", "a")
        await until(lambda: _acked(world), "it is acknowledged")
    assert [record async for record in look_back(world.settings, DEAD_LETTERS, [0])] == []


async def test_what_is_long_over_can_be_commented_on(world: World) -> None:
    long_ago = wall_clock() - 5 * HOUR
    ended = structs.replace(an_alert("a", detected_at=long_ago, status="resolved"), revised_at=long_ago)
    await world.publish(ended)
    async with keeping(world, planned()) as keeper:
        await until(lambda: keeper.reading, "its past is read")
        await until(lambda: not keeper._known, "it is forgotten")
        await do(world, "comment", "a", "it was me")
        await until(lambda: _commented(world), "the comment is taken up")
    assert (await last(world, "a")).status == "resolved"


async def test_nothing_is_committed_before_what_was_refused_is_stored(world: World) -> None:
    held: list[Any] = []
    storing = world.storing.dead_letter

    async def hold(record: Any, error: Any, done: Any) -> None:
        held.append((record, error, done))

    world.storing.dead_letter = hold  # type: ignore[method-assign]
    async with keeping(world, planned()) as keeper:
        await until(lambda: keeper.reading, "its past is read")
        await do(world, "close", "nothing-like-it", "unknown alert")
        await until(lambda: held, "it is refused")
    world.storing.dead_letter = storing  # type: ignore[method-assign]
    async with keeping(world, planned()):
        await until(lambda: _letters(world), "the next one refuses it once more")


async def _letters(world: World) -> bool:
    return len([record async for record in look_back(world.settings, DEAD_LETTERS, [0])]) == 1


async def _commented(world: World) -> bool:
    return bool((await _state(world, "a"))[0] == 1)


async def _over(world: World) -> bool:
    return (await last(world, "a")).status == "resolved"


async def _acked(world: World) -> bool:
    return bool((await _state(world, "a"))[2] == "acknowledged")


async def _closed(world: World) -> bool:
    return bool((await _state(world, "a"))[2] == "closed")


async def _rev(world: World, number: int) -> bool:
    return bool((await _state(world, "a"))[0] == number)

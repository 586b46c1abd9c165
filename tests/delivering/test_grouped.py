"""A destination that tells people: one page for one incident, whatever happens to the process in between."""

from __future__ import annotations

import pytest
from msgspec import structs

from agents.watching import wall_clock
from alerts.notice import Delivered, Failed
from alerts.plan import Match, Silence
from tests.delivering.world import Scripted, World, a_plan, an_alert, until

pytestmark = pytest.mark.broker


async def test_ten_thousand_alerts_of_one_incident_make_one_page_and_one_summary(world: World) -> None:
    there = Scripted()
    async with world.running(there, a_plan(grouped=True, group_interval=8_000)):
        await world.publish(an_alert("first"))
        await until(lambda: there.took, "the page")
        for at in range(0, 10_000, 1_000):
            await world.publish(*[an_alert(f"a{at + each}") for each in range(1_000)])
        await until(lambda: len(there.took) >= 2, "the summary")
        await until(lambda: _count(world, 10_001), "all have receipts")
    page, summary = there.took
    assert page.key == summary.key == "k"
    assert (page.firing, summary.firing) == (1, 10_001)
    receipts = await world.receipts()
    assert receipts["first"].state == "delivered"
    assert {receipts[f"a{at}"].state for at in range(10_000)} == {"grouped"}
    assert {receipts[f"a{at}"].notice for at in range(10_000)} == {summary.id}


async def test_after_a_kill_nobody_is_paged_again_and_the_end_is_told(world: World) -> None:
    first, second = Scripted(), Scripted(lambda _: Delivered({"dedup_key": "k"}))
    plan = a_plan(grouped=True, group_interval=1_000)
    async with world.running_until_killed(first, plan):
        await world.publish(an_alert("a"), an_alert("b", key="other"))
        await until(lambda: _count(world, 2), "both are told")
    async with world.running(second, plan):
        await world.publish(an_alert("a", revision=1, status="resolved"))
        await until(lambda: second.took, "the end is told")
    assert [(notice.key, notice.state) for notice in second.took] == [("k", "resolved")]
    assert second.took[0].before == {"id": "1"}, "what the destination answered before the kill"


async def test_a_notice_that_fails_is_the_same_when_it_is_sent_again(world: World) -> None:
    left = {"fails": 2}

    def answer(_: object) -> Delivered | Failed:
        left["fails"] -= 1
        return Failed("away") if left["fails"] >= 0 else Delivered()

    there = Scripted(answer)
    async with world.running(there, a_plan(grouped=True)):
        await world.publish(an_alert("a"))
        await until(lambda: there.took, "it is told in the end")
    assert len({notice.id for notice in there.sent}) == 1


async def test_what_a_silence_hides_is_counted_and_told_when_it_ends(world: World) -> None:
    now = wall_clock()
    silence = Silence(id="migration", owner="anna", reason="we move", since=0, until=now + 10_000, match=Match(), to=())
    plan = a_plan(grouped=True, silences=(silence,))
    there = Scripted()
    async with world.running(there, plan) as runner:
        await world.publish(an_alert("a"), an_alert("over", key="other"))
        await until(lambda: _count(world, 2), "both have receipts")
        assert {each.state for each in (await world.receipts()).values()} == {"silenced"}
        assert runner.silenced == {"migration": 2}
        await world.publish(structs.replace(an_alert("over", key="other"), revision=1, status="resolved"))
        await until(lambda: there.took, "what is open still is told when the silence ends")
        await until(lambda: _state(world, "a", "delivered"), "with a receipt")
    assert [notice.alerts[0].alert_id for notice in there.took] == ["a"]
    assert wall_clock() >= now + 10_000


async def _count(world: World, count: int) -> bool:
    return len(await world.receipts()) == count


async def _state(world: World, name: str, state: str) -> bool:
    return (await world.receipts())[name].state == state

"""A runner: everything that is routed arrives once, in order, with a receipt; whatever fails, waits or is parked."""

from __future__ import annotations

import pytest

from alerts.notice import Delivered, Failed, Notice, Outcome, Refused
from alerts.plan import Match, Route
from tests.delivering.world import Scripted, World, a_plan, an_alert, until

pytestmark = pytest.mark.broker


async def test_each_alert_arrives_once_with_a_receipt(world: World) -> None:
    alerts = [an_alert(f"a{at}", key=f"k{at % 7}") for at in range(300)]
    await world.publish(*alerts)
    there = Scripted()
    async with world.running(there):
        await until(lambda: len(there.took) == 300, "all are sent")
    assert sorted(notice.alerts[0].alert_id for notice in there.took) == sorted(a.alert_id for a in alerts)
    receipts = await world.receipts()
    assert {each.state for each in receipts.values()} == {"delivered"}
    assert receipts.keys() == {alert.alert_id for alert in alerts}
    assert receipts["a0"].answer == {"id": "1"}
    assert receipts["a0"].policy == "v"


async def test_what_has_a_receipt_is_not_sent_again_after_a_kill(world: World) -> None:
    await world.publish(*[an_alert(f"a{at}", key=f"k{at}") for at in range(50)])
    first = Scripted()
    async with world.running_until_killed(first):
        await until(lambda: len(first.took) == 50, "all are sent")
        await until(lambda: world.metrics.receipts._value.get() == 50, "all receipts are stored")
    await world.publish(an_alert("later"))
    second = Scripted()
    async with world.running(second):
        await until(lambda: second.took, "the later one is sent")
    assert [notice.alerts[0].alert_id for notice in second.took] == ["later"]


async def test_a_revision_is_told_and_its_repetition_is_not(world: World) -> None:
    there = Scripted()
    async with world.running(there):
        await world.publish(an_alert("a"), an_alert("a"), an_alert("a", revision=1, status="resolved"), an_alert("a"))
        await world.publish(an_alert("b"))
        await until(lambda: len(there.took) >= 3, "all are sent")
    assert [(n.alerts[0].alert_id, n.alerts[0].revision, n.state) for n in there.took] == [
        ("a", 0, "firing"),
        ("a", 1, "resolved"),
        ("b", 0, "firing"),
    ]


async def test_what_no_route_leads_there_has_a_receipt_that_says_so(world: World) -> None:
    plan = a_plan(routes=(Route(match=Match(severity="critical"), to=("there",), final=False),))
    there = Scripted()
    async with world.running(there, plan):
        await world.publish(an_alert("no"), an_alert("yes", severity="critical"))
        await until(lambda: there.took, "the critical one is sent")
    assert {name: each.state for name, each in (await world.receipts()).items()} == {
        "no": "not_routed",
        "yes": "delivered",
    }


async def test_what_fails_is_tried_again_in_order(world: World) -> None:
    failing = {"left": 3}

    def answer(notice: Notice) -> Outcome:
        if notice.alerts[0].alert_id == "a" and failing["left"]:
            failing["left"] -= 1
            return Failed("the receiver is away")
        return Delivered()

    there = Scripted(answer)
    async with world.running(there):
        await world.publish(an_alert("a"), an_alert("b"), an_alert("c", key="other"))
        await until(lambda: _has(world, "b"), "the receipt of the last one")
    last = {notice.alerts[0].alert_id: at for at, notice in enumerate(there.took)}
    assert last["a"] < last["b"], "b is behind a under the same key"
    assert (await world.receipts())["a"].attempts == 4


async def test_what_is_refused_is_parked_with_all_behind_it_and_replayed_in_order(world: World) -> None:
    closed = {"is": True}

    def answer(notice: Notice) -> Outcome:
        return Refused("no such field") if closed["is"] and notice.key == "k" else Delivered()

    there = Scripted(answer)
    async with world.running(there):
        await world.publish(an_alert("a"), an_alert("a", revision=1), an_alert("b"), an_alert("c", key="other"))
        await until(lambda: there.took, "c is sent")
        await until(lambda: _parked(world, 3), "three are parked")
        assert [notice.alerts[0].alert_id for notice in there.took] == ["c"]
        assert (await world.receipts())["a"].state == "parked"
    closed["is"] = False
    async with world.running(there):  # also after a restart they stay parked, and later ones go behind them
        await world.publish(an_alert("b", revision=1))
        await until(lambda: _parked(world, 4), "the later one parks behind")
        await world.ask_for_replay()
        await until(lambda: _parked(world, 0), "nothing is parked")
    assert [(n.alerts[0].alert_id, n.alerts[0].revision) for n in there.took[1:]] == [
        ("a", 0),
        ("a", 1),
        ("b", 0),
        ("b", 1),
    ]
    receipts = await world.receipts()
    assert (receipts["b"].state, receipts["b"].revision) == ("delivered", 1)


async def test_a_destination_that_stays_away_parks_after_its_budget(world: World) -> None:
    there = Scripted(lambda _: Failed("nobody answers"))
    async with world.running(there, a_plan(retry_for=2_000)):
        await world.publish(an_alert("a"), an_alert("b", key="other"))
        await until(lambda: _parked(world, 2), "both are parked")
    receipts = await world.receipts()
    assert receipts["a"].state == "parked"
    assert "nobody answers" in receipts["a"].answer["reason"]
    assert receipts["a"].attempts >= 2


async def test_a_destination_that_raises_is_tried_again(world: World) -> None:
    raised = {"left": 2}

    def answer(_: Notice) -> Outcome:
        if raised["left"]:
            raised["left"] -= 1
            raise ZeroDivisionError
        return Delivered()

    there = Scripted(answer)
    async with world.running(there):
        await world.publish(an_alert("a"))
        await until(lambda: there.took, "it is sent in the end")


async def test_what_is_no_alert_is_put_away_and_stops_nothing(world: World) -> None:
    there = Scripted()
    async with world.running(there):
        await world.producer.send_and_wait("alerts", key=b"x", value=b"not an alert", partition=0)
        await world.publish(an_alert("a"), an_alert("b", key="other"))
        await until(lambda: len(there.took) == 2, "both are sent")
        sample = world.metrics.bad_records.labels("alerts", "not_json")._value.get()
    assert sample == 1


async def _has(world: World, name: str) -> bool:
    return name in await world.receipts()


async def _parked(world: World, count: int) -> bool:
    return len(await world.parked()) == count

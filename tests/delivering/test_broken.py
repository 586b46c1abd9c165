"""What was broken by hand: records on our topics that are none of ours, names that nobody knows, replayed actions."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import msgspec
import pytest

from agents.delivering.names import Names
from agents.delivering.runner import Runner
from agents.publisher import partition_of
from alerts.life import Known, taken
from alerts.signatures import sign
from schemas.action import Action, Handling
from schemas.codec import encode
from schemas.topics import ALERTS, PARKED, RECEIPTS
from tests.alerts.test_people import signer
from tests.delivering.world import PARTITIONS, Scripted, World, a_plan, an_alert, until


@pytest.mark.broker
@pytest.mark.parametrize("topic", [RECEIPTS, PARKED])
@pytest.mark.parametrize("value", [b"\xff", b"{}", b"null"])
async def test_a_record_that_is_none_of_ours_stops_no_delivery(world: World, topic: str, value: bytes) -> None:
    await world.producer.send_and_wait(topic, key=b"there|zz|0", value=value, partition=0)
    there = Scripted()
    async with world.running(there):
        await world.publish(an_alert("a"))
        await until(lambda: there.took, "it is delivered")


@pytest.mark.broker
async def test_a_record_without_a_time_is_no_receipt_that_cannot_be_read(world: World) -> None:
    alert = an_alert("a")
    await world.producer.send_and_wait(ALERTS, key=b"a", value=encode(alert), partition=0, timestamp_ms=-1)
    there = Scripted()
    async with world.running(there):
        await until(world.receipts, "its receipt")
    assert set(await world.receipts()) == {"a"}


async def test_people_whom_nobody_knows_hold_up_a_batch_once(tmp_path: Path) -> None:
    names = Names.__new__(Names)
    names.keys = type("Nobody", (), {"person_of": staticmethod(lambda _: None)})()  # type: ignore[assignment]
    names._ready = asyncio.Event()
    names._ready.set()
    from agents.delivering.metrics import DeliveryMetrics
    from agents.settings import Settings

    there = Scripted()
    runner = Runner(Settings(), a_plan(), "there", there, None, DeliveryMetrics("t"), names.shown)  # type: ignore[arg-type]
    from alerts.straight import notice_of

    for each in range(4):
        runner._lane.put(notice_of("there", an_alert(f"a{each}", key=f"k{each}"), 1), None)
    began = time.monotonic()
    try:
        await runner._send()
    except AttributeError:
        pass  # handles are none here: after the sending
    assert time.monotonic() - began < 5, "each notice waits two seconds by itself: 500 of a batch, a quarter of an hour"


def test_a_close_that_is_written_once_more_does_not_close_what_was_opened_again() -> None:
    anna = signer("anna")
    plan = a_plan(analysts={"anna": anna.public})
    close = sign(Action(action_id="1", alert_id="a", kind="close", by="anna", at=1), anna)
    closed = taken(plan, close, Known(an_alert("a"), 0, 0))
    assert not isinstance(closed, str | None)
    again = msgspec.structs.replace(closed, revision=2, status="amended")
    assert taken(plan, close, Known(again, 0, 2)) is None


def test_what_is_said_with_a_second_ack_is_not_lost() -> None:
    anna = signer("anna")
    plan = a_plan(analysts={"anna": anna.public})
    alert = msgspec.structs.replace(an_alert("a"), handled=Handling(state="acknowledged", by="ben", at=1))
    said = sign(Action(action_id="1", alert_id="a", kind="ack", by="anna", at=2, text="it is the intern"), anna)
    made = taken(plan, said, Known(alert, 0, 0))
    assert not isinstance(made, str | None)
    assert made.handled.comments[-1].text == "it is the intern"  # type: ignore[union-attr]


@pytest.mark.broker
async def test_what_people_did_outlives_a_keeper_that_was_away(world: World) -> None:
    from agents.delivering.keeper import KEEPER, WRITER, Keeper

    acknowledged = Handling(state="acknowledged", by="anna", at=1)
    await world.publish(an_alert("a"))
    await world.producer.send_and_wait(
        ALERTS,
        key=b"a",
        value=encode(msgspec.structs.replace(an_alert("a", revision=1, status="amended"), handled=acknowledged)),
        partition=partition_of("k", PARTITIONS),
        headers=[(WRITER, KEEPER)],
    )
    # The keeper is away while the worker amends twice.
    await world.publish(an_alert("a", revision=1, status="amended"), an_alert("a", revision=2, status="amended"))
    keeper = Keeper(world.settings, a_plan(), world.producer, world.storing, world.metrics)
    task = asyncio.create_task(keeper.run())
    try:
        await until(lambda: keeper.reading and keeper._known, "it knows the alert")
        await asyncio.sleep(3)
        assert keeper._known["a"].alert.handled == acknowledged
    finally:
        keeper.stop()
        await task

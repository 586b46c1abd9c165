"""Records on our topics that are none of ours: they stop nothing."""

from __future__ import annotations

import pytest

from schemas.codec import encode
from schemas.topics import ALERTS, PARKED, RECEIPTS
from tests.delivering.world import Scripted, World, an_alert, until


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

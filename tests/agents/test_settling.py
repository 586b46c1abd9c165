"""A batch is acked when everything that came of it is stored, and not a moment before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from agents.settling import IN_FLIGHT, Open, Settler


class Batch:
    """A delivery that counts its acks."""

    def __init__(self) -> None:
        self.acks = 0

    def ack(self) -> bool:
        self.acks += 1
        return True


def opened(parts: int = 1) -> tuple[Batch, Open]:
    batch = Batch()
    return batch, Open(batch, parts)  # type: ignore[arg-type]  # stands in for a Delivery


def sent() -> asyncio.Future[Any]:
    return asyncio.get_running_loop().create_future()


@asynccontextmanager
async def settling() -> AsyncIterator[Settler]:
    """A settler that runs."""
    settler = Settler()
    async with settler:
        yield settler


async def turns() -> None:
    """Let everything run that can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_what_has_nothing_to_store_is_acked_at_once() -> None:
    settler = Settler()
    batch, item = opened()
    await settler.put([], [item])
    assert batch.acks == 1


async def test_an_ack_waits_for_every_send() -> None:
    async with settling() as settler:
        batch, item = opened()
        one, other = sent(), sent()
        told: list[str] = []
        await settler.put([one, other], [item], lambda: told.append("stored"))
        one.set_result(None)
        await turns()
        assert (batch.acks, told) == (0, [])
        other.set_result(None)
        await turns()
        assert (batch.acks, told) == (1, ["stored"])


async def test_a_batch_with_waiting_events_is_acked_when_the_last_is_stored() -> None:
    async with settling() as settler:
        batch, item = opened(parts=3)
        first, second = sent(), sent()
        await settler.put([], [item])
        await settler.put([first], [item])
        await settler.put([second], [item])
        first.set_result(None)
        await turns()
        assert batch.acks == 0
        second.set_result(None)
        await turns()
        assert batch.acks == 1


async def test_a_send_that_fails_acks_nothing_and_ends_the_service() -> None:
    settler = Settler()
    await settler.start()
    batch, item = opened()
    failed, good = sent(), sent()
    await settler.put([good, failed], [item])
    good.set_result(None)
    failed.set_exception(OSError("the broker is gone"))
    await turns()
    assert batch.acks == 0
    assert settler.crashed
    assert "the broker is gone" in str(settler.crash_reason)
    await settler.stop()


async def test_what_is_on_its_way_is_bounded() -> None:
    """A batch more than may be in flight waits for room: memory is bounded while brokers are slow."""
    async with settling() as settler:
        sends = [sent() for _ in range(IN_FLIGHT + 2)]
        for each in sends[: IN_FLIGHT + 1]:  # one is out of the queue and awaited
            await settler.put([each], [])
            await turns()
        more = asyncio.create_task(settler.put([sends[-1]], []))
        await turns()
        assert not more.done()
        sends[0].set_result(None)
        await turns()
        assert more.done()
        for each in sends[1:]:
            each.set_result(None)
        await turns()


async def test_who_waits_for_what_will_never_be_stored_is_told_so() -> None:
    """A send that fails for good: no habit may be saved that has counted it, and nobody waits for ever."""
    settler = Settler()
    settler.begin()
    waiting = asyncio.create_task(settler.stored())
    await turns()
    assert not waiting.done()
    settler.broke()
    async with asyncio.timeout(1):
        with pytest.raises(RuntimeError, match="never will be"):
            await waiting
    with pytest.raises(RuntimeError):
        await settler.stored()


async def test_stored_waits_for_what_was_begun() -> None:
    async with settling() as settler:
        done = settler.begin()
        waiting = asyncio.create_task(settler.stored())
        await turns()
        assert not waiting.done()
        done()
        async with asyncio.timeout(1):
            await waiting

"""Accesses wait until the approvals are known that their decisions may rest on."""

from __future__ import annotations

import asyncio

from agents.matching.approvals_known import ApprovalsKnown, Both
from agents.watching import wall_clock
from schemas.errors import ReferenceUnavailableError


class Known:
    """Decisions that are known to a time."""

    def __init__(self, known_to: int) -> None:
        self.known_to = known_to
        self.wanted = 0

    def want(self, at: int) -> None:
        self.wanted = at


async def until(known: ApprovalsKnown, at: int) -> None:
    async with asyncio.timeout(10):
        while known.known_to < at:
            await asyncio.sleep(0.01)


async def test_nothing_is_known_before_all_is_read_that_was_there_when_it_was_asked() -> None:
    read, asked = asyncio.Event(), asyncio.Event()

    async def to_end() -> None:
        asked.set()
        await read.wait()

    known = ApprovalsKnown(to_end)
    decisions = Known(2**50)
    both = Both(decisions, known)
    async with known:
        await asked.wait()
        wanted = wall_clock()
        both.want(wanted)
        assert decisions.wanted == wanted
        await asyncio.sleep(0.05)
        assert both.known_to == 0, "the approvals are not read"
        read.set()
        await until(known, wanted)
        assert wanted <= both.known_to <= wall_clock()
        decisions.known_to = 5
        assert both.known_to == 5


async def test_brokers_that_do_not_answer_are_asked_again() -> None:
    answers = [False, True]

    async def to_end() -> None:
        if not answers.pop(0):
            raise ReferenceUnavailableError("no broker")

    known = ApprovalsKnown(to_end)
    async with known:
        await until(known, 1)
        await asyncio.sleep(0.1)
        assert answers == [], "and not for ever: nobody wants to know more"

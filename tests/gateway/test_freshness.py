"""How old what is known is: by brokers' answers, not by what was read last."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from agents.clients import consumer_of, producer_of, started, with_admin
from agents.gateway.freshness import Freshness
from agents.reference import ReferenceTables
from agents.settings import Settings
from agents.topic_admin import create
from demo.broker import EmbeddedBroker
from rules.knowledge import Knowledge
from schemas.directory import RoleRow
from schemas.gateway_topics import GATEWAY_APPROVALS
from schemas.topics import DIRECTORY_TOPICS
from tests.brokers.embedded import missing
from tests.conftest import require

pytestmark = pytest.mark.broker

TOO_LONG_S = 2.0
"""Beyond what passes between two questions, on a slow machine too where nothing else is asked."""


class Read:
    """Approvals that are read, or not."""

    def __init__(self) -> None:
        self.answers = asyncio.Event()

    async def to_end(self) -> None:
        await self.answers.wait()


@pytest.fixture
async def broker() -> AsyncIterator[Settings]:
    require(missing())
    with EmbeddedBroker() as server:
        settings = Settings(broker=server.bootstrap, partitions=1, replication_factor=1, identities="clear")
        await with_admin(settings, lambda admin: create(admin, settings))
        yield settings


async def becomes(holds: Any) -> None:
    async with asyncio.timeout(60):
        while not holds():
            await asyncio.sleep(0.02)


async def test_rows_that_are_there_and_not_read_make_their_directory_old(
    broker: Settings,
) -> None:
    """That one alone, for as long as that is so."""
    settings = broker
    blocked, go_on = asyncio.Event(), asyncio.Event()

    async def bad(record: Any, error: Any) -> None:
        blocked.set()
        await go_on.wait()

    tables = ReferenceTables(consumer_of(settings, *DIRECTORY_TOPICS), Knowledge(), on_bad_row=bad, read=lambda: None)
    approvals = Read()
    approvals.answers.set()
    freshness = Freshness(tables.age, approvals, TOO_LONG_S)
    async with tables, freshness:
        await becomes(lambda: not freshness.reasons())
        async with started(settings, producer_of(settings)) as producer:
            for _ in range(2):
                await producer.send_and_wait(RoleRow.topic, b"{}", key=b"no row", partition=0)
        await blocked.wait()
        await becomes(lambda: [each.split()[0] for each in freshness.reasons()] == [RoleRow.topic])
        go_on.set()
        await becomes(lambda: not freshness.reasons())


async def test_approvals_that_are_not_read_are_old_too() -> None:
    approvals = Read()
    freshness = Freshness(lambda: dict.fromkeys(DIRECTORY_TOPICS, 0.0), approvals, TOO_LONG_S)
    async with freshness:
        assert [each.split()[0] for each in freshness.reasons()] == [GATEWAY_APPROVALS]
        approvals.answers.set()
        await becomes(lambda: not freshness.reasons())
        approvals.answers.clear()
        await becomes(freshness.reasons)

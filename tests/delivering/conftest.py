"""A broker of its own for each test: our topics have fixed names."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from demo.broker import EmbeddedBroker
from tests.brokers import embedded
from tests.conftest import require
from tests.delivering.world import World


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    require(embedded.missing())
    with EmbeddedBroker() as broker:
        made = World(broker.bootstrap, tmp_path)
        await made.prepare()
        try:
            yield made
        finally:
            await made.producer.stop()

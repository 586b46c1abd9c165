"""The demo's second act, by itself: real Envoy, a bypass told within a second, an auditor who finds a changed digit."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from agents.clients import producer_of, with_admin
from agents.pseudonym_keys import new_keys
from agents.settings import Settings
from agents.topic_admin import create
from demo import enclave
from demo.broker import EmbeddedBroker, free_port
from demo.files import month
from demo.processes import running
from demo.receivers import policy_for
from demo.run import POLICY, first_day, send_rows
from demo.ui import Screen
from tests.conftest import require

pytestmark = [pytest.mark.broker, pytest.mark.timeout(300)]


def test_the_gateway_the_bypass_and_the_auditor(tmp_path: Path) -> None:
    require(None if enclave.can_play() else "Envoy has no binary for this platform")
    said: list[str] = []

    class Listening(Screen):
        def say(self, text: str) -> None:
            said.append(text)

    with EmbeddedBroker() as broker:
        settings = Settings(
            broker=broker.bootstrap,
            policy=policy_for(POLICY, tmp_path, free_port()),
            partitions=4,
            replication_factor=1,
            web_port=free_port(),
            deliver_port=free_port(),
            session_timeout_s=6.0,
            data_dir=tmp_path,
            pseudonym_keys=tmp_path / "pseudonyms.json",
        )
        new_keys(tmp_path / "pseudonyms.json")
        asyncio.run(with_admin(settings, lambda admin: create(admin, settings)))
        org, _ = month(3, first_day(), 100)

        async def prepare() -> None:
            producer = producer_of(settings)
            await producer.start()
            await send_rows(producer, [(topic, row) for topic, rows in org.rows.items() for row in rows])
            await producer.stop()

        asyncio.run(prepare())
        with running("worker", settings), running("deliver", settings):
            good = asyncio.run(enclave.play(settings, org, Listening()))
    assert good, "\n".join(said)
    assert any("wanted" in line for line in said) is False

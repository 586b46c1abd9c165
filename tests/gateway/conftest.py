"""Brokers and decision points: our topics have fixed names, so each has a broker of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.settings import Settings
from demo.broker import EmbeddedBroker
from tests.brokers import embedded
from tests.conftest import require
from tests.gateway.running import Gateway, prepare, send
from tests.receivers.certificates import certificates

FIXTURE = Path(__file__).parent / "certification"


@pytest.fixture(scope="module")
def prepared() -> Iterator[Settings]:
    """A broker with our topics and the certification's directories, for one module."""
    require(embedded.missing())
    with EmbeddedBroker() as broker:
        settings = prepare(broker.bootstrap)
        send(settings, *sorted((FIXTURE / "directories").glob("*.jsonl")))
        yield settings


@pytest.fixture(scope="module")
def certified(prepared: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A decision point over TLS with the fixture of the AuthZEN certification scenario, for one module."""
    folder = tmp_path_factory.mktemp("gateway")
    with Gateway(
        prepared,
        folder,
        FIXTURE / "policy.toml",
        more={"gateway_search_rate": 1000},
        certificates=certificates(folder / "certificates"),
    ) as process:
        yield process

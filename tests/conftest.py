"""Brokers for every test that needs one."""

import gc
import os
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.brokers import embedded, kafka


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs a container engine where none answers."""
    gc.collect()
    gc.freeze()  # what is collected stays to the end: no look at it in every collection of garbage
    wanting = [item for item in items if item.get_closest_marker("engine")]
    if wanting and not _engine():
        config.hook.pytest_deselected(items=wanting)
        items[:] = [item for item in items if item not in wanting]


def _engine() -> bool:
    docker = shutil.which("docker")
    if docker is None:
        return False
    asked = subprocess.run([docker, "compose", "ls"], capture_output=True, check=False, timeout=20)
    return asked.returncode == 0


@dataclass(frozen=True, slots=True)
class Broker:
    """A running broker. `server` can restart it where that makes sense (Apache Kafka)."""

    kind: str
    bootstrap: str
    server: Any


def require(reason: str | None) -> None:
    """Skip with the reason; in CI nothing is skipped, it fails."""
    if reason is None:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"in CI every test runs: {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def embedded_broker() -> Iterator[Broker]:
    """The embedded broker, one for the session."""
    require(embedded.missing())
    with embedded.EmbeddedBroker() as server:
        yield Broker("embedded", server.bootstrap, server)


@pytest.fixture(scope="session")
def kafka_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """Apache Kafka, one for the session."""
    require(kafka.missing())
    server = kafka.KafkaBroker(tmp_path_factory.mktemp("kafka"))
    server.start()
    try:
        yield Broker("kafka", server.bootstrap, server)
    finally:
        server.stop()


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[Broker]:
    """Apache Kafka for one test that stops it."""
    require(kafka.missing())
    server = kafka.KafkaBroker(tmp_path / "kafka")
    server.start()
    try:
        yield Broker("kafka", server.bootstrap, server)
    finally:
        server.stop()


@pytest.fixture(params=["embedded", "kafka"])
def broker(request: pytest.FixtureRequest) -> Broker:
    """Each of the two brokers in turn."""
    found: Broker = request.getfixturevalue(f"{request.param}_broker")
    return found


@pytest.fixture
def unique() -> Callable[[str], str]:
    """Names of topics and groups that no other test uses: the brokers live as long as the session."""
    suffix = uuid.uuid4().hex[:8]
    return lambda name: f"{name}.{suffix}"

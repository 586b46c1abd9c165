"""Harnesses around the tests' worker. The real worker gets its own factory beside this one."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Broker
from tests.faults.harness import Harness, copy_worker

MakeHarness = Callable[..., Harness]


@pytest.fixture
def harness(tmp_path: Path, unique: Callable[[str], str]) -> Iterator[MakeHarness]:
    """Makes a harness: `harness(broker, "--batch-delay", "0.1", partitions=4)`; ends its workers."""
    made: list[Harness] = []

    def make(broker: Broker, *extra: Any, partitions: int = 4, inputs: tuple[str, ...] = ("events",)) -> Harness:
        topics = {unique(name): partitions for name in inputs}
        group, output = unique("group"), unique("out")
        found = Harness(
            bootstrap=broker.bootstrap,
            group=group,
            inputs=topics,
            output=output,
            command=copy_worker(tmp_path, broker.bootstrap, group, topics, output, *map(str, extra)),
            folder=tmp_path,
        )
        made.append(found)
        return found

    yield make
    for found in made:
        found.end()

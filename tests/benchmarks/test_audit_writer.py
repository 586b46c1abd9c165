"""The figure of the log's whole writer, small: the goal with room for a busy machine."""

import asyncio
from pathlib import Path

import pytest

from benchmarks.audit_writer import fill, measured
from benchmarks.brokers import broker


@pytest.mark.slow
@pytest.mark.broker
def test_the_figure_is_far_from_where_it_would_hurt(tmp_path: Path) -> None:
    with broker("embedded") as (_, settings):
        asyncio.run(fill(settings, 20_000))
        found = asyncio.run(measured(settings, 20_000, tmp_path))
    assert found.entries == 20_001
    assert found.cpu_rate > 10_000

"""What a process of ours says of itself."""

from __future__ import annotations

import asyncio
import subprocess
import time
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families


async def metrics_of(port: int) -> dict[str, float]:
    """Return the metrics of a process that listens on this port of 127.0.0.1, summed over their labels."""
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as answer:
        text = await answer.text()
    sums: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            sums[sample.name] = sums.get(sample.name, 0.0) + sample.value
    return sums


class WorkerFailedError(Exception):
    """The worker ended, or did not do its work in time."""


async def until(condition: Any, within: float, what: str, worker: subprocess.Popen[bytes]) -> None:
    """Wait until `condition` holds.

    Raises:
        WorkerFailedError: the worker has ended, or it took too long.
    """
    deadline = time.monotonic() + within
    while True:
        if worker.poll() is not None:
            raise WorkerFailedError(f"the worker ended with {worker.returncode} before {what}")
        try:
            if await condition():
                return
        except aiohttp.ClientError:
            pass  # its port is not open yet
        if time.monotonic() > deadline:
            raise WorkerFailedError(f"not within {within:g} s: {what}")
        await asyncio.sleep(0.1)

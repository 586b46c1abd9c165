"""Metrics and health over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from agents.metrics import Metrics
from agents.web import WebServer, listening
from schemas.errors import ConfigurationError


@asynccontextmanager
async def serving(metrics: Metrics, reasons: list[str]) -> AsyncIterator[str]:
    """A server; `reasons` is why it is not ready."""
    listener = listening("127.0.0.1", 0)
    refreshed = iter(range(10**6))
    server = WebServer(
        listener,
        registry=metrics.registry,
        refresh=lambda: metrics.waiting.set(next(refreshed)),
        not_ready=lambda: reasons,
    )
    async with server:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


async def get(url: str, method: str = "GET") -> tuple[int, str, str]:
    async with aiohttp.ClientSession() as session, session.request(method, url) as answer:
        return answer.status, answer.headers.get("Content-Type", ""), await answer.text()


async def test_metrics_are_asked_anew_each_time() -> None:
    metrics = Metrics("test")
    async with serving(metrics, []) as url:
        status, kind, text = await get(f"{url}/metrics")
        assert status == 200
        assert kind.startswith("text/plain; version=")
        assert "cloverwatch_waiting_events 0.0" in text
        assert {family.name for family in text_string_to_metric_families(text)} >= {"cloverwatch_build_info"}
        assert "cloverwatch_waiting_events 1.0" in (await get(f"{url}/metrics"))[2]


async def test_alive_and_ready_are_two_things() -> None:
    reasons: list[str] = []
    async with serving(Metrics("test"), reasons) as url:
        assert (await get(f"{url}/readyz"))[::2] == (200, "ok\n")
        reasons += ["the broker does not answer", "no partitions are assigned yet"]
        assert (await get(f"{url}/readyz"))[::2] == (
            503,
            "the broker does not answer\nno partitions are assigned yet\n",
        )
        assert (await get(f"{url}/livez"))[::2] == (200, "ok\n"), "a worker that waits for its broker is alive"
        reasons.clear()
        assert (await get(f"{url}/readyz"))[0] == 200


async def test_nothing_else_is_served_and_nothing_is_taken() -> None:
    async with serving(Metrics("test"), []) as url:
        assert (await get(f"{url}/"))[0] == 404
        assert (await get(f"{url}/metrics", "POST"))[0] == 405


def test_a_port_that_is_taken_is_named() -> None:
    with listening("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"127.0.0.1:{port} .*CLOVERWATCH_WEB_PORT"):
            listening("127.0.0.1", port)


@pytest.mark.parametrize("host", ["no such host.", "256.0.0.1"])
def test_a_host_that_is_none_is_named(host: str) -> None:
    with pytest.raises(ConfigurationError, match="web_host"):
        listening(host, 0)

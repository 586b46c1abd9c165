"""Metrics and health on a port of their own: `/metrics`, `/livez`, `/readyz`. Loopback unless told otherwise."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from aiohttp import web
from mode import Service
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from schemas.errors import ConfigurationError


def listening(host: str, port: int, setting: str = "web_port") -> socket.socket:
    """Return a socket that listens; port 0 takes a free one. Taken before anything else starts.

    Args:
        host: where.
        port: where.
        setting: which setting says the port, or which option of the command (`--port`).

    Raises:
        ConfigurationError: it cannot be had.
    """
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError) as error:
        option = setting.startswith("--")
        where, say = ("--host", setting) if option else ("web_host", f"CLOVERWATCH_{setting.upper()}")
        raise ConfigurationError(
            f"{where}, {setting}: {host}:{port} cannot be listened on "
            f"({getattr(error, 'strerror', None) or error}); choose a free port with {say}"
        ) from None


class WebServer(Service):
    """Serves what the worker says of itself.

    Args:
        listener: a socket that listens.
        registry: the metrics.
        refresh: called before metrics are written, for gauges that are asked rather than told.
        not_ready: the reasons why the worker is not ready, none when it is.
    """

    def __init__(
        self,
        listener: socket.socket,
        *,
        registry: CollectorRegistry,
        refresh: Callable[[], None],
        not_ready: Callable[[], list[str]],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._listener = listener
        self._registry, self._refresh, self._not_ready = registry, refresh, not_ready
        self._runner: web.AppRunner | None = None

    async def on_start(self) -> None:
        """Answer."""
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/livez", self._livez)
        app.router.add_get("/readyz", self._readyz)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.SockSite(self._runner, self._listener).start()

    async def on_stop(self) -> None:
        """Close the port."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _metrics(self, _: web.Request) -> web.Response:
        self._refresh()
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _livez(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        reasons = self._not_ready()
        return web.Response(text="\n".join(reasons or ["ok"]) + "\n", status=503 if reasons else 200)

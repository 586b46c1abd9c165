"""A receiver in this process that answers what a test says, and keeps what it got."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass(slots=True)
class Reply:
    """What to answer: a status, or nothing (`hangs`), or a reset."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    hangs: bool = False
    resets: bool = False


@dataclass(slots=True)
class Got:
    """One request."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Scripted:
    """Answers the replies in turn, and the last one for ever."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = list(replies) or [Reply()]
        self.got: list[Got] = []
        self.url = ""
        self._release = asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.got.append(Got(request.path_qs, request.headers.copy(), await request.read()))
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if reply.hangs:
            await self._release.wait()
        if reply.resets:
            assert request.transport is not None
            request.transport.abort()
        return web.Response(status=reply.status, body=reply.body, headers=reply.headers)

    def release(self) -> None:
        self._release.set()


@asynccontextmanager
async def serving(*replies: Reply, tls: ssl.SSLContext | None = None) -> AsyncIterator[Scripted]:
    """Serve on a free port of loopback."""
    scripted = Scripted(*replies)
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", scripted.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    port = runner.addresses[0][1]
    scripted.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    try:
        yield scripted
    finally:
        scripted.release()
        await runner.cleanup()

"""The log for an auditor: its files over HTTP, read-only, and nothing else that lies beside them.

C2SP tlog-tiles, "Parameters" and "APIs": `checkpoint` (text, not kept by caches), `tile/L/N[.p/W]` and
`tile/entries/N[.p/W]` (octets; a full one never changes). Paths are compared as they were sent, before anything is
decoded: what is not spelled exactly so is not there.
"""

from __future__ import annotations

import asyncio
import re
import socket
import time
from pathlib import Path
from typing import Final

from aiohttp import web

from agents.gateway.door import Door, Limits, network_of, refused
from agents.gateway.rates import Rates
from agents.gateway.refusal import Refusal
from agents.settings import Settings

PATH: Final = re.compile(
    r"/(?:checkpoint(?:\.witnessed)?"
    r"|tile/(?:entries|[0-9]|[1-5][0-9]|6[0-3])(?:/x[0-9]{3})*/[0-9]{3}(?:\.p/(?:[1-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5]))?)"
)
"""Everything that can be asked for."""

TEXT: Final = "text/plain; charset=utf-8"
OCTETS: Final = "application/octet-stream"

FOREVER: Final = "public, max-age=31536000, immutable"
"""Of a full tile: it never changes."""

A_WHILE: Final = "public, max-age=3600"
"""Of a partial tile: its content never changes, and it goes away when the full one is there."""

NEVER: Final = "no-cache"
"""Of a checkpoint: each look is for the newest."""

AT_ONCE_MOST: Final = 32
"""Files that are read at the same time: a bundle has 16 MB at most."""

AT_ONCE_S: Final = 10.0
"""Seconds' worth of requests that may be had at once: a mirror asks for all that is new, then for nothing."""

KEEP_ALIVE_S: Final = 15.0
"""How long a connection may say nothing."""

SECURE: Final = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'"}


class Serving:
    """Answers for the log in one folder."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self._folder = folder.resolve()
        self.door = Door(
            Limits(
                connections=settings.audit_serve_connections,
                concurrent=settings.audit_serve_connections,  # each has one request at a time
                body_bytes=0,
                within_s=settings.audit_serve_within_s,
            )
        )
        self._within_s = settings.audit_serve_answer_within_s
        self._each = Rates(settings.audit_serve_rate, "requests", time.monotonic, AT_ONCE_S)
        self._all = Rates(settings.audit_serve_rate_all, "requests of all", time.monotonic, AT_ONCE_S)
        self._turns = asyncio.Semaphore(AT_ONCE_MOST)
        self._runner: web.AppRunner | None = None

    async def start(self, listener: socket.socket) -> None:
        """Answer on a socket that listens."""
        app = web.Application(client_max_size=1)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, keepalive_timeout=KEEP_ALIVE_S)
        await self._runner.setup()
        assert self._runner.server is not None  # noqa: S101  # set up
        await self.door.open(self._runner.server, listener)

    async def stop(self) -> None:
        """Close."""
        self.door.close()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        with self.door.entered(request):
            try:
                response = await self._found(request)
            except Refusal as refusal:
                response = refused(refusal)
                response.headers.update(SECURE | {"Cache-Control": "no-store"})
            # Sent within the time that a file may be held in memory for somebody who reads slowly.
            try:
                async with asyncio.timeout(self._within_s):
                    await response.prepare(request)
                    await response.write_eof()
            except TimeoutError:
                if request.transport is not None:
                    request.transport.abort()
            return response

    async def _found(self, request: web.Request) -> web.Response:
        self.door.check_room()
        self._each.take(network_of(request))
        self._all.take("")  # after the other: whoever asks too often takes nothing from the rest
        if request.method not in {"GET", "HEAD"}:
            return _said(405, "only GET and HEAD\n", Allow="GET, HEAD")
        await self.door.body(request)  # there is none
        path = request.raw_path
        if not PATH.fullmatch(path):
            return _said(404, "not found\n")
        async with self._turns:
            content = await asyncio.to_thread(self._read, path[1:])
        if content is None:
            return _said(404, "not found\n")
        text = path.startswith("/checkpoint")
        kept = NEVER if text else A_WHILE if ".p/" in path else FOREVER
        headers = {"Content-Type": TEXT if text else OCTETS, "Cache-Control": kept, **SECURE}
        return web.Response(body=content, headers=headers)

    def _read(self, name: str) -> bytes | None:
        """Return a file's bytes; None where it is not there, is no file, or leads out of the folder."""
        path = self._folder / name
        try:
            if not path.resolve(strict=True).is_relative_to(self._folder):
                return None
            return path.read_bytes() if path.is_file() else None
        except (OSError, RuntimeError):
            return None


def _said(status: int, text: str, **headers: str) -> web.Response:
    return web.Response(status=status, text=text, headers={"Cache-Control": "no-store", **SECURE, **headers})

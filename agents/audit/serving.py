"""The log for an auditor: its files over HTTP, read-only, and nothing else that lies beside them.

C2SP tlog-tiles, "Parameters" and "APIs": `checkpoint` (text, not kept by caches), `tile/L/N[.p/W]` and
`tile/entries/N[.p/W]` (octets; a full one never changes). Paths are compared as they were sent, before anything is
decoded: what is not spelled exactly so is not there.
"""

from __future__ import annotations

import asyncio
import re
import socket
from pathlib import Path
from typing import Final

from aiohttp import web

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

CONNECTIONS_MOST: Final = 200
"""Connections that are answered; further ones get 503 and are closed. Auditors and mirrors are few."""

KEEP_ALIVE_S: Final = 15.0
"""How long a connection may say nothing."""

SECURE: Final = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'"}


class Serving:
    """Answers for the log in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._turns = asyncio.Semaphore(AT_ONCE_MOST)
        self._runner: web.AppRunner | None = None

    async def start(self, listener: socket.socket) -> None:
        """Answer on a socket that listens."""
        app = web.Application(client_max_size=1)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, keepalive_timeout=KEEP_ALIVE_S)
        await self._runner.setup()
        await web.SockSite(self._runner, listener).start()

    async def stop(self) -> None:
        """Close."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        server = self._runner.server if self._runner is not None else None
        if server is not None and len(server.connections) > CONNECTIONS_MOST:
            return _said(503, "busy\n", Connection="close")
        if request.method not in {"GET", "HEAD"}:
            return _said(405, "only GET and HEAD\n", Allow="GET, HEAD")
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

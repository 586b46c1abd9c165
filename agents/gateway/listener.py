"""A socket that connections come to, whose TLS can be renewed without one being refused meanwhile."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterable
from typing import Final

from aiohttp.web_protocol import RequestHandler

BACKLOG: Final = 1_024
"""Connections that the system holds until we take them: every proxy reconnects at once after a restart."""


class Listener:
    """Takes connections.

    Args:
        listening: a socket that listens. It stays open until `close`, whatever TLS is used.
        made: makes what serves a connection.
        within_s: within which a TLS handshake must be done, and the first request must be there.
    """

    def __init__(self, listening: socket.socket, made: Callable[[], RequestHandler], within_s: float) -> None:
        self._listening, self._made, self._within_s = listening, made, within_s
        self._silent: set[RequestHandler] = set()
        """Connections of which no request has come yet."""
        self._busy: set[RequestHandler] = set()
        """Connections of which a request is being answered."""
        self._server: asyncio.Server | None = None

    @property
    def open(self) -> bool:
        """Whether anybody can connect."""
        return self._server is not None

    async def take(self, tls: ssl.SSLContext | None) -> None:
        """Take connections from now on with this TLS. Those that are there go on with what they have.

        A new server has a descriptor of its own for the same socket, and is there before the old one goes.
        """
        before = self._server
        self._server = await asyncio.get_running_loop().create_server(
            self._connection,
            sock=self._listening.dup(),
            backlog=BACKLOG,
            ssl=tls,
            ssl_handshake_timeout=None if tls is None else self._within_s,
        )
        if before is not None:
            before.close()

    def close(self) -> None:
        """Take no more."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self._listening.close()

    async def renew(self, tls: ssl.SSLContext, connections: Iterable[RequestHandler]) -> None:
        """Take connections with another TLS, and close those that are there: each once what it asked is answered."""
        await self.take(tls)
        for connection in connections:
            if connection in self._busy:
                connection.close()
            else:
                connection.force_close()

    @property
    def in_flight(self) -> int:
        """Requests that are being answered."""
        return len(self._busy)

    def began(self, connection: RequestHandler) -> None:
        """Take note that a request came."""
        self._silent.discard(connection)
        self._busy.add(connection)

    def ended(self, connection: RequestHandler) -> None:
        """Take note that it is answered."""
        self._busy.discard(connection)

    def _connection(self) -> RequestHandler:
        made = self._made()
        self._silent.add(made)
        asyncio.get_running_loop().call_later(self._within_s, self._first_is_there, made)
        return made

    def _first_is_there(self, connection: RequestHandler) -> None:
        """Close a connection whose first request is not there in time; aiohttp sees to those that follow."""
        if connection in self._silent:
            self._silent.discard(connection)
            connection.force_close()

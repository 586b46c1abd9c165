"""The door of a server that others may reach: how many at once, how large, how slowly.

Whatever listens for more than its operator passes through one: the decision point, a log that is served, a witness.
How often each may ask is `agents/gateway/rates.py`.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from socket import socket
from typing import Final

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from agents.gateway.refusal import Refusal

BACKLOG: Final = 1_024
"""Connections that the system holds until we take them: every proxy reconnects at once after a restart."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of everything."""

    connections: int
    """Open ones."""
    concurrent: int
    """Requests that are being answered."""
    body_bytes: int
    """Of a request."""
    within_s: float
    """Seconds in which a connection's first request, and each body, must be there."""


class Door:
    """Lets connections and requests in, as far as there is room.

    Args:
        limits: how much.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._silent: set[RequestHandler] = set()
        """Connections of which no request has come yet."""
        self._busy: set[RequestHandler] = set()
        """Connections of which a request is being answered."""
        self._http: web.Server | None = None
        self._listener: socket | None = None
        self._server: asyncio.Server | None = None

    @property
    def listens(self) -> bool:
        """Whether anybody can come in."""
        return self._server is not None

    @property
    def connections(self) -> int:
        """How many are open."""
        return 0 if self._http is None else len(self._http.connections)

    @property
    def in_flight(self) -> int:
        """Requests that are being answered."""
        return len(self._busy)

    async def open(self, http: web.Server, listener: socket, tls: ssl.SSLContext | None = None) -> None:
        """Let connections in.

        Args:
            http: answers them.
            listener: a socket that listens.
            tls: for the connections.
        """
        self._http, self._listener = http, listener
        self._server = await self._taking(tls)

    async def renew(self, tls: ssl.SSLContext) -> None:
        """Let connections in with another TLS, and close those that are there: each once what it asked is answered.

        The new server has a descriptor of its own for the same socket, and is there before the old one goes.
        """
        if self._server is None or self._http is None:
            return
        before, self._server = self._server, await self._taking(tls)
        before.close()
        for connection in self._http.connections:
            if connection in self._busy:
                connection.close()
            else:
                connection.force_close()

    def close(self) -> None:
        """Let nobody in any more; those that are in are for whoever answers them."""
        if self._server is not None:
            self._server.close()
        if self._listener is not None:
            self._listener.close()

    async def _taking(self, tls: ssl.SSLContext | None) -> asyncio.Server:
        assert self._listener is not None  # noqa: S101  # open
        return await asyncio.get_running_loop().create_server(
            self._connection,
            sock=self._listener.dup(),
            backlog=BACKLOG,
            ssl=tls,
            ssl_handshake_timeout=self.limits.within_s if tls else None,
        )

    def _connection(self) -> asyncio.Protocol:
        assert self._http is not None  # noqa: S101  # open
        made = self._http()
        self._silent.add(made)
        asyncio.get_running_loop().call_later(self.limits.within_s, self._first_is_there, made)
        return made

    def _first_is_there(self, connection: RequestHandler) -> None:
        """Close a connection whose first request is not there in time; aiohttp sees to those that follow."""
        if connection in self._silent:
            self._silent.discard(connection)
            connection.force_close()

    @contextmanager
    def entered(self, request: web.BaseRequest) -> Iterator[None]:
        """Count a request while it is being answered."""
        self._silent.discard(request.protocol)
        self._busy.add(request.protocol)
        try:
            yield
        finally:
            self._busy.discard(request.protocol)

    def check_room(self) -> None:
        """Check that there is room for the request that has entered.

        Raises:
            Refusal: there is none.
        """
        if self.in_flight > self.limits.concurrent or self.connections > self.limits.connections:
            raise Refusal("busy", "too many requests at once; come again", {"Retry-After": "1"})

    async def body(self, request: web.BaseRequest) -> bytes:
        """Return a request's body.

        Raises:
            Refusal: it is too large, or comes too slowly.
        """
        most, within = self.limits.body_bytes, self.limits.within_s
        if (request.content_length or 0) > most:
            raise Refusal("too_large", f"the body: allowed: {most} bytes")
        try:
            if request.content.is_eof():  # it came with its head, as most do: nothing to wait for
                raw = await request.read()
            else:
                async with asyncio.timeout(within):
                    raw = await request.read()
        except web.HTTPRequestEntityTooLarge:
            raise Refusal("too_large", f"the body: allowed: {most} bytes") from None
        except TimeoutError:
            raise Refusal("too_slow", f"the body was not there within {within:g} s") from None
        if len(raw) > most:
            raise Refusal("too_large", f"the body: allowed: {most} bytes")
        return raw


def refused(refusal: Refusal) -> web.Response:
    """Return the answer; the connection ends with it where what is left of the request is not read."""
    response = web.Response(text=refusal.text + "\n", status=refusal.status, headers=refusal.headers)
    if refusal.why in {"too_large", "too_slow", "busy"}:
        response.force_close()
    return response


def network_of(request: web.BaseRequest) -> str:
    """Return by what a client without credentials is told from others: its address, of IPv6 its /64.

    Whoever has one address of IPv6 mostly has all 2^64 of that network.
    """
    try:
        address = ip_address((request.remote or "").partition("%")[0])
    except ValueError:
        return ""
    if not isinstance(address, IPv6Address):
        return str(address)
    mapped = address.ipv4_mapped
    return str(mapped) if mapped else address.packed[:8].hex()

"""A witness over HTTP. Source: C2SP tlog-witness, "HTTP Interface".

Whoever has the log's key may ask, and nobody else is cosigned for; but anybody who reaches the port may send something.
The specification names the answers to what was asked; those to what is too much are HTTP's own: 408, 413, 429, 503.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import time
from collections.abc import Callable
from typing import Final

from aiohttp import web

from agents.audit.tlog.witness import Witness
from agents.gateway.door import Door, Limits, network_of, refused
from agents.gateway.rates import Rates
from agents.gateway.refusal import Refusal
from agents.settings import Settings

log = logging.getLogger(__name__)

PATH: Final = "/add-checkpoint"
"""The only thing that can be asked."""

AT_ONCE_S: Final = 10.0
"""Seconds' worth of requests that may be had at once: a log that was away asks for several sizes in a row."""

KEEP_ALIVE_S: Final = 75.0
"""How long an idle connection is kept: longer than most logs wait between two checkpoints (10 s)."""

STOP_WITHIN_S: Final = 5.0
"""How long requests have to be answered once the process is told to stop."""


class WitnessServer:
    """Answers for a witness.

    Args:
        witness: cosigns.
        settings: say how much of everything.
        tell: told what a person should read: each cosignature, each refusal of a log's second history.
    """

    def __init__(self, witness: Witness, settings: Settings, tell: Callable[[str], None]) -> None:
        self._witness, self._tell = witness, tell
        self.door = Door(
            Limits(
                connections=settings.audit_witness_connections,
                concurrent=settings.audit_witness_concurrent,
                body_bytes=settings.audit_witness_body_bytes,
                within_s=settings.audit_witness_within_s,
            )
        )
        self._each = Rates(settings.audit_witness_rate, "requests", time.monotonic, AT_ONCE_S)
        self._all = Rates(settings.audit_witness_rate_all, "requests of all", time.monotonic, AT_ONCE_S)
        app = web.Application(client_max_size=settings.audit_witness_body_bytes)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            keepalive_timeout=KEEP_ALIVE_S,
            auto_decompress=False,  # a small body must not become a large one
            shutdown_timeout=STOP_WITHIN_S,
        )

    async def start(self, listener: socket.socket) -> None:
        """Answer on a socket that listens."""
        await self._runner.setup()
        assert self._runner.server is not None  # noqa: S101  # set up
        await self.door.open(self._runner.server, listener)

    async def stop(self) -> None:
        """Take no more requests, answer those that are here."""
        self.door.close()
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        with self.door.entered(request):
            try:
                return await self._cosign(request)
            except Refusal as refusal:
                return refused(refusal)
            except OSError as error:
                log.error("A request failed: %s", error.strerror or type(error).__name__)
                return refused(Refusal("failed", "the witness could not keep the checkpoint"))

    async def _cosign(self, request: web.Request) -> web.Response:
        self.door.check_room()
        self._each.take(network_of(request))
        self._all.take("")  # after the other: whoever asks too often takes nothing from the rest
        if request.path != PATH:
            raise Refusal("not_found", f"nothing is here; POST {PATH}")
        if request.method != "POST":
            raise Refusal("method", "allowed here: POST", {"Allow": "POST"})
        body = await self.door.body(request)
        # In a thread: the state is flushed to disk before the answer, and others are answered meanwhile.
        answer = await asyncio.to_thread(self._witness.add_checkpoint, body)
        if answer.said:
            self._tell(f"{answer.status}: {answer.said}")
        return web.Response(status=answer.status, body=answer.body, headers={"Content-Type": answer.kind})


async def serve(
    witness: Witness,
    settings: Settings,
    listener: socket.socket,
    tell: Callable[[str], None],
    ready: Callable[[], None],
) -> None:
    """Answer until SIGTERM or SIGINT.

    Args:
        witness: answers.
        settings: say how much of everything.
        listener: a socket that listens.
        tell: what a person should read.
        ready: called once it answers, and a signal ends it in order.
    """
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, ended.set)
    server = WitnessServer(witness, settings, tell)
    await server.start(listener)
    ready()
    try:
        await ended.wait()
    finally:
        await server.stop()

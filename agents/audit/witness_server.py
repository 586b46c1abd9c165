"""A witness over HTTP. Source: C2SP tlog-witness, "HTTP Interface"."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable

from aiohttp import web

from agents.audit.tlog.witness import REQUEST_MAX, Witness


async def serve(witness: Witness, listener: socket.socket, tell: Callable[[str], None]) -> None:
    """Answer until SIGTERM or SIGINT.

    Args:
        witness: answers.
        listener: a socket that listens.
        tell: what a person should read: each cosignature, each refusal of a log's second history.
    """
    app = web.Application(client_max_size=REQUEST_MAX)

    async def add_checkpoint(request: web.Request) -> web.Response:
        body = await request.read()
        # In a thread: the state is flushed to disk before the answer, and others are answered meanwhile.
        answer = await asyncio.to_thread(witness.add_checkpoint, body)
        if answer.said:
            tell(f"{answer.status}: {answer.said}")
        return web.Response(status=answer.status, body=answer.body, headers={"Content-Type": answer.kind})

    app.router.add_post("/add-checkpoint", add_checkpoint)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, ended.set)
    try:
        await ended.wait()
    finally:
        await runner.cleanup()

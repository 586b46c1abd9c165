"""The decision point over HTTP: AuthZEN Authorization API 1.0, and an endpoint for proxies.

Whatever comes passes `_guard`, which authenticates, limits and answers errors; routes that others mount as well.
"""

from __future__ import annotations

import logging
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
from aiohttp import web
from mode import Service

from agents.gateway import answers, reading
from agents.gateway.callers import Callers
from agents.gateway.deciding import Asking, Deciding
from agents.gateway.door import Door, Limits, refused
from agents.gateway.metrics import GatewayMetrics
from agents.gateway.paths import AUTHORIZE, EVALUATION, EVALUATIONS, METADATA, SEARCH, metadata
from agents.gateway.rates import Rates
from agents.gateway.refusal import Refusal
from agents.settings import Settings
from schemas.fields import TEXT_MAX

log = logging.getLogger(__name__)

REQUEST_ID: Final = "X-Request-ID"

STOP_WITHIN_S: Final = 5.0
"""How long requests have to be answered once the process is told to stop: more than recording takes."""

SEARCHES_AT_ONCE_S: Final = 10.0
"""Seconds' worth of searches that may be had at once: somebody who pages through results, then thinks."""

MOUNTED_BODY_BYTES: Final = 128 * 1024
"""Bytes of a body that routes of others may read: an approval is 64 KiB at most."""

KEEPALIVE_S: Final = 75.0
"""How long an idle connection is kept: longer than nginx keeps one to us (60 s), so that it closes, not we."""

Asked = Callable[[web.Request, Asking], Awaitable[web.Response]]
Passed = Callable[[web.Request], Awaitable[web.StreamResponse]]
Handles = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Mount = Callable[[web.Application], None]
"""Adds routes, such as those of approvals; their callers are authenticated as all others are."""


class DecisionServer(Service):
    """Answers whoever may ask.

    Args:
        listener: a socket that listens.
        settings: say how much of everything.
        url: the decision point's own address, without a slash at its end.
        tls: for the connections; None on loopback alone.
        callers: who asks.
        deciding: decides.
        metrics: told of it.
        not_ready: why no decision can be made, nothing when it can.
        mounts: add further routes.
    """

    def __init__(
        self,
        listener: socket.socket,
        settings: Settings,
        *,
        url: str,
        tls: ssl.SSLContext | None,
        callers: Callers,
        deciding: Deciding,
        metrics: GatewayMetrics,
        not_ready: Callable[[], list[str]],
        mounts: Sequence[Mount] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.listener, self._settings, self._tls = listener, settings, tls
        self._callers, self._deciding, self._metrics, self._not_ready = callers, deciding, metrics, not_ready
        self._rates = Rates(settings.gateway_rate, "evaluations", time.monotonic)
        self._searches = Rates(settings.gateway_search_rate, "searches", time.monotonic, SEARCHES_AT_ONCE_S)
        self._metadata = msgspec.json.encode(metadata(url))
        self._door = Door(
            Limits(
                connections=settings.gateway_connections,
                concurrent=settings.gateway_concurrent,
                body_bytes=settings.gateway_body_bytes,
                within_s=settings.gateway_read_within_s,
            )
        )
        metrics.in_flight.set_function(lambda: self._door.in_flight)
        self._mounts = mounts
        self._runner: web.AppRunner | None = None
        self._posts: dict[str, Asked] = {
            EVALUATION: self._evaluation,
            EVALUATIONS: self._evaluations,
            **dict.fromkeys(SEARCH, self._search),
        }

    @property
    def listens(self) -> bool:
        """Whether anybody can ask."""
        return self._door.listens

    @property
    def connections(self) -> int:
        """How many are open."""
        return self._door.connections

    async def on_start(self) -> None:
        """Answer."""

        @web.middleware
        async def guard(request: web.Request, handler: Passed) -> web.StreamResponse:
            return await self._guard(request, handler)

        app = web.Application(
            middlewares=[guard], client_max_size=max(self._settings.gateway_body_bytes, MOUNTED_BODY_BYTES)
        )
        for mount in self._mounts:
            mount(app)
        app.router.add_route("*", "/{rest:.*}", _nothing_here)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            keepalive_timeout=KEEPALIVE_S,
            auto_decompress=False,  # a small body must not become a large one
            shutdown_timeout=STOP_WITHIN_S,
        )
        await self._runner.setup()
        http = self._runner.server
        assert http is not None  # noqa: S101  # set up
        http.request_handler = self._past_the_router(http.request_handler)
        await self._door.open(http, self.listener, self._tls)

    async def on_stop(self) -> None:
        """Take no more requests, answer those that are here."""
        self._door.close()
        if self._runner is not None:
            await self._runner.cleanup()

    async def renew(self, tls: ssl.SSLContext) -> None:
        """Take connections with another TLS; whoever is connected has to connect anew."""
        await self._door.renew(tls)

    def _past_the_router(self, routed: Handles) -> Handles:
        """Return what takes requests for decisions straight to `_guard`: routing them is a tenth of what they cost."""

        async def handle(request: Any) -> web.StreamResponse:
            if request.path in self._posts and "Expect" not in request.headers:
                return await self._guard(request, _nothing_here)
            return await routed(request)

        return handle

    async def _guard(self, request: web.Request, handler: Passed) -> web.StreamResponse:
        began = time.perf_counter()
        with self._door.entered(request):
            try:
                response = await self._route(request, handler)
            except Refusal as refusal:
                response = self._refused(refusal)
            except web.HTTPException as error:  # of routes that others mounted
                response = web.Response(text=f"{error.reason}\n", status=error.status)
            except Exception as error:  # noqa: BLE001 - closed; what it says may quote the request
                log.error("A request failed: %s", type(error).__name__)
                response = self._refused(Refusal("failed", "the decision point failed; its log says more"))
        asked = request.headers.get(REQUEST_ID)
        if asked is not None and asked.isascii() and asked.isprintable():
            response.headers[REQUEST_ID] = asked
        response.headers["Cache-Control"] = "no-store"
        self._metrics.answer.observe(time.perf_counter() - began)
        return response

    def _refused(self, refusal: Refusal) -> web.Response:
        """AuthZEN 1.0, "Error Responses": the body is an error message string."""
        self._metrics.refused.labels(refusal.why).inc()
        return refused(refusal)

    async def _route(self, request: web.Request, handler: Passed) -> web.StreamResponse:
        path = request.path
        self._door.check_room()
        if path == METADATA:
            _only(request, "GET", "HEAD")
            return web.Response(body=self._metadata, content_type="application/json")
        asking = self._asking(request)
        proxied = path == AUTHORIZE or path.startswith(AUTHORIZE + "/")
        asked = self._authorize if proxied else self._posts.get(path)
        if asked is None:
            self._rates.take(asking.caller)
            return await handler(request)
        if not proxied:
            _only(request, "POST")
        if reasons := self._not_ready():
            raise Refusal("not_ready", "; ".join(reasons), {"Retry-After": "1"})
        return await asked(request, asking)

    def _asking(self, request: web.Request) -> Asking:
        certificate = request.get_extra_info("peercert") if self._tls is not None else None
        if len(request.headers.getall("Authorization", ())) > 1:
            raise Refusal("malformed", "Authorization stands twice")
        caller = self._callers.caller(request.headers.get("Authorization"), certificate)
        asked = request.headers.get(REQUEST_ID, "")
        if not (asked.isascii() and asked.isprintable() and len(asked) <= TEXT_MAX):
            raise Refusal("malformed", f"{REQUEST_ID}: allowed: at most {TEXT_MAX} printable characters of ASCII")
        return Asking(caller, asked)

    async def _evaluation(self, request: web.Request, asking: Asking) -> web.Response:
        self._rates.take(asking.caller)
        return await self._one(reading.evaluation(await self._body(request)), asking)

    async def _evaluations(self, request: web.Request, asking: Asking) -> web.Response:
        self._rates.take(asking.caller)
        asked = await self._body(request)
        listed, semantic = reading.batch(asked, self._settings.gateway_evaluations)
        if not listed:
            return await self._one(reading.evaluation(asked), asking)
        if len(listed) > 1:
            self._rates.take(asking.caller, len(listed) - 1)
        return _json({"evaluations": await self._deciding.batch(listed, semantic, asking)})

    async def _one(self, asked: Any, asking: Asking) -> web.Response:
        decided, unrecorded = await self._deciding.single(asked, asking)
        return _json(answers.evaluation(decided, unrecorded=unrecorded))

    async def _search(self, request: web.Request, asking: Asking) -> web.Response:
        self._searches.take(asking.caller)
        kind, asked = SEARCH[request.path], await self._body(request)
        return _json(await self._deciding.search(kind, asked, asking, self._settings.gateway_results))

    async def _authorize(self, request: web.Request, asking: Asking) -> web.Response:
        self._rates.take(asking.caller)
        for name in request.headers:
            if name.lower().startswith(reading.PROXY.lower()) and len(request.headers.getall(name)) > 1:
                raise Refusal("malformed", "a header of ours stands twice: the proxy lets a client's through")
        decided, unrecorded = await self._deciding.single(reading.from_headers(request.headers), asking)
        allowed = decided.record.effect == "allow"
        return web.Response(
            text="" if allowed else decided.sentence + "\n",
            status=200 if allowed else 403,
            headers=answers.proxy_headers(decided, unrecorded=unrecorded),
        )

    async def _body(self, request: web.Request) -> dict[str, Any]:
        if request.content_type != "application/json" or (request.charset or "utf-8").lower() != "utf-8":
            raise Refusal("malformed", "Content-Type: allowed: application/json, in UTF-8")
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise Refusal("malformed", "Content-Encoding: allowed: none")
        return reading.body(await self._door.body(request))


async def _nothing_here(_: web.Request) -> web.StreamResponse:
    raise Refusal("not_found", "nothing is here; see /.well-known/authzen-configuration")


def _only(request: web.Request, *methods: str) -> None:
    if request.method not in methods:
        allowed = ", ".join(methods)
        raise Refusal("method", f"allowed here: {allowed}", {"Allow": allowed})


def _json(answer: Mapping[str, Any]) -> web.Response:
    return web.Response(body=msgspec.json.encode(answer), content_type="application/json")

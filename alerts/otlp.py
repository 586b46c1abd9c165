"""OpenTelemetry logs over OTLP/HTTP: each revision of an alert is an event.

Source: OTLP specification 1.9, "OTLP/HTTP": binary protobuf, gzip, partial success, retryable response codes.
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

from alerts.destination import Context, Kind
from alerts.formats import otlp
from alerts.http import Answer, Auth, Http, check_proxy, check_url, host_of, token
from alerts.notice import Delivered, Failed, Notice, Outcome, Refused
from alerts.secrets import SecretRef
from alerts.tls import Tls
from schemas.errors import ConfigurationError

RETRYABLE: Final = frozenset({429, 502, 503, 504})
"""Of all 4xx and 5xx these alone may be tried again ("Retryable Response Codes")."""

ABOUT_THE_DATA: Final = frozenset({400, 413, 422})
"""One record may be to blame for all: the batch is halved until it is alone. Not the same request again, which the
specification forbids, but smaller ones."""

REDIRECTS: Final = range(300, 400)

PATH: Final = "/v1/logs"
"""Where logs are sent to unless the URL has a path ("OTLP/HTTP Request")."""

GZIP_LEVEL: Final = 1
"""Alerts repeat themselves: the lowest level makes them a sixth already."""

BATCH_MAX: Final = 200
"""Alerts in one request: about half a megabyte, and the specification recommends receivers to take 20."""


class OtlpConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`kind = "otlp"`."""

    url: str
    """Where logs are sent to, as in `https://collector.example:4318`; `/v1/logs` is added where it has no path."""
    tls: Tls | None = None
    """Which authorities are trusted, and our certificate."""
    auth: Auth | None = None
    """A bearer token or a password."""
    headers: Mapping[str, SecretRef] = {}
    """More headers, as hosted receivers ask for (`api-key`): each value is a secret."""
    proxy: str | None = None
    """URL of an HTTP proxy."""
    allow_plaintext: bool = False
    """`http://` to another machine."""


def check(config: OtlpConfig) -> str | None:
    """Return what types cannot say of it."""
    for name in config.headers:
        if not name.replace("-", "").isalnum() or not name.isascii():
            return f"headers: {name!r} is no header's name; write letters, digits and -"
        if name.lower() in {"content-type", "content-encoding", "content-length", "host"}:
            return f"headers: {name} is set by OTLP itself"
    wrong = check_url(config.url, allow_plaintext=config.allow_plaintext)
    return f"url: {wrong}" if wrong else check_proxy(config.proxy)


class Otlp:
    """Exports alerts as events, a batch a request."""

    def __init__(self, config: OtlpConfig, context: Context) -> None:
        """Nothing is opened yet."""
        self._config = config
        self._context = context
        self._what = f"destinations.{context.name}"
        self._http = Http(what=self._what, tls=config.tls, proxy=config.proxy, agent=f"cloverwatch/{context.version}")
        self._where = host_of(config.url)
        rest = config.url.split("://", 1)[-1].partition("/")[2]
        self._url = config.url if rest else config.url.rstrip("/") + PATH

    async def start(self) -> None:
        """Read certificates."""
        await self._http.start()

    async def stop(self) -> None:
        """Close connections."""
        await self._http.stop()

    async def send(self, notices: Sequence[Notice]) -> Sequence[Outcome]:
        """Export a batch; delivered is what the receiver has answered success to."""
        try:
            headers = self._headers()
        except ConfigurationError as error:
            return [Failed(str(error))] * len(notices)
        return await self._export(notices, headers)

    async def _export(self, notices: Sequence[Notice], headers: Mapping[str, str]) -> list[Outcome]:
        alerts = [(alert, notice.at) for notice in notices for alert in notice.alerts]
        message = otlp.request(alerts, host=self._context.host, version=self._context.version)
        body = await asyncio.to_thread(gzip.compress, message.SerializeToString(), GZIP_LEVEL)
        answer = await self._http.post(self._url, body, headers, content_type="application/x-protobuf")
        if isinstance(answer, Failed):
            return [answer] * len(notices)
        outcome = self._outcome(answer, len(alerts))
        if outcome is None:
            if len(notices) == 1:
                return [Refused(f"{self._where}: answered {answer.status}: it does not take this one")]
            middle = len(notices) // 2
            first = await self._export(notices[:middle], headers)
            # What cannot be told about the first half is not asked for the second.
            if isinstance(first[-1], Failed):
                return [*first, *[first[-1]] * (len(notices) - middle)]
            return [*first, *await self._export(notices[middle:], headers)]
        return [outcome] * len(notices)

    def _outcome(self, answer: Answer, sent: int) -> Outcome | None:
        """Return what an answer means for all that was sent; None where it must be found out for each."""
        if answer.status == 200:
            try:
                partial = ExportLogsServiceResponse.FromString(answer.body).partial_success
            except DecodeError:
                # Some receivers answer JSON, or a page of a proxy: a 200 without the message says nothing of the logs.
                return Failed(f"{self._where}: answered 200 without OTLP's message; is the path right?")
            if partial.rejected_log_records > 0:
                if partial.rejected_log_records >= sent:  # its words are left out: they may quote what was sent
                    return Refused(f"{self._where}: answered 200 and rejected it")
                return None
            return Delivered({"status": "200"})
        if answer.status in ABOUT_THE_DATA:
            return None
        if answer.status in RETRYABLE or answer.status in REDIRECTS:
            return Failed(f"{self._where}: answered {answer.status}", answer.retry_after_s)
        return Refused(f"{self._where}: answered {answer.status}, which OTLP does not try again")

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Encoding": "gzip"}
        for name, secret in self._config.headers.items():
            headers[name] = token(secret, f"{self._what}.headers.{name}")
        if self._config.auth is not None:
            headers |= self._config.auth.headers(f"{self._what}.auth")
        return headers


KIND: Final = Kind(
    name="otlp",
    title="OpenTelemetry logs: OTLP over HTTP",
    config=OtlpConfig,
    make=Otlp,
    grouped=False,
    batch_max=BATCH_MAX,
    promise=(
        "Delivered: the receiver answered 200 and rejected no record of the request. OTLP acknowledges one hop: a "
        "collector that keeps what it has in memory may lose it. 429, 502, 503, 504 and broken connections are tried "
        "again, after `Retry-After`; other answers are refusals. A batch of which some records are refused is halved "
        "until it is known which. Duplicates: after a lost answer; `cloverwatch.alert.id` and "
        "`cloverwatch.alert.revision` tell them, a collector does not."
    ),
    check=check,
)

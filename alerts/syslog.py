"""Syslog: RFC 5424 messages over TLS (RFC 5425), with structured data."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Final, Literal, TypeVar

import msgspec
from msgspec import Meta

from alerts.destination import Context, Kind
from alerts.formats import cef, ocsf, rfc5424
from alerts.notice import Delivered, Failed, Notice, Outcome, Refused
from alerts.syslog_link import Line, Link, LinkError
from alerts.tls import Tls, client_context
from schemas.alert import Alert
from schemas.errors import ConfigurationError
from schemas.toml_file import duration

LOOK_EVERY_S: Final = 1.0
LOOK_EVERY_MAX_S: Final = 30.0
"""Between two looks at an idle connection; doubling up to the second while the receiver is away."""

BATCH_MAX: Final = 500
"""Notices in one `send`: one wait for the acknowledgement, and at 8 KiB each still below what sockets buffer."""

T = TypeVar("T")
Bytes = Annotated[int, Meta(ge=2048, le=1024 * 1024)]
Port = Annotated[int, Meta(ge=1, le=65535)]
Enterprise = Annotated[int, Meta(ge=1, le=2**32 - 1)]


class SyslogConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`kind = "syslog"`."""

    host: str
    """The receiver's name or address."""
    port: Port = 6514
    """Its port for syslog over TLS."""
    tls: Tls | None = None
    """Which authorities are trusted, and our certificate where the receiver asks for one (mutual TLS)."""
    server_name: str | None = None
    """The name that its certificate must have; `host` where absent."""
    message: Literal["text", "cef", "ocsf"] = "text"
    """What stands behind the structured data: a sentence, a CEF line, or an OCSF Detection Finding as JSON."""
    enterprise: Enterprise = 32473
    """Your private enterprise number, for the name of the structured data, `cloverwatch@NUMBER`. 32473 is the one
    that is set aside for documentation (RFC 5612)."""
    max_bytes: Bytes = 8192
    """Octets of one message. A receiver must take 2,048 and should take 8,192 (RFC 5425, section 4.3.1); an OCSF
    document that does not fit is replaced by a sentence."""
    resend_for: str = "30s"
    """After a connection broke, what was acknowledged in this time before is sent again: the receiver may have lost
    it. At least 30s notices also a machine that vanished without a word."""


def check(config: SyslogConfig) -> str | None:
    """Return what types cannot say of it."""
    try:
        duration(config.resend_for)
    except ValueError as error:
        return f"resend_for: {error}"
    if not config.host or any(map(str.isspace, config.host)):
        return f"host: {config.host!r}: empty, or with a space; write the receiver's name or address"
    return None


class Syslog:
    """Sends each revision of an alert as one message."""

    def __init__(self, config: SyslogConfig, context: Context) -> None:
        """Nothing is opened yet.

        Raises:
            ConfigurationError: files of certificates cannot be used.
        """
        self.config = config
        self._context = context
        self._process = str(os.getpid())
        self._line = Line(self._connect, duration(config.resend_for) / 1000)
        # One thread: what it sends and what it looks at follow each other, also where a caller gave up waiting.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"syslog-{context.name}")
        self._looking: asyncio.Task[None] | None = None
        self._what = f"destinations.{context.name}.tls"
        client_context(config.tls, self._what)

    async def start(self) -> None:
        """Begin to look after the connection, which the first message opens."""
        self._looking = asyncio.create_task(self._look())

    async def stop(self) -> None:
        """Say goodbye, and wait for the receiver's answer."""
        if self._looking is not None:
            self._looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._looking
            self._looking = None
        await self._in_thread(self._line.end)
        self._thread.shutdown(wait=False)

    async def send(self, notices: Sequence[Notice]) -> Sequence[Outcome]:
        """Send a batch; all of it is delivered when the receiver's kernel has acknowledged all of it."""
        outcomes: list[Outcome] = []
        frames: list[bytes] = []
        for notice in notices:
            try:
                frames.extend(self._frame(alert, notice) for alert in notice.alerts)
                outcomes.append(_PENDING)
            except rfc5424.TooLongError as error:
                outcomes.append(Refused(f"too long for the receiver: {error}"))
        answer: Outcome = _PENDING
        if frames:
            try:
                version = await self._in_thread(lambda: self._line.deliver(frames))
                answer = Delivered({"acknowledged": "tcp", "tls": version})
            except LinkError as error:
                answer = Failed(str(error))
        return [answer if outcome is _PENDING else outcome for outcome in outcomes]

    @property
    def resent(self) -> int:
        """Messages that were sent again because a connection broke."""
        return self._line.resent

    def _frame(self, alert: Alert, notice: Notice) -> bytes:
        return rfc5424.frame(
            rfc5424.message(
                alert,
                at=ocsf.revised_at(alert),
                host=self._context.host,
                process=self._process,
                version=self._context.version,
                enterprise=self.config.enterprise,
                room=self.config.max_bytes,
                body=lambda room: self._body(alert, notice.at, room),
            )
        )

    def _body(self, alert: Alert, at: int, room: int) -> str:
        if self.config.message == "cef":
            return cef.event(alert, version=self._context.version, host=self._context.host, room=room)
        if self.config.message == "ocsf":
            document = msgspec.json.encode(ocsf.finding(alert, now=at, version=self._context.version))
            if len(document) <= room:
                return document.decode()
        return f"{alert.title}: {alert.explanation}"

    def _connect(self, settle: float) -> Link:
        """Open a connection. Certificates are read each time: they are renewed while the program runs."""
        try:
            context = client_context(self.config.tls, self._what)
        except ConfigurationError as error:
            raise LinkError(str(error)) from None
        name = self.config.server_name or self.config.host
        return Link(self.config.host, self.config.port, context, name, settle)

    async def _look(self) -> None:
        """Notice a connection that broke while nothing is to be sent, and send again what it may have lost."""
        sleep = self._context.sleep or asyncio.sleep
        pause = LOOK_EVERY_S
        while True:
            await sleep(pause)
            try:
                await self._in_thread(self._line.look)
                pause = LOOK_EVERY_S
            except LinkError:
                pause = min(2 * pause, LOOK_EVERY_MAX_S)

    async def _in_thread(self, what: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, what)


_PENDING: Final = Delivered()


KIND: Final = Kind(
    name="syslog",
    title="syslog: RFC 5424 over TLS",
    config=SyslogConfig,
    make=Syslog,
    grouped=False,
    batch_max=BATCH_MAX,
    promise=(
        "Delivered: the receiver's kernel has acknowledged every octet, and the connection stood afterwards; syslog "
        "itself has no acknowledgement. When a connection breaks, all that was sent in the last `resend_for` is sent "
        "again on the next one, before anything newer, also where no alert follows. So a receiver that dies loses "
        "nothing, unless the delivering process dies too before it has sent this again, or the receiver keeps a "
        "message in memory for longer than `resend_for`. "
        "Duplicates: after a break; the receiver does not recognise them, `alertId` and `revision` in the structured "
        "data do."
    ),
    check=check,
)

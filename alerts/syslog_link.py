"""A line to a syslog receiver over TLS, which confirms what TCP lets it confirm.

Syslog has no acknowledgement (RFC 6587, section 1; RFC 5425 adds none). What can be known, from weakest to strongest:

1. the bytes are in our own kernel: what `write` says, and what is lost without a word when the receiver dies;
2. the receiver's kernel has acknowledged every byte: what `Link.send` waits for;
3. the receiver has read every byte: known only when it answers our close_notify at the end.

Between 2 and the receiver's disk lie its socket buffer and its queue. `Line` therefore keeps what it sent of late and
sends it again on a new connection when the old one broke, before anything newer.

All of it blocks, and is called from one thread (`alerts/syslog.py`): only a socket of our own lets us ask the kernel.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from alerts.destination import SEND_TIMEOUT_S

SETTLE_S: Final = 0.25
"""How long a new connection is watched before anything is sent. A receiver that does not accept our certificate says so
only after the handshake is over for us (TLS 1.3, RFC 8446 section 4.4.3; rsyslog's `PermittedPeer` in any version), and
what was sent until then would count as delivered."""

SETTLE_MAX_S: Final = 4.0
"""The wait doubles up to this with each connection that did not last `LASTS_S`: 0.25 s was too short."""

LASTS_S: Final = 10.0
"""A connection that lives so long was accepted."""

KEEPALIVE: Final = ((4, 10), (5, 5), (6, 3))
"""TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT of Linux: a machine that vanished without a word is noticed after 25 s, less
than `resend_for` of the policy is by default."""

ACK_POLL_S: Final = (0.0005, 0.01)
"""Between two looks at the kernel's queue: from, doubling up to. An acknowledgement may be 40 ms late on Linux."""

RESEND_MAX: Final = 10_000
RESEND_MAX_BYTES: Final = 16 * 1024 * 1024
"""Messages and octets that are kept to be sent again: two seconds at full speed, and a bound of memory."""

_TIOCOUTQ: Final = 0x5411
"""SIOCOUTQ of Linux: octets that the peer has not acknowledged (tcp(7))."""


class LinkError(Exception):
    """The receiver cannot be reached, or has gone; the message says why, without what was sent."""


class Link:
    """One TLS connection."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext, name: str, settle: float) -> None:
        """Connect, and see whether the receiver stays.

        Args:
            host: name or address.
            port: TCP port.
            context: what verifies the receiver and holds our certificate.
            name: whom the receiver's certificate must be of.
            settle: seconds to watch it before it counts as accepted.

        Raises:
            LinkError: it did not come about.
        """
        try:
            plain = socket.create_connection((host, port), timeout=SEND_TIMEOUT_S)
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for option, value in KEEPALIVE:
                with contextlib.suppress(OSError):
                    plain.setsockopt(socket.IPPROTO_TCP, option, value)
            try:
                self._socket = context.wrap_socket(plain, server_hostname=name)
            except BaseException:
                plain.close()
                raise
        except (OSError, ValueError) as error:
            raise LinkError(reason(error)) from None
        self.opened = time.monotonic()
        self.version = self._socket.version() or "TLS"
        poll = select.poll()
        poll.register(self._socket.fileno(), select.POLLIN)
        while (left := self.opened + settle - time.monotonic()) > 0:
            if poll.poll(left * 1000) and (why := self.broken()) is not None:
                self.drop()
                raise LinkError(f"the receiver ended the connection at once ({why}); does it accept our certificate?")

    def broken(self) -> str | None:
        """Return why the connection is over, None while it is not. A receiver sends nothing: what comes is ignored."""
        self._socket.settimeout(0)
        try:
            while self._socket.recv(4096):
                pass
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None
        except (OSError, ValueError) as error:
            return reason(error)
        return "it closed the connection"

    def send(self, data: bytes, deadline: float) -> None:
        """Write all of it, and wait until the receiver's kernel has acknowledged it and the connection still stands.

        Raises:
            LinkError: it has not, until `deadline` (of `time.monotonic`). Nothing more may be sent here.
        """
        try:
            self._socket.settimeout(max(0.01, deadline - time.monotonic()))
            self._socket.sendall(data)
        except (OSError, ValueError) as error:
            raise LinkError(reason(error)) from None
        pause = ACK_POLL_S[0]
        while self._unacknowledged():
            if time.monotonic() > deadline:
                raise LinkError("the receiver did not acknowledge what was sent in time")
            time.sleep(pause)
            pause = min(2 * pause, ACK_POLL_S[1])
        if (why := self.broken()) is not None:
            raise LinkError(why)

    def _unacknowledged(self) -> int:
        """Octets in the kernel's queue; 0 where it cannot be asked (other systems than Linux)."""
        try:
            import fcntl  # not there on every system

            answer = fcntl.ioctl(self._socket.fileno(), _TIOCOUTQ, b"\0\0\0\0")
        except (ImportError, OSError):
            return 0
        return int(struct.unpack("i", answer)[0])

    def end(self) -> bool:
        """Say close_notify and wait for the receiver's: True when it came, and so all was read (RFC 5425, 4.4)."""
        try:
            self._socket.settimeout(SEND_TIMEOUT_S / 5)
            self._socket.unwrap().close()
        except (OSError, ValueError):
            self.drop()
            return False
        return True

    def drop(self) -> None:
        """Close without a word."""
        with contextlib.suppress(OSError):
            self._socket.close()


class Line:
    """Connections to one receiver, one after the other, and what was sent of late."""

    def __init__(self, connect: Callable[[float], Link], resend_for: float) -> None:
        """Nothing is opened yet.

        Args:
            connect: opens a connection that is watched for so many seconds first.
            resend_for: seconds for which what was acknowledged is kept, counted while the connection is seen to stand.
        """
        self._connect = connect
        self._resend_for = resend_for
        self._link: Link | None = None
        self._settle = SETTLE_S
        self._kept: deque[tuple[float, bytes]] = deque()
        self._kept_bytes = 0
        self.resent = 0
        """Messages that were sent again so far."""

    def deliver(self, frames: Sequence[bytes]) -> str:
        """Send frames, after all that may be lost with a broken connection; return the version of TLS.

        Raises:
            LinkError: not all of them are acknowledged; the caller sends them again.
        """
        deadline = time.monotonic() + SEND_TIMEOUT_S
        link = self._standing(deadline)
        try:
            link.send(b"".join(frames), deadline)
        except LinkError:
            self._drop()
            raise
        now = time.monotonic()
        for each in frames:
            self._kept.append((now, each))
            self._kept_bytes += len(each)
        while len(self._kept) > RESEND_MAX or self._kept_bytes > RESEND_MAX_BYTES:
            self._forget()
        return link.version

    def look(self) -> None:
        """See whether the connection stands. Where it broke with something kept, open one and send that again.

        Raises:
            LinkError: the receiver is away; look again later.
        """
        if self._link is not None and self._link.broken() is not None:
            self._drop()
        if self._link is not None or self._kept:
            self._standing(time.monotonic() + SEND_TIMEOUT_S)

    def end(self) -> None:
        """Close. What a broken connection may have lost is sent once more, if the receiver is there."""
        with contextlib.suppress(LinkError):
            self.look()
        link, self._link = self._link, None
        if link is not None and link.end():
            self._kept.clear()

    def _standing(self, deadline: float) -> Link:
        if self._link is not None:
            if self._link.broken() is None:
                self._prune()
                return self._link
            self._drop()
        link = self._connect(self._settle)
        try:
            if self._kept:
                link.send(b"".join(each for _, each in self._kept), deadline)
        except LinkError:
            link.drop()
            raise
        now = time.monotonic()
        self.resent += len(self._kept)
        self._kept = deque((now, each) for _, each in self._kept)
        self._link = link
        return link

    def _prune(self) -> None:
        """Forget what was sent long ago, now that the connection is seen to stand: since then it cannot have broken."""
        now = time.monotonic()
        if self._link is not None and now - self._link.opened > LASTS_S:
            self._settle = SETTLE_S
        while self._kept and now - self._kept[0][0] > self._resend_for:
            self._forget()

    def _forget(self) -> None:
        self._kept_bytes -= len(self._kept.popleft()[1])

    def _drop(self) -> None:
        if self._link is not None:
            if time.monotonic() - self._link.opened < LASTS_S:
                self._settle = min(2 * self._settle, SETTLE_MAX_S)
            self._link.drop()
        self._link = None


def reason(error: Exception) -> str:
    """Return why a connection failed: words of the system or of TLS, which hold nothing that was sent."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason or type(error).__name__}"
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return type(error).__name__

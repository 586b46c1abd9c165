"""HTTP to a receiver: TLS verified, time and size bounded, no redirect followed, every trouble a short reason."""

from __future__ import annotations

import base64
import email.utils
import time
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

import aiohttp
import msgspec

from alerts.destination import SEND_TIMEOUT_S
from alerts.notice import Delivered, Failed, Outcome, Refused
from alerts.secrets import SecretRef
from alerts.tls import Tls, client_context
from alerts.trouble import trouble
from schemas.errors import ConfigurationError
from schemas.receipt import ANSWER_MAX

CONNECT_TIMEOUT_S: Final = 5.0
"""Within which a connection with its TLS handshake must stand. A host that drops packets would take the whole of
`SEND_TIMEOUT_S` otherwise; five seconds are a lost SYN sent three times."""

IDLE_S: Final = 4.0
"""How long an unused connection is kept. Common servers close theirs after five seconds (Node) or more: a message that
meets the closing would fail and wait for its next try."""

ANSWER_BYTES_MAX: Final = 64 * 1024
"""Of an answer, unless a destination knows that its receiver says more (a bulk's items): the rest is not read."""

RETRY_AFTER_MAX_S: Final = 3600.0
"""Longest wait that a receiver can ask for: one that says a day by mistake is asked again within the hour."""

RETRIABLE_4XX: Final = frozenset({408, 425, 429})
"""Client errors that pass: Request Timeout, Too Early, Too Many Requests (RFC 9110 section 15.5.9, RFC 8470 section
5.2, RFC 6585 section 4)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver answered to one request."""

    status: int
    body: bytes
    """At most `answer_max` bytes of it."""
    retry_after_s: float | None = None
    """What `Retry-After` asks for (RFC 9110 section 10.2.3), in both its forms."""
    truncated: bool = False
    """The answer was longer than what was read."""


class Basic(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """User and password (RFC 7617)."""

    user: str
    password: SecretRef


class Auth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `auth` table of a destination: one of the two. Secrets are read for each message, so they may rotate."""

    bearer: SecretRef | None = None
    """A token (RFC 6750)."""
    basic: Basic | None = None

    def wrong(self) -> str | None:
        """Return what is wrong whatever the secrets are; None where nothing is."""
        return "one of bearer and basic is to be named" if (self.bearer is None) == (self.basic is None) else None

    def headers(self, what: str) -> dict[str, str]:
        """Return the header that carries it.

        Raises:
            ConfigurationError: the secret is not there, or both or neither are named.
        """
        match self.bearer, self.basic:
            case SecretRef() as bearer, None:
                return {"Authorization": "Bearer " + token(bearer, f"{what}.bearer")}
            case None, Basic(user=user, password=password):
                pair = f"{user}:{password.read(f'{what}.basic.password').reveal()}"
                return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
        raise ConfigurationError(f"{what}: one of bearer and basic is to be named")


def token(secret: SecretRef, what: str) -> str:
    """Return a secret that can stand in a header.

    Raises:
        ConfigurationError: it is not there, or holds what no header may: another line, a control character.
    """
    text = secret.read(what).reveal()
    if not (text.isascii() and text.isprintable()):
        raise ConfigurationError(f"{what}: the secret holds more than one line of printable ASCII: it is no token")
    return text


class Http:
    """One receiver's connections, from `start` to `stop`.

    Environment variables (`HTTPS_PROXY`, `.netrc`) are not read: a proxy is named, credentials never come by chance.
    """

    def __init__(
        self,
        *,
        what: str,
        tls: Tls | None = None,
        timeout_s: float = SEND_TIMEOUT_S,
        answer_max: int = ANSWER_BYTES_MAX,
        proxy: str | None = None,
        agent: str = "cloverwatch",
    ) -> None:
        """Connect nothing yet.

        Args:
            what: the destination's key in the policy (`destinations.NAME`), for errors of configuration.
            tls: the policy's table, or None for the system's authorities.
            timeout_s: for one request from its start to the end of its answer.
            answer_max: bytes of an answer that are read.
            proxy: URL of an HTTP proxy.
            agent: the `User-Agent`.
        """
        self._what = what
        self._tls = tls
        self._timeout_s = timeout_s
        self._connect_s = min(CONNECT_TIMEOUT_S, timeout_s)
        self._answer_max = answer_max
        self._proxy = proxy
        self._agent = agent
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Read the certificates.

        Raises:
            ConfigurationError: they are not there or are none.
        """
        context = client_context(self._tls, f"{self._what}.tls")
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context, keepalive_timeout=IDLE_S),
            timeout=aiohttp.ClientTimeout(total=self._timeout_s, connect=self._connect_s),
            headers={"User-Agent": self._agent},
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )

    async def stop(self) -> None:
        """Close all connections; does nothing where none were opened."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str], *, content_type: str = "application/json"
    ) -> Answer | Failed:
        """Send one request, and return what was answered, whatever its status; `Failed` where nothing was.

        A redirect is not followed: it is an answer. The reason of a failure names host and port of the URL and never
        its path, in which chat programs carry their secret.
        """
        if self._session is None:
            raise RuntimeError("post before start")
        where = host_of(url)
        try:
            async with self._session.post(
                url,
                data=body,
                headers={**headers, "Content-Type": content_type},
                allow_redirects=False,
                proxy=self._proxy,
            ) as response:
                text, truncated = await self._read(response)
                asked = retry_after(response.headers.get("Retry-After"), time.time())
                return Answer(response.status, text, asked, truncated)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            return Failed(f"{where}: {trouble(error, self._timeout_s, self._connect_s)}")

    async def _read(self, response: aiohttp.ClientResponse) -> tuple[bytes, bool]:
        parts: list[bytes] = []
        room = self._answer_max
        while room > 0:
            part = await response.content.read(room)
            if not part:
                return b"".join(parts), False
            parts.append(part)
            room -= len(part)
        if await response.content.read(1):
            response.close()  # the connection is of no use with the rest of an answer in it
            return b"".join(parts), True
        return b"".join(parts), False


def outcome_of(answer: Answer, answered: Mapping[str, str] | None = None, detail: str = "") -> Outcome:
    """Return what an answer means where a receiver's own documentation says nothing else.

    2xx: delivered. 408, 425, 429 and 5xx: later. A redirect: later too, since a proxy in maintenance redirects. Other
    4xx: refused, since the same message would be answered the same.

    Args:
        answer: what came.
        answered: for the receipt, beside the status.
        detail: what the body says, in words of ours: what a receiver says may repeat what was sent.
    """
    said = f": {bounded(detail, 300)}" if detail else ""
    if 200 <= answer.status < 300:
        return Delivered(
            {"status": str(answer.status), **{name: bounded(text) for name, text in (answered or {}).items()}}
        )
    if answer.status in RETRIABLE_4XX or answer.status >= 500:
        return Failed(f"answered {answer.status}{said}", answer.retry_after_s)
    if answer.status < 400:
        return Failed(
            f"answered {answer.status}, which leads elsewhere: redirects are not followed", answer.retry_after_s
        )
    return Refused(f"answered {answer.status}{said}")


def retry_after(text: str | None, now: float) -> float | None:
    """Return the seconds that a `Retry-After` asks for, at most `RETRY_AFTER_MAX_S`; None where it says nothing.

    Args:
        text: the header's value: seconds, or a date (RFC 9110 section 10.2.3).
        now: seconds since 1970, which a date is counted from.
    """
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(min(int(text[:12]), RETRY_AFTER_MAX_S))
    try:
        at = email.utils.parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None
    return min(max(at - now, 0.0), RETRY_AFTER_MAX_S)


def check_url(url: str, *, allow_plaintext: bool = False) -> str | None:
    """Return what is wrong with a receiver's URL, or None. Its path is not repeated: it may be secret.

    `http://` is for this machine only, unless the policy says `allow_plaintext = true`. Credentials belong into a
    secret, not into the URL.
    """
    if any(c.isspace() or not c.isprintable() for c in url):
        return "the url holds a space or a control character; write %20 where one belongs"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "the url cannot be read; write https://HOST[:PORT]/PATH"
    if parts.scheme not in {"https", "http"} or not host:
        return "the url must begin with https:// and name a host"
    if parts.username is not None or parts.password is not None:
        return "the url holds a user or a password: name them by auth, as secrets"
    if parts.fragment:
        return "the url holds a #fragment, which is never sent"
    if parts.scheme == "http" and not allow_plaintext and not is_loopback(host):
        return f"http:// to {host} would send alerts in clear; use https://, or say allow_plaintext = true"
    return None


def check_proxy(proxy: str | None) -> str | None:
    """Return what is wrong with a destination's `proxy`, or None. A proxy in a closed network may be `http://`."""
    wrong = None if proxy is None else check_url(proxy, allow_plaintext=True)
    return f"proxy: {wrong}" if wrong else None


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its name or address and without asking a resolver."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def host_of(url: str) -> str:
    """Return host and port of a URL: what of it may be shown."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or "?"
        host = f"[{host}]" if ":" in host else host
        return f"{host}:{parts.port}" if parts.port else host
    except ValueError:
        return "?"


def bounded(text: str, most: int = ANSWER_MAX) -> str:
    """Return at most `most` characters of a text, in one line."""
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"

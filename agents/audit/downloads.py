"""Files of a served log over HTTP: TLS verified, no redirects, a bound on each, tried again with patience."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

import aiohttp

from agents.audit.tlog.errors import BadLogError
from schemas.errors import ConfigurationError, ReferenceUnavailableError

AT_ONCE: Final = 16
"""Files on their way at the same time: with 20 ms to the server some 800 a second, and 256 MiB of memory where each is
the largest that there may be."""

TRIES: Final = 6
"""How often a file is asked for: a server that starts again, or says that it is busy, is back within half a minute."""

FIRST_PAUSE_S: Final = 0.5
"""Before the second try; twice as long before each further one, up to half as long again by chance, so that mirrors do
not come back all at once."""

SILENCE_S: Final = 20.0
"""How long a server may send nothing: one that hangs must not hang an audit."""

FILE_S: Final = 300.0
"""For one file: the largest bundle has 16 MiB."""

TOLD_PAUSE_MOST_S: Final = 60.0
"""The longest pause that a server's `Retry-After` may ask for."""

AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers that may be others a moment later."""

PART: Final = 65_536
"""Bytes that are read at a time."""


class Downloads:
    """What is under one `http(s)://` prefix.

    Args:
        prefix: of `checkpoint` and `tile/`.
        authority: file with the certificate of who signed the server's, where no public one did.
        tell: told of each try that failed.
        pause: waits so many seconds.

    Raises:
        ConfigurationError: it is no http or https URL, or the certificate cannot be read.
    """

    def __init__(
        self,
        prefix: str,
        authority: Path | None = None,
        tell: Callable[[str], None] = lambda _: None,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        parts = urlsplit(prefix)
        if (
            parts.scheme not in {"http", "https"}
            or not parts.hostname
            or parts.username
            or parts.query
            or parts.fragment
        ):
            raise ConfigurationError("URL: allowed: http://HOST/PATH or https://HOST/PATH, no user, no query")
        try:
            self._tls = ssl.create_default_context(cafile=authority)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(f"--ca: {authority} cannot be used: {error}") from None
        self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
        self._base, self._tell, self._pause = prefix.rstrip("/"), tell, pause
        self._turns = asyncio.Semaphore(AT_ONCE)
        self.count = 0
        """Files that came."""

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=AT_ONCE, ssl=self._tls),
            timeout=aiohttp.ClientTimeout(total=FILE_S, sock_connect=SILENCE_S, sock_read=SILENCE_S),
            headers={"Accept-Encoding": "identity"},
            auto_decompress=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def get(self, path: str, most: int) -> bytes:
        """Return a file.

        Raises:
            FileNotFoundError: there is none.
            BadLogError: it is longer than `most` bytes.
            ReferenceUnavailableError: the server does not answer, or answers with something else, however often asked.
        """
        told = 0.0
        for number in range(TRIES):
            if number:
                await self._pause(max(told, FIRST_PAUSE_S * 2 ** (number - 1)) * random.uniform(1, 1.5))  # noqa: S311
                told = 0.0
            try:
                async with self._turns:
                    status, found, told = await self._once(path, most)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                said = f"{self._base}/{path} cannot be read: {error or type(error).__name__}"
                if isinstance(error, aiohttp.ClientConnectorCertificateError):
                    raise ReferenceUnavailableError(f"{said}; --ca names who signed its certificate") from None
            else:
                if status == 200:
                    self.count += 1
                    return found
                if status in {404, 410}:
                    raise FileNotFoundError(path)
                said = f"{self._base}/{path}: the server answers {status}"
                if status not in AGAIN:
                    break
            self._tell(f"{said} (try {number + 1} of {TRIES})")
        raise ReferenceUnavailableError(said)

    async def _once(self, path: str, most: int) -> tuple[int, bytes, float]:
        async with self._session.get(f"{self._base}/{path}", allow_redirects=False) as answer:
            if answer.status != 200:
                told = answer.headers.get("Retry-After", "")
                seconds = float(told) if told.isascii() and told.isdecimal() and len(told) < 6 else 0.0
                return answer.status, b"", min(seconds, TOLD_PAUSE_MOST_S)
            found = bytearray()
            async for part in answer.content.iter_chunked(PART):
                found += part
                if len(found) > most:
                    raise BadLogError(path, f"more than {most:,} bytes, the most that this file may have")
            return 200, bytes(found), 0.0

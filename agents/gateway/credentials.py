"""Files of credentials that change while the decision point runs."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from mode import Service

from agents.gateway.callers import Callers, read_tokens
from agents.gateway.tls import server_tls
from agents.settings import Settings
from schemas.errors import ConfigurationError

log = logging.getLogger(__name__)

EVERY_S: Final = 1.0
"""Between two looks at the files: a token that is withdrawn is refused within about this time."""


class CredentialsWatch(Service):
    """Reads tokens, certificates and lists again when their files change. What is wrong changes nothing.

    Args:
        settings: say where they are.
        callers: get the new tokens.
        renew: gets the new TLS, where there is any.
        failed: called with True when a file is wrong, with False when it is right again.
        seen: `stamps`, taken before the files were read that are in force.
    """

    def __init__(
        self,
        settings: Settings,
        callers: Callers,
        renew: Callable[[ssl.SSLContext], Awaitable[None]],
        failed: Callable[[bool], None],
        seen: Stamps,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._settings, self._callers, self._renew, self._failed = settings, callers, renew, failed
        self._seen = seen
        self._said: dict[str, str] = {}
        """What is wrong with each of the two, said once."""

    @Service.task
    async def _watch(self) -> None:
        while not self.should_stop:
            await self.sleep(EVERY_S)
            now = stamps(self._settings)
            # Each by itself: a slip in one file must not keep a key in use that the other one revokes.
            tokens = await self._look("tokens", self._tokens, again=now.tokens != self._seen.tokens)
            tls = await self._look("TLS", self._tls, again=now.tls != self._seen.tls)
            if tokens or tls:
                self._failed(bool(self._said))
            self._seen = now

    async def _look(self, what: str, read: Callable[[], Awaitable[None]], *, again: bool) -> bool:
        """Read again what changed, or was wrong; return whether it was looked at."""
        if not again and what not in self._said:
            return False
        try:
            await read()
        except ConfigurationError as error:
            if self._said.get(what) != str(error):
                log.error("The callers' credentials (%s) stay as they are: %s", what, error)
            self._said[what] = str(error)
        else:
            self._said.pop(what, None)
            log.warning("Credentials (%s) read again", what)
        return True

    async def _tokens(self) -> None:
        if self._settings.gateway_tokens is not None:
            self._callers.tokens = read_tokens(self._settings.gateway_tokens)

    async def _tls(self) -> None:
        tls = server_tls(self._settings)
        if tls is not None:
            await self._renew(tls)


Stamp = tuple[int, int, int] | None


class Stamps(NamedTuple):
    """What tells whether files are still the same."""

    tokens: Stamp
    tls: tuple[Stamp, ...]


def stamps(given: Settings) -> Stamps:
    """Return what the files are now: taken before they are read, so that no change after that is missed."""
    tls = (given.gateway_tls_cert, given.gateway_tls_key, given.gateway_client_ca, given.gateway_client_crl)
    return Stamps(_stamp(given.gateway_tokens), tuple(map(_stamp, tls)))


def _stamp(path: Path | None) -> tuple[int, int, int] | None:
    try:
        found = None if path is None else path.stat()
    except OSError:
        found = None
    if found is None:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino

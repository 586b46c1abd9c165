"""Files of credentials that change while the decision point runs."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

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
    """

    def __init__(
        self,
        settings: Settings,
        callers: Callers,
        renew: Callable[[ssl.SSLContext], Awaitable[None]],
        failed: Callable[[bool], None],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._settings, self._callers, self._renew, self._failed = settings, callers, renew, failed
        self._seen = self._stamps()

    @Service.task
    async def _watch(self) -> None:
        said = ""
        while not self.should_stop:
            await self.sleep(EVERY_S)
            stamps = self._stamps()
            if stamps == self._seen and not said:
                continue
            try:
                tls = server_tls(self._settings)
                if self._settings.gateway_tokens is not None:
                    self._callers.tokens = read_tokens(self._settings.gateway_tokens)
                if tls is not None and stamps[1:] != self._seen[1:]:
                    await self._renew(tls)
            except ConfigurationError as error:
                if str(error) != said:
                    log.error("The callers' credentials stay as they are: %s", error)
                    self._failed(True)  # noqa: FBT003 - a gauge is set
                said = str(error)
                continue
            if stamps != self._seen:
                log.warning("Credentials read again")
            self._seen, said = stamps, ""
            self._failed(False)  # noqa: FBT003 - a gauge is set

    def _stamps(self) -> list[tuple[int, int, int] | None]:
        """Return what tells whether the file of tokens (first) and those of TLS are still the same."""
        given = self._settings
        certificate = (given.gateway_tls_cert, given.gateway_tls_key)
        return [
            _stamp(path)
            for path in (given.gateway_tokens, *certificate, given.gateway_client_ca, given.gateway_client_crl)
        ]


def _stamp(path: Path | None) -> tuple[int, int, int] | None:
    try:
        found = None if path is None else path.stat()
    except OSError:
        found = None
    if found is None:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino

"""What went wrong on the way to a receiver, in a few words: without the URL, which may hold a secret."""

from __future__ import annotations

import os
import ssl
import traceback
from typing import Final

import aiohttp

PLACES: Final = 4
"""Innermost lines of a traceback that are told: where it was raised, and who asked for that."""


def trouble(error: Exception, timeout_s: float, connect_s: float) -> str:
    """Say what kept a request from its answer; never the library's own text, which may hold the URL.

    Args:
        error: what the client raised.
        timeout_s: within which the whole answer was to be there.
        connect_s: within which the connection was to stand.
    """
    match error:
        case aiohttp.ConnectionTimeoutError():
            return f"no connection within {connect_s:g} s"
        case TimeoutError():
            return f"no answer within {timeout_s:g} s"
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
            return f"TLS: {_tls(error)}"
        case aiohttp.ClientConnectorDNSError():
            return "the name does not resolve"
        case aiohttp.ClientProxyConnectionError():
            return f"the proxy cannot be reached: {_errno(error.os_error)}"
        case aiohttp.ClientHttpProxyError():
            return f"the proxy answered {error.status}"
        case aiohttp.ClientConnectorError():
            return f"cannot be reached: {_errno(error.os_error)}"
        case aiohttp.ServerDisconnectedError():
            return "the connection was closed before an answer"
        case aiohttp.ClientPayloadError():
            return "the answer broke off"
        case aiohttp.ClientResponseError():
            return "the answer is not HTTP"
        case OSError():
            return f"the connection broke: {_errno(error)}"
        case _:
            return f"the request could not be made: {type(error).__name__}"


def place(error: BaseException) -> str:
    """Say what was raised where, for the log: never the error's own text, which may quote what was sent."""
    frames = traceback.extract_tb(error.__traceback__)
    where = ", ".join(f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}" for frame in frames[-PLACES:])
    return f"{type(error).__name__} at {where or 'no place'}"


def _errno(error: OSError) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        error = error.os_error
    # asyncio puts the address into the text of a refused connection; the number says the same.
    return os.strerror(error.errno) if error.errno and error.errno > 0 else "no reason given"


def _tls(error: Exception) -> str:
    cause = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"the certificate is not trusted ({cause.verify_message})"
    if isinstance(cause, ssl.SSLError):
        return f"the handshake failed ({(cause.reason or 'no reason given').lower().replace('_', ' ')})"
    return "the handshake failed"

"""TLS of destinations: whose certificates are trusted, and with which one we say who we are."""

from __future__ import annotations

import ssl
from pathlib import Path

import msgspec

from schemas.errors import ConfigurationError


class Tls(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `tls` table of a destination: paths of PEM files. Without it the system's authorities are trusted."""

    ca: str | None = None
    """Certificates of the authorities that are trusted here, and no others: an own authority's. None: the system's."""
    cert: str | None = None
    """Our certificate with its chain, for receivers that ask who connects (mutual TLS)."""
    key: str | None = None
    """Its private key, unencrypted: protect it by the file's mode. None: it is in `cert`."""


def client_context(tls: Tls | None, what: str) -> ssl.SSLContext:
    """Return a context that verifies the receiver's chain and name, TLS 1.2 or newer.

    There is no switch that turns verification off: an own authority is named by `ca`. The files are read now: a
    certificate that was renewed is used from the next start on.

    Args:
        tls: what the policy says; None for the system's authorities and no certificate of our own.
        what: the key in the policy, for errors (`destinations.pager.tls`).

    Raises:
        ConfigurationError: a file is not there or is not what it should be.
    """
    if tls is None:
        tls = Tls()
    if tls.key is not None and tls.cert is None:
        raise ConfigurationError(f"{what}.key: there is a key and no certificate; name it by cert")
    for name, path in (("ca", tls.ca), ("cert", tls.cert), ("key", tls.key)):
        if path is not None:
            _readable(f"{what}.{name}", path)
    try:
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=tls.ca)
    except ssl.SSLError:
        raise ConfigurationError(f"{what}.ca: {tls.ca} holds no certificate in PEM form") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if tls.cert is not None:
        try:
            # Without a password given, OpenSSL would ask the terminal for that of an encrypted key, and wait for ever.
            context.load_cert_chain(tls.cert, tls.key, password="")
        except (ssl.SSLError, ValueError):
            raise ConfigurationError(
                f"{what}: {tls.cert} and its key do not fit each other, are not PEM, or the key is encrypted"
            ) from None
    return context


def _readable(what: str, path: str) -> None:
    try:
        with Path(path).open("rb"):
            pass
    except OSError as error:
        raise ConfigurationError(f"{what}: the file {path} cannot be read: {error.strerror}") from None

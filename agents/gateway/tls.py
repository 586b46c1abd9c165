"""The TLS of the decision point: its own certificate, and by what callers' certificates are verified."""

from __future__ import annotations

import ssl
import stat
from ipaddress import ip_address

from agents.gateway.callers import only_its_owner
from agents.settings import Settings
from schemas.errors import ConfigurationError


def server_tls(settings: Settings) -> ssl.SSLContext | None:
    """Return the TLS of the decision point; None where it listens on loopback without.

    Raises:
        ConfigurationError: callers could not be known, decisions would travel in clear, or a file cannot be used.
    """
    if settings.gateway_tokens is None and settings.gateway_client_ca is None:
        raise ConfigurationError(
            "gateway_tokens, gateway_client_ca: neither is set, so anybody could ask; allowed: a file of tokens "
            "(`cloverwatch gateway --new-token NAME`), certificates of callers, or both"
        )
    if settings.gateway_tls_cert is None:
        if settings.gateway_client_ca is not None or settings.gateway_tls_key is not None:
            raise ConfigurationError("gateway_client_ca, gateway_tls_key: need gateway_tls_cert")
        if settings.gateway_client_crl is not None:
            raise ConfigurationError("gateway_client_crl: needs gateway_client_ca")
        if not _loopback(settings.gateway_host):
            raise ConfigurationError(
                f"gateway_host: {settings.gateway_host} without gateway_tls_cert; allowed without: a loopback address "
                "(tokens and decisions would travel in clear)"
            )
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load_certificate(context, settings)
    _verify_callers(context, settings)
    return context


def _verify_callers(context: ssl.SSLContext, settings: Settings) -> None:
    """Verify client certificates.

    With lists of revoked ones, each authority that issued one must have a list there that it signed and that is in
    date, or its certificates are refused (OpenSSL, X509_V_FLAG_CRL_CHECK).
    """
    if settings.gateway_client_ca is None:
        if settings.gateway_client_crl is not None:
            raise ConfigurationError("gateway_client_crl: needs gateway_client_ca")
        return
    try:
        context.load_verify_locations(cafile=settings.gateway_client_ca)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"gateway_client_ca: cannot be used: {error}") from None
    context.verify_mode = ssl.CERT_REQUIRED if settings.gateway_tokens is None else ssl.CERT_OPTIONAL
    if settings.gateway_client_crl is None:
        return
    try:
        context.load_verify_locations(cafile=settings.gateway_client_crl)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"gateway_client_crl: cannot be used: {error}") from None
    if not context.cert_store_stats()["crl"]:
        raise ConfigurationError(
            f"gateway_client_crl: {settings.gateway_client_crl} has no list; allowed: X509 CRL, in PEM"
        )
    context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF


def _load_certificate(context: ssl.SSLContext, settings: Settings) -> None:
    assert settings.gateway_tls_cert is not None  # noqa: S101  # held by `server_tls`
    key = settings.gateway_tls_key or settings.gateway_tls_cert
    try:
        only_its_owner("gateway_tls_key", key, stat.S_IMODE(key.stat().st_mode))
        context.load_cert_chain(settings.gateway_tls_cert, settings.gateway_tls_key, password="")
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"gateway_tls_cert, gateway_tls_key: cannot be used: {error}") from None


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

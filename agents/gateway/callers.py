"""Who asks: bearer tokens, of which we have only hashes, and client certificates."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import stat
from collections.abc import Container, Mapping
from dataclasses import dataclass
from hmac import compare_digest
from pathlib import Path
from typing import Any, Final

from agents.gateway.refusal import Refusal
from agents.signing import OTHERS
from schemas.errors import ConfigurationError
from schemas.fields import ID_MAX
from schemas.toml_file import TomlFile

TOKEN_BYTES: Final = 32
"""Of a new token: nobody guesses 256 bits, so their plain SHA-256 may be kept without a slow hash."""

FILE_MAX: Final = 1024 * 1024
"""Bytes of the file of tokens: some ten thousand callers."""

SCHEME: Final = "bearer "
_HASH: Final = re.compile(r"sha256:([0-9a-f]{64})")
_NAME: Final = re.compile(rf"[!-~]{{1,{ID_MAX}}}")


@dataclass(frozen=True, slots=True)
class Tokens:
    """The hashes of the callers' tokens, with whose each is."""

    known: tuple[tuple[bytes, str], ...]

    def caller(self, token: str) -> str | None:
        """Return whose token it is; every hash is compared, in a time that tells nothing of how far one is right."""
        asked = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        found = None
        for digest, name in self.known:
            if compare_digest(digest, asked):
                found = name
        return found

    @property
    def names(self) -> frozenset[str]:
        """Every caller that has one."""
        return frozenset(name for _, name in self.known)


def new_token(caller: str) -> tuple[str, str]:
    """Return a new token of a caller, and its line in the file of tokens.

    Raises:
        ConfigurationError: a caller is not called so.
    """
    if _NAME.fullmatch(caller) is None or not caller.isascii() or '"' in caller or "\\" in caller:
        raise ConfigurationError(f"--new-token: allowed: 1 to {ID_MAX} characters of ASCII, no spaces or quotes")
    token = secrets.token_urlsafe(TOKEN_BYTES)
    return token, f'"{caller}" = "sha256:{hashlib.sha256(token.encode()).hexdigest()}"'


def read_tokens(path: Path) -> Tokens:
    """Return the callers' tokens: TOML, `NAME = "sha256:HEX"`, or a list of such while one takes another's place.

    Raises:
        ConfigurationError: it cannot be read, others may read it, or something in it is wrong; quotes no hash.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read(FILE_MAX + 1)
        text = content.decode("utf-8")
    except OSError as error:
        raise ConfigurationError(f"gateway_tokens: {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"gateway_tokens: {path} is not UTF-8 at byte {error.start}") from None
    only_its_owner("gateway_tokens", path, mode)
    if len(content) > FILE_MAX:
        raise ConfigurationError(f"gateway_tokens: {path} is longer than {FILE_MAX} bytes")
    toml = TomlFile(text, str(path))
    known = []
    for name, given in toml.data.items():
        if _NAME.fullmatch(name) is None:
            raise toml.fail((name,), f"a caller's name: allowed: 1 to {ID_MAX} characters of ASCII without spaces")
        for each in given if isinstance(given, list) else [given]:
            found = _HASH.fullmatch(each) if isinstance(each, str) else None
            if found is None:
                raise toml.fail(
                    (name,),
                    "no hash of a token; allowed: sha256: and 64 hexadecimal digits, or a list of such, as "
                    "`cloverwatch gateway --new-token NAME` prints it",
                )
            known.append((bytes.fromhex(found[1]), name))
    return Tokens(tuple(known))


def names_in(certificate: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names in a verified client's certificate, in the order in which they are looked for.

    DNS names, URIs, then the common name; `certificate` is as `ssl.SSLSocket.getpeercert` gives it.
    """
    alternative = certificate.get("subjectAltName", ())
    found = [value for kind in ("DNS", "URI") for each, value in alternative if each == kind]
    found += [value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]
    return tuple(dict.fromkeys(found))


class Callers:
    """Says who asks, and whether they may ask at all.

    Args:
        tokens: theirs; None where there are none.
        allowed: the callers that the policy names.
    """

    def __init__(self, tokens: Tokens | None, allowed: Container[str]) -> None:
        self.tokens = tokens
        self.allowed = allowed

    def caller(self, authorization: str | None, certificate: Mapping[str, Any] | None) -> str:
        """Return the caller's name. A token, where one is shown, must be right, whatever certificate is shown with it.

        Raises:
            Refusal: nobody that is known, or nobody that the policy names.
        """
        name = self._name(authorization, certificate)
        if name not in self.allowed:
            raise Refusal("forbidden", "this caller is none of [gateway.gateways] of the policy")
        return name

    def _name(self, authorization: str | None, certificate: Mapping[str, Any] | None) -> str:
        challenge = {"WWW-Authenticate": 'Bearer realm="cloverwatch"'}
        if authorization is not None:
            token = authorization[len(SCHEME) :].strip() if authorization.lower().startswith(SCHEME) else ""
            found = self.tokens.caller(token) if token and self.tokens is not None else None
            if found is None:
                raise Refusal("unauthenticated", "the token is not known; allowed: Authorization: Bearer", challenge)
            return found
        names = names_in(certificate) if certificate else ()
        if not names:
            raise Refusal("unauthenticated", "who asks? Send Authorization: Bearer, or a certificate", challenge)
        return next((name for name in names if name in self.allowed), names[0])


def only_its_owner(setting: str, path: Path, mode: int) -> None:
    """Refuse a file that others may read.

    Raises:
        ConfigurationError: they may.
    """
    if mode & OTHERS:
        raise ConfigurationError(
            f"{setting}: {path} has mode {mode:04o}: others than its owner may read it; allowed: 0600 or less"
        )

"""The keys from which pseudonyms are made: epochs, the key of ids, the key that wraps people's own keys.

A file or a command holds them as JSON. Nobody who has alerts but not these keys can tell whom a pseudonym stands for,
not by trying every employee either (EDPB Guidelines 01/2025 on pseudonymisation: keyed functions, with the key kept
apart).
"""

from __future__ import annotations

import binascii
import hmac
import re
import secrets
from base64 import b32encode, b64decode, b64encode
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from schemas.errors import ConfigurationError
from schemas.fields import iso, milliseconds
from schemas.toml_file import duration

KEY_BYTES: Final = 32
"""Of every key: as long as what SHA-256 gives, so that no key is weaker than the function (RFC 2104, section 3)."""

TOKEN_BYTES: Final = 15
"""Of a pseudonym: 120 bits, 24 characters of base32 without padding. Two people never meet in one."""

THING_HEX: Final = 20
"""Hex digits of what stands for a thing of a person: 80 bits, as only the few things of one person can meet in one."""

ID_HEX: Final = 32
"""Hex digits of a keyed id: 128 bits, as long as the ids that it is made of."""

OVERLAP: Final = "35d"
"""How long after a rotation alerts carry the former pseudonym too: a month, the longest window of a receiver's rules
that we know of, and some days."""

VERSION: Final = 1
"""Of the file."""

_DAY_MS: Final = 86_400_000
_EPOCH_NAME: Final = re.compile(r"[a-z][0-9a-z]{0,11}")


@dataclass(frozen=True, slots=True)
class Epoch:
    """One epoch: from `since` on (milliseconds since 1970), pseudonyms are made with `key`."""

    name: str
    since: int
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRing:
    """All keys. `epochs` in the order of their beginning; one at least."""

    epochs: tuple[Epoch, ...]
    ids: bytes = field(repr=False)
    """Makes ids of alerts and incidents, and the names of people's keys. Never changes: ids must not."""
    wrap: bytes = field(repr=False)
    """Encrypts people's own keys in `privacy.keys`."""
    overlap: int
    """Milliseconds."""

    def at(self, occurred_at: int) -> Epoch:
        """Return the epoch of a time; what happened before the first one belongs to the first."""
        return self.around(occurred_at)[0]

    def before(self, occurred_at: int) -> Epoch | None:
        """Return the epoch before that of a time, while the two overlap; None where they do not."""
        return self.around(occurred_at)[1]

    def around(self, occurred_at: int) -> tuple[Epoch, Epoch | None]:
        """Return both: `at` and `before`."""
        epochs = self.epochs
        for number in range(len(epochs) - 1, 0, -1):  # from the last: nearly always it is that one
            epoch = epochs[number]
            if epoch.since <= occurred_at:
                return epoch, epochs[number - 1] if occurred_at < epoch.since + self.overlap else None
        return epochs[0], None

    def keyed(self, kind: str, clear: str) -> str:
        """Return a keyed id of `clear`, 32 hex digits: the same in every epoch."""
        mac = _begun(self.ids).copy()
        mac.update(f"{kind}|{clear}".encode())
        return mac.hexdigest()[:ID_HEX]

    def person_name(self, person: str) -> str:
        """Return the name of a person's key in `privacy.keys`: 64 hex digits."""
        return hmac.digest(self.ids, f"person|{person}".encode(), "sha256").hex()


@lru_cache(maxsize=64)
def _begun(key: bytes) -> hmac.HMAC:
    """Return an HMAC with nothing in it yet: copying it costs less than beginning it, and each alert has two."""
    return hmac.new(key, digestmod="sha256")


def token_of(epoch: Epoch, person_key: bytes, what: str) -> str:
    """Return the pseudonym of `what` (a person, or something of theirs) in an epoch: `epoch:token`.

    Both keys are needed. Without the epoch's nobody can make it; once the person's own is destroyed, the holder of all
    epochs cannot either.
    """
    made = hmac.digest(epoch.key, person_key + what.encode(), "sha256")
    return f"{epoch.name}:{b32encode(made[:TOKEN_BYTES]).decode().lower()}"


def thing_of(epoch: Epoch, person_key: bytes, name: str, thing: str) -> str:
    """Return what stands for a thing of a person (a session, an account) in an epoch: `epoch:` and 20 hex digits.

    Of another length than a person's pseudonym, so that the two are told apart.
    """
    mac = _begun(epoch.key).copy()
    mac.update(person_key + f"|{name}|{thing}".encode())
    return f"{epoch.name}:{mac.hexdigest()[:THING_HEX]}"


class _EpochInFile(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    since: Annotated[datetime, Meta(tz=True)] = msgspec.field(name="from")
    key: str


class _File(msgspec.Struct, forbid_unknown_fields=True):
    version: int
    ids: str
    wrap: str
    epochs: Annotated[tuple[_EpochInFile, ...], Meta(min_length=1)]
    overlap: str = OVERLAP


def parse(content: bytes, where: str) -> KeyRing:
    """Return the keys in a file's content.

    Args:
        content: JSON, as `cloverwatch privacy keys` writes it.
        where: what it came from, for the error. No key is ever in an error.

    Raises:
        ConfigurationError: it cannot be used; names the key and what is allowed.
    """
    try:
        file = msgspec.json.decode(content, type=_File)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{where}: no keys: {error}; make them with `cloverwatch privacy keys --new`"
        ) from None
    if file.version != VERSION:
        raise ConfigurationError(f"{where}: version: {file.version}; allowed: {VERSION}")
    epochs: list[Epoch] = []
    for number, each in enumerate(file.epochs):
        if not _EPOCH_NAME.fullmatch(each.name) or each.name in {epoch.name for epoch in epochs}:
            raise ConfigurationError(
                f"{where}: epochs[{number}].name: {each.name!r}; allowed: a letter, then at most eleven letters and "
                "digits, in lower case, each name once"
            )
        since = milliseconds(each.since)
        if epochs and since <= epochs[-1].since:
            raise ConfigurationError(
                f"{where}: epochs[{number}].from: {iso(since)}; allowed: later than the one before"
            )
        epochs.append(Epoch(each.name, since, _key(each.key, f"{where}: epochs[{number}].key")))
    ids, wrap = _key(file.ids, f"{where}: ids"), _key(file.wrap, f"{where}: wrap")
    if len({ids, wrap, *(epoch.key for epoch in epochs)}) < len(epochs) + 2:
        raise ConfigurationError(f"{where}: the same key stands twice; each is to be made anew")
    try:
        overlap = duration(file.overlap)
    except ValueError as error:
        raise ConfigurationError(f"{where}: overlap: {file.overlap!r}: {error}") from None
    return KeyRing(epochs=tuple(epochs), ids=ids, wrap=wrap, overlap=overlap)


def _key(text: str, what: str) -> bytes:
    try:
        found = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if len(found) != KEY_BYTES:
        raise ConfigurationError(f"{what}: no key; allowed: {KEY_BYTES} bytes in base64")
    return found


def as_json(ring: KeyRing) -> bytes:
    """Return keys as the file has them: secret as a whole."""
    file = _File(
        version=VERSION,
        ids=b64encode(ring.ids).decode(),
        wrap=b64encode(ring.wrap).decode(),
        epochs=tuple(
            _EpochInFile(each.name, datetime.fromisoformat(iso(each.since)), b64encode(each.key).decode())
            for each in ring.epochs
        ),
        overlap=f"{ring.overlap // _DAY_MS}d" if ring.overlap % _DAY_MS == 0 else f"{ring.overlap // 1000}s",
    )
    return msgspec.json.format(msgspec.json.encode(file), indent=2) + b"\n"


def fresh(now: int) -> KeyRing:
    """Return new keys, all random; the first epoch begins now (milliseconds)."""
    return KeyRing(
        epochs=(Epoch("p1", now, secrets.token_bytes(KEY_BYTES)),),
        ids=secrets.token_bytes(KEY_BYTES),
        wrap=secrets.token_bytes(KEY_BYTES),
        overlap=duration(OVERLAP),
    )


def rotated(ring: KeyRing, since: int) -> KeyRing:
    """Return keys with one more epoch, which begins at `since`.

    Raises:
        ConfigurationError: the one before begins later.
    """
    last = ring.epochs[-1]
    if since <= last.since:
        raise ConfigurationError(
            f"--from: {iso(since)}; allowed: later than {iso(last.since)}, when {last.name} begins"
        )
    number = len(ring.epochs) + 1
    names = {epoch.name for epoch in ring.epochs}
    while f"p{number}" in names:
        number += 1
    new = Epoch(f"p{number}", since, secrets.token_bytes(KEY_BYTES))
    return KeyRing(epochs=(*ring.epochs, new), ids=ring.ids, wrap=ring.wrap, overlap=ring.overlap)

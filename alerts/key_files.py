"""A person's private key as a file holds it: JSON, with the seed in clear or under a passphrase.

A passphrase becomes a key by Argon2id (RFC 9106; libsodium's `crypto_pwhash`), which encrypts the seed
(`crypto_secretbox`). Name and public key stand in clear, so that whoever finds a file knows whose it is.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from typing import Final

import msgspec
from nacl.exceptions import CryptoError
from nacl.pwhash import argon2id
from nacl.secret import SecretBox
from nacl.utils import random

from alerts.signatures import KEY_BYTES, Signer
from schemas.errors import ConfigurationError
from schemas.secret import Secret

VERSION: Final = 1

FILE_MAX: Final = 4 * 1024
"""Bytes of a key file: twenty times what it holds."""

OPERATIONS: Final = argon2id.OPSLIMIT_MODERATE
MEMORY: Final = argon2id.MEMLIMIT_MODERATE
"""3 passes over 256 MiB, what libsodium calls moderate: most of a second for each guess at a passphrase, and for each
use of the key."""

OPERATIONS_MAX: Final = 16
MEMORY_MAX: Final = 1024 * 1024 * 1024
"""What a file may ask for when it is read: a file that somebody else wrote must not take a machine's memory."""


class _Sealed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    operations: int
    memory: int
    salt: str
    box: str


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    cloverwatch_key: int
    name: str
    public: str
    seed: str | None = None
    sealed: _Sealed | None = None


def new(name: str) -> tuple[Signer, Secret]:
    """Return a new key of `name`, from the system's randomness, and its seed in base64."""
    seed = random(KEY_BYTES)
    return Signer(name, seed), Secret(b64encode(seed).decode("ascii"))


def write(
    signer: Signer, seed: Secret, passphrase: Secret | None, operations: int = OPERATIONS, memory: int = MEMORY
) -> bytes:
    """Return what the file holds: the seed under the passphrase, or in clear where there is none."""
    plain: str | None = seed.reveal()
    sealed = None
    if passphrase is not None:
        salt = random(argon2id.SALTBYTES)
        box = SecretBox(_stretched(passphrase, salt, operations, memory)).encrypt(b64decode(seed.reveal()))
        sealed = _Sealed(operations, memory, b64encode(salt).decode("ascii"), b64encode(box).decode("ascii"))
        plain = None
    file = _File(VERSION, signer.name, signer.public, plain, sealed)
    return msgspec.json.format(msgspec.json.encode(file), indent=2) + b"\n"


def is_sealed(content: bytes, where: str) -> bool:
    """Whether a passphrase is needed.

    Raises:
        ConfigurationError: it is no key file.
    """
    return _parsed(content, where).sealed is not None


def read(content: bytes, where: str, passphrase: Secret | None) -> Signer:
    """Return the key in a file's content; `where` is what errors call the file.

    Raises:
        ConfigurationError: it is no key file, a passphrase is needed, or it is another one.
    """
    file = _parsed(content, where)
    try:
        if file.sealed is None:
            seed = b64decode(file.seed or "", validate=True)
        elif passphrase is None:
            raise ConfigurationError(
                f"{where}: the key is under a passphrase; give --passphrase-file or --passphrase-env"
            )
        else:
            sealed = file.sealed
            if not (1 <= sealed.operations <= OPERATIONS_MAX and 0 < sealed.memory <= MEMORY_MAX):
                raise ConfigurationError(
                    f"{where}: sealed: asks for {sealed.operations} passes over {sealed.memory} bytes; allowed: at "
                    f"most {OPERATIONS_MAX} over {MEMORY_MAX}"
                )
            key = _stretched(passphrase, b64decode(sealed.salt, validate=True), sealed.operations, sealed.memory)
            seed = SecretBox(key).decrypt(b64decode(sealed.box, validate=True))
        signer = Signer(file.name, seed)
    except (CryptoError, binascii.Error, ValueError, TypeError):
        wrong = "another passphrase, or changed" if file.sealed is not None else "no seed of a key"
        raise ConfigurationError(f"{where}: the key in it cannot be used: {wrong}") from None
    if signer.public != file.public:
        raise ConfigurationError(f"{where}: the public key in it is another key's: the file was changed")
    return signer


def _parsed(content: bytes, where: str) -> _File:
    try:
        file = msgspec.json.decode(content, type=_File) if len(content) <= FILE_MAX else None
    except (msgspec.MsgspecError, UnicodeDecodeError):  # what it says may quote the file, which is secret
        file = None
    if file is None or (file.seed is None) == (file.sealed is None):
        raise ConfigurationError(f"{where}: no key of ours; make one with `cloverwatch keys new NAME --out FILE`")
    if file.cloverwatch_key != VERSION:
        raise ConfigurationError(f"{where}: version {file.cloverwatch_key}; this program reads version {VERSION}")
    return file


def _stretched(passphrase: Secret, salt: bytes, operations: int, memory: int) -> bytes:
    return bytes(argon2id.kdf(SecretBox.KEY_SIZE, passphrase.reveal().encode(), salt, operations, memory))

"""Signed notes: checkpoints of a log, their signatures and the cosignatures of witnesses.

C2SP signed-note (`— name base64(4-byte key id || signature)`), tlog-checkpoint (origin, size, root), tlog-cosignature
(`cosignature/v1`). Of key types Ed25519 (0x01) and timestamped Ed25519 cosignatures (0x04) are known.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from schemas.errors import CloverwatchError, ConfigurationError

ED25519: Final = 0x01
COSIGNATURE_V1: Final = 0x04

NOTE_MAX: Final = 64 * 1024
"""Bytes of a checkpoint with all its signatures; a witness's line is some 100 bytes."""

SIGNATURES_MOST: Final = 100
"""Signature lines that are looked at (signed-note allows a bound)."""

HASH_BYTES: Final = 32
_KEY_ID: Final = re.compile(r"[0-9a-f]{8}")
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}")


class NoteError(CloverwatchError):
    """A file is no checkpoint; says why."""


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key as it is handed out: `name+id+base64(type || key)`."""

    name: str
    key_id: bytes
    kind: int
    key: bytes

    @classmethod
    def read(cls, vkey: str) -> Verifier:
        """Read one.

        Raises:
            ConfigurationError: it is none, or its id is not that of its key.
        """
        name, _, rest = vkey.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        raw = _octets(encoded)
        identity = bytes.fromhex(key_id) if _KEY_ID.fullmatch(key_id) else b""
        if not name or " " in name or len(identity) != 4 or len(raw) != 1 + HASH_BYTES:
            raise ConfigurationError(
                f"{vkey!r} is no public key; allowed: `name+8 hex digits+base64`, as `cloverwatch audit keys` prints it"
            )
        if raw[0] not in {ED25519, COSIGNATURE_V1}:
            raise ConfigurationError(f"{name}: keys of type {raw[0]:#04x}; allowed: 0x01 Ed25519, 0x04 cosignatures")
        if sha256(name.encode() + b"\n" + raw).digest()[:4] != identity:
            raise ConfigurationError(f"{name}: the id {key_id} is not that of its key: it was copied wrong")
        return cls(name, identity, raw[0], raw[1:])


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log's size and root, and who signed them."""

    origin: str
    size: int
    root: bytes
    text: bytes
    """What is signed, with its last newline."""
    signatures: tuple[tuple[str, bytes, bytes], ...]
    """(name, key id, signature)."""

    def signed_by(self, key: Verifier) -> int | None:
        """Return None where a key did not sign it; of a cosignature its time, seconds since 1970, else 0."""
        for name, key_id, signature in self.signatures:
            if name != key.name or key_id != key.key_id:
                continue
            message, at, proof = self.text, 0, signature
            if key.kind == COSIGNATURE_V1:
                if len(signature) < 8:
                    continue
                at, proof = int.from_bytes(signature[:8], "big"), signature[8:]
                message = b"cosignature/v1\ntime %d\n" % at + self.text
            try:
                VerifyKey(key.key).verify(message, proof)
            except (BadSignatureError, ValueError):
                continue
            return at
        return None


def checkpoint(raw: bytes) -> Checkpoint:
    """Read a checkpoint; nothing is verified yet.

    Raises:
        NoteError: it is none.
    """
    if len(raw) > NOTE_MAX:
        raise NoteError(f"longer than {NOTE_MAX} bytes")
    try:
        whole = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise NoteError("not UTF-8") from None
    text, blank, below = whole.rpartition("\n\n")
    if not blank or not below.endswith("\n"):
        raise NoteError("no signature below a blank line")
    text += "\n"
    lines = text.split("\n")
    if len(lines) < 4 or not lines[0] or not _SIZE.fullmatch(lines[1]):
        raise NoteError("not the three lines of a checkpoint: origin, size, root")
    root = _octets(lines[2])
    if len(root) != HASH_BYTES:
        raise NoteError("its root is not 32 bytes in base64")
    return Checkpoint(lines[0], int(lines[1]), root, text.encode(), tuple(_signatures(below)))


def _octets(text: str) -> bytes:
    """Return what base64 in its canonical form encodes; nothing where it is none."""
    try:
        raw = b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return b""
    return raw if b64encode(raw).decode() == text else b""


def _signatures(below: str) -> list[tuple[str, bytes, bytes]]:
    found = []
    for line in below.split("\n")[:-1][:SIGNATURES_MOST]:
        dash, _, rest = line.partition(" ")
        name, _, encoded = rest.partition(" ")
        signature = _octets(encoded)
        if dash != "—" or not name or len(signature) < 5:
            raise NoteError("a line below the blank line is no signature")
        found.append((name, signature[:4], signature[4:]))
    return found

"""Signed notes, and the keys that sign them. Source: C2SP signed-note (keys and signatures), C2SP tlog-cosignature.

Two kinds of Ed25519 signature: 0x01 over the text (a log's), 0x04 over the text with a time before it (a witness's).
The cryptography is libsodium's, through PyNaCl.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from nacl.exceptions import BadSignatureError, CryptoError
from nacl.signing import SigningKey, VerifyKey
from nacl.utils import random

from agents.audit.tlog.errors import BadNoteError

ED25519: Final = 0x01
COSIGNATURE: Final = 0x04
KINDS: Final = (ED25519, COSIGNATURE)

KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
TIME_BYTES: Final = 8
"""Before the signature of a cosignature: seconds since the epoch, big-endian."""

TIME_MAX: Final = (1 << 63) - 1
NOTE_MAX: Final = 1_000_000
"""Bytes of a note that are read at most, as the Go reader has it: a larger one is an attack on memory."""

SIGNATURES_MAX: Final = 100
"""Signature lines of a note at most; the specification asks for at least 16."""

PRIVATE: Final = "PRIVATE+KEY+"
_LINE: Final = re.compile("— (\\S+) ([A-Za-z0-9+/]+={0,2})")
_CONTROL: Final = re.compile("[\x00-\x09\x0b-\x1f]")


def is_key_name(name: str) -> bool:
    """Whether a key may have that name: not empty, no spaces, no plus, no control characters."""
    return bool(name) and "+" not in name and not any(c.isspace() or ord(c) < 0x20 for c in name)


def key_id(name: str, kind: int, public: bytes) -> int:
    """Return what tells keys of one name apart: the first four bytes of a hash over all of it."""
    return int.from_bytes(sha256(name.encode() + b"\n" + bytes((kind,)) + public).digest()[:4])


def decode64(text: str, where: str) -> bytes:
    """Return what `text` encodes, standard base64, nothing else allowed.

    Raises:
        BadNoteError: it is none.
    """
    try:
        raw = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise BadNoteError(where, "no base64") from None
    if b64encode(raw).decode("ascii") != text:
        raise BadNoteError(where, "base64 with other than the canonical padding")
    return raw


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line of a note."""

    name: str
    key: int
    raw: bytes
    """What follows the key id: a signature, of a witness with its time before it."""

    def line(self) -> str:
        """Return it as it stands in the note, with its newline."""
        return f"— {self.name} {b64encode(self.key.to_bytes(4) + self.raw).decode('ascii')}\n"

    @property
    def time(self) -> int:
        """Return a cosignature's time, seconds since the epoch. Only of what was verified."""
        return int.from_bytes(self.raw[:TIME_BYTES])


@dataclass(frozen=True, slots=True)
class VKey:
    """Somebody's public key, with the name under which they sign."""

    name: str
    kind: int
    public: bytes

    @property
    def key(self) -> int:
        """Return the key id."""
        return key_id(self.name, self.kind, self.public)

    def __str__(self) -> str:
        """Return it as it is given to others; `vkey` reads it."""
        return f"{self.name}+{self.key:08x}+{b64encode(bytes((self.kind,)) + self.public).decode('ascii')}"

    def cosigning(self) -> VKey:
        """Return the same key as a witness signs with it."""
        return VKey(self.name, COSIGNATURE, self.public)

    def is_of(self, signature: Signature) -> bool:
        """Whether the signature says that this key made it."""
        return signature.name == self.name and signature.key == self.key

    def verifies(self, text: str, signature: Signature) -> bool:
        """Whether it is this key's, over `text`."""
        raw, signed = signature.raw, text.encode()
        if self.kind == COSIGNATURE:
            if len(raw) != TIME_BYTES + SIGNATURE_BYTES or signature.time > TIME_MAX:
                return False
            signed, raw = cosigned(text, signature.time), raw[TIME_BYTES:]
        if len(raw) != SIGNATURE_BYTES:
            return False
        try:
            VerifyKey(self.public).verify(signed, raw)
        except (BadSignatureError, CryptoError, ValueError):
            return False
        return True


def cosigned(text: str, time: int) -> bytes:
    """Return what a witness signs (C2SP tlog-cosignature, "Ed25519 signed message")."""
    return f"cosignature/v1\ntime {time}\n{text}".encode()


def vkey(text: str, where: str = "vkey") -> VKey:
    """Return the public key in `name+id+base64`.

    Raises:
        BadNoteError: it is none; never quotes what was given.
    """
    parts = text.strip().split("+", 2)
    if len(parts) != 3 or not is_key_name(parts[0]):
        raise BadNoteError(where, "no public key; allowed: NAME+8 hex digits+base64, as `audit keys new` prints it")
    name, digits, encoded = parts
    raw = decode64(encoded, where)
    if not raw or raw[0] not in KINDS or len(raw) != 1 + KEY_BYTES:
        raise BadNoteError(where, f"the key of {name!r} is of another kind; allowed: Ed25519, 0x01 or 0x04")
    found = VKey(name, raw[0], raw[1:])
    if f"{found.key:08x}" != digits:
        raise BadNoteError(where, f"the key id of {name!r} is {digits!r}, its key makes it {found.key:08x}")
    return found


class NoteSigner:
    """A private key that does not show itself."""

    __slots__ = ("_key", "public")

    def __init__(self, name: str, seed: bytes, kind: int = ED25519) -> None:
        """Take a name without spaces and plus, 32 bytes, and which signatures it makes."""
        if not is_key_name(name):
            raise BadNoteError("key name", f"{name!r}; allowed: no spaces, no '+', not empty")
        self._key = SigningKey(seed)
        self.public = VKey(name, kind, bytes(self._key.verify_key))

    def __repr__(self) -> str:
        return f"NoteSigner({self.public.name!r}, '***')"

    __str__ = __repr__

    def __reduce__(self) -> str:
        raise TypeError("a private key is not written anywhere")

    @classmethod
    def new(cls, name: str, kind: int = ED25519) -> NoteSigner:
        """Return a fresh one."""
        return cls(name, random(KEY_BYTES), kind)

    @classmethod
    def read(cls, text: str, where: str, kind: int = ED25519) -> NoteSigner:
        """Return the key in `PRIVATE+KEY+name+id+base64`, to sign with in one of the two kinds.

        Raises:
            BadNoteError: it is none; never quotes what was given.
        """
        parts = text.strip().removeprefix(PRIVATE).split("+", 2)
        if not text.startswith(PRIVATE) or len(parts) != 3:
            raise BadNoteError(where, f"no private key; allowed: {PRIVATE}NAME+8 hex digits+base64")
        raw = decode64(parts[2], where)
        if not raw or raw[0] != ED25519 or len(raw) != 1 + KEY_BYTES:
            raise BadNoteError(where, "a private key of another kind; allowed: Ed25519, 0x01")
        signer = cls(parts[0], raw[1:], kind)
        if f"{signer._id:08x}" != parts[1]:
            raise BadNoteError(where, "the key id is not that of the key")
        return signer

    def private(self) -> str:
        """Return the key as its file holds it, which is the same for both kinds. Whoever has it signs in this name."""
        held = bytes((ED25519,)) + bytes(self._key)
        return f"{PRIVATE}{self.public.name}+{self._id:08x}+{b64encode(held).decode('ascii')}"

    @property
    def _id(self) -> int:
        return key_id(self.public.name, ED25519, self.public.public)

    def sign(self, text: str, time: int = 0) -> Signature:
        """Return the signature over a note's text; `time` (seconds since the epoch) is a cosignature's."""
        if self.public.kind == COSIGNATURE:
            raw = time.to_bytes(TIME_BYTES) + self._key.sign(cosigned(text, time)).signature
        else:
            raw = self._key.sign(text.encode()).signature
        return Signature(self.public.name, self.public.key, raw)


@dataclass(frozen=True, slots=True)
class Note:
    """A text with the signatures that stand under it; none of them is verified by reading it."""

    text: str
    """Ends with a newline."""
    signatures: tuple[Signature, ...]

    def __bytes__(self) -> bytes:
        return f"{self.text}\n{''.join(each.line() for each in self.signatures)}".encode()

    def signed_by(self, keys: Iterable[VKey], where: str = "note") -> tuple[Signature, ...]:
        """Return the signatures of these keys, verified, in the order of the note; those of others are left out.

        Raises:
            BadNoteError: a signature that names one of these keys is not theirs.
        """
        known = {(each.name, each.key): each for each in keys}
        found: dict[tuple[str, int], Signature] = {}
        for each in self.signatures:
            key = known.get((each.name, each.key))
            if key is None or (each.name, each.key) in found:
                continue
            if not key.verifies(self.text, each):
                raise BadNoteError(where, f"the signature of {each.name!r} is not theirs over this text")
            found[each.name, each.key] = each
        return tuple(found.values())

    def with_signatures(self, more: Sequence[Signature]) -> Note:
        """Return the note with these under it; an older one of the same key goes."""
        newer = {(each.name, each.key) for each in more}
        kept = [each for each in self.signatures if (each.name, each.key) not in newer]
        return Note(self.text, (*kept, *more))


def signature_line(line: str, where: str) -> Signature:
    """Return the signature in a line (without its newline).

    Raises:
        BadNoteError: there is none.
    """
    shape = _LINE.fullmatch(line)
    if shape is None or not is_key_name(shape[1]):
        raise BadNoteError(where, "a signature line of another form than `— NAME base64`")
    raw = decode64(shape[2], where)
    if len(raw) < 5:
        raise BadNoteError(where, f"a signature of {len(raw)} bytes; a key id is 4 of them")
    return Signature(shape[1], int.from_bytes(raw[:4]), raw[4:])


def parse(raw: bytes, where: str = "note") -> Note:
    """Return the note in `raw`, its signatures not verified.

    Raises:
        BadNoteError: it is none.
    """
    if len(raw) > NOTE_MAX:
        raise BadNoteError(where, f"more than {NOTE_MAX:,} bytes")
    try:
        said = raw.decode()
    except UnicodeDecodeError:
        raise BadNoteError(where, "not UTF-8") from None
    if _CONTROL.search(said):
        raise BadNoteError(where, "a control character")
    text, blank, under = said.rpartition("\n\n")
    if not blank or not under.endswith("\n"):
        raise BadNoteError(where, "no text, blank line and signature lines that end with a newline")
    lines = under[:-1].split("\n")
    if len(lines) > SIGNATURES_MAX:
        raise BadNoteError(where, f"{len(lines)} signatures; allowed: {SIGNATURES_MAX}")
    return Note(text + "\n", tuple(signature_line(line, where) for line in lines))

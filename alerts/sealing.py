"""Who a pseudonym stands for, sealed so that two of n officers must act together to read it.

A random data key encrypts the identity. For every ordered pair of officers the data key is sealed to the inner one, and
that box to the outer one: the outer one opens his box and hands what is in it on, still sealed to the inner one. No
officer alone, nor anybody who holds no officer's key, learns more than how many officers there are and that the
identity is shorter than a multiple of `BLOCK` bytes. Officers named later cannot open what was sealed before.

Everything is libsodium's: `crypto_secretbox` (XSalsa20-Poly1305), `crypto_box_seal` (X25519, XSalsa20-Poly1305),
`crypto_sign_ed25519_*_to_curve25519`, `crypto_generichash` (BLAKE2b), `sodium_pad`.

An envelope is a MessagePack array `[version, box, officers, shares]`: the identity's box, the officers' key ids of
8 bytes in order, and for each ordered pair (outer, inner) of them a share of 160 bytes. So it has about
`110 + 10 n + 162 n (n - 1)` bytes for an identity of up to some 40 characters: 454 for two officers, 1,112 for three,
3,402 for five, 9,264 for eight. The pseudonym is in all three layers: an envelope that was put under another
pseudonym is refused by the first officer who opens it, before anything comes out.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations
from typing import Final, NamedTuple

import msgspec
from nacl.bindings import sodium_pad, sodium_unpad
from nacl.encoding import RawEncoder
from nacl.exceptions import CryptoError
from nacl.hash import blake2b
from nacl.public import SealedBox
from nacl.secret import SecretBox
from nacl.utils import random

from alerts.people import OFFICERS_MAX, OFFICERS_MIN
from alerts.signatures import Signer, public_key
from schemas.errors import CloverwatchError

VERSION: Final = 1
"""Of the format. A later program reads older ones; an unknown one is refused."""

ID_BYTES: Final = 8
"""Of an officer's key id: names one of eight keys. Nothing rests on it but which share is tried."""

TOKEN_BYTES: Final = 16
"""Of a pseudonym's hash in each share: another pseudonym of the same hash is not to be found (2^128 tries)."""

BLOCK: Final = 64
"""Identities are padded to a multiple of this many bytes: an id's length would tell some people from others."""

ENVELOPE_MAX: Final = 64 * 1024
"""Bytes of an envelope that is read at all: seven times the largest with an ordinary identity."""

_TOKEN: Final = b"clover/token"
_KEY: Final = b"clover/key"
"""What hashes are for, so that none of one use is one of another (BLAKE2b's personalisation: 16 bytes at most)."""


class SealingError(CloverwatchError):
    """An envelope or a box cannot be opened: not ours to open, for another pseudonym, or changed on its way."""


class Envelope(msgspec.Struct, frozen=True, array_like=True):
    """What is stored under a pseudonym."""

    version: int
    box: bytes
    officers: tuple[bytes, ...]
    shares: tuple[bytes, ...]


class _Identity(NamedTuple):
    token: str
    person: str


_envelope = msgspec.msgpack.Decoder(Envelope).decode
_identity = msgspec.msgpack.Decoder(_Identity).decode


def seal(identity: str, token: str, officers: Mapping[str, str]) -> bytes:
    """Return the envelope of `identity` for the pseudonym `token`.

    Args:
        identity: who it is, in clear.
        token: the pseudonym under which the envelope will be stored.
        officers: their Ed25519 public keys (base64) by name, at least two and at most eight.

    Raises:
        SealingError: too few or too many officers, or two with one key.
        BadKeyError: a key is none.
    """
    keys = {key_id(key): public_key(key).to_curve25519_public_key() for _, key in sorted(officers.items())}
    if len(keys) != len(officers) or not OFFICERS_MIN <= len(keys) <= OFFICERS_MAX:
        raise SealingError(
            f"{len(officers)} officers with {len(keys)} keys; allowed: {OFFICERS_MIN} to {OFFICERS_MAX}, a key each"
        )
    secret = random(SecretBox.KEY_SIZE)
    plain = sodium_pad(msgspec.msgpack.encode(_Identity(token, identity)), BLOCK)
    bound = _bound(token)
    inner = {name: SealedBox(key).encrypt(bound + secret) for name, key in keys.items()}
    shares = tuple(SealedBox(keys[outer]).encrypt(bound + inner[other]) for outer, other in permutations(keys, 2))
    return msgspec.msgpack.encode(Envelope(VERSION, bytes(SecretBox(secret).encrypt(plain)), tuple(keys), shares))


class Sealer:
    """Seals who is behind a pseudonym to the officers of a policy; seals nothing where it names none."""

    def __init__(self, officers: Mapping[str, str]) -> None:
        """Take the officers' public keys, base64, by name."""
        self.officers = dict(officers)

    def seal(self, person: str, token: str) -> bytes | None:
        """Return the envelope that belongs under `token`; None where there are no officers."""
        return seal(person, token, self.officers) if self.officers else None

    def is_current(self, envelope: bytes) -> bool:
        """Whether an envelope is sealed to these officers: where not, it is to be sealed anew by who knows whom."""
        try:
            return not self.officers or sealed_to(envelope, self.officers)
        except SealingError:
            return False


def open_outer(sealed: bytes, token: str, mine: Signer, other: str) -> bytes:
    """Return the box that `other` (public key, base64) can open, taken out of the outer one with my own key.

    Raises:
        SealingError: the envelope is not sealed to us two, is another pseudonym's, or was changed.
    """
    envelope = read(sealed)
    pair = (key_id(mine.public), key_id(other))
    pairs = dict(zip(permutations(envelope.officers, 2), envelope.shares, strict=True))
    if pair not in pairs:
        raise SealingError(
            "the identity is not sealed to these two officers: they were named after it was sealed, or are one"
        )
    return _opened(pairs[pair], token, mine)


def open_inner(sealed: bytes, inner: bytes, token: str, mine: Signer) -> str:
    """Return the identity, with the box that another officer took out for me.

    Raises:
        SealingError: the box is not mine, is another pseudonym's, or it or the envelope was changed.
    """
    envelope = read(sealed)
    try:
        plain = SecretBox(_opened(inner, token, mine)).decrypt(envelope.box)
        found = _identity(sodium_unpad(plain, BLOCK))
    except (CryptoError, ValueError, msgspec.MsgspecError):
        raise SealingError("the identity cannot be opened with the key in the box: it is of another envelope") from None
    if found.token != token:
        raise SealingError("the identity in the envelope is that of another pseudonym")
    return found.person


def read(sealed: bytes) -> Envelope:
    """Return an envelope, checked as far as is possible without a key.

    Raises:
        SealingError: it is none, or of a later program.
    """
    try:
        envelope = _envelope(sealed) if len(sealed) <= ENVELOPE_MAX else None
    except (msgspec.MsgspecError, ValueError, RecursionError):
        envelope = None
    if envelope is None:
        raise SealingError("this is no envelope of an identity")
    if envelope.version != VERSION:
        raise SealingError(f"an envelope of version {envelope.version}; this program opens version {VERSION}")
    count = len(set(envelope.officers))
    if not (
        count == len(envelope.officers)
        and OFFICERS_MIN <= count <= OFFICERS_MAX
        and len(envelope.shares) == count * (count - 1)
    ):
        raise SealingError("this is no envelope of an identity: officers and shares do not fit together")
    return envelope


def key_id(key: str) -> bytes:
    """Return the id of a public key (base64), 8 bytes.

    Raises:
        BadKeyError: it is none.
    """
    return blake2b(bytes(public_key(key)), digest_size=ID_BYTES, person=_KEY, encoder=RawEncoder)


def sealed_to(sealed: bytes, officers: Mapping[str, str]) -> bool:
    """Whether an envelope is sealed to exactly these officers (public keys, base64, by name).

    Where it is not, whoever knows the identity seals it anew; nobody else can.

    Raises:
        SealingError: it is no envelope.
    """
    return set(read(sealed).officers) == {key_id(key) for key in officers.values()}


def _bound(token: str) -> bytes:
    return blake2b(token.encode(), digest_size=TOKEN_BYTES, person=_TOKEN, encoder=RawEncoder)


def _opened(box: bytes, token: str, mine: Signer) -> bytes:
    """Return what is in a box of mine that belongs to this pseudonym."""
    try:
        plain = SealedBox(mine.reveal().to_curve25519_private_key()).decrypt(box)
    except (CryptoError, ValueError, TypeError):
        raise SealingError("the box is not sealed to this key, or was changed") from None
    bound = _bound(token)
    if plain[: len(bound)] != bound:
        raise SealingError("the box belongs to another pseudonym: it was put where it does not belong")
    return bytes(plain[len(bound) :])

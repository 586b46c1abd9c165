"""Who did it: Ed25519 signatures of people, and their keys (libsodium through PyNaCl; no cryptography of our own).

Source: RFC 8032 (Ed25519); libsodium's `crypto_sign_detached`.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace
from nacl.exceptions import BadSignatureError, CryptoError
from nacl.signing import SigningKey, VerifyKey

from schemas.action import Action

if TYPE_CHECKING:
    from alerts.people import Person

KEY_BYTES: Final = 32
"""Length of an Ed25519 public key, and of the seed of a private one."""


class BadKeyError(ValueError):
    """Text that is no public key; the message says what is allowed and never what was given."""


class Signer:
    """A private key that does not show itself."""

    __slots__ = ("_key", "name")

    def __init__(self, name: str, seed: bytes) -> None:
        """Take whose it is, and its seed (32 bytes)."""
        self.name = name
        self._key = SigningKey(seed)

    def __repr__(self) -> str:
        return f"Signer({self.name!r}, '***')"

    __str__ = __repr__

    def __reduce__(self) -> str:
        raise TypeError("a private key is not written anywhere")

    @property
    def public(self) -> str:
        """Return the public key, base64, as the policy has it."""
        return b64encode(bytes(self._key.verify_key)).decode("ascii")

    def sign(self, part: bytes) -> str:
        """Return the signature over `part`, base64 (88 characters)."""
        return b64encode(self._key.sign(part).signature).decode("ascii")

    def reveal(self) -> SigningKey:
        """Return the key itself, for what opens boxes."""
        return self._key


def public_key(text: str) -> VerifyKey:
    """Return the public key in `text`, base64.

    Raises:
        BadKeyError: it is none: another length, other characters, or no point of the curve's main subgroup.
    """
    try:
        raw = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != KEY_BYTES or b64encode(raw).decode("ascii") != text:
        raise BadKeyError("no Ed25519 public key; 44 characters of base64, as `cloverwatch keys new NAME` prints them")
    key = VerifyKey(raw)
    try:
        # Refuses points of small order and outside the main subgroup, to which nothing may be sealed.
        key.to_curve25519_public_key()
    except (CryptoError, RuntimeError, ValueError):
        raise BadKeyError("no point of the curve that a key may be; take what `cloverwatch keys new` prints") from None
    return key


def good(part: bytes, signature: str, key: str) -> bool:
    """Whether `signature` (base64) is that of the owner of `key` (base64) over `part`."""
    try:
        public_key(key).verify(part, b64decode(signature, validate=True))
    except (BadSignatureError, CryptoError, BadKeyError, binascii.Error, ValueError, TypeError):
        return False
    return True


def sign(action: Action, signer: Signer) -> Action:
    """Return the action with the signature of `signer`, whose name must be its `by`.

    Raises:
        ValueError: it is somebody else's.
    """
    if action.by != signer.name:
        raise ValueError(f"the key is that of {signer.name!r}, the action is by {action.by!r}")
    return replace(action, signature=signer.sign(action.signed_part()))


def verify(action: Action, people: Mapping[str, Person | str]) -> str | None:
    """Return why an action does not count; None where it does.

    Args:
        action: as it was read.
        people: by name, `[people]` of the policy, or the keys (base64) of those who may act (`Plan.analysts`).
    """
    who = people.get(action.by)
    if who is None:
        return f"{action.by!r} is not in the policy's [people]"
    if not isinstance(who, str):
        if "analyst" not in who.roles:
            return f"{action.by!r} is no analyst: roles {', '.join(who.roles)}"
        who = who.key
    if not action.signature:
        return "it is not signed"
    if not good(action.signed_part(), action.signature, who):
        return f"the signature is not that of {action.by!r}"
    return None

"""People who act on alerts: their public keys and what they may do, from `[people.NAME]` of the policy."""

from __future__ import annotations

from typing import Literal

import msgspec

PersonRole = Literal["analyst", "officer"]
"""`analyst`: acknowledges, comments, closes. `officer`: two of them together open a sealed identity."""


class Person(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[people.NAME]`."""

    key: str
    """Ed25519 public key, base64 (44 characters), as `cloverwatch keys new` prints it."""
    roles: tuple[PersonRole, ...]

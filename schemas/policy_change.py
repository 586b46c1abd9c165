"""A change of the policy: what changed, who proposed it and why, who agreed."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

import msgspec

from schemas.approval import Signed
from schemas.fields import Id, Text, Time

_DOMAIN: Final = "cloverwatch/policy/1"
"""First in what is signed: no signature of anything else is one of a policy."""


class PolicyChange(msgspec.Struct, frozen=True, kw_only=True):
    """One record of `policy.changes`, keyed by `sha256`.

    It travels beside the file as `POLICY.sig` (its JSON).
    """

    sha256: Id
    """Of the file's bytes, hex: what is proposed."""
    before: Text = ""
    """SHA-256 of the bytes of the policy that it replaces; empty for the first."""
    version: Text
    """As it stands on alerts: the first 16 digits."""
    changes: tuple[Text, ...] = ()
    """What differs, one sentence each: rules, exemptions, silences, thresholds, everything else by section and key."""
    proposed: Signed
    signed: tuple[Signed, ...] = ()
    """Signatures of auditors."""
    adopted_at: Time = 0
    """When an operator put it in its place; 0: not yet."""

    def step_part(self, step: str, by: str, at: int, reason: str) -> bytes:
        """Return the bytes that a step's signature (`proposed`, `signed`) is over."""
        return msgspec.json.encode([_DOMAIN, self.sha256, self.before, step, by, at, reason])

    @staticmethod
    def hash_of(content: bytes) -> str:
        """Return the SHA-256 of a policy file's bytes, hex."""
        return sha256(content).hexdigest()


decode: msgspec.json.Decoder[PolicyChange] = msgspec.json.Decoder(PolicyChange)

"""A change of the policy: what changed, who proposed it and why, who agreed."""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final, Literal

import msgspec

from schemas.approval import Signed
from schemas.fields import Id, Text, Time

_DOMAIN: Final = "cloverwatch/policy/1"
"""First in what is signed: no signature of anything else is one of a policy."""


class PolicyStep(Signed, frozen=True, kw_only=True):
    """A step of a change that somebody took, and with which key."""

    key: Text = ""
    """Their public key, Ed25519, base64: the signature holds by it, whether or not somebody knows whose it is."""


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What the audit log says of a step: who without a name, why without a word of it."""

    step: Literal["proposed", "signed"]
    who: Text
    """`who_of` the key; empty where the record names none."""
    at: Time
    why: Text
    """`why_of` the step; empty where no reason was given."""


def who_of(key: str) -> str:
    """Return what stands for the owner of a public key (base64) in the audit log: 16 digits of the text's SHA-256."""
    return sha256(key.encode()).hexdigest()[:16] if key else ""


def why_of(step: Signed) -> str:
    """Return the hash of a step's reason, hex.

    The signature is hashed with it: a reason is a few words, and nobody shall find them by trying.
    """
    return sha256(msgspec.json.encode([step.reason, step.signature])).hexdigest() if step.reason else ""


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
    proposed: PolicyStep
    signed: tuple[PolicyStep, ...] = ()
    """Signatures of auditors."""
    adopted_at: Time = 0
    """When an operator put it in its place; 0: not yet."""

    def step_part(self, step: str, by: str, at: int, reason: str) -> bytes:
        """Return the bytes that a step's signature (`proposed`, `signed`) is over."""
        return msgspec.json.encode([_DOMAIN, self.sha256, self.before, step, by, at, reason])

    @property
    def steps(self) -> list[dict[str, Any]]:
        """Who proposed and signed it, and why, as its entry in the audit log says it (`Said`)."""
        taken = [("proposed", self.proposed), *(("signed", each) for each in self.signed)]
        return [{"step": step, "who": who_of(each.key), "at": each.at, "why": why_of(each)} for step, each in taken]

    @staticmethod
    def hash_of(content: bytes) -> str:
        """Return the SHA-256 of a policy file's bytes, hex."""
        return sha256(content).hexdigest()


decode: msgspec.json.Decoder[PolicyChange] = msgspec.json.Decoder(PolicyChange)

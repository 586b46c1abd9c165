"""A step towards seeing who somebody is, or what is held of them: asked for, approved, denied, opened, looked at."""

from __future__ import annotations

from hashlib import sha256
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from schemas.fields import Id, Text, Time

StepKind = Literal["requested", "approved", "denied", "opened", "looked", "exported", "erased"]
"""`requested approved denied opened`: the steps of `cloverwatch reveal`, under one `request_id`. `looked`: `cloverwatch
person`. `exported erased`: `cloverwatch privacy`. Each of these three is a request of its own."""

LIFE_MAX: Final = 24 * 3_600_000
"""Milliseconds: how long a request may be answered at most. A reason of yesterday is not one of today."""

BOX_MAX: Final = 512
"""Characters of a box in base64: it has 96 bytes."""

SEALED_MAX: Final = 16 * 1024
"""Characters of an envelope in base64: one to eight officers has 12,400."""

LOOK: Final = "look:"
"""Begins what stands for whom a look was about, where no pseudonym is known."""

_DOMAIN: Final = "cloverwatch/privacy/1"
"""First in what is signed: no signature of anything else is one of a step."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One record of `privacy.requests`, keyed by `request_id`. Nothing in it names in clear who is looked at.

    When it happened is the append time of its record; `at` is what the clock of whoever signed said.
    """

    step_id: Id
    request_id: Id
    kind: StepKind
    by: Id
    """Who, by the name under which the policy knows their key."""
    at: Time
    subject: Text = ""
    """The pseudonym that is asked about, `epoch:token`; the clear id where the settings say that alerts are clear."""
    alert_id: Text = ""
    """The alert that made somebody ask."""
    reason: Text = ""
    ticket: Text = ""
    life: Annotated[int, Meta(ge=0, le=LIFE_MAX)] = 0
    """Of a request: milliseconds from its append time until it can no longer be approved or opened."""
    over: Text = ""
    """Of an answer: `digest()` of the request that it answers, so that no request is changed under an approval."""
    box: Annotated[str, Meta(max_length=BOX_MAX)] = ""
    """Of an approval: what the approver took out of the outer box, base64; sealed to whoever asked."""
    sealed: Annotated[str, Meta(max_length=SEALED_MAX)] = ""
    """Of a look from where no pseudonym is known: the person's envelope, base64. Two officers together see whom it was
    about, by the pseudonym `look:` and the step's id."""
    signature: Text = ""
    """Ed25519 over `signed_part()`, base64; by the key that the policy names for `by`."""

    def signed_part(self) -> bytes:
        """Return the bytes that the signature is over: every other field, in order, as a JSON array."""
        return msgspec.json.encode([_DOMAIN, *(getattr(self, name) for name in self.__struct_fields__[:-1])])

    def digest(self) -> str:
        """Return the SHA-256 of the signed part, 64 hex digits."""
        return sha256(self.signed_part()).hexdigest()

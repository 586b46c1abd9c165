"""What a gateway was told: one decision of the decision point, recorded before it is answered."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from schemas.access import Action, PrincipalType
from schemas.alert import Reason
from schemas.fields import Count, Id, Text, Time
from schemas.places import PlaceClass

MAX_BYTES = 64 * 1024
"""Length of a decision: the bound of a native record."""

SALT_DIGITS: Final = 32
"""Hexadecimal digits of a salt, 128 bits: as many as nobody tries out."""

Effect = Literal["allow", "deny"]


class Obligations(msgspec.Struct, frozen=True, kw_only=True):
    """What an allowed access is allowed under; all empty: nothing is asked."""

    pseudonymised: bool = False
    """Only the pseudonymised view may be shown."""
    row_limit: Annotated[int, Meta(ge=1)] | None = None
    """Records that one access may reach at most."""
    ticket: bool = False
    """The access must name the ticket that the decision names."""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """One record of `gateway.decisions`, keyed by the person as `access.events` is, in the same partition."""

    decision_id: Id
    request_id: Text = ""
    """`X-Request-ID` of whoever asked."""
    gateway_id: Id
    """Who asked, by the name under which it authenticated."""
    effect: Effect
    decided_at: Time
    expires_at: Time
    """Of an allow: accesses after it are not covered. Of a deny: how long the answer may be kept."""
    person: Id
    principal_type: PrincipalType = "employee"
    dataset_id: Id
    action: Action
    session_id: Text = ""
    purpose: Text = ""
    ticket: Text = ""
    source_ip: Text = ""
    device_country: Text = ""
    destination: Text = ""
    country: Text = ""
    """Where the person was, as decided on; empty where nothing is known."""
    place_class: PlaceClass
    obligations: Obligations = Obligations()
    reasons: tuple[Reason, ...] = ()
    """What stood against it, for the administrator: of a deny why; of an allow what was overridden, by an approval
    or break-glass."""
    conditions: tuple[Text, ...] = ()
    """Names of the policy's request conditions that refused it."""
    approval_id: Text = ""
    """The approval without which it would have been denied; of several the one that ends first."""
    approvals: tuple[Id, ...] = ()
    """Every approval that it rests on, break-glass too; empty in records of before, which name one."""
    break_glass: bool = False
    policy: Text = ""
    """Version of the policy."""
    uses: Count = 0
    """Accesses that the decision covers at most; 0 of a deny."""
    salt: Annotated[str, Meta(max_length=SALT_DIGITS)] = ""
    """Random, and of this record alone. The audit log keeps the record's hash for ever, and without a salt whoever
    knows staff and datasets could try out whom an entry is about. Empty where a program wrote it that made none."""

    @property
    def rests_on(self) -> tuple[str, ...]:
        """The ids of all approvals that it rests on."""
        return self.approvals or ((self.approval_id,) if self.approval_id else ())


decode: msgspec.json.Decoder[Decision] = msgspec.json.Decoder(Decision)

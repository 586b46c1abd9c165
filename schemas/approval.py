"""An approval: a time-boxed grant to reach data that is closed otherwise; asked for, given, withdrawn, reviewed."""

from __future__ import annotations

from hashlib import sha256
from typing import Final, Literal

import msgspec

from schemas.access import Action
from schemas.fields import Id, Text, Time

MAX_BYTES: Final = 64 * 1024
"""Length of an approval: the bound of a native record."""

ApprovalState = Literal["requested", "approved", "refused", "withdrawn"]
StepName = Literal["requested", "approved", "refused", "withdrawn", "reviewed"]

STEPS: Final[tuple[StepName, ...]] = ("requested", "approved", "refused", "withdrawn", "reviewed")
"""Every step, in the order in which they can follow: the names of the fields that hold them."""

_BETWEEN: Final = "|"
"""Between an approval's id and a step in a key; no step has it, so the last one parts them."""

_DOMAIN: Final = "cloverwatch/approval/1"
"""First in what is signed: no signature of anything else is one of an approval."""


class Signed(msgspec.Struct, frozen=True, kw_only=True):
    """A step that somebody took, by the name under which the policy knows their key."""

    by: Id
    at: Time
    reason: Text = ""
    place: Text = ""
    """Of an approval: the country in which whoever approves is, as the directories knew it then; signed with it."""
    signature: Text = ""
    """Ed25519, base64, over `Approval.step_part(name, by, at, reason, place)`."""


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """One approval as it stood after a step: a record of `gateway.approvals`, keyed by `approval_id|step` (compacted).

    Each step has a key of its own, so that compaction keeps each with the time at which the broker stored it. It is
    valid on [`approved.at`, `min(until, withdrawn.at)`), so its last record answers for any past time.
    """

    approval_id: Id
    person: Id
    """The employee who may: `employee_id`."""
    datasets: tuple[Id, ...]
    """Ids or patterns (`fnmatch`)."""
    actions: tuple[Action, ...]
    purpose: Text = ""
    ticket: Text = ""
    until: Time
    break_glass: bool = False
    """Taken by oneself, in an emergency; told at once, and to be reviewed."""
    requested: Signed
    approved: Signed | None = None
    """By another person inside the perimeter; of break-glass by the person themselves."""
    refused: Signed | None = None
    withdrawn: Signed | None = None
    reviewed: Signed | None = None
    """Of break-glass: whoever looked at it afterwards."""

    @property
    def state(self) -> ApprovalState:
        """How far it is; that it expired is for whoever knows the time."""
        if self.withdrawn is not None:
            return "withdrawn"
        if self.refused is not None:
            return "refused"
        return "requested" if self.approved is None else "approved"

    @property
    def step(self) -> StepName:
        """Of a record which step it takes: the last that it has."""
        return next(name for name in reversed(STEPS) if getattr(self, name) is not None)

    @property
    def since(self) -> int | None:
        """When it begins to hold; None where nobody approved it."""
        return None if self.approved is None else self.approved.at

    @property
    def ends(self) -> int:
        """When it ends: at its end, or when it was withdrawn."""
        return self.until if self.withdrawn is None else min(self.until, self.withdrawn.at)

    def digest(self) -> str:
        """Return the SHA-256 of what is granted, hex: every step signs it, so that nothing is changed under it."""
        granted = [
            _DOMAIN, self.approval_id, self.person, self.datasets, self.actions, self.purpose, self.ticket,
            self.until, self.break_glass,
        ]  # fmt: skip
        return sha256(msgspec.json.encode(granted)).hexdigest()

    def step_part(self, step: str, by: str, at: int, reason: str, place: str = "") -> bytes:
        """Return the bytes that a step's signature is over; `step` is the name of its field."""
        return msgspec.json.encode([_DOMAIN, self.digest(), step, by, at, reason, *([place] if place else [])])


def step_key(approval_id: str, step: StepName) -> bytes:
    """Return the key of the record by which a step was taken."""
    return f"{approval_id}{_BETWEEN}{step}".encode()


def step_of(key: bytes | None, approval_id: str) -> StepName | None:
    """Return the step that a record of an approval is of, by its key; None: the id alone, as old records have it.

    Raises:
        ValueError: it is the key of something else.
    """
    if key == approval_id.encode():
        return None
    for step in STEPS:
        if key == step_key(approval_id, step):
            return step
    raise ValueError("the key of an approval is its id and the step that its record takes, ID|STEP")


def approval_of(key: bytes | None) -> str:
    """Return the id in the key of a record, of a step or, as old records have it, the id alone."""
    text = (key or b"").decode("utf-8", "replace")
    approval_id, between, step = text.rpartition(_BETWEEN)
    return approval_id if between and step in STEPS else text


decode: msgspec.json.Decoder[Approval] = msgspec.json.Decoder(Approval)

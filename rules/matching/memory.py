"""What is remembered of one person: decisions that may still be used, how often they were, accesses judged lately."""

from __future__ import annotations

from sys import intern
from typing import Final

import msgspec

from schemas.access import Action, PrincipalType
from schemas.decision import Decision

RECENT_MAX: Final = 64
"""Accesses of one person whose repetition is known as one: logs repeat a record within minutes. What is repeated later
is judged again, to the same alert id, and counts as a use once more."""

KEPT_MS: Final = 300_000
"""How long a decision is remembered after its end, so that an access after it is told as that: five minutes. The index
of ids (`elsewhere.py`), which is far smaller, remembers it longer."""

DECISIONS_MAX: Final = 10_000
"""Decisions of one person that are remembered, some 500 bytes each, 90 saved: a program that asks ten times a second
for the quarter of an hour that they are valid. Beyond it the oldest are forgotten: what is saved of a person has to
fit into one record of 8 MB, and who floods the decision point must not stop the matching of others."""

VERSION: Final = 1
"""Of the saved form."""


class Known(msgspec.Struct, array_like=True, gc=False):
    """What of a decision accesses are compared with: some 600 bytes."""

    decision_id: str
    gateway_id: str
    allow: bool
    decided_at: int
    expires_at: int
    appended_at: int
    """When its record was appended."""
    dataset_id: str
    action: Action
    session_id: str
    ticket: str
    source_ip: str
    device_country: str
    destination: str
    country: str
    row_limit: int | None
    ticket_asked: bool
    approval_id: str
    uses: int
    used: int = 0
    """Accesses that it was used for."""
    denied_at: int | None = None
    """When a second record of its id was appended that says that a denial was answered after all."""
    principal: PrincipalType = "employee"
    """Of the person: a guest may have the id of an employee."""
    view_asked: bool = False
    """Whether the pseudonymised view alone was granted."""
    purpose: str = ""
    """Here, at the end: what was saved before these were kept ends without them."""
    rests_on: tuple[str, ...] = ()
    """All approvals that it rests on; empty in what was saved before, where `approval_id` is the one."""


def known_of(decision: Decision, appended_at: int) -> Known:
    """Return what is remembered of a decision."""
    return Known(
        decision_id=decision.decision_id,
        gateway_id=intern(decision.gateway_id),
        allow=decision.effect == "allow",
        decided_at=decision.decided_at,
        expires_at=decision.expires_at,
        appended_at=appended_at,
        dataset_id=intern(decision.dataset_id),
        action=decision.action,
        session_id=decision.session_id,
        ticket=decision.ticket,
        source_ip=decision.source_ip,
        device_country=intern(decision.device_country),
        destination=decision.destination,
        country=intern(decision.country),
        row_limit=decision.obligations.row_limit,
        ticket_asked=decision.obligations.ticket,
        approval_id=decision.approval_id,
        uses=decision.uses,
        principal=decision.principal_type,
        view_asked=decision.obligations.pseudonymised,
        purpose=intern(decision.purpose),
        rests_on=decision.approvals if len(decision.approvals) > 1 else (),
    )


class Told(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """What was found of an access, until it is said which offsets gave it (`monitor.coverage`)."""

    decision_id: str
    """Of the decision to which it belongs; empty: of none."""
    findings: tuple[tuple[str, str], ...]
    """Kind and sentence of each."""


class _Saved(msgspec.Struct, array_like=True):
    version: int
    judged_to: int
    decided_to: int
    decisions: list[Known]
    recent: list[int]
    told: dict[int, Told] = {}


class Memory:
    """One person's. `judged_to` and `decided_to` are the offsets that it is as of: what is read again counts once."""

    __slots__ = ("decided_to", "decisions", "judged_to", "recent", "told")

    def __init__(self) -> None:
        self.decisions: dict[str, Known] = {}
        self.recent: dict[int, None] = {}
        """64-bit hashes of accesses, the newest last."""
        self.judged_to = -1
        """Offset of the last access that was judged."""
        self.decided_to = -1
        """Offset of the last decision that was taken."""
        self.told: dict[int, Told] = {}
        """By offset, accesses with findings that no stored range may name yet. After a kill they are read again and
        not judged again, since each counted once; what was found of them is told again, so that a range names it."""

    @property
    def order(self) -> tuple[int, int]:
        """Of two states of one person the greater is the newer."""
        return self.judged_to, self.decided_to

    def repeated(self, content: int) -> bool:
        """Whether the same access was judged lately; remembers it."""
        recent = self.recent
        if content in recent:
            return True
        recent[content] = None
        if len(recent) > RECENT_MAX:
            del recent[next(iter(recent))]
        return False


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Saved).decode


def save(memory: Memory) -> bytes:
    """Return a memory as bytes."""
    return _encode(
        _Saved(
            VERSION,
            memory.judged_to,
            memory.decided_to,
            list(memory.decisions.values()),
            list(memory.recent),
            memory.told,
        )
    )


def restore(saved: bytes) -> Memory:
    """Return the memory in bytes.

    Raises:
        ValueError: they are none, or of another version.
    """
    try:
        found = _decode(saved)
    except msgspec.MsgspecError as error:
        raise ValueError(f"no memory of matches: {error}") from None
    if found.version != VERSION:
        raise ValueError(f"a memory of matches of version {found.version}, this program reads {VERSION}")
    memory = Memory()
    memory.judged_to, memory.decided_to = found.judged_to, found.decided_to
    memory.decisions = {each.decision_id: each for each in found.decisions}
    memory.recent = dict.fromkeys(found.recent)
    memory.told = found.told
    return memory

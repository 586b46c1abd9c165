"""Checkpoints: what a log's tree was, signed by it and by witnesses. Source: C2SP tlog-checkpoint."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agents.audit.tlog import notes
from agents.audit.tlog.errors import BadNoteError
from agents.audit.tlog.merkle import EMPTY_ROOT, HASH_BYTES, SIZE_MAX
from agents.audit.tlog.notes import Note, Signature, VKey

_DECIMAL: Final = re.compile("0|[1-9][0-9]{0,18}")


def decimal(text: str, where: str) -> int:
    """Return a size or an index: ASCII digits without leading zeroes.

    Raises:
        BadNoteError: it is none.
    """
    if not _DECIMAL.fullmatch(text) or (value := int(text)) > SIZE_MAX:
        raise BadNoteError(where, f"{text[:30]!r} is no number from 0 to {SIZE_MAX} without leading zeroes")
    return value


@dataclass(frozen=True, slots=True)
class Policy:
    """Whose cosignatures count, and how many of them make a checkpoint witnessed."""

    witnesses: tuple[VKey, ...] = ()
    needed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.needed <= len(self.witnesses):
            raise ValueError(f"{self.needed} of {len(self.witnesses)} witnesses; allowed: 0 to {len(self.witnesses)}")
        if len({each.public for each in self.witnesses}) != len(self.witnesses):
            raise ValueError("one key is named twice among the witnesses: it would count twice")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree: whose, how large, its root; and the note it was read from."""

    origin: str
    size: int
    root: bytes
    note: Note
    cosignatures: tuple[Signature, ...] = ()
    """Those of known witnesses, verified; only `opened` fills it."""

    def __bytes__(self) -> bytes:
        return bytes(self.note)

    @property
    def witnesses(self) -> dict[str, int]:
        """Return the witnesses whose cosignature was verified, with their times (seconds since the epoch)."""
        return {each.name: each.time for each in self.cosignatures}


def body(origin: str, size: int, root: bytes) -> str:
    """Return the text of a checkpoint."""
    return f"{origin}\n{size}\n{b64encode(root).decode('ascii')}\n"


def parse(raw: bytes, where: str = "checkpoint") -> Checkpoint:
    """Return the checkpoint in `raw`; no signature is verified.

    Raises:
        BadNoteError: it is none.
    """
    note = notes.parse(raw, where)
    lines = note.text[:-1].split("\n")
    if len(lines) < 3 or not all(lines):
        raise BadNoteError(where, "its text has not the three lines origin, size and root, none of them empty")
    root = notes.decode64(lines[2], where)
    if len(root) != HASH_BYTES:
        raise BadNoteError(where, f"a root of {len(root)} bytes; allowed: {HASH_BYTES}")
    size = decimal(lines[1], where)
    if size == 0 and root != EMPTY_ROOT:
        raise BadNoteError(where, "size 0 with another root than that of the empty tree")
    return Checkpoint(lines[0], size, root, note)


def opened(
    raw: bytes,
    keys: Sequence[VKey],
    policy: Policy | None = None,
    *,
    origin: str | None = None,
    where: str = "checkpoint",
) -> Checkpoint:
    """Return the checkpoint in `raw`, verified: signed by one of the log's keys, and by the witnesses that are needed.

    Args:
        raw: the note.
        keys: the log's public keys; any of them does, so that a key can be changed.
        policy: the witnesses; without it their signatures are not looked at.
        origin: whose checkpoint it must be; by default the name of one of the keys.
        where: for errors.

    Raises:
        BadNoteError: it is malformed, of another log, not signed, or by too few witnesses.
    """
    found = parse(raw, where)
    allowed = [origin] if origin is not None else sorted({each.name for each in keys})
    if found.origin not in allowed:
        raise BadNoteError(where, f"is of the log {found.origin!r}; expected: {' or '.join(map(repr, allowed))}")
    if not found.note.signed_by(keys, where):
        raise BadNoteError(where, "is not signed with any of the log's keys: " + ", ".join(each.name for each in keys))
    if policy is None:
        return found
    cosignatures = found.note.signed_by(policy.witnesses, where)
    if len(cosignatures) < policy.needed:
        named = ", ".join(each.name for each in cosignatures) or "none"
        raise BadNoteError(
            where,
            f"size {found.size} is cosigned by {len(cosignatures)} witnesses ({named}); {policy.needed} are needed",
        )
    return Checkpoint(found.origin, found.size, found.root, found.note, cosignatures)

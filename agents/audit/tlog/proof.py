"""A proof in a file: that an entry is in a log, for whoever has the log's key. Source: C2SP tlog-proof."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agents.audit.tlog import checkpoint as checkpoints
from agents.audit.tlog import merkle
from agents.audit.tlog.checkpoint import Checkpoint, Policy
from agents.audit.tlog.errors import BadNoteError
from agents.audit.tlog.merkle import PROOF_MAX
from agents.audit.tlog.notes import VKey, decode64

HEADER: Final = "c2sp.org/tlog-proof@v1"
SUFFIX: Final = ".tlog-proof"
"""How such a file's name ends."""

PROOF_FILE_MAX: Final = 2_000_000
"""Bytes of such a file that are read at most."""


@dataclass(frozen=True, slots=True)
class TlogProof:
    """Where an entry is, the hashes to the root, and the checkpoint that signs it; nothing of it is verified."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    """The checkpoint's note, as it was."""
    extra: bytes | None = None
    """What the application adds. Nobody signs it."""

    def __bytes__(self) -> bytes:
        lines = [HEADER]
        if self.extra is not None:
            lines.append(f"extra {b64encode(self.extra).decode('ascii')}")
        lines.append(f"index {self.index}")
        lines += (b64encode(each).decode("ascii") for each in self.hashes)
        return "\n".join(lines).encode() + b"\n\n" + self.checkpoint

    def verify(
        self, leaf: bytes, keys: Sequence[VKey], policy: Policy | None = None, *, origin: str | None = None
    ) -> Checkpoint:
        """Return the checkpoint, verified, in whose tree the entry with the hash `leaf` is number `index`.

        Raises:
            BadNoteError: the checkpoint is not signed or cosigned as it must be.
            BadProofError: the entry is not shown to be there.
        """
        found = checkpoints.opened(self.checkpoint, keys, policy, origin=origin)
        merkle.verify_inclusion(leaf, self.index, found.size, self.hashes, found.root)
        return found


def parse(raw: bytes, where: str = "proof") -> TlogProof:
    """Return the proof in a file.

    Raises:
        BadNoteError: it is none.
    """
    if len(raw) > PROOF_FILE_MAX:
        raise BadNoteError(where, f"more than {PROOF_FILE_MAX:,} bytes")
    head, blank, note = raw.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise BadNoteError(where, "not ASCII before the checkpoint") from None
    if not blank or lines[0] != HEADER:
        raise BadNoteError(where, f"no proof: the first line is not {HEADER!r}, or the checkpoint is missing")
    at, extra = 1, None
    if len(lines) > 1 and lines[1].startswith("extra "):
        at, extra = 2, decode64(lines[1].removeprefix("extra "), f"{where}: extra")
    if len(lines) <= at or not lines[at].startswith("index "):
        raise BadNoteError(where, f"line {at + 1} is not `index NUMBER`")
    index = checkpoints.decimal(lines[at].removeprefix("index "), f"{where}: index")
    hashes = tuple(decode64(each, f"{where}: line {n}") for n, each in enumerate(lines[at + 1 :], at + 2))
    if len(hashes) > PROOF_MAX or any(len(each) != merkle.HASH_BYTES for each in hashes):
        raise BadNoteError(where, f"more than {PROOF_MAX} hashes, or one that is not of {merkle.HASH_BYTES} bytes")
    return TlogProof(index, hashes, note, extra)

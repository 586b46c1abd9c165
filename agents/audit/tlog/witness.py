"""A witness: cosigns a log's checkpoints as long as each extends the one before. Source: C2SP tlog-witness.

Pure but for its state: the newest checkpoint that it cosigned for each log, on disk before the cosignature is given.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from agents.audit.tlog import checkpoint as checkpoints
from agents.audit.tlog import merkle, notes
from agents.audit.tlog.checkpoint import Checkpoint
from agents.audit.tlog.errors import BadNoteError, BadProofError
from agents.audit.tlog.merkle import PROOF_MAX
from agents.audit.tlog.notes import COSIGNATURE, NoteSigner, VKey
from agents.audit.tlog.store import Storage
from agents.audit.tlog.witnessing import SIZE_TYPE

EVIDENCE_MAX: Final = 100
"""Checkpoints that are kept, of each log, as proof of its two histories: one is enough, a log that makes more of them
must not fill the disk."""

TEXT: Final = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, content type, body; and what to log of it."""

    status: int
    body: bytes = b""
    kind: str = TEXT
    said: str = ""


class Witness:
    """Cosigns for the logs that it is told of.

    Args:
        signer: its key, of the cosigning kind.
        logs: by origin, the public keys of the log.
        state: where the newest cosigned checkpoints are kept. A witness whose state is lost must not go on under the
            same key: it would cosign a second history.
        clock: seconds since the epoch.
    """

    def __init__(
        self, signer: NoteSigner, logs: Mapping[str, Sequence[VKey]], state: Storage, clock: Callable[[], float]
    ) -> None:
        if signer.public.kind != COSIGNATURE:
            raise ValueError("a witness signs with a cosigning key")
        self.public = signer.public
        self._signer, self._logs, self._state, self._clock = signer, dict(logs), state, clock
        self._one = threading.Lock()
        self._evidence: dict[str, set[str]] = {}

    def newest(self, origin: str) -> Checkpoint | None:
        """Return the newest checkpoint that was cosigned for a log.

        Raises:
            BadNoteError: the state is not what this program writes.
        """
        path = f"{_name(origin)}.checkpoint"
        try:
            raw = self._state.read(path)
        except FileNotFoundError:
            return None
        found = checkpoints.parse(raw, path)
        if found.origin != origin or not found.note.signed_by([self.public], path):
            raise BadNoteError(path, "was not cosigned by this witness for this log; the state was changed")
        return found

    def add_checkpoint(self, body: bytes) -> Answer:
        """Answer one request."""
        try:
            old, proof, asked = _parse(body)
        except BadNoteError as error:
            return Answer(400, f"{error}\n".encode())
        keys = self._logs.get(asked.origin)
        if keys is None:
            return Answer(404, b"no cosignatures are given for this log\n")
        try:
            signed = asked.note.signed_by(keys)
        except BadNoteError:
            signed = ()
        if not signed:
            return Answer(403, b"not signed with a key of this log\n")
        if old > asked.size:
            return Answer(400, b"the old size is larger than that of the checkpoint\n")
        with self._one:  # to check and to keep is one step, or the older of two requests would win
            return self._extended(old, proof, asked)

    def _extended(self, old: int, proof: list[bytes], asked: Checkpoint) -> Answer:
        before = self.newest(asked.origin)
        has, root = (0, merkle.EMPTY_ROOT) if before is None else (before.size, before.root)
        if old != has:
            return Answer(409, f"{has}\n".encode(), SIZE_TYPE)
        if old == asked.size and asked.root != root and before is not None:
            self._keep_evidence(asked)
            return Answer(409, b"another root was cosigned for this size\n", said=f"two roots at {old} entries")
        try:
            merkle.verify_consistency(old, root, asked.size, asked.root, proof)
        except BadProofError as error:
            self._keep_evidence(asked)
            return Answer(422, f"{error.what}\n".encode(), said=f"{asked.size} entries do not extend {old}")
        signature = self._signer.sign(asked.note.text, int(self._clock()))
        kept = notes.Note(asked.note.text, (*asked.note.signatures[: notes.SIGNATURES_MAX - 1], signature))
        self._state.replace(f"{_name(asked.origin)}.checkpoint", bytes(kept))
        return Answer(200, signature.line().encode(), said=f"{asked.size} entries")

    def _keep_evidence(self, asked: Checkpoint) -> None:
        """Keep what the log signed and should not have; it lies beside what was cosigned."""
        kept = self._evidence.setdefault(asked.origin, set())
        name = f"{asked.size}-{asked.root.hex()[:16]}"
        if name not in kept and len(kept) < EVIDENCE_MAX:
            kept.add(name)
            self._state.replace(f"{_name(asked.origin)}.evidence/{name}", bytes(asked))


def _name(origin: str) -> str:
    return sha256(origin.encode()).hexdigest()


def _parse(body: bytes) -> tuple[int, list[bytes], Checkpoint]:
    """The old size, the proof and the checkpoint of a request."""
    head, blank, note = body.partition(b"\n\n")
    try:
        first, *rest = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise BadNoteError("request", "not ASCII before the checkpoint") from None
    if not blank or not first.startswith("old "):
        raise BadNoteError("request", "not the lines `old SIZE`, hashes, an empty one, and a checkpoint")
    if len(rest) > PROOF_MAX:
        raise BadNoteError("request", f"{len(rest)} hashes; allowed: {PROOF_MAX}")
    old = checkpoints.decimal(first.removeprefix("old "), "old size")
    return old, [notes.decode64(each, "proof") for each in rest], checkpoints.parse(note)

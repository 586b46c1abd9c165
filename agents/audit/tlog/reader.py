"""Reading somebody's log with nothing but its files and public keys; from a folder or over HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from agents.audit.tlog import checkpoint, tiles
from agents.audit.tlog.checkpoint import Checkpoint, Policy
from agents.audit.tlog.errors import BadNoteError
from agents.audit.tlog.notes import VKey
from agents.audit.tlog.proof import TlogProof
from agents.audit.tlog.store import Fetch, fetch_of
from agents.audit.tlog.tree import Tree

FIRST: Final = "ask for the checkpoint first: it says what the files are checked against"


class LogReader:
    """A log that is read.

    Args:
        source: its folder, the `http(s)://` prefix of its files, or what reads a file by its path.
    """

    def __init__(self, source: Path | str | Fetch) -> None:
        self.fetch = fetch_of(source)
        self._tree: Tree | None = None
        self._checkpoint: Checkpoint | None = None

    def checkpoint(
        self, keys: Sequence[VKey], policy: Policy | None = None, *, origin: str | None = None
    ) -> Checkpoint:
        """Return the log's newest checkpoint, verified; with a policy the newest that enough witnesses cosigned.

        Proofs and entries are from then on those of its tree.

        Raises:
            BadNoteError: there is none, it is malformed, another log's, not signed, or not cosigned as needed.
            BadLogError: the tiles at the edge of its tree do not give its root.
        """
        try:
            found = checkpoint.opened(self._read(tiles.CHECKPOINT), keys, policy, origin=origin)
        except BadNoteError as error:
            if policy is None or policy.needed == 0:
                raise
            try:
                found = checkpoint.opened(
                    self._read(tiles.WITNESSED), keys, policy, origin=origin, where=tiles.WITNESSED
                )
            except BadNoteError:
                raise error from None
        self._tree, self._checkpoint = self.tree(found), found
        return found

    def tree(self, of: Checkpoint) -> Tree:
        """Return the tree of a checkpoint that was verified."""
        return Tree(self.fetch, of.size, of.root)

    def entries(self, begin: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield the entries from `begin` to before `end`, each checked against the root."""
        return self._opened().entries(begin, end)

    def inclusion_proof(self, index: int, size: int | None = None) -> list[bytes]:
        """Return the proof that entry `index` is in the tree of `size`."""
        return self._opened().inclusion_proof(index, size)

    def consistency_proof(self, old: int, new: int | None = None) -> list[bytes]:
        """Return the proof that the tree of `old` is a beginning of that of `new`."""
        return self._opened().consistency_proof(old, new)

    def prove(self, index: int, extra: bytes | None = None) -> TlogProof:
        """Return what shows to anybody with the log's key that an entry is in it."""
        if self._checkpoint is None:
            raise ValueError(FIRST)
        return TlogProof(index, tuple(self.inclusion_proof(index)), bytes(self._checkpoint), extra)

    def _opened(self) -> Tree:
        if self._tree is None:
            raise ValueError(FIRST)
        return self._tree

    def _read(self, path: str) -> bytes:
        try:
            return self.fetch(path)
        except FileNotFoundError:
            raise BadNoteError(path, "the file is not there") from None

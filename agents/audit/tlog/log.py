"""A log that is written: append-only, one writer, durable when `append` returns.

The order of an append is what makes it safe (docs/audit-log.md, "A crash at any step"): bundles, tiles, flush; then
`latest`, the size and root that are about to be signed; then the signed checkpoint. Nothing is signed before all that
it commits to lasts, and nothing else is ever signed at or below a size that `latest` says.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from agents.audit.tlog import checkpoint as checkpoints
from agents.audit.tlog import tiles
from agents.audit.tlog.checkpoint import Checkpoint
from agents.audit.tlog.edge import Edge
from agents.audit.tlog.errors import BadNoteError, InconsistentLogError, LogBrokenError
from agents.audit.tlog.notes import Note, NoteSigner
from agents.audit.tlog.opening import Head, edge_at, recovered
from agents.audit.tlog.store import STATE, Folder, Storage
from agents.audit.tlog.tree import Tree
from agents.audit.tlog.witnessing import Told, Witnesses, silent

LATEST: Final = "latest"
"""Size and root that were signed, or were about to be, in the form of a checkpoint's text; kept beside the log, so that
a log that is put back to an earlier state is noticed."""


class Log:
    """The log in a folder, or in another storage.

    Args:
        folder: where its files are; made where there are none.
        signer: the log's key; its name is the origin.
        clock: seconds since the epoch, for the cosignatures' times.
        origin: the log's name, where it is not that of the key.
        state: folder (or storage) of `latest`. By default within the log's, where it does not survive what happens to
            the log; on another disk it tells of a log that was put back.
        witnesses: who is asked to cosign, and how many are needed.
        tell: what a person should read: a recovery, a state file that is not there.
        ask: whether witnesses are asked on opening, before anything is appended: the only way to find that log and
            state were put back together.

    Raises:
        InconsistentLogError: files and `latest`, or a witness, tell of two histories; nothing is written.
        LogBusyError: another process writes it.
    """

    def __init__(
        self,
        folder: Path | Storage,
        signer: NoteSigner,
        clock: Callable[[], float],
        *,
        origin: str | None = None,
        state: Path | Storage | None = None,
        witnesses: Witnesses | None = None,
        tell: Callable[[str], None] = silent,
        ask: bool = True,
    ) -> None:
        self._storage = Folder(folder) if isinstance(folder, Path) else folder
        if state is None:
            self._state, self._latest = self._storage, f"{STATE}/{LATEST}"
        else:
            self._state, self._latest = (Folder(state) if isinstance(state, Path) else state), LATEST
        self._signer, self._clock = signer, clock
        self.origin = signer.public.name if origin is None else origin
        self.witnesses = witnesses if witnesses is not None else Witnesses()
        self._tell = tell
        self._writing, self._asking = threading.RLock(), threading.Lock()
        self._broken: str | None = None
        self._storage.lock()
        try:
            self._edge, self._checkpoint = self._opened()
            if ask:
                self.cosign()
        except BaseException:
            self._storage.unlock()
            raise

    @property
    def size(self) -> int:
        """Return how many entries it has."""
        return self._edge.size

    @property
    def root(self) -> bytes:
        """Return the root of its tree."""
        return self._checkpoint.root

    def checkpoint(self) -> Checkpoint:
        """Return the newest checkpoint, as published."""
        return self._checkpoint

    def tree(self) -> Tree:
        """Return its tree, for proofs."""
        with self._writing:
            return Tree(self._storage.read, self.size, self.root)

    def append(self, entries: Sequence[bytes]) -> range:
        """Append entries, at best hundreds at once; return their indices. They last when it returns.

        Where it raises, none of them is in the log, but after LogBrokenError: then opening the log again finds out, and
        either all or none are.

        Raises:
            ValueError: an entry is longer than `ENTRY_MAX` bytes; nothing was written.
            OSError: the storage refused; nothing was appended, it may be tried again.
            LogBrokenError: it failed after the point from which it may count.
        """
        with self._writing:
            self._usable()
            begin = self._edge.size
            if not entries:
                return range(begin, begin)
            tiles.check(entries)
            edge, done = self._edge.grown(entries, self._storage.write)
            self._storage.sync()
            root = edge.root
            try:
                self._remember(edge.size, root)
                self._checkpoint = self._published(edge.size, root)
            except BaseException as error:
                self._broken = f"{type(error).__name__} while the tree of {edge.size} was signed"
                raise LogBrokenError(f"{self._broken}: open the log again, which finds out what counts") from error
            self._edge = edge
            for folder in done:
                self._storage.drop(folder)
            return range(begin, edge.size)

    def cosign(self) -> list[Told]:
        """Ask the witnesses to cosign the newest checkpoint; publish what they give. Return what each said.

        A witness that does not answer is told of, and asked again by the next call. May run beside `append`, in another
        thread: the checkpoint that was asked for is then no longer the newest, and goes to `checkpoint.witnessed`.

        Raises:
            InconsistentLogError: a witness has cosigned another history, or a longer one than the log has.
        """
        if not self.witnesses.clients:
            return []
        with self._asking:
            return self._cosign()

    def _cosign(self) -> list[Told]:
        with self._writing:
            self._usable()
            asked, tree = self._checkpoint, self.tree()
        told, signatures = self.witnesses.ask(asked, tree, self._clock())
        if forked := [each for each in told if each.forked]:
            self._broken = "; ".join(each.what for each in forked)
            raise InconsistentLogError(self.origin, self._broken)
        if signatures:
            with self._writing:
                self._usable()
                note = asked.note.with_signatures(signatures)
                if self._checkpoint.size == asked.size:
                    note = self._checkpoint.note.with_signatures(signatures)
                    self._storage.replace(tiles.CHECKPOINT, bytes(note))
                    self._checkpoint = Checkpoint(self.origin, asked.size, asked.root, note)
                if len(note.signed_by(self.witnesses.policy.witnesses)) >= self.witnesses.policy.needed:
                    self._storage.replace(tiles.WITNESSED, bytes(note))
        return told

    def close(self) -> None:
        """Let another process write it."""
        with self._writing:
            self._broken = "the log is closed"
            self._storage.unlock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _opened(self) -> tuple[Edge, Checkpoint]:
        stored, latest = self._stored(), self._remembered()
        stored_head = None if stored is None else Head(stored.size, stored.root)
        if stored is not None and latest is None:
            self._tell(f"{self._latest}: not there; the log's own checkpoint of {stored_head} is taken for the newest")
        head = recovered(self._storage, stored_head, latest, self._tell)
        edge = edge_at(self._storage, head, self._tell)
        if latest != head:
            self._remember(head.size, head.root)
        if stored is None or stored_head != head:
            return edge, self._published(head.size, head.root)
        return edge, stored

    def _stored(self) -> Checkpoint | None:
        try:
            raw = self._storage.read(tiles.CHECKPOINT)
        except FileNotFoundError:
            return None
        return checkpoints.opened(raw, [self._signer.public], origin=self.origin)

    def _remembered(self) -> Head | None:
        try:
            raw = self._state.read(self._latest)
        except FileNotFoundError:
            return None
        try:
            origin, size, root = raw.decode().split("\n")[:3]
            head = Head(checkpoints.decimal(size, self._latest), bytes.fromhex(root))
        except (ValueError, BadNoteError):
            raise InconsistentLogError(self._latest, "is not what this program writes there; put it back") from None
        if origin != self.origin:
            raise InconsistentLogError(self._latest, f"is of the log {origin!r}, not of {self.origin!r}")
        return head

    def _remember(self, size: int, root: bytes) -> None:
        self._state.replace(self._latest, f"{self.origin}\n{size}\n{root.hex()}\n".encode())

    def _published(self, size: int, root: bytes) -> Checkpoint:
        text = checkpoints.body(self.origin, size, root)
        note = Note(text, (self._signer.sign(text),))
        self._storage.replace(tiles.CHECKPOINT, bytes(note))
        return Checkpoint(self.origin, size, root, note)

    def _usable(self) -> None:
        if self._broken is not None:
            raise LogBrokenError(self._broken)

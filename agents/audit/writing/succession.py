"""A log that goes on from another one, which has ended: a year's log after the year before.

The new log's first entry says of which tree it goes on, and at which offsets: they are the ones at which the old log's
entries end, so that every record is in one of the two.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from agents.audit.tlog import BadLogError, BadNoteError, Folder, Tree, checkpoint, tiles
from agents.audit.tlog.store import STATE
from agents.audit.writing.positions import INDEX, TP, Positions
from schemas.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Ended:
    """The log before: its tree, and where each partition goes on."""

    origin: str
    size: int
    root: bytes
    positions: dict[TP, int]

    @property
    def said(self) -> dict[str, str | int]:
        """What the new log's first entry says of it."""
        return {"origin": self.origin, "size": self.size, "root": self.root.hex()}


def ended(folder: Path, origin: str) -> Ended:
    """Return the log in a folder, which nobody writes any more.

    Args:
        folder: the log before.
        origin: of the new one.

    Raises:
        ConfigurationError: there is no log, its files are not whole, or it has the name of the new one.
        LogBusyError: a process writes it.
    """
    files = Folder(folder)
    try:
        before = checkpoint.parse(files.read(tiles.CHECKPOINT))
    except (FileNotFoundError, BadNoteError) as error:
        raise ConfigurationError(f"audit_continues: {folder}: no log that has ended: {error}") from None
    if before.origin == origin:
        raise ConfigurationError(
            f"audit_continues: {folder} is of {origin!r}, and so is the new log; allowed: a name that no log had "
            "(audit_key, audit_origin), or two histories of one name are shown"
        )
    with suppress(OSError):  # where nobody may write, nobody does
        files.lock()
    try:
        tree = Tree(files.read, before.size, before.root)
        positions = Positions.of(tree, folder / STATE / INDEX).next
    except BadLogError as error:
        raise ConfigurationError(f"audit_continues: {folder}: {error}") from None
    finally:
        files.unlock()
    return Ended(before.origin, before.size, before.root, positions)

"""Where the log goes on: the next offset of each partition, as the log's own entries say.

The log is the only truth: what it holds was read, what it does not was not. An index beside it spares reading it from
its last opening on; an index that does not belong to this tree is not used.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from schemas.entry import Entry, decode

TP = tuple[str, int]

INDEX: Final = "positions.json"
"""Beside the log's lock: no part of the log."""

BACK: Final = 4_096
"""Entries read at a time where the log is read backwards: 16 bundles."""

WENT_BACK: Final = "log_went_back"
"""Why of a hole whose offsets come again: the topic was created anew or cut."""


class Readable(Protocol):
    """A log's tree (`agents.audit.tlog.Tree`)."""

    @property
    def size(self) -> int:
        """Entries."""

    def root_at(self, size: int) -> bytes:
        """The root that it had then."""

    def entries(self, begin: int = 0, end: int | None = None) -> Any:
        """Its entries, checked."""


class Positions:
    """The next offset of each partition, entry by entry."""

    def __init__(self) -> None:
        self.next: dict[TP, int] = {}

    def take(self, entry: Entry) -> None:
        """Take the next entry of the log."""
        for tp, offset in _says(entry):
            self.next[tp] = offset

    @classmethod
    def of(cls, tree: Readable, index: Path) -> Positions:
        """Return what a log's entries say, with the help of the index where that is of this log."""
        found = cls()
        begin = 0
        saved = _load(index)
        if saved is not None and saved.size <= tree.size and tree.root_at(saved.size).hex() == saved.root:
            found.next = {(topic, partition): offset for topic, partition, offset in saved.positions}
            begin = saved.size
        else:
            found.next, begin = _backwards(tree), tree.size
        for each in tree.entries(begin):
            found.take(decode.decode(each))
        return found

    def save(self, index: Path, size: int, root: bytes) -> None:
        """Write the index of a tree; a crash leaves the one before."""
        rows = tuple((topic, partition, offset) for (topic, partition), offset in sorted(self.next.items()))
        index.parent.mkdir(parents=True, exist_ok=True)
        writing = index.with_suffix(".writing")
        with writing.open("wb") as file:
            file.write(msgspec.json.encode(_Index(size, root.hex(), rows)))
            file.flush()
            os.fsync(file.fileno())
        writing.replace(index)


class _Index(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    size: int
    root: str
    positions: tuple[tuple[str, int, int], ...]


def _load(index: Path) -> _Index | None:
    try:
        return msgspec.json.decode(index.read_bytes(), type=_Index)
    except (OSError, msgspec.MsgspecError):
        return None


def _says(entry: Entry) -> list[tuple[TP, int]]:
    """Return which offsets come next after an entry."""
    if entry.kind == "opened":
        topics: dict[str, dict[str, int]] = entry.about.get("topics", {})
        return [((topic, int(each)), offset) for topic, parts in topics.items() for each, offset in parts.items()]
    if entry.kind == "hole":
        again = entry.about["why"] == WENT_BACK
        return [((entry.topic, entry.partition), entry.about["first"] if again else entry.about["last"] + 1)]
    return [((entry.topic, entry.partition), entry.offset + 1)]


def _backwards(tree: Readable) -> dict[TP, int]:
    """Read the log back to its last opening, which names every partition that there was then."""
    found: dict[TP, int] = {}
    end = tree.size
    while end > 0:
        begin = max(0, end - BACK)
        for each in reversed(list(tree.entries(begin, end))):
            entry = decode.decode(each)
            for tp, offset in _says(entry):
                found.setdefault(tp, offset)
            if entry.kind == "opened" and entry.about.get("part", 1) == 1:
                return found
        end = begin
    return found

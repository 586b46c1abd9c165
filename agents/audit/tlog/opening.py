"""Opening a log after whatever happened: which tree is the newest that may have been signed, and is it all there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from agents.audit.tlog import tiles
from agents.audit.tlog.edge import Edge
from agents.audit.tlog.errors import BadLogError, InconsistentLogError
from agents.audit.tlog.merkle import EMPTY_ROOT
from agents.audit.tlog.store import Storage
from agents.audit.tlog.tree import Tree


@dataclass(frozen=True, slots=True)
class Head:
    """A tree's size and root."""

    size: int
    root: bytes

    def __str__(self) -> str:
        return f"{self.size} entries, root {self.root.hex()}"


EMPTY = Head(0, EMPTY_ROOT)


def recovered(storage: Storage, stored: Head | None, latest: Head | None, tell: Callable[[str], None]) -> Head:
    """Return the newest tree that was, or may have been, signed; all its files are there when this returns.

    Args:
        storage: the log's files.
        stored: what the published checkpoint says.
        latest: what is remembered beside the log.
        tell: what a person should read.

    Raises:
        InconsistentLogError: the two are not one history, or what was remembered is no longer there.
    """
    if stored is None and latest is None:
        return EMPTY
    old, new = sorted((stored or latest or EMPTY, latest or stored or EMPTY), key=lambda each: each.size)
    if old.size == new.size and old.root != new.root:
        raise InconsistentLogError("checkpoint", f"two roots of one size: published {stored}, remembered {latest}")
    if None not in {stored, latest} and old != new:
        tell(f"the published checkpoint is of {stored}, what is remembered is of {latest}: the newer one goes on")
    tree = _whole(storage, new, stored, latest, tell)
    if old != new:
        try:
            before = tree.root_at(old.size)
            for _ in tree.entries(old.size):  # what lies behind the published checkpoint, checked entry by entry
                pass
        except BadLogError as error:
            raise InconsistentLogError("checkpoint", f"published {stored}, remembered {latest}; {error}") from None
        if before != old.root:
            raise InconsistentLogError("checkpoint", f"published {stored}, remembered {latest}: not one history")
    return new


def _whole(storage: Storage, head: Head, stored: Head | None, latest: Head | None, tell: Callable[[str], None]) -> Tree:
    """Return the tree of `head`; where its tiles are not those, they are made anew from the entries."""
    try:
        return Tree(storage.read, head.size, head.root)
    except BadLogError as error:
        wrong = error
    if (edge := _from_entries(storage, head)) is None:
        raise InconsistentLogError(
            "checkpoint",
            f"the files do not give the tree of {head} ({wrong}); published {stored}, remembered {latest}: "
            "the log was put back to an earlier state or has lost files; restore the newer one, it must not go on",
        )
    tell(f"{wrong}; the tiles are made anew from the entries, which give the root of {edge.size} entries")
    rebuild(storage, head)
    return Tree(storage.read, head.size, head.root)


def _from_entries(storage: Storage, head: Head) -> Edge | None:
    """The edge that the entries alone give, if it has the root."""
    try:
        edge = _replay(storage, head.size, lambda _, __: None)
    except BadLogError:
        return None
    return edge if edge.root == head.root else None


def _replay(storage: Storage, size: int, write: Callable[[str, bytes], None]) -> Edge:
    edge = Edge()
    for n in range(-(-size // tiles.WIDTH)):
        width = tiles.width_of(0, n, size)
        edge, _ = edge.grown(tiles.unpack(_bundle(storage, n, width), width, tiles.bundle_path(n, width)), write)
    return edge


def _bundle(storage: Storage, n: int, width: int) -> bytes:
    for path in dict.fromkeys((tiles.bundle_path(n, width), tiles.bundle_path(n))):
        try:
            return storage.read(path)
        except FileNotFoundError:
            continue
    raise BadLogError(tiles.bundle_path(n, width), "the file is not there")


def rebuild(storage: Storage, head: Head) -> None:
    """Write every tile anew from the entries."""

    def only_tiles(path: str, data: bytes) -> None:
        if not path.startswith("tile/entries/"):
            storage.write(path, data)

    _replay(storage, head.size, only_tiles)
    storage.sync()


def edge_at(storage: Storage, head: Head, tell: Callable[[str], None]) -> Edge:
    """Return what an append needs to know of the tree of `head`.

    Raises:
        InconsistentLogError: the last bundle is not the one that the root commits to.
    """
    if head.size == 0:
        return Edge()
    tree = _whole(storage, head, head, head, tell)
    rows = tuple(
        tree.tile(level, head.size >> tiles.HEIGHT * (level + 1)) if tiles.edge_width(level, head.size) else b""
        for level in tiles.levels(head.size)
    )
    bundle = b""
    if head.size % tiles.WIDTH:
        try:
            bundle = tiles.pack(tree.bundle(head.size // tiles.WIDTH))
        except BadLogError as error:
            raise InconsistentLogError(error.where, f"{error.what}; restore it, the log must not go on") from None
    return Edge(head.size, rows, bundle)

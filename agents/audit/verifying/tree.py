"""The Merkle tree of RFC 6962, built from its leaves in order; the tiles of C2SP tlog-tiles fall out on the way."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Final

WIDTH: Final = 256
"""Hashes of a full tile: 8 levels of the tree (tlog-tiles)."""

HASH_BYTES: Final = 32
EMPTY: Final = sha256(b"").digest()
"""Root of a tree without leaves (RFC 6962, 2.1)."""

Full = Callable[[int, int, bytes], None]
"""Told of each full tile: level, number, its bytes."""


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of an entry (RFC 6962, 2.1)."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of two subtrees (RFC 6962, 2.1)."""
    return sha256(b"\x01" + left + right).digest()


def perfect(hashes: bytes | bytearray) -> bytes:
    """Return the root over the hashes of a power of two of subtrees, one behind the other."""
    level = bytes(hashes)
    while len(level) > HASH_BYTES:
        level = b"".join(
            sha256(b"\x01" + level[at : at + 2 * HASH_BYTES]).digest() for at in range(0, len(level), 2 * HASH_BYTES)
        )
    return level


class Tree:
    """A tree that grows: it holds the right edge only, at most one tile a level."""

    def __init__(self, full: Full | None = None) -> None:
        self.size = 0
        self.edge: list[bytearray] = [bytearray()]
        """By level, the hashes of the tile that is not full yet."""
        self._full = full

    def copy(self, full: Full | None) -> Tree:
        """Return another one that is the same up to here."""
        other = Tree(full)
        other.size, other.edge = self.size, [bytearray(each) for each in self.edge]
        return other

    def number(self, level: int) -> int:
        """Return which tile of a level is not full yet."""
        return int(self.size >> (8 * (level + 1)))

    def add(self, leaf: bytes) -> None:
        """Take the hash of the next leaf."""
        self.edge[0] += leaf
        self.size += 1
        level = 0
        while len(self.edge[level]) == WIDTH * HASH_BYTES:
            tile = bytes(self.edge[level])
            if self._full is not None:
                self._full(level, (self.size >> (8 * (level + 1))) - 1, tile)
            self.edge[level].clear()
            if level + 1 == len(self.edge):
                self.edge.append(bytearray())
            level += 1
            self.edge[level] += perfect(tile)

    def root(self) -> bytes:
        """Return the root over all leaves so far."""
        found: bytes | None = None
        for hashes in self.edge:
            count, end = len(hashes) // HASH_BYTES, len(hashes)
            while count:
                size = count & -count
                begin = end - size * HASH_BYTES
                node = perfect(hashes[begin:end])
                found = node if found is None else node_hash(node, found)
                count, end = count - size, begin
        return EMPTY if found is None else found

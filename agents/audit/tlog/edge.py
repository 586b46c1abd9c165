"""The right edge of a growing tree: what an append needs to know of all entries before it, a few kilobytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from agents.audit.tlog import tiles
from agents.audit.tlog.merkle import HASH_BYTES, fold, join
from agents.audit.tlog.tiles import HEIGHT, WIDTH

TILE_BYTES: Final = WIDTH * HASH_BYTES

Write = Callable[[str, bytes], None]
"""Takes a file's path and content."""


@dataclass(frozen=True, slots=True)
class Edge:
    """Of a tree of `size`: the partial tile of each level, and the bytes of the partial bundle."""

    size: int = 0
    rows: tuple[bytes, ...] = ()
    bundle: bytes = b""

    @property
    def root(self) -> bytes:
        """Return the tree's root: every complete subtree of it is within a partial tile."""
        found: list[bytes] = []
        for row in reversed(self.rows):
            begin, width = 0, len(row) // HASH_BYTES
            for level in range(HEIGHT - 1, -1, -1):
                if width >> level & 1:
                    end = begin + (HASH_BYTES << level)
                    found.append(fold(row[begin:end]))
                    begin = end
        return join(found)

    def grown(self, entries: Sequence[bytes], write: Write) -> tuple[Edge, list[str]]:
        """Return the edge after these entries, having written what they add; and what that makes superfluous.

        Those are the folders of partial files that full ones replace.

        Bundles are written before tiles, so that hashes never stand for entries that are not there.

        Args:
            entries: each of at most `ENTRY_MAX` bytes.
            write: is given each file.
        """
        bundle, done = self._bundles(entries, write)
        size, rows = self.size + len(entries), list(self.rows)
        level, more = 0, tiles.leaves(entries)
        while more:
            if level == len(rows):
                rows.append(b"")
            row, n = rows[level] + more, self.size >> HEIGHT * (level + 1)
            full = len(row) // TILE_BYTES
            above: list[bytes] = []
            for at in range(full):
                tile = row[at * TILE_BYTES : (at + 1) * TILE_BYTES]
                path = tiles.tile_path(level, n + at)
                write(path, tile)
                above.append(fold(tile))
            if full and rows[level]:
                done.append(tiles.tile_path(level, n) + ".p")
            rows[level] = row[full * TILE_BYTES :]
            if rows[level]:
                write(tiles.tile_path(level, n + full, len(rows[level]) // HASH_BYTES), rows[level])
            level, more = level + 1, b"".join(above)
        return Edge(size, tuple(rows), bundle), done

    def _bundles(self, entries: Sequence[bytes], write: Write) -> tuple[bytes, list[str]]:
        done: list[str] = []
        bundle, n, width = self.bundle, self.size // WIDTH, self.size % WIDTH
        at = 0
        while at < len(entries):
            part = entries[at : at + WIDTH - width]
            bundle += tiles.pack(part)
            at += len(part)
            if width + len(part) < WIDTH:
                width += len(part)
                break
            write(tiles.bundle_path(n), bundle)
            if width:
                done.append(tiles.bundle_path(n) + ".p")
            bundle, n, width = b"", n + 1, 0
        if bundle:
            write(tiles.bundle_path(n, width), bundle)
        return bundle, done

"""A tree of which only size and root are trusted: every tile and bundle is checked against them as it is read."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

from agents.audit.tlog import merkle, tiles
from agents.audit.tlog.edge import Edge
from agents.audit.tlog.errors import BadLogError
from agents.audit.tlog.merkle import HASH_BYTES, fold
from agents.audit.tlog.store import Fetch
from agents.audit.tlog.tiles import HEIGHT, WIDTH

CACHED: Final = 2048
"""Tiles that are kept: 32 MiB, with the hashes within them. Proofs of neighbours share all but the lowest one."""


class Tree:
    """The tree (`size`, `root`) of a log whose files `fetch` reads.

    How a tile is checked: the partial tiles at the right edge hold every complete subtree, so that together they give
    the root; the hash of a full tile stands in the tile above it.

    Raises:
        BadLogError: anything read, now or later, is not what the root commits to. `where` is the file.
    """

    def __init__(self, fetch: Fetch, size: int, root: bytes) -> None:
        self.size, self.root = size, root
        self._fetch = fetch
        self._tiles: OrderedDict[tuple[int, int], tuple[bytes, ...]] = OrderedDict()
        self._edge = tuple(self._partial(level) for level in tiles.levels(size))
        self._edge_rows = tuple(merkle.rows(row) for row in self._edge)
        if Edge(size, self._edge).root != root:
            raise BadLogError(
                "tiles", f"the rightmost tiles of the tree of {size} do not give its signed root {root.hex()}"
            )

    def tile(self, level: int, n: int) -> bytes:
        """Return a tile's hashes, checked."""
        return self._rows(level, n)[0]

    def _rows(self, level: int, n: int) -> tuple[bytes, ...]:
        """A tile's hashes, those of their pairs, of pairs of these, up to its own."""
        width = tiles.width_of(level, n, self.size)
        if width == 0:
            raise ValueError(f"tile {level}/{n} of a tree of {self.size}: there is none")
        if width < WIDTH:
            return self._edge_rows[level]
        found = self._tiles.get((level, n))
        if found is None:
            path = tiles.tile_path(level, n)
            read = self._read(path)
            if len(read) != WIDTH * HASH_BYTES:
                raise BadLogError(path, f"{len(read)} bytes; a full tile has {WIDTH * HASH_BYTES}")
            found = merkle.rows(read)
            if found[HEIGHT] != self._above(level, n):
                raise BadLogError(path, "its hashes are not those that the signed root commits to")
            self._tiles[level, n] = found
            if len(self._tiles) > CACHED:
                self._tiles.popitem(last=False)
        else:
            self._tiles.move_to_end((level, n))
        return found

    def node(self, level: int, index: int) -> bytes:
        """Return the hash of a complete subtree (`merkle.Nodes`)."""
        row, within = divmod(level, HEIGHT)
        begin = index << within
        at = (begin % WIDTH >> within) * HASH_BYTES
        return self._rows(row, begin // WIDTH)[within][at : at + HASH_BYTES]

    def leaf(self, index: int) -> bytes:
        """Return the hash of an entry."""
        if not 0 <= index < self.size:
            raise ValueError(f"index {index} of a tree of {self.size}; allowed: 0 to {self.size - 1}")
        return self.node(0, index)

    def root_at(self, size: int) -> bytes:
        """Return the root that the tree had when it was of `size`."""
        self._at_most(size)
        return merkle.root(size, self.node)

    def inclusion_proof(self, index: int, size: int | None = None) -> list[bytes]:
        """Return the proof that entry `index` is in the tree of `size`, by default this one."""
        return merkle.inclusion_proof(index, self._at_most(size), self.node)

    def consistency_proof(self, old: int, new: int | None = None) -> list[bytes]:
        """Return the proof that the tree of `old` is a beginning of that of `new`, by default this one."""
        return merkle.consistency_proof(old, self._at_most(new), self.node)

    def bundle(self, n: int) -> list[bytes]:
        """Return the entries of the n-th bundle, checked."""
        width = tiles.width_of(0, n, self.size)
        path, found = self._widest(tiles.bundle_path(n, width), tiles.bundle_path(n))
        cut = width < WIDTH and path == tiles.bundle_path(n)
        entries = (tiles.unpack if cut else tiles.whole)(found, width, path)
        hashed = tiles.leaves(entries)
        if width == WIDTH:
            if fold(hashed) == self._above(0, n):
                return entries
            try:
                expected = self.tile(0, n)
            except BadLogError:
                raise BadLogError(path, "its entries are not those that the signed root commits to") from None
        else:
            expected = self._edge[0]
        for at, (one, other) in enumerate(zip(tiles.hashes(hashed), tiles.hashes(expected), strict=True)):
            if one != other:
                raise BadLogError(path, f"entry {n * WIDTH + at} is not the one that the signed root commits to")
        return entries

    def entries(self, begin: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield the entries from `begin` to before `end`, each checked."""
        end = self._at_most(end)
        for n in range(begin // WIDTH, -(-end // WIDTH)):
            first = n * WIDTH
            yield from self.bundle(n)[max(begin - first, 0) : end - first]

    def problems(self) -> Iterator[BadLogError]:
        """Yield what is wrong with each tile and bundle of the whole log; nothing where all is as signed."""
        for level in reversed(range(len(self._edge))):
            for n in range(self.size >> HEIGHT * (level + 1)):
                try:
                    self.tile(level, n)
                except BadLogError as error:
                    yield error
        for n in range(-(-self.size // WIDTH)):
            try:
                self.bundle(n)
            except BadLogError as error:
                yield error

    def recomputed(self) -> bytes:
        """Return the root as all entries give it, from the bundles alone: no tile is read."""
        edge = Edge()
        for n in range(-(-self.size // WIDTH)):
            width = tiles.width_of(0, n, self.size)
            path, found = self._widest(tiles.bundle_path(n, width), tiles.bundle_path(n))
            edge, _ = edge.grown(tiles.unpack(found, width, path), lambda _, __: None)
        return edge.root

    def _at_most(self, size: int | None) -> int:
        if size is None:
            return self.size
        if not 0 <= size <= self.size:
            raise ValueError(f"size {size} of a tree of {self.size}; allowed: 0 to {self.size}")
        return size

    def _above(self, level: int, n: int) -> bytes:
        at = n % WIDTH * HASH_BYTES
        return self.tile(level + 1, n // WIDTH)[at : at + HASH_BYTES]

    def _partial(self, level: int) -> bytes:
        width = tiles.edge_width(level, self.size)
        if width == 0:
            return b""
        n = self.size >> HEIGHT * (level + 1)
        path, found = self._widest(tiles.tile_path(level, n, width), tiles.tile_path(level, n))
        if len(found) not in {width * HASH_BYTES, WIDTH * HASH_BYTES}:
            raise BadLogError(path, f"{len(found)} bytes; a tile of {width} hashes has {width * HASH_BYTES}")
        return found[: width * HASH_BYTES]

    def _widest(self, partial: str, full: str) -> tuple[str, bytes]:
        """Read a partial file, or the full one that may have replaced it."""
        try:
            return partial, self._fetch(partial)
        except FileNotFoundError:
            if partial == full:
                raise BadLogError(partial, "the file is not there") from None
        try:
            return full, self._fetch(full)
        except FileNotFoundError:
            raise BadLogError(partial, "the file is not there, nor the full one that may replace it") from None

    def _read(self, path: str) -> bytes:
        return self._widest(path, path)[1]

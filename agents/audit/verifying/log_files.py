"""The files of a log (C2SP tlog-tiles): entry bundles and tiles, read in order and checked against the signed root."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from agents.audit.verifying.findings import Findings
from agents.audit.verifying.notes import Checkpoint
from agents.audit.verifying.tree import HASH_BYTES, WIDTH, Tree, leaf_hash
from schemas.errors import ConfigurationError

ENTRIES: Final = "entries"
BUNDLE_MAX: Final = WIDTH * (2 + 65_535)
"""Bytes of an entry bundle: 256 entries of 65,535 bytes with their lengths."""


def tile_path(level: int | str, number: int, width: int = WIDTH) -> str:
    """Return a tile's path: the number in groups of three digits, all but the last with an `x` before them."""
    groups = [f"{number % 1000:03d}"]
    while number := number // 1000:
        groups.append(f"x{number % 1000:03d}")
    path = f"tile/{level}/{'/'.join(reversed(groups))}"
    return path if width == WIDTH else f"{path}.p/{width}"


class LogFiles:
    """A folder with `checkpoint` and `tile/`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not folder.is_dir():
            raise ConfigurationError(f"{folder} is no folder; it holds `checkpoint` and `tile/`")

    def checkpoint(self) -> bytes:
        """Return the file `checkpoint`.

        Raises:
            ConfigurationError: it cannot be read.
        """
        return read_file(self.folder / "checkpoint")

    def tile(self, level: int | str, number: int, width: int) -> tuple[str, bytes | None]:
        """Return (path, bytes) of a tile with at least `width` hashes or entries; None where there is none.

        A log that grew since has the full tile in place of the partial one, or a wider one.
        """
        path = tile_path(level, number, width)
        wider = [path] if width == WIDTH else [path, tile_path(level, number)]
        for each in wider:
            file = self.folder / each
            if file.is_file():
                return each, _read(file)
        parts = self.folder / (tile_path(level, number) + ".p")
        widths = sorted(int(each.name) for each in parts.iterdir() if each.name.isdecimal()) if parts.is_dir() else []
        for found in widths:
            if found >= width:
                return tile_path(level, number, found), _read(parts / str(found))
        return path, None


def _read(file: Path) -> bytes | None:
    try:
        with file.open("rb") as opened:
            return opened.read(BUNDLE_MAX + 1)
    except OSError:
        return None


def read_file(file: Path) -> bytes:
    """Return a small file's bytes.

    Raises:
        ConfigurationError: it cannot be read.
    """
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from None


def entries_in(bundle: bytes) -> list[bytes] | None:
    """Return the entries of a bundle (each: its length in two bytes, big-endian; it); None if it is none."""
    found, at, end = [], 0, len(bundle)
    while at < end:
        begin = at + 2
        at = begin + int.from_bytes(bundle[at:begin], "big")
        if begin > end or at > end:
            return None
        found.append(bundle[begin:at])
    return found


@dataclass(slots=True)
class Walk:
    """Yields a log's entries in order; at the end it has said whether files, tiles and checkpoints agree."""

    files: LogFiles
    signed: Checkpoint
    earlier: Sequence[tuple[str, Checkpoint]]
    """(name of the file, checkpoint that was kept), any order; their signatures are somebody else's business."""
    findings: Findings
    agreed: int = 0
    """Size of the greatest earlier checkpoint that this history goes on from."""
    _tree: Tree = field(default_factory=Tree)
    _tiles: Tree | None = None
    """The tree that the tiles of level 0 give, from the first tile on that differs from its entries."""
    _differ: list[tuple[int, str]] = field(default_factory=list)
    """Entries whose hash in the tile is another: index, file."""
    _waiting: list[tuple[str, Checkpoint]] = field(default_factory=list)
    _readable: bool = True

    def __iter__(self) -> Iterator[tuple[int, bytes | None]]:
        """Yield (index, entry), None where the entry's bytes are not there."""
        self._tree = Tree(self._full)
        self._waiting = sorted(self.earlier, key=lambda each: -each[1].size)
        self._compare_earlier()
        for number in range(-(-self.signed.size // WIDTH)):
            begin = number * WIDTH
            width = min(WIDTH, self.signed.size - begin)
            tile = self._tile_of(number, width)
            entries = self._bundle(number, width, tile)
            hashes = self._hashes(number, width, entries, tile)
            if hashes is None:
                self._readable = False
                break
            for leaf in hashes:
                self._tree.add(leaf)
                if self._waiting:
                    self._compare_earlier()
            yield from enumerate(entries, begin)
        self._end()

    def _tile_of(self, number: int, width: int) -> list[bytes]:
        """Return the hashes that a tile of level 0 holds for its entries; none where it is not there."""
        path, raw = self.files.tile(0, number, width)
        if raw is None or len(raw) < width * HASH_BYTES:
            self.findings.add(
                "tree", f"{path} is not there, or shorter than {width} hashes", index=number * WIDTH, file=path
            )
            return []
        return [raw[at : at + HASH_BYTES] for at in range(0, width * HASH_BYTES, HASH_BYTES)]

    def _bundle(self, number: int, width: int, tile: list[bytes]) -> list[bytes | None]:
        """Return the entries of a bundle, None in the place of those that are not there.

        In a bundle with too few or too many entries each stands where the tile has its hash.
        """
        path, raw = self.files.tile(ENTRIES, number, width)
        found = None if raw is None else entries_in(raw)
        begin = number * WIDTH
        if (
            found is not None
            and len(found) >= width
            and (len(found) == width or path != tile_path(ENTRIES, number, width))
        ):
            return list(found[:width])
        if found is None or not tile:
            why = "is not there" if raw is None else f"does not hold the {width} entries that it must"
            said = f"{path} {why}: entries {begin} to {begin + width - 1} cannot be read"
            self.findings.add("tree", said, index=begin, file=path)
            return [None] * width
        by_hash = {leaf_hash(entry): entry for entry in found}
        placed = [by_hash.get(leaf) for leaf in tile]
        for at, entry in enumerate(placed, begin):
            if entry is None:
                self.findings.add(
                    "tree", f"entry {at} is not in its bundle: it was cut out, or replaced", index=at, file=path
                )
        if len(found) > width:
            said = f"{path} holds {len(found)} entries, and {width} were logged: some were put in"
            self.findings.add("tree", said, index=begin, file=path)
        return placed

    def _hashes(self, number: int, width: int, entries: list[bytes | None], tile: list[bytes]) -> list[bytes] | None:
        """Return the hashes of the leaves of one tile; those in the tile where entries are not there."""
        if None in entries and not tile:
            return None
        hashes = [tile[at] if entry is None else leaf_hash(entry) for at, entry in enumerate(entries)]
        if tile and hashes != tile:
            if self._tiles is None:
                self._tiles = self._tree.copy(self._full_of_tiles)
            path = tile_path(0, number, width)
            self._differ += [
                (number * WIDTH + at, path)
                for at, (one, two) in enumerate(zip(hashes, tile, strict=True))
                if one != two
            ]
        if self._tiles is not None:
            for leaf in tile or hashes:
                self._tiles.add(leaf)
        return hashes

    def _full(self, level: int, number: int, tile: bytes) -> None:
        if self._tiles is None and level:
            self._compare_tile(level, number, tile)

    def _full_of_tiles(self, level: int, number: int, tile: bytes) -> None:
        if level:
            self._compare_tile(level, number, tile)

    def _compare_tile(self, level: int, number: int, tile: bytes) -> None:
        width = len(tile) // HASH_BYTES
        path, raw = self.files.tile(level, number, width)
        if raw is None or len(raw) < len(tile):
            self.findings.add("tree", f"{path} is not there, or shorter than {width} hashes", file=path)
            return
        for at in range(0, len(tile), HASH_BYTES):
            if raw[at : at + HASH_BYTES] != tile[at : at + HASH_BYTES]:
                below = number * WIDTH + at // HASH_BYTES
                self.findings.add(
                    "tree",
                    f"{path}: hash {at // HASH_BYTES} is not what {tile_path(level - 1, below)} gives",
                    file=path,
                )

    def _compare_earlier(self) -> None:
        """Compare the root of now with every checkpoint that was kept at this size."""
        while self._waiting and self._waiting[-1][1].size == self._tree.size:
            name, kept = self._waiting.pop()
            if self._tree.root() == kept.root:
                self.agreed = max(self.agreed, kept.size)
            else:
                self.findings.add(
                    "history",
                    f"{name} was signed for {kept.size} entries with the root {kept.root.hex()[:16]}…; the first "
                    f"{kept.size} entries here give {self._tree.root().hex()[:16]}…: the history was rewritten, or two "
                    f"logs of one name are shown; the difference lies in entries {self.agreed} to {kept.size - 1}",
                    index=self.agreed,
                    file=name,
                )

    def _end(self) -> None:
        size = self.signed.size
        for name, kept in self._waiting:
            if kept.size > size:
                self.findings.add(
                    "history",
                    f"{name} was signed for {kept.size} entries, this checkpoint for {size}: the log was rolled back; "
                    f"entries {size} to {kept.size - 1} are gone",
                    index=size,
                    file=name,
                )
        if not self._readable:
            self.findings.add("tree", "the root cannot be computed: entries and their tile are both missing")
            return
        for level, hashes in enumerate((self._tiles or self._tree).edge):
            if level and hashes:
                self._compare_tile(level, self._tree.number(level), bytes(hashes))
        root = self._tree.root()
        by_tiles = None if self._tiles is None else self._tiles.root()
        right = root == self.signed.root
        for index, path in self._differ:
            if right:
                said = f"{path} has another hash for entry {index}; the entry is what was signed, the tile is damaged"
            elif by_tiles == self.signed.root:
                said = f"entry {index} is not the one that was logged: tiles and the signed root agree on another"
            else:
                said = f"entry {index} and its hash in {path} differ"
            self.findings.add("tree", said, index=index, file=path)
        if not right and by_tiles != self.signed.root:
            agree = "entries and tiles agree with each other" if not self._differ else "entries and tiles differ too"
            self.findings.add(
                "tree",
                f"the {size} entries give the root {root.hex()}, the checkpoint signs {self.signed.root.hex()}; "
                f"{agree}: the log was rebuilt, or the checkpoint is of another one",
                file="checkpoint",
            )

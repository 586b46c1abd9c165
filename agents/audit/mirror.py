"""A copy of a served log in a folder: what its checkpoint implies, checked against it before it is kept.

The checkpoint is verified first and written last: a folder with a checkpoint has all of its tree, and whatever stops a
fetch leaves the one before. What a checkpoint that was fetched before implies is not fetched again; that the new tree
goes on from it is checked before anything is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from agents.audit.downloads import AT_ONCE, Downloads
from agents.audit.tlog import BadLogError, BadNoteError, Checkpoint, Folder, Tree, VKey, checkpoint, tiles
from agents.audit.tlog.merkle import HASH_BYTES
from agents.audit.tlog.store import STATE
from agents.audit.tlog.tiles import HEIGHT, WIDTH
from schemas.errors import ConfigurationError

NOTE_MAX: Final = 64 * 1024
"""Bytes of a checkpoint with all its signatures."""

TILE_BYTES: Final = WIDTH * HASH_BYTES

REFUSED: Final = "checkpoint.refused"
"""Where a checkpoint is kept that the log's key signed and that contradicts another: the two are the proof."""

TELL_EVERY: Final = 256
"""Runs of `AT_ONCE` tiles between two lines of progress: a million entries."""

_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came of a fetch."""

    signed: Checkpoint
    before: int
    """Entries that were here before."""
    files: int
    """That were fetched, checkpoints among them."""


class _MissingError(Exception):
    """A full tile or bundle that is not here yet."""

    def __init__(self, path: str) -> None:
        self.path = path


async def fetch(
    web: Downloads,
    to: Path,
    keys: Sequence[VKey],
    *,
    origin: str | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Fetched:
    """Bring a folder to the newest checkpoint of a served log.

    Raises:
        BadLogError: the checkpoint is not signed, files are not what it commits to, or it does not go on from the one
            that was fetched before: the folder's checkpoint stays.
        ConfigurationError: the folder holds something else.
        LogBusyError: another fetch writes it.
        ReferenceUnavailableError: the server does not answer.
    """
    folder = _folder(to)
    folder.lock()
    try:
        return await _Mirror(web, folder, keys, origin, tell).run()
    finally:
        folder.unlock()


def _folder(to: Path) -> Folder:
    fresh = not to.exists() or (to.is_dir() and {each.name for each in to.iterdir()} <= {STATE, "tile"})
    if not fresh and not (to / tiles.CHECKPOINT).is_file():
        raise ConfigurationError(f"{to}: allowed: a folder that is not there, an empty one, or one fetched into before")
    return Folder(to)


class _Mirror:
    """One fetch."""

    def __init__(
        self, web: Downloads, folder: Folder, keys: Sequence[VKey], origin: str | None, tell: Callable[[str], None]
    ) -> None:
        self._web, self._folder, self._keys, self._origin, self._tell = web, folder, keys, origin, tell
        self._edge: dict[str, bytes] = {}
        """Partial files of the new tree. They are written when all else is: their paths may be those of the old one."""
        self._new: dict[str, bytes] = {}
        """Full files that were downloaded and are not written yet."""
        self._asked: set[str] = set()
        """Full files that were downloaded because those here were not right."""

    async def run(self) -> Fetched:
        had = self._had()
        # In this order: a checkpoint that is asked for later is never older.
        witnessed = await self._note(tiles.WITNESSED)
        signed = await self._note(tiles.CHECKPOINT)
        if signed is None:
            raise BadNoteError(tiles.CHECKPOINT, "the server has none; the URL is that under which `checkpoint` is")
        tree = await self._tree(signed)
        for older, what in ((had, "the one that was fetched before"), (witnessed, tiles.WITNESSED)):
            if older is not None:
                await self._goes_on(tree, signed, older, what)
        for level in reversed(tiles.levels(signed.size)):
            await self._level(tree, level, 0 if had is None else had.size)
        self._store(signed, witnessed, 0 if had is None else had.size)
        return Fetched(signed, 0 if had is None else had.size, self._web.count)

    def _had(self) -> Checkpoint | None:
        try:
            raw = self._folder.read(tiles.CHECKPOINT)
        except FileNotFoundError:
            return None
        try:
            return checkpoint.opened(raw, self._keys, origin=self._origin)
        except BadNoteError as error:
            raise ConfigurationError(f"{self._folder.path} holds another log, or is damaged: {error}") from None

    async def _note(self, name: str) -> Checkpoint | None:
        try:
            raw = await self._web.get(name, NOTE_MAX)
        except FileNotFoundError:
            return None
        return checkpoint.opened(raw, self._keys, origin=self._origin, where=name)

    async def _tree(self, signed: Checkpoint) -> Tree:
        """Return the tree of a checkpoint, its partial files downloaded and checked."""
        size = signed.size
        for level in tiles.levels(size):
            width, n = tiles.edge_width(level, size), size >> HEIGHT * (level + 1)
            if not width:
                continue
            path = tiles.tile_path(level, n, width)
            self._edge[path] = (await self._partial(path, tiles.tile_path(level, n), TILE_BYTES))[: width * HASH_BYTES]
            if level == 0:
                path = tiles.bundle_path(n, width)
                found = await self._partial(path, tiles.bundle_path(n), tiles.BUNDLE_MAX)
                self._edge[path] = tiles.pack(tiles.unpack(found, width, path))
        tree = Tree(self._read, size, signed.root)
        if size % WIDTH:
            tree.bundle(size // WIDTH)
        return tree

    async def _partial(self, path: str, full: str, most: int) -> bytes:
        """Download a partial file, or the full one that has replaced it meanwhile."""
        try:
            return await self._web.get(path, most)
        except FileNotFoundError:
            return await self._full(full, most)

    async def _full(self, path: str, most: int) -> bytes:
        try:
            return await self._web.get(path, most)
        except FileNotFoundError:
            raise BadLogError(path, "the server does not have it, and the signed checkpoint says that it is") from None

    async def _goes_on(self, tree: Tree, signed: Checkpoint, older: Checkpoint, what: str) -> None:
        """Raise where the new tree does not go on from an older one; keep what shows it."""
        if older.size > signed.size:
            said = f"is of {signed.size} entries, {what} of {older.size}: the log was put back, or this is an old copy"
        elif await self._with_files(lambda: tree.root_at(older.size)) != older.root:
            said = (
                f"its first {older.size} entries are not those of {what}: the history was rewritten, or two logs of "
                "one name are shown"
            )
        else:
            return
        shown = signed if what != tiles.WITNESSED else older
        self._folder.replace(REFUSED, bytes(shown))
        raise BadLogError(tiles.CHECKPOINT, f"{said}; it is kept as {self._folder.path / REFUSED}")

    async def _level(self, tree: Tree, level: int, had: int) -> None:
        """Bring the full tiles of a level, and with the lowest the bundles, from where the old tree ends."""
        covered, end = had >> HEIGHT * (level + 1), tree.size >> HEIGHT * (level + 1)
        numbers = [n for n in range(end) if n >= covered or not all(map(self._is_here, _paths(level, n)))]
        for at in range(0, len(numbers), AT_ONCE):
            some = numbers[at : at + AT_ONCE]
            await self._download(path for n in some for path in _paths(level, n) if not self._is_here(path))
            for n in some:
                await self._with_files(lambda n=n: tree.tile(level, n))  # type: ignore[misc]  # mypy knows no default
                if level == 0:
                    await self._with_files(lambda n=n: tree.bundle(n))  # type: ignore[misc]
            for path, found in self._new.items():
                self._folder.write(path, found)
            self._new.clear()
            if level == 0 and at // AT_ONCE % TELL_EVERY == TELL_EVERY - 1:
                self._tell(f"{(some[-1] + 1) * WIDTH:,} of {tree.size:,} entries")
        self._folder.sync()

    async def _download(self, paths: Iterable[str]) -> None:
        asked = list(paths)
        found = await asyncio.gather(*(self._full(each, _most(each)) for each in asked), return_exceptions=True)
        for path, each in zip(asked, found, strict=True):
            if isinstance(each, BaseException):
                raise each
            self._new[path] = each

    async def _with_files(self, compute: Callable[[], _Found]) -> _Found:
        """Return what is computed of files, downloading those that are not here, or not right."""
        while True:
            try:
                return compute()
            except _MissingError as missing:
                wanted = missing.path
            except BadLogError as error:
                if error.where in self._new or error.where in self._asked or not self._is_here(error.where):
                    raise
                wanted = error.where
            self._asked.add(wanted)
            await self._download([wanted])

    def _read(self, path: str) -> bytes:
        found = self._edge.get(path) or self._new.get(path)
        if found is not None:
            return found
        if ".p/" in path:
            raise FileNotFoundError(path)
        try:
            return self._folder.read(path)
        except FileNotFoundError:
            raise _MissingError(path) from None

    def _is_here(self, path: str) -> bool:
        return path in self._new or (self._folder.path / path).is_file()

    def _store(self, signed: Checkpoint, witnessed: Checkpoint | None, had: int) -> None:
        """Make it the folder's checkpoint; then remove partial files that full ones replace."""
        for path, found in (self._new | self._edge).items():
            self._folder.write(path, found)
        self._folder.sync()
        self._folder.replace(tiles.CHECKPOINT, bytes(signed))
        if witnessed is not None:
            self._folder.replace(tiles.WITNESSED, bytes(witnessed))
        for level in tiles.levels(had):
            n = had >> HEIGHT * (level + 1)
            if n < signed.size >> HEIGHT * (level + 1):
                for path in _paths(level, n):
                    self._folder.drop(f"{path}.p")


def _paths(level: int, n: int) -> list[str]:
    """Return where a full tile is, and of the lowest level its entries, too."""
    return [tiles.tile_path(level, n), *([tiles.bundle_path(n)] if level == 0 else [])]


def _most(path: str) -> int:
    return tiles.BUNDLE_MAX if path.startswith("tile/entries/") else TILE_BYTES

"""Where a log's files are: what a storage must promise, the filesystem's, and reading over HTTP.

An object store keeps the promises of `Storage` when an object's write is atomic and durable once it is confirmed, when
a read after a write sees it (both are so for S3 and its like), when `sync` waits until all writes are confirmed, and
when `lock` is a conditional write or a lease that another writer cannot have.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, Protocol, TypeVar
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from agents.audit.tlog.errors import BadLogError, LogBusyError
from agents.audit.tlog.tiles import BUNDLE_MAX
from schemas.errors import ConfigurationError, ReferenceUnavailableError

Fetch = Callable[[str], bytes]
"""Reads one file of a log by its path under the log's prefix. Raises FileNotFoundError where there is none."""

STATE: Final = ".state"
"""Folder for what is no part of the log: the lock, the file that is being written, by default what is remembered."""

FETCH_TIMEOUT: Final = 20.0
"""Seconds for one file over HTTP: a bundle is 16 MiB at most. A server that hangs must not hang an audit."""


WAITING_MAX: Final = 64
"""Files that wait to be flushed, at most: each holds a handle. The more are flushed at once, the fewer journal commits
of the file system they cost."""

FLUSHING: Final = 8
"""Threads that flush: so many wait for the disk together, which writes once for all of them."""

_Each = TypeVar("_Each")


def _at_once(flush: Callable[[_Each], None], all_of: Collection[_Each]) -> None:
    if len(all_of) < 2:
        for each in all_of:
            flush(each)
        return
    with ThreadPoolExecutor(min(FLUSHING, len(all_of)), "flush") as threads:
        for _ in threads.map(flush, all_of):
            pass


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Storage(Protocol):
    """Files by their path; a single writer."""

    def read(self, path: str) -> bytes:
        """Return a file. Raises FileNotFoundError where there is none."""

    def write(self, path: str, data: bytes) -> None:
        """Write a file, whole or not at all, over one that is there. It lasts, and is seen, from the next `sync` on."""

    def sync(self) -> None:
        """Return when all that was written lasts."""

    def replace(self, path: str, data: bytes) -> None:
        """Write a file that readers look at all the time: they see the old or the new one. It lasts on return."""

    def drop(self, path: str) -> None:
        """Delete a folder, if it is there. It may come back after a crash."""

    def lock(self) -> None:
        """Become the only writer. Raises LogBusyError where there is one."""

    def unlock(self) -> None:
        """Be it no more."""


class Folder:
    """A log in a folder: each file is written beside it, flushed to disk and moved into its place.

    Args:
        path: is made where it is not there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._changed: set[Path] = set()
        """Folders whose list of files is not on disk yet."""
        self._written: dict[Path, tuple[Path, int]] = {}
        """By where it will be: where a file is, and the handle by which it is flushed."""
        self._count = 0
        self._lock: int | None = None

    def read(self, path: str) -> bytes:
        """Return a file."""
        try:
            return (self.path / path).read_bytes()
        except (NotADirectoryError, IsADirectoryError) as error:
            raise FileNotFoundError(path) from error

    def write(self, path: str, data: bytes) -> None:
        """Write one beside its place; `sync` moves it there."""
        made = self.path / path
        self._count += 1
        writing = self.path / STATE / f"writing-{self._count}"
        self._folder(made.parent)
        self._folder(writing.parent)
        handle = os.open(writing, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            left = memoryview(data)
            while left:
                left = left[os.write(handle, left) :]
        except BaseException:
            os.close(handle)
            raise
        if made in self._written:
            os.close(self._written.pop(made)[1])
        self._written[made] = writing, handle
        if len(self._written) == WAITING_MAX:
            self._settle()

    def sync(self) -> None:
        """Flush the files, move them into place, flush the folders."""
        self._settle()
        folders, self._changed = self._changed, set()
        _at_once(_flush_folder, folders)

    def _settle(self) -> None:
        written, self._written = self._written, {}
        try:
            _at_once(os.fsync, [handle for _, handle in written.values()])
        finally:
            for _, handle in written.values():
                os.close(handle)
        for made, (writing, _) in written.items():
            writing.replace(made)
            self._changed.add(made.parent)

    def replace(self, path: str, data: bytes) -> None:
        """Write one and flush its folder."""
        self.write(path, data)
        self.sync()

    def drop(self, path: str) -> None:
        """Delete a folder."""
        shutil.rmtree(self.path / path, ignore_errors=True)

    def lock(self) -> None:
        """Take the lock file, which the system gives back when the process ends."""
        self._folder(self.path / STATE)
        handle = os.open(self.path / STATE / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise LogBusyError(f"{self.path}: another process writes this log; there may be one writer") from None
        self._lock = handle
        for left in (self.path / STATE).glob("writing-*"):  # by a process that was killed
            left.unlink()

    def unlock(self) -> None:
        """Give it back."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _folder(self, wanted: Path) -> None:
        missing: list[Path] = []
        while not wanted.is_dir():
            missing.append(wanted)
            wanted = wanted.parent
        for each in reversed(missing):
            each.mkdir(exist_ok=True)
            self._changed.add(each.parent)


def fetch_of(source: Path | str | Fetch) -> Fetch:
    """Return what reads a log: from a folder, from under an `http(s)://` prefix, or as told."""
    if callable(source):
        return source
    if isinstance(source, str) and "://" in source:
        return http_fetch(source)
    return Folder(Path(source)).read


def http_fetch(prefix: str, timeout: float = FETCH_TIMEOUT) -> Fetch:
    """Return what reads a log's files from under a prefix.

    Raises:
        ConfigurationError: it is no http or https URL.
    """
    parts = urlsplit(prefix)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.username or parts.query or parts.fragment:
        raise ConfigurationError("the log's URL: allowed: http://HOST/PATH or https://HOST/PATH, no user, no query")
    base = prefix.rstrip("/")

    def fetch(path: str) -> bytes:
        asked = Request(f"{base}/{path}", headers={"Accept-Encoding": "identity"})  # noqa: S310 - looked at above
        try:
            with urlopen(asked, timeout=timeout) as answer:  # noqa: S310
                found: bytes = answer.read(BUNDLE_MAX + 1)
        except HTTPError as error:
            error.close()
            if error.code in {404, 410}:
                raise FileNotFoundError(path) from None
            raise ReferenceUnavailableError(f"{base}/{path}: the server answers {error.code}") from None
        except OSError as error:
            raise ReferenceUnavailableError(f"{base}/{path} cannot be read: {error}") from None
        if len(found) > BUNDLE_MAX:
            raise BadLogError(path, f"more than {BUNDLE_MAX:,} bytes, the most that any file of a log has")
        return found

    return fetch

"""Files and standard output: an alert a line, as JSON."""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
import sys
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, Literal

import msgspec

from alerts.destination import Context, Kind
from alerts.formats import ecs, ocsf
from alerts.notice import Delivered, Failed, Notice, Outcome
from schemas.alert import Alert
from schemas.codec import encode

Format = Literal["alert", "ocsf", "ecs"]

MODE: Final = 0o600
"""Of a file that is made here: alerts tell of people. A file that is there keeps its own."""

BATCH_MAX: Final = 500
"""Notices in one `send`: one fsync for all of them."""

COPY_GAP_S: Final = 2.0
"""What was written so shortly before a truncation is written again: `copytruncate` of logrotate(8) loses what comes
between its last read and its truncation, which are one after the other."""

KEPT_MAX_BYTES: Final = 16 * 1024 * 1024
"""Bound of what is kept for that."""


class FileConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`kind = "file"`."""

    path: str
    """The file, from `/` on, in a folder that is there. It may be renamed or truncated at any time, as logrotate does:
    what follows goes into a new one, or to its new end."""
    format: Format = "alert"
    """What a line is: the alert as the topic has it, an OCSF Detection Finding, or an ECS document."""


def check(config: FileConfig) -> str | None:
    """Return what types cannot say of it."""
    if not config.path.startswith("/"):
        return f"path: {config.path!r}: a path from / on, since it depends on nobody's folder then"
    if config.path.endswith(("/", "/.", "/..")) or _is_folder(config.path):
        return f"path: {config.path!r}: a folder; name a file in it"
    return None


def _is_folder(path: str) -> bool:
    try:
        return Path(path).is_dir()
    except OSError:  # nobody lets us look: writing will say it
        return False


class StdoutConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`kind = "stdout"`."""

    format: Format = "alert"
    """What a line is: the alert as the topic has it, an OCSF Detection Finding, or an ECS document."""


def lines(notices: Sequence[Notice], form: Format, version: str) -> bytes:
    """Return one line of JSON for each alert of the notices."""
    return b"".join(_encoded(alert, notice.at, form, version) + b"\n" for notice in notices for alert in notice.alerts)


def _encoded(alert: Alert, at: int, form: Format, version: str) -> bytes:
    if form == "ocsf":
        return ocsf.encode(alert, now=at, version=version)
    if form == "ecs":
        return ecs.encode(alert, now=at, version=version)
    return encode(alert)


class File:
    """Appends to a file whose name may come to mean another one between two batches."""

    def __init__(self, config: FileConfig, context: Context) -> None:
        """Nothing is opened yet."""
        self._path = Path(config.path)
        self._format = config.format
        self._version = context.version
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"file-{context.name}")
        self._fd: int | None = None
        self._end = 0
        """Where the file ended after our last write."""
        self._kept: deque[tuple[float, bytes]] = deque()
        """What was written within the last `COPY_GAP_S` of writing, with the time of the clock that dates files."""

    async def start(self) -> None:
        """Nothing: the first batch opens the file."""

    async def stop(self) -> None:
        """Close the file."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown(wait=False)

    async def send(self, notices: Sequence[Notice]) -> Sequence[Outcome]:
        """Append a line for each alert; delivered when the disk has them."""
        written = lines(notices, self._format, self._version)
        try:
            where = await asyncio.get_running_loop().run_in_executor(self._thread, self._append, written)
        except OSError as error:
            why = error.strerror or type(error).__name__
            return [Failed(f"{self._path} cannot be written: {why}")] * len(notices)
        return [Delivered(where)] * len(notices)

    def _append(self, data: bytes) -> dict[str, str]:
        """Write all of `data` and wait for the disk; on an error take back what was written of it.

        Raises:
            OSError: it is not there as a whole.
        """
        while True:
            fd = self._current()
            size = self._write(fd, self._truncated(fd) + data)
            self._keep(data)
            if os.fstat(fd).st_nlink:
                return {"inode": str(os.fstat(fd).st_ino), "end": str(size)}
            self._close()  # somebody deleted it meanwhile: nobody will read that

    def _write(self, fd: int, data: bytes) -> int:
        before = os.fstat(fd).st_size
        # A line that a crash cut off is ended, so that the next one is whole; its alert comes again.
        torn = before > 0 and os.pread(fd, 1, before - 1) != b"\n"
        try:
            _write(fd, b"\n" + data if torn else data)
            os.fsync(fd)
        except OSError:
            # Where another program appends to the same file, a torn line may remain, which the next batch ends.
            with contextlib.suppress(OSError):
                if os.fstat(fd).st_size > before:
                    os.ftruncate(fd, before)
            self._close()
            raise
        self._end = os.fstat(fd).st_size
        return self._end

    def _truncated(self, fd: int) -> bytes:
        """Return what a truncation since our last write may have lost."""
        now = os.fstat(fd)
        if now.st_size >= self._end:
            return b""
        return b"".join(data for at, data in self._kept if at > now.st_mtime - COPY_GAP_S)

    def _keep(self, data: bytes) -> None:
        now = time.time()
        self._kept.append((now, data))
        while self._kept and (
            self._kept[0][0] < now - COPY_GAP_S or sum(len(each) for _, each in self._kept) > KEPT_MAX_BYTES
        ):
            self._kept.popleft()

    def _current(self) -> int:
        """Return the open file that the path means now: after a rename another than before.

        A file that was truncated in place needs no care here: O_APPEND writes at whatever its end is.
        """
        if self._fd is not None:
            ours = os.fstat(self._fd)
            try:
                theirs = self._path.stat()
            except FileNotFoundError:
                self._close()
            else:
                if (ours.st_ino, ours.st_dev) != (theirs.st_ino, theirs.st_dev):
                    self._close()
        if self._fd is None:
            # NONBLOCK: a pipe of that name without a reader is an error, and not a wait for ever.
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
            fd = os.open(self._path, flags, MODE)
            try:
                if not stat.S_ISREG(os.fstat(fd).st_mode):
                    raise OSError(None, "it is no file; standard output is a kind of its own")
                self._sync_folder()
            except OSError:
                os.close(fd)
                raise
            self._fd = fd
            self._end = 0
            self._kept.clear()
        return self._fd

    def _sync_folder(self) -> None:
        """Have the disk know the new file's name: fsync of a file does not say that (fsync(2))."""
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _close(self) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            with contextlib.suppress(OSError):
                os.close(fd)


def _write(fd: int, data: bytes) -> None:
    """Write all of it: `write` may take less (a full disk, a signal)."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


class Stdout:
    """Writes to standard output, for whoever collects it."""

    def __init__(self, config: StdoutConfig, context: Context) -> None:
        """Nothing is opened: the process has it."""
        self._format = config.format
        self._version = context.version
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"stdout-{context.name}")

    async def start(self) -> None:
        """Nothing."""

    async def stop(self) -> None:
        """Standard output is not ours to close."""
        self._thread.shutdown(wait=False)

    async def send(self, notices: Sequence[Notice]) -> Sequence[Outcome]:
        """Write a line for each alert; delivered when the system has taken them: a pipe cannot be fsync'ed."""
        written = lines(notices, self._format, self._version)
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._append, written)
        except (OSError, ValueError) as error:  # ValueError: it is closed
            why = getattr(error, "strerror", None) or type(error).__name__
            return [Failed(f"standard output cannot be written: {why}")] * len(notices)
        return [Delivered({"to": "stdout"})] * len(notices)

    @staticmethod
    def _append(data: bytes) -> None:
        sys.stdout.flush()
        out = sys.stdout.buffer
        out.write(data)
        out.flush()


KIND: Final = Kind(
    name="file",
    title="file: JSON lines",
    config=FileConfig,
    make=File,
    grouped=False,
    batch_max=BATCH_MAX,
    check=check,
    alone="path",
    promise=(
        "Delivered: the lines are written to the file that the path means, and the disk has them (fsync). A line that "
        "a crash tore is ended before the next one. Duplicates: what was written and not yet confirmed when a process "
        "died, and what was written in the two seconds before a truncation; `alert_id` and `revision` tell them. "
        "Rotation by renaming is safe; copytruncate loses what is written between its copy and its truncation when no "
        "alert follows."
    ),
)

STDOUT: Final = Kind(
    name="stdout",
    title="standard output: JSON lines",
    config=StdoutConfig,
    make=Stdout,
    grouped=False,
    batch_max=BATCH_MAX,
    promise=(
        "Delivered: the system has taken the lines; whoever reads the pipe confirms nothing. Duplicates as with a file."
    ),
)
KINDS: Final[Sequence[Kind]] = (KIND, STDOUT)

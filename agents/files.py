"""Files in place of topics: directories and events as JSON lines, plain or gzip, for runs without a broker."""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from rules.knowledge import Knowledge
from schemas.codec import DIRECTORY, encode, with_recorded_at
from schemas.errors import BadRecordError, ConfigurationError
from schemas.fields import TIME_MAX, Time, milliseconds
from schemas.sources.base import Source, SourceMapping
from schemas.topics import RAW_MAX_BYTES

LINE_MAX: Final = RAW_MAX_BYTES + 1
"""Longest line that is kept: one byte beyond the longest message, so that its reader sees that it is too long. The
rest of the line is read past, at bounded memory."""

GZIP_MAGIC: Final = b"\x1f\x8b"
STDIN: Final = "-"

Bad = tuple[str, int, BadRecordError]
"""(file, line from 1, what is wrong)."""


class Line(msgspec.Struct, frozen=True, gc=False):
    """One line of a file, shaped like a message of a topic."""

    value: bytes | None
    timestamp: int
    """When it counts as received, milliseconds."""
    offset: int
    """Line number, from 1."""
    topic: str
    """The file, as it was named."""
    partition: int = 0
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(slots=True)
class Directory:
    """The directories of a folder, and what they were read from."""

    knowledge: Knowledge
    known_at: int | None = None
    hashes: dict[str, str] = field(default_factory=dict)
    """By topic: hash of the file's lines, whether it is compressed or not."""
    bad: list[Bad] = field(default_factory=list)
    """Rows that cannot be used; the others stand."""

    @property
    def digest(self) -> str:
        """Hash of all files and of the time to which they were believed."""
        told = repr((sorted(self.hashes.items()), self.known_at))
        return blake2b(told.encode(), digest_size=8).hexdigest()


@dataclass(slots=True)
class Reading:
    """What was read so far: one clock and one count over all files of a run."""

    tell: Callable[[str], None] = lambda _: None
    """Told of every line that cannot be used, as `file:line: reason: detail`."""
    now: int = 0
    """The running maximum of `occurred_at`, milliseconds."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Records of another system that are no access to data, by why."""
    bad: Counter[str] = field(default_factory=Counter)
    """Lines and records that cannot be used, by reason."""

    def refuse(self, file: str, line: int, error: BadRecordError, index: int | None = None) -> None:
        """Count and tell one."""
        self.bad[error.reason] += 1
        record = "" if index is None else f" (record {index})"
        self.tell(f"{file}:{line}{record}: {error.reason}: {error.detail}")


def lines(name: str | Path) -> Iterator[bytes]:
    """Yield the lines of a file, plain or gzip, without their ends; `-` is standard input.

    A line beyond `LINE_MAX` is cut there: no record is that long, so it is refused as too large.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    try:
        with nullcontext(sys.stdin.buffer) if str(name) == STDIN else Path(name).open("rb") as raw:
            head = raw.peek(2)[:2] if isinstance(raw, io.BufferedReader) else b""
            stream: Any = gzip.GzipFile(fileobj=raw) if head == GZIP_MAGIC else raw
            while line := stream.readline(LINE_MAX):
                whole = line
                while len(line) == LINE_MAX and not line.endswith(b"\n"):
                    line = stream.readline(LINE_MAX)
                yield whole.rstrip(b"\r\n")
    except (OSError, EOFError, zlib.error) as error:
        raise ConfigurationError(f"{name} cannot be read: {getattr(error, 'strerror', None) or error}") from None


def messages(name: str | Path) -> Iterator[tuple[int, bytes]]:
    """Yield (line, message) of a file of another system's records.

    A file named `….json` or `….json.gz` is one message, as AWS delivers them (compressed as it is); any other holds a
    message on each line.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    if str(name).endswith((".json", ".json.gz")):
        try:
            with Path(name).open("rb") as file:
                yield 1, file.read(LINE_MAX)
        except OSError as error:
            raise ConfigurationError(f"{name} cannot be read: {error.strerror}") from None
        return
    yield from ((number, line) for number, line in enumerate(lines(name), 1) if line.strip())


def load_directory(folder: Path, known_at: int | None = None) -> Directory:
    """Read a directory folder; with `known_at` (milliseconds) only what was recorded until then.

    Rows may come in any order. A row's `recorded_at` is its `valid_from` where it has none: a file has no append time.

    Raises:
        ConfigurationError: the folder is not there, or none of its files is, or they hold no row that can be used.
    """
    if not folder.is_dir():
        raise ConfigurationError(f"directory: {folder} is no folder; it holds employees.jsonl, datasets.jsonl …")
    found = Directory(Knowledge(), known_at)
    for topic, codec in DIRECTORY.items():
        stem = topic.rsplit(".", 1)[1]
        path = next((p for p in (folder / f"{stem}.jsonl", folder / f"{stem}.jsonl.gz") if p.is_file()), None)
        if path is None:
            continue
        whole = blake2b(digest_size=8)
        for number, line in enumerate(lines(path), 1):
            whole.update(line + b"\n")
            if not line.strip():
                continue
            try:
                row = codec.decode(line)
            except BadRecordError as error:
                found.bad.append((str(path), number, error))
                continue
            row = with_recorded_at(row, row.valid_from)
            if known_at is None or (row.recorded_at is not UNSET and row.recorded_at <= known_at):
                found.knowledge.apply(row)
        found.hashes[topic] = whole.hexdigest()
    if not found.hashes:
        raise ConfigurationError(f"directory: {folder} holds none of the directory files (employees.jsonl …)")
    if not found.knowledge.rows:
        refused = next((f"; {file}:{line}: {error.reason}: {error.detail}" for file, line, error in found.bad), "")
        when = "" if known_at is None else " that was recorded by then"
        raise ConfigurationError(
            f"directory: the files in {folder} hold no row{when}: every access would be judged as unknown{refused}; "
            "`cloverwatch check FILE` says what is wrong with each"
        )
    return found


class _Occurred(msgspec.Struct):
    """What a line must have at least, or its time moves no clock: it is refused."""

    event_id: str
    dataset_id: str
    action: str
    occurred_at: Time | UnsetType = UNSET


class _Received(msgspec.Struct):
    received_at: Time | UnsetType = UNSET


_occurred = msgspec.json.Decoder(_Occurred).decode
_received = msgspec.json.Decoder(_Received).decode


def _when(value: Any) -> int | None:
    if value is UNSET:
        return None
    at = value if isinstance(value, int) else milliseconds(value)
    # An offset can carry a moment past either end of what a record may say.
    return at if 0 <= at <= TIME_MAX else None


def event_lines(name: str | Path, reading: Reading) -> Iterator[Line]:
    """Yield the lines of a file of native events with the time at which each counts as received.

    That is the line's own `received_at`, else the running maximum of `occurred_at` (`docs/semantics.md`, "Time").
    """
    file = str(name)
    for number, line in enumerate(lines(name), 1):
        if not line.strip():
            continue
        received = None
        try:
            reading.now = max(reading.now, _when(_occurred(line).occurred_at) or 0)
            if b'"received_at"' in line:
                received = _when(_received(line).received_at)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass  # the judge says what is wrong with the line
        yield Line(line, reading.now if received is None else received, number, file)


def translated_lines(name: str | Path, source: Source, mapping: SourceMapping, reading: Reading) -> Iterator[Line]:
    """Yield what a file of another system's records holds, as lines of native events."""
    file = str(name)
    for number, message in messages(name):
        for found in source.translate(message, mapping):
            if found.event is not None:
                reading.now = max(reading.now, found.event.occurred_at)
                yield Line(encode(found.event), reading.now, number, file)
            elif found.bad is not None:
                reading.refuse(file, number, found.bad, found.index)
            else:
                reading.skipped[found.skipped or "other"] += 1

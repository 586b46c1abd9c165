"""Files in place of topics: directories and events as JSON lines, plain or gzip, for runs without a broker."""

from __future__ import annotations

import gzip
import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import UNSET

from rules.knowledge import Knowledge
from schemas.codec import DIRECTORY, with_recorded_at
from schemas.errors import BadRecordError, ConfigurationError
from schemas.fields import Time, milliseconds
from schemas.sources.base import Source, SourceMapping

LINE_MAX: Final = 8 * 1024 * 1024 + 1
"""Longest line that is kept: a raw message's bound. A longer one is read past and reported, at bounded memory."""

GZIP_MAGIC: Final = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a file, shaped like a message of a topic."""

    value: bytes
    timestamp: int
    """The line's `received_at`, else the running maximum of `occurred_at`; milliseconds."""
    offset: int
    """Line number, from 1."""
    topic: str
    """The file's name."""
    partition: int = 0
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(slots=True)
class Directory:
    """The directories of a folder, and what they were read from."""

    knowledge: Knowledge
    hashes: dict[str, str] = field(default_factory=dict)
    """By topic: hash of the file."""
    bad: list[tuple[str, int, BadRecordError]] = field(default_factory=list)
    """(file, line, what is wrong) of rows that cannot be used; the others stand."""

    @property
    def digest(self) -> str:
        """Hash of all files."""
        return blake2b(repr(sorted(self.hashes.items())).encode(), digest_size=8).hexdigest()


def lines(path: Path | None) -> Iterator[bytes]:
    """Yield the lines of a file, plain or gzip, without their ends; None reads standard input.

    A line beyond `LINE_MAX` is cut there: no record is that long, so it is refused as too large.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    name = "standard input" if path is None else str(path)
    try:
        with sys.stdin.buffer if path is None else path.open("rb") as raw:
            head = raw.peek(2)[:2] if isinstance(raw, io.BufferedReader) else b""
            stream: Any = gzip.open(raw, "rb") if head == GZIP_MAGIC else raw
            while line := stream.readline(LINE_MAX):
                whole = line
                while len(line) == LINE_MAX and not line.endswith(b"\n"):
                    line = stream.readline(LINE_MAX)
                yield whole.rstrip(b"\r\n")
    except (OSError, EOFError) as error:
        raise ConfigurationError(f"{name} cannot be read: {error}") from None


def load_directory(folder: Path, known_at: int | None = None) -> Directory:
    """Read a directory folder; with `known_at` (milliseconds) only what was recorded until then.

    A row's `recorded_at` is its `valid_from` where it has none: a file has no append time.

    Raises:
        ConfigurationError: the folder is not there, or none of its files is.
    """
    if not folder.is_dir():
        raise ConfigurationError(f"directory: {folder} is no folder; it holds employees.jsonl, datasets.jsonl …")
    found = Directory(Knowledge())
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
                found.bad.append((path.name, number, error))
                continue
            row = with_recorded_at(row, row.valid_from)
            if known_at is None or (row.recorded_at is not UNSET and row.recorded_at <= known_at):
                found.knowledge.apply(row)
        found.hashes[topic] = whole.hexdigest()
    if not found.hashes:
        raise ConfigurationError(f"directory: {folder} holds none of the directory files (employees.jsonl …)")
    return found


class _Times(msgspec.Struct):
    received_at: Time | msgspec.UnsetType = UNSET
    occurred_at: Time | msgspec.UnsetType = UNSET


_times = msgspec.json.Decoder(_Times).decode


def _milliseconds(value: Any) -> int | None:
    if value is UNSET:
        return None
    return value if isinstance(value, int) else milliseconds(value)


def event_lines(path: Path | None) -> Iterator[Line]:
    """Yield the lines of a file of native events with the time at which each counts as received."""
    now = 0
    name = "-" if path is None else path.name
    for number, line in enumerate(lines(path), 1):
        if not line.strip():
            continue
        try:
            times = _times(line)
            occurred, received = _milliseconds(times.occurred_at), _milliseconds(times.received_at)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            occurred = received = None
        now = max(now, occurred or 0)
        yield Line(line, now if received is None else received, number, name)


@dataclass(slots=True)
class Reading:
    """Counts of a translation: what was no access, and what could not be used."""

    skipped: dict[str, int] = field(default_factory=dict)
    bad: list[tuple[str, int, BadRecordError]] = field(default_factory=list)


def translated_lines(
    path: Path | None, source: Source, mapping: SourceMapping, encode: Any, reading: Reading
) -> Iterator[Line]:
    """Yield what a file of another system's records holds, as lines of native events.

    A file is one message where it is a whole document (`{"Records": [...]}`), else one message a line.
    """
    now = 0
    name = "-" if path is None else path.name
    for number, message in enumerate(_messages(path), 1):
        for found in source.translate(message, mapping):
            if found.event is not None:
                now = max(now, found.event.occurred_at)
                yield Line(encode(found.event), now, number, name)
            elif found.bad is not None:
                reading.bad.append((name, number, found.bad))
            else:
                reason = found.skipped or "other"
                reading.skipped[reason] = reading.skipped.get(reason, 0) + 1


def _messages(path: Path | None) -> Iterator[bytes]:
    """Yield the messages of a file: each line that is a whole document, else the whole file."""
    if path is not None and path.suffix in {".json"} | ({".gz"} if path.name.endswith(".json.gz") else set()):
        try:
            with path.open("rb") as file:
                yield file.read(LINE_MAX)
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be read: {error}") from None
        return
    for line in lines(path):
        if line.strip():
            yield line

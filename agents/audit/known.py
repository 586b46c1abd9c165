"""The directories as they were known at a moment, from an export: rows by when they were appended, tombstones too."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from heapq import merge
from pathlib import Path

from agents.audit.verifying.exported import Record, partitions_of, records
from rules.knowledge import Knowledge
from schemas.codec import DIRECTORY, parse_row_key, with_recorded_at
from schemas.errors import BadRecordError, ConfigurationError
from schemas.topics import DIRECTORY_TOPICS


class Known:
    """Directories that go forward in time, row by row."""

    def __init__(self, folder: Path) -> None:
        """Open an export.

        Raises:
            ConfigurationError: it holds no directory.
        """
        places = [(topic, partition) for topic in DIRECTORY_TOPICS for partition in partitions_of(folder, topic)]
        if not places:
            raise ConfigurationError(
                f"{folder} holds no directory.*: every access would be judged as unknown; export with --for-replay"
            )
        self.knowledge = Knowledge()
        self.refused = 0
        """Rows that cannot be used: nor could the worker."""
        self.rows = 0
        self._next = dict.fromkeys(places, 0)
        streams = [records(folder, topic, partition) for topic, partition in places]
        # Within a partition the order is that of offsets; a producer's clock may go back within it.
        self._coming = merge(*map(rising, streams), key=lambda each: each[0])
        self._ahead: tuple[int, Record] | None = next(self._coming, None)

    def until(self, at: int, digest: str = "") -> bool:
        """Take every row that was appended until `at` (milliseconds); stop where the offsets have the hash `digest`.

        Returns:
            Whether they had: then this is exactly what a worker said that it knew.
        """
        while not digest or self.digest != digest:
            if self._ahead is None or self._ahead[0] > at:
                return False
            self._take(self._ahead[1])
            self._ahead = next(self._coming, None)
        return True

    @property
    def digest(self) -> str:
        """The hash of the offsets to which they are known, as coverage has it (`ReferenceTables.known`)."""
        offsets: dict[str, list[str]] = {}
        for (topic, partition), offset in sorted(self._next.items()):
            offsets.setdefault(topic, []).append(f"{partition}:{offset}")
        known = {topic: ",".join(parts) for topic, parts in offsets.items()}
        return blake2b(repr(known).encode(), digest_size=8).hexdigest()

    def _take(self, record: Record) -> None:
        self._next[record.topic, record.partition] = record.offset + 1
        self.rows += 1
        try:
            raw = record.raw
            if raw is None:
                self.knowledge.withdraw(record.topic, parse_row_key(record.raw_key))
                return
            self.knowledge.apply(with_recorded_at(DIRECTORY[record.topic].decode(raw), record.timestamp))
        except BadRecordError:
            self.refused += 1


def rising(stream: Iterator[Record]) -> Iterator[tuple[int, Record]]:
    """Yield (append time, record); times never go back."""
    latest = 0
    for record in stream:
        latest = max(latest, record.timestamp)
        yield latest, record

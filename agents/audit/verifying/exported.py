"""Topics as files: what `cloverwatch audit export` writes, read back and compared with the log, record by record.

A folder holds `TOPIC/PARTITION.jsonl.gz`, one record a line in the order of offsets, and `export.json`, which says from
where to where each partition was there. Both a record that the log does not speak of and one that is not there any more
are findings, but for what retention and compaction explain.
"""

from __future__ import annotations

import gzip
import zlib
from base64 import b64decode
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from agents.audit.verifying.continuity import Continuity
from agents.audit.verifying.findings import Findings
from agents.audit.verifying.record_keys import KEY_OF, key_text, keys_of
from agents.audit.verifying.succession import Beginning
from schemas import policy_change
from schemas.entry import ABOUT, LOGGED, Entry
from schemas.errors import ConfigurationError
from schemas.gateway_topics import POLICY_CHANGES
from schemas.policy_change import PolicyChange
from schemas.topics import ALERTS, BY_NAME

MANIFEST: Final = "export.json"
SUFFIX: Final = ".jsonl.gz"

RETENTION_SLACK_MS: Final = 24 * 3_600_000
"""How far the clocks of whoever wrote a record and of the export may be apart where retention explains a gap."""


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One line: a record of a topic. `key_base64`, `value_base64` stand in place of what is no UTF-8."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: str | None = None
    key_base64: str | None = None
    value: str | None = None
    value_base64: str | None = None

    @property
    def raw(self) -> bytes | None:
        """The value's bytes; None of a tombstone."""
        if self.value is not None:
            return self.value.encode()
        return None if self.value_base64 is None else b64decode(self.value_base64)

    @property
    def raw_key(self) -> bytes | None:
        """The key's bytes."""
        if self.key is not None:
            return self.key.encode()
        return None if self.key_base64 is None else b64decode(self.key_base64)


class Range(msgspec.Struct, frozen=True, kw_only=True):
    """From where to where a partition was there when it was exported."""

    first: int
    following: int


class Reached(NamedTuple):
    """How far a partition was at a time: whatever lies below `offset` was appended before."""

    at: int
    """Milliseconds."""
    offset: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """`export.json`."""

    at: int
    """When, milliseconds."""
    topics: dict[str, dict[str, Range]] = {}
    judged: dict[str, dict[str, tuple[Reached, ...]]] = {}
    """Of the topics that workers judge, exported or not, how far each partition was, at some times."""


_decode: Final = msgspec.json.Decoder(Record).decode


def manifest_of(folder: Path) -> Manifest:
    """Return a folder's manifest; an empty one where there is none.

    Raises:
        ConfigurationError: it is no folder, or its manifest cannot be read.
    """
    if not folder.is_dir():
        raise ConfigurationError(f"{folder} is no folder; `cloverwatch audit export` writes one")
    path = folder / MANIFEST
    if not path.is_file():
        return Manifest(at=0)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigurationError(f"{path} cannot be used: {error}") from None


def partitions_of(folder: Path, topic: str) -> list[int]:
    """Return which partitions of a topic are there."""
    names = [path.name.removesuffix(SUFFIX) for path in (folder / topic).glob(f"*{SUFFIX}")]
    return sorted(int(name) for name in names if name.isdecimal())


def records(folder: Path, topic: str, partition: int) -> Iterator[Record]:
    """Yield the records of one partition, in order.

    Raises:
        ConfigurationError: a line is none, or the file is broken; names file and line.
    """
    path = folder / topic / f"{partition}{SUFFIX}"
    number = 0
    try:
        with gzip.open(path, "rb") as lines:
            for line in lines:
                number += 1
                record = _decode(line)
                if record.value_base64 is not None or record.key_base64 is not None:
                    _ = record.raw, record.raw_key  # raises here where it is no base64
                yield record
    except (OSError, EOFError, zlib.error, msgspec.DecodeError, ValueError) as error:
        raise ConfigurationError(f"{path}:{number}: cannot be read: {error}") from None


class Exported:
    """Compares the log with the export, entry by entry; one open file a partition."""

    def __init__(self, folder: Path, findings: Findings, beginning: Beginning) -> None:
        manifest = manifest_of(folder)
        self.compared = 0
        self.gone = 0
        """Records of the log that retention or compaction took from the topic since."""
        self.beyond = 0
        """Records of topics that are younger than the log."""
        self.older = 0
        """Records from before the log, where it goes on from another one."""
        self.reasons: dict[tuple[str, int], tuple[str, ...]] = {}
        """By alert and revision, the rules that speak in it."""
        self.changes: dict[str, PolicyChange] = {}
        """Changes of the policy, by the SHA-256 of their record; those from before the log too."""
        self._lines: dict[tuple[str, int], Iterator[Record]] = {}
        self._next: dict[tuple[str, int], Record | None] = {}
        self._first: dict[tuple[str, int], int] = {}
        self._latest: dict[tuple[str, int, str], int] = {}
        """By key, the last offset that the export holds, or at which the log says that it was deleted."""
        self._missing: list[tuple[int, Entry]] = []
        self._findings, self._beginning = findings, beginning
        self._at = manifest.at
        self.manifest = manifest
        self.topics = [topic for topic in LOGGED if (folder / topic).is_dir()]
        for topic, parts in manifest.topics.items():
            for number, span in parts.items():
                there = (folder / topic / f"{number}{SUFFIX}").is_file()
                if topic in LOGGED and number.isdecimal() and span.first < span.following and not there:
                    findings.add(
                        "topic",
                        f"{MANIFEST} says that offsets {span.first} to {span.following - 1} were exported, and no file "
                        "holds them",
                        topic=topic, partition=int(number), offset=span.first,
                    )  # fmt: skip
        for topic in self.topics:
            for partition in partitions_of(folder, topic):
                key = topic, partition
                self._lines[key] = records(folder, topic, partition)
                self._advance(key)
                head = self._next[key]
                told = manifest.topics.get(topic, {}).get(str(partition))
                self._first[key] = told.first if told is not None else head.offset if head is not None else 0

    def take(self, index: int, entry: Entry) -> None:
        """Compare one entry of a record; entries of a partition come in the order of offsets."""
        if entry.topic not in self.topics:
            return
        key = entry.topic, entry.partition
        if not entry.sha256 and (name := key_text(entry)):
            self._latest[(*key, name)] = max(entry.offset, self._latest.get((*key, name), -1))
        here = self._next.get(key)
        while here is not None and here.offset < entry.offset:
            self._extra(key, here, index)
            here = self._advance(key)
        if here is None or here.offset != entry.offset:
            if entry.offset < self._first.get(key, 0) and self._outlived(entry):
                self.gone += 1
            else:
                self._missing.append((index, entry))
            return
        self._compare(index, entry, here)
        self._advance(key)

    def end(self, spans: Continuity, before: int) -> None:
        """Name what is left; records that are younger than `before` (milliseconds) may be logged later."""
        for key in list(self._next):
            span = spans.spans.get(key)
            while (here := self._next[key]) is not None:
                behind = span is None or here.offset >= span.following
                if (here.timestamp >= before and behind) or (span is None and not spans.spans):
                    self.beyond += 1
                else:
                    self._extra(key, here, None)
                self._advance(key)
        for index, entry in self._missing:
            name = key_text(entry)
            if "compact" in BY_NAME[entry.topic].cleanup and self._compacted(entry):
                self.gone += 1
                continue
            self._say(
                f"the log speaks of a record{f' of {name}' if name else ''} that the topic does not hold: it "
                "was removed",
                entry.topic, entry.partition, entry.offset, index,
            )  # fmt: skip

    def _outlived(self, entry: Entry) -> bool:
        """Whether a topic's retention may have taken a record by the time of the export; compaction never does so.

        Where no manifest says when it was made, retention explains nothing.
        """
        topic = BY_NAME[entry.topic]
        if "delete" not in topic.cleanup or topic.retention_ms is None:
            return False
        return entry.at + topic.retention_ms <= self._at + RETENTION_SLACK_MS

    def _compacted(self, entry: Entry) -> bool:
        """Whether compaction may have taken a record: a tombstone, or one that a later one of its key replaced."""
        later = [self._latest.get((entry.topic, entry.partition, name), -1) for name in keys_of(entry)]
        return not entry.sha256 or max(later, default=-1) > entry.offset

    def _advance(self, key: tuple[str, int]) -> Record | None:
        here = self._next[key] = next(self._lines[key], None)
        if here is not None and key[0] in KEY_OF:
            name = (here.raw_key or b"").decode("utf-8", "replace")
            self._latest[(*key, name)] = max(here.offset, self._latest.get((*key, name), -1))
        return here

    def _extra(self, key: tuple[str, int], record: Record, index: int | None) -> None:
        if self._beginning.older(key, record.offset):
            self.older += 1
            self._change(record)
            return
        self._say("the topic holds a record that the log does not speak of", *key, record.offset, index)

    def _compare(self, index: int, entry: Entry, record: Record) -> None:
        self.compared += 1
        raw = record.raw
        digest = "" if raw is None else sha256(raw).hexdigest()
        if digest != entry.sha256:
            self._say(
                f"the record's SHA-256 is {digest[:16] or 'none'}…, the log has "
                f"{entry.sha256[:16] or 'none'}…: it was edited",
                entry.topic, entry.partition, entry.offset, index,
            )  # fmt: skip
        if raw is None:
            return
        self._change(record)
        try:
            value = msgspec.json.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        if not isinstance(value, dict):
            return
        if entry.topic == ALERTS:
            self._remember(value)
        names = ABOUT.get(entry.kind, tuple(entry.about))
        wrong = [name for name in names if name in entry.about and name in value and entry.about[name] != value[name]]
        if wrong:
            self._say(
                f"the log's entry and the record differ in {', '.join(wrong)}",
                entry.topic, entry.partition, entry.offset, index,
            )  # fmt: skip

    def _change(self, record: Record) -> None:
        if record.topic == POLICY_CHANGES and record.raw is not None:
            with suppress(msgspec.MsgspecError, ValueError):  # it is none: nothing is known of it
                self.changes[sha256(record.raw).hexdigest()] = policy_change.decode.decode(record.raw)

    def _remember(self, value: dict[str, Any]) -> None:
        alert_id, revision, reasons = value.get("alert_id"), value.get("revision", 0), value.get("reasons")
        if isinstance(alert_id, str) and isinstance(revision, int) and isinstance(reasons, list):
            rules = [each.get("rule_id") for each in reasons if isinstance(each, dict)]
            self.reasons[alert_id, revision] = tuple(rule for rule in rules if isinstance(rule, str))

    def _say(self, what: str, topic: str, partition: int, offset: int, index: int | None) -> None:
        self._findings.add("topic", what, index=index, topic=topic, partition=partition, offset=offset)

"""What does not hold, said with what and where."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec

Kind = Literal[
    "checkpoint",
    "witness",
    "tree",
    "history",
    "entry",
    "offsets",
    "coverage",
    "not_covered",
    "verdicts",
    "policy",
    "delivery",
    "approval",
    "topic",
    "age",
]
KINDS: Final[dict[Kind, str]] = {
    "checkpoint": "the checkpoint is not what the log's key signed",
    "witness": "witnesses did not sign as they must",
    "tree": "files do not give the root that was signed",
    "history": "the log is not a continuation of what it was",
    "entry": "entries that cannot be read, or that contradict themselves",
    "offsets": "records of a topic that the log leaves out, repeats or has in another order",
    "coverage": "what workers say of their work contradicts itself",
    "not_covered": "offsets that nobody judged, or that the log does not hold",
    "verdicts": "what ranges say of their alerts is not what the alerts say",
    "policy": "judged or decided under what the log does not explain",
    "delivery": "alerts that were not delivered, or whose receipts are not there",
    "approval": "decisions that rest on an approval which the log does not hold, or had not, or not any more",
    "topic": "exported topics and the log differ",
    "age": "the log, or what witnesses signed of it, is older than it may be",
}
"""Every kind of finding, and what it says."""

KEPT_MOST: Final = 1_000
"""Findings of one kind that are kept whole; the others are counted. A log that was rebuilt badly gives one an entry."""


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that does not hold."""

    kind: Kind
    what: str
    """A sentence for a person; names no person."""
    index: int | None = None
    """Of the log's entry, from 0."""
    topic: str = ""
    partition: int | None = None
    offset: int | None = None
    file: str = ""

    @property
    def where(self) -> str:
        """Where, in words."""
        parts = [f"entry {self.index}"] if self.index is not None else []
        if self.topic:
            place = self.topic + ("" if self.partition is None else f"/{self.partition}")
            parts.append(place + ("" if self.offset is None else f" offset {self.offset}"))
        if self.file:
            parts.append(self.file)
        return ", ".join(parts)


@dataclass(slots=True)
class Findings:
    """All findings of a run, in the order in which they were made; bounded by kind."""

    kept: list[Finding] = field(default_factory=list)
    counts: Counter[Kind] = field(default_factory=Counter)

    def add(
        self,
        kind: Kind,
        what: str,
        *,
        index: int | None = None,
        topic: str = "",
        partition: int | None = None,
        offset: int | None = None,
        file: str = "",
    ) -> None:
        """Take one."""
        self.counts[kind] += 1
        if self.counts[kind] <= KEPT_MOST:
            self.kept.append(
                Finding(kind=kind, what=what, index=index, topic=topic, partition=partition, offset=offset, file=file)
            )

    def __bool__(self) -> bool:
        return bool(self.counts)

"""That the log holds every record of the topics that it logs: offsets of a partition follow on each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from agents.audit.verifying.findings import Findings
from schemas.entry import LOGGED, Entry
from schemas.topics import BY_NAME

COMPACTED: Final = "compacted"
"""Why of a hole that only a topic can have of which the last record of each key is kept."""

EXPLAINED: Final = frozenset({"control_or_aborted", COMPACTED})
"""Holes in which there was nothing to log: markers of transactions and aborted records (`docs/delivery.md`), and
records of a compacted topic that a later one of the same key replaced before the log came to them."""

WENT_BACK: Final = "log_went_back"
"""Why of a hole whose offsets come again: the topic was created anew or cut."""


@dataclass(slots=True)
class Span:
    """What the log holds of one partition of a topic."""

    first: int
    following: int
    """The offset that comes next."""
    records: int = 0
    since: int = 0
    until: int = 0
    """Append times of the first and the last record, milliseconds."""
    holes: dict[str, int] = field(default_factory=dict)
    """Offsets in holes, by why."""


class Continuity:
    """Follows the offsets of every logged partition."""

    def __init__(self, findings: Findings) -> None:
        self.spans: dict[tuple[str, int], Span] = {}
        self.openings: list[tuple[int, int, str]] = []
        """(index, time, version) of each beginning of a writer."""
        self._findings = findings

    def record(self, index: int, entry: Entry) -> None:
        """Take the entry of a record."""
        if LOGGED.get(entry.topic) != entry.kind:
            self._findings.add(
                "entry", f"an entry of kind {entry.kind} about the topic {entry.topic or '(none)'}", index=index
            )
            return
        span = self._span(entry.topic, entry.partition, entry.offset)
        self._reach(index, entry, span, entry.offset)
        span.following = max(span.following, entry.offset + 1)
        if not span.records:
            span.since = entry.at
        span.records += 1
        span.until = max(span.until, entry.at)

    def hole(self, index: int, entry: Entry) -> None:
        """Take offsets that were gone when the log came to them."""
        first, last, why = (entry.about.get(name) for name in ("first", "last", "why"))
        if not isinstance(first, int) or not isinstance(last, int) or first > last:
            self._findings.add("entry", "a hole that does not say from where to where", index=index, topic=entry.topic)
            return
        span = self._span(entry.topic, entry.partition, first)
        if why == WENT_BACK:
            self._findings.add(
                "not_covered",
                f"the topic was created anew or cut: offsets {first} to {last} come a second time and are others",
                index=index, topic=entry.topic, partition=entry.partition, offset=first,
            )  # fmt: skip
            span.following = first
            return
        self._reach(index, entry, span, first)
        span.following = max(span.following, last + 1)
        span.holes[str(why)] = span.holes.get(str(why), 0) + last - first + 1
        topic = BY_NAME.get(entry.topic)
        if why not in EXPLAINED or (why == COMPACTED and (topic is None or "compact" not in topic.cleanup)):
            self._findings.add(
                "not_covered",
                f"offsets {first} to {last} are not in the log: {why}"
                + (", and this topic is never compacted" if why == COMPACTED else ""),
                index=index,
                topic=entry.topic,
                partition=entry.partition,
                offset=first,
            )

    def opened(self, index: int, entry: Entry) -> None:
        """Take the beginning of a process that writes the log: it must go on where the log ends."""
        version = entry.about.get("version")
        self.openings.append((index, entry.at, version if isinstance(version, str) else ""))
        for (topic, partition), offset in positions(entry.about.get("topics")):
            span = self.spans.get((topic, partition))
            if span is None:
                self._span(topic, partition, offset)
            elif offset != span.following:
                self._findings.add(
                    "offsets",
                    f"a writer began at offset {offset}, and the log had come to {span.following}",
                    index=index,
                    topic=topic,
                    partition=partition,
                    offset=offset,
                )

    def _span(self, topic: str, partition: int, offset: int) -> Span:
        span = self.spans.get((topic, partition))
        if span is None:
            span = self.spans[topic, partition] = Span(offset, offset)
        return span

    def _reach(self, index: int, entry: Entry, span: Span, offset: int) -> None:
        if offset == span.following:
            return
        if offset > span.following:
            said = f"offsets {span.following} to {offset - 1} are missing: records were left out of the log"
        else:
            said = (
                f"offset {offset} comes after offset {span.following - 1}: entries were repeated or put into "
                "another order"
            )
        self._findings.add(
            "offsets",
            said,
            index=index,
            topic=entry.topic,
            partition=entry.partition,
            offset=min(offset, span.following),
        )


def positions(topics: Any) -> list[tuple[tuple[str, int], int]]:
    """Return where a writer goes on: `{"alerts": {"0": 12}}`, or `{"alerts/0": 12}`."""
    found: list[tuple[tuple[str, int], int]] = []
    for name, value in topics.items() if isinstance(topics, dict) else ():
        topic, _, partition = str(name).rpartition("/") if isinstance(value, int) else (str(name), "", "")
        offsets = {partition: value} if isinstance(value, int) else value if isinstance(value, dict) else {}
        found += [
            ((topic, int(number)), offset)
            for number, offset in offsets.items()
            if str(number).isdecimal() and isinstance(offset, int)
        ]
    return found

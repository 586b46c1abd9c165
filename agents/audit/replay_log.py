"""What a log says of a range that is to be judged again, entry by entry."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from agents.audit.matched_ranges import Matched, in_order
from schemas.coverage import InForce, Judged
from schemas.entry import Entry


class Logged(NamedTuple):
    """A record that the log speaks of."""

    sha256: str
    at: int
    """When it was appended, milliseconds."""


@dataclass(slots=True)
class Log:
    """What a log says of the range."""

    topic: str
    partition: int
    first: int
    last: int
    ranges: list[Judged] = field(default_factory=list)
    """Those that reach into it, in the order of the log."""
    before: dict[str, int] = field(default_factory=dict)
    """By the policy's version the last offset before the range that was judged under it."""
    in_force: dict[str, InForce] = field(default_factory=dict)
    """By the policy's version."""
    changes: list[int] = field(default_factory=list)
    """When another policy came into force than the one before, milliseconds."""
    alerts: dict[tuple[int, int], str] = field(default_factory=dict)
    """By partition and offset in `alerts`, the record's SHA-256."""
    decisions: dict[tuple[int, int], Logged] = field(default_factory=dict)
    """By partition and offset in `gateway.decisions`."""
    decided: dict[int, tuple[int, int]] = field(default_factory=dict)
    """By partition of `gateway.decisions` the first and the last offset that the log speaks of."""
    approvals: set[str] = field(default_factory=set)
    """Ids of all approvals that there were."""
    end: int = 0
    """The latest time of an entry, milliseconds."""
    matched: Matched = field(init=False)
    """What matching went over: it may be behind the workers, and under another policy than they were."""
    _policy: str = ""

    def __post_init__(self) -> None:
        self.matched = Matched(self.first, self.last)

    def seen(self, _: int, entry: Entry) -> None:
        """Take one entry."""
        self.end = max(self.end, entry.at)
        if entry.kind == "alert":
            self.alerts[entry.partition, entry.offset] = entry.sha256
        elif entry.kind == "decision":
            self.decisions[entry.partition, entry.offset] = Logged(entry.sha256, entry.at)
            first, _last = self.decided.get(entry.partition, (entry.offset, 0))
            self.decided[entry.partition] = first, entry.offset
        elif entry.kind == "approval":
            self.approvals.add(str(entry.about.get("approval_id")))
        elif entry.kind == "coverage":
            with suppress(msgspec.ValidationError):  # what verifies the log says so
                self._coverage(entry.about, entry.at)

    def _coverage(self, about: dict[str, Any], at: int) -> None:
        kind, by_match = about.get("type"), about.get("by", "judge") != "judge"
        here = (about.get("topic"), about.get("partition")) == (self.topic, self.partition)
        if kind == "in_force" and not by_match:
            record = msgspec.convert(about, InForce)
            self.in_force[record.policy] = record
            if self._policy and record.policy != self._policy:
                self.changes.append(record.at)
            self._policy = record.policy
        elif kind == "judged" and here:
            judged = msgspec.convert(about, Judged)
            if by_match:
                self.matched.take(judged, at)
            elif judged.last < self.first:
                self.before[judged.policy] = max(judged.last, self.before.get(judged.policy, -1))
            elif judged.first <= self.last:
                self.ranges.append(judged)

    def ordered(self) -> list[Judged]:
        """Return the ranges by offset; of what was judged twice the first judgement comes first, and counts."""
        return in_order(self.ranges)

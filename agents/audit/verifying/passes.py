"""Two passes over the same accesses: workers judge them, and `cloverwatch match` holds them against decisions.

Each says for itself what it went over, and is complete or not by itself. Beside that, each is a witness to the other's
end: what one was through with long ago lies in the topic, so the other has to be through with it too. Whoever leaves
out the last of what one of them said has to leave out the same of the other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final

from agents.audit.verifying.coverage import Completeness
from agents.audit.verifying.findings import Findings, Kind
from agents.audit.verifying.judgement import Judgement
from schemas.coverage import Coverage, InForce, Judged
from schemas.entry import Entry
from schemas.fields import iso

MATCH: Final = "match"

Key = tuple[str, int]


class OfMatching(Findings):
    """Hands findings on, with whose coverage they are about."""

    def __init__(self, findings: Findings) -> None:
        super().__init__()
        self._to = findings

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
        self._to.add(kind, f"matching: {what}", index=index, topic=topic, partition=partition, offset=offset, file=file)


class Passes:
    """Hands each record of coverage to the pass that it is of.

    Args:
        findings: taken.
        judged: what workers judged.
        grace: how much later than the other one of the passes may be, milliseconds.
    """

    def __init__(self, findings: Findings, judged: Completeness, grace: int) -> None:
        self.judged, self.matched = judged, Completeness(OfMatching(findings), judged.beginning)
        self._findings, self._grace = findings, grace
        self._ends: dict[tuple[str, int, str], deque[tuple[int, int]]] = {}
        """(when it was stored, offset behind it) of the ranges of the last `grace`, and of the one before these."""
        self._near: dict[Key, int] = {}
        """The offset behind what workers judged near the beginning of a log that goes on from another one: matching may
        have been ahead of them, and have said so in that one."""

    def take(self, index: int, entry: Entry) -> Coverage | None:
        """Take one entry; return its record, None where it is none."""
        by_match = entry.about.get("by") == MATCH
        record = (self.matched if by_match else self.judged).take(index, entry)
        if isinstance(record, Judged):
            self._took(record, entry.at)
        elif isinstance(record, InForce) and by_match:
            self.judged.take(index, entry)  # what was in force is checked for all alike
        return record

    def _took(self, record: Judged, at: int) -> None:
        ends = self._ends.setdefault((record.topic, record.partition, record.by), deque())
        if record.by != MATCH and self.judged.beginning.near(at):
            self._near[record.topic, record.partition] = record.last + 1
        ends.append((at, max(record.last + 1, ends[-1][1] if ends else 0)))
        while len(ends) > 1 and ends[1][0] + self._grace <= at:
            ends.popleft()

    def end(self, until: int) -> None:
        """Say what nobody held against decisions; what only one of the passes was through with, and the other was not.

        A log without any record of matching is no finding: there may be no gateways. The report says so.
        """
        if not self.matched.judged:
            return
        self.matched.end(until, self._grace)
        for topic, partition, by in sorted(self._ends):
            self._behind((topic, partition), by, until)

    def _behind(self, key: Key, by: str, until: int) -> None:
        """Compare one pass of a partition with what the other was through with before the grace."""
        other, done = (self.judged, "judged") if by == MATCH else (self.matched, "held against decisions")
        of = other.judged.get(key)
        if of is None and by != MATCH and self.judged.beginning.continues:
            of = Judgement(0, self._near.get(key, self.judged.judged[key].first))  # begun, and idle since
        if of is None or (of.left and not of.owners):
            return  # it never began, or was given up: that is told
        settled = [each for each in self._ends[*key, by] if each[0] + self._grace <= until]
        if settled and settled[-1][1] > of.following:
            was = "held against decisions" if by == MATCH else "judged"
            at, following = settled[-1]
            self._findings.add(
                "not_covered",
                f"offsets {of.following} to {following - 1} were {was} by {iso(at)}, and nothing says that they were "
                f"{done}",
                topic=key[0], partition=key[1], offset=of.following,
            )  # fmt: skip

    def named(self) -> Iterator[tuple[str, Judgement]]:
        """Yield the partitions of both, with the words for each."""
        for prefix, each in (("", self.judged), ("matching of ", self.matched)):
            for (topic, partition), of in sorted(each.judged.items()):
                yield f"{prefix}{topic}/{partition}", of

    def older(self) -> Iterator[str]:
        """Yield what lies before the first range of each partition."""
        for name, of in self.named():
            if of.first:
                yield f"{name}: what lies before offset {of.first} is older than this log"
        for (topic, partition), of in sorted(self.matched.judged.items()):
            judged = self.judged.judged.get((topic, partition))
            if judged is not None and judged.first < of.first:
                yield (
                    f"matching of {topic}/{partition}: nothing says that offsets {judged.first} to {of.first - 1} were "
                    "held against decisions"
                )


def without_matching(passes: Passes, decisions: int, alerts: int) -> str:
    """Return a sentence where the log holds no record of matching; else nothing.

    Args:
        passes: of the log.
        decisions: how many the log holds: without any there was nothing to match.
        alerts: how many of matching it holds: it ran, and left out what it did, or its program is an older one.
    """
    if passes.matched.judged:
        return ""
    said = "no record says that any access was held against the decisions of gateways: `cloverwatch match` never ran"
    said += ", or does not say so" if alerts else ""
    held = {"decisions": decisions, "alerts of matching": alerts}
    there = " and ".join(f"{count:,} {what}" for what, count in held.items() if count)
    return said + (f"; the log holds {there}" if there else "")

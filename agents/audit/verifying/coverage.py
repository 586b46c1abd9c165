"""Completeness: that the ranges which workers say they judged tile every partition, without a gap nobody explains.

A worker that gets a partition says where it begins (`Started`); each range that it judges begins where its former one
ended. What another worker judged already may be judged again: its start says so. Offsets that no range holds were not
judged, and nobody said why. That nothing is left out at the end is known by what workers say that they hold
(`Holding`): one that falls silent is missed, and what it said to be there must be judged.
"""

from __future__ import annotations

from typing import Final

import msgspec

from agents.audit.verifying.continuity import EXPLAINED
from agents.audit.verifying.findings import Findings
from agents.audit.verifying.judgement import Claim, Judgement
from agents.audit.verifying.succession import Beginning
from agents.audit.verifying.tenure import SILENT_MS
from schemas.coverage import Coverage, Holding, InForce, Judged, Process, Started, Stopped, hash_of
from schemas.entry import Entry

NOTHING: Final = hash_of([])
"""What the hash of a range without alerts is."""


class Completeness:
    """Follows the records of `monitor.coverage`."""

    def __init__(self, findings: Findings, beginning: Beginning) -> None:
        self.judged: dict[tuple[str, int], Judgement] = {}
        self.claims: list[Claim] = []
        self.in_force: list[tuple[int, InForce]] = []
        """(index, record), each where another policy or table came into force."""
        self.workers: dict[str, set[str]] = {}
        """By worker, the policies that it said were in force. A range is told when its last event is done, so it may
        be of the one before the newest."""
        self.carried: dict[str, tuple[str, int] | None] = {}
        """Workers that had a partition when the log began, where it goes on from another one: by which policy the first
        judged that none said to be in force, and when; the log before says that it was."""
        self.near: set[str] = set()
        """Files, by their SHA-256, said to be in force near the log's beginning, where it goes on from another one."""
        self.holding = False
        """Whether workers say what they hold: those of earlier versions do not."""
        self.killed: list[tuple[int, int]] = []
        """[from, to], milliseconds: from the last word of a worker that did not say that it stopped to the next start.
        What it gave in between is in no range of its own."""
        self.since = 0
        """When the first record was stored."""
        self.repeated = 0
        """Records that were stored twice: whoever sent them did not hear that the brokers had them."""
        self.beginning, self._findings = beginning, findings

    def take(self, index: int, entry: Entry) -> Coverage | None:
        """Take one entry; return its record, None where it is none."""
        try:
            record: Coverage = msgspec.convert(entry.about, Coverage)
        except msgspec.ValidationError as error:
            self._findings.add("entry", f"not a record of coverage ({error})", index=index, topic=entry.topic)
            return None
        if isinstance(record, Process):
            return record  # of `processes`
        at = min(record.at, entry.at)  # nobody says when something is stored before it is
        self.since = self.since or entry.at
        if isinstance(record, InForce):
            if self.beginning.near(entry.at):
                self.near.add(record.sha256)
            self._in_force(index, record)
            return record
        if isinstance(record, Holding):
            self._holding(index, record, at)
            return record
        of = self._of(record, record.first if isinstance(record, Judged) else record.offset)
        if entry.sha256 in of.said:
            self.repeated += 1
            return record
        of.said.append(entry.sha256)
        if isinstance(record, Judged):
            self._judged(index, record, at)
        elif isinstance(record, Started):
            self._started(index, record, at)
        else:
            self._stopped(index, record, at)
        return record

    def end(self, until: int, grace: int, silent: int = SILENT_MS) -> None:
        """Say what nobody judged.

        Args:
            until: time of the log's last entry, milliseconds.
            grace: how long a partition may be without a worker at the log's end, milliseconds.
            silent: how long a worker may say nothing, and what is there may wait.
        """
        if not self.judged:
            self._findings.add(
                "not_covered", "the log holds no record of coverage: nothing says that anything was judged"
            )
        for (topic, partition), judged in self.judged.items():
            for what in judged.at_end(judged.following, until, grace, silent):
                self._findings.add("not_covered", what, topic=topic, partition=partition, offset=judged.following)
            for first, last, index in judged.gaps:
                self._findings.add(
                    "not_covered",
                    f"offsets {first} to {last} were judged by nobody: the ranges pass over them",
                    index=index, topic=topic, partition=partition, offset=first,
                )  # fmt: skip

    def _say(
        self, index: int, record: Judged | Started | Stopped, offset: int, what: str, *, gone: bool = False
    ) -> None:
        self._findings.add(
            "not_covered" if gone else "coverage", what,
            index=index, topic=record.topic, partition=record.partition, offset=offset,
        )  # fmt: skip

    def _of(self, record: Judged | Started | Stopped, offset: int) -> Judgement:
        key = record.topic, record.partition
        if key not in self.judged:
            self.judged[key] = Judgement(offset, offset)
        return self.judged[key]

    def _started(self, index: int, record: Started, at: int) -> None:
        of = self._of(record, record.offset)
        killed = of.begin(record.worker, record.offset, at, told=self.holding)
        if killed is not None:
            self.killed.append(killed)
        if record.offset > of.following:
            self._miss(of, of.following, record.offset - 1, index)

    def _stopped(self, index: int, record: Stopped, at: int) -> None:
        of = self._of(record, record.offset)
        self._carry(of, record.worker, record.offset, at)
        expected = of.finish(record.worker, at)
        if expected is None:
            self._say(index, record, record.offset, f"worker {record.worker} gave up what it never began")
        elif record.offset > expected:
            said = f"worker {record.worker} stopped at {record.offset} and judged to {expected - 1}"
            self._say(index, record, expected, said)
            if record.offset > of.following:
                self._miss(of, of.following, record.offset - 1, index)

    def _holding(self, index: int, record: Holding, at: int) -> None:
        """Take what a worker says that it holds."""
        self.holding = True
        for topic, places in record.held.items():
            for place in places:
                of = self.judged.setdefault((topic, place.partition), Judgement(place.next, place.next))
                self._carry(of, record.worker, place.next, at)
                if wrong := of.hold(record.worker, place, of.following, at):
                    self._findings.add(
                        "coverage", wrong, index=index, topic=topic, partition=place.partition, offset=of.following
                    )

    def _judged(self, index: int, record: Judged, at: int) -> None:
        first, last = record.first, record.last
        of = self._of(record, first)
        if first > last:
            self._say(index, record, first, f"a range from {first} to {last}: it ends before it begins")
            return
        self._carry(of, record.worker, first, at)
        self._inside(index, record, of, at)
        expected = of.expected(record.worker)
        if expected is None:
            said = f"offsets {first} to {last} were judged by worker {record.worker}, which never said that it began"
            self._say(index, record, first, said)
        elif first < expected:
            self._say(
                index, record, first,
                f"offsets {first} to {min(last, expected - 1)} were judged twice by worker {record.worker}, "
                "and no start says so",
            )  # fmt: skip
        of.reach(record.worker, last + 1, at)
        if first > of.following:
            self._miss(of, of.following, first - 1, index)
        elif first < of.following:
            of.again += min(last, of.following - 1) - first + 1
            self._fill(of, first, last)
        of.following = max(of.following, last + 1)
        of.since = of.since or record.at
        of.until = max(of.until, record.at)
        of.ranges += 1
        policies = self._policies(record, at)
        if record.policy not in policies:
            was = ", ".join(sorted(policies)) or "none"
            self._findings.add(
                "policy",
                f"offsets {first} to {last} were judged under the policy {record.policy}; in force for that "
                f"worker was {was}",
                index=index, topic=record.topic, partition=record.partition, offset=first,
            )  # fmt: skip

    def _inside(self, index: int, record: Judged, of: Judgement, at: int) -> None:
        """Check what a range says of itself."""
        absent, reached = 0, record.first
        for hole in record.holes:
            if not reached <= hole.first <= hole.last <= record.last:
                self._say(index, record, hole.first, f"a hole from {hole.first} to {hole.last} is not within its range")
                continue
            absent, reached = absent + hole.last - hole.first + 1, hole.last + 1
            of.holes[hole.why] += hole.last - hole.first + 1
            if hole.why not in EXPLAINED:
                said = f"offsets {hole.first} to {hole.last} were not judged: {hole.why}"
                self._say(index, record, hole.first, said, gone=True)
        span = record.last - record.first + 1
        if record.records + absent != span:
            self._say(
                index, record, record.first,
                f"the range {record.first} to {record.last} holds {span} offsets, and {record.records} records with "
                f"{absent} in holes are told: {span - record.records - absent} are not accounted for",
            )  # fmt: skip
        of.records += record.records
        of.alerts += record.alerts
        of.dead_letters += record.dead_letters
        of.duplicates += record.duplicates
        of.moved += record.moved
        of.verdicts.update(record.verdicts)
        if record.alerts or record.alerts_of or record.alerts_hash != NOTHING or record.verdicts:
            if record.alerts != len(record.alerts_of):
                self._findings.add(
                    "verdicts",
                    f"the range {record.first} to {record.last} counts {record.alerts} alerts and names "
                    f"{len(record.alerts_of)}",
                    index=index, topic=record.topic, partition=record.partition, offset=record.first,
                )  # fmt: skip
            self.claims.append(
                Claim(
                    index, record.topic, record.partition, record.first, record.last, record.alerts_of,
                    record.alerts_hash, record.verdicts, at, record.by,
                    over=of.carried == record.worker and not of.ranges,
                )
            )  # fmt: skip

    def _carry(self, of: Judgement, worker: str, offset: int, at: int) -> None:
        """Let a worker go on without a start that had a partition when the log began: one, and as the first of all."""
        if self.beginning.continues and not of.ranges and not of.carried and of.expected(worker) is None:
            of.carried = worker
            of.reach(worker, offset, at)
            self.carried.setdefault(worker, None)

    def _policies(self, record: Judged, at: int) -> set[str]:
        """Return which policies were in force for the worker of a range."""
        policies = self.workers.setdefault(record.worker, set())
        if record.policy not in policies and self.carried.get(record.worker, ()) is None:
            self.carried[record.worker] = record.policy, at
            policies.add(record.policy)
        return policies

    def _in_force(self, index: int, record: InForce) -> None:
        before = self.in_force[-1][1] if self.in_force else None
        self.workers.setdefault(record.worker, set()).add(record.policy)
        if before is None or _by(record) != _by(before):
            self.in_force.append((index, record))

    @staticmethod
    def _miss(of: Judgement, first: int, last: int, index: int) -> None:
        of.gaps.append((first, last, index))
        of.following = last + 1

    @staticmethod
    def _fill(of: Judgement, first: int, last: int) -> None:
        """Take a range out of the gaps: another worker judged it late."""
        left = []
        for begin, end, index in of.gaps:
            if begin > last or end < first:
                left.append((begin, end, index))
                continue
            if begin < first:
                left.append((begin, first - 1, index))
            if end > last:
                left.append((last + 1, end, index))
            of.again -= min(end, last) - max(begin, first) + 1
        of.gaps = left


def _by(record: InForce) -> tuple[object, ...]:
    """Return by what is judged, and who is told."""
    return record.sha256, record.legal_table, record.geo_table, record.destinations

"""The decisions of an export around a range: whose each was and when it was appended, held against the log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Final, Literal

import msgspec

from agents.audit.known import rising
from agents.audit.replay_log import Log
from agents.audit.tally import Comparison
from agents.audit.verifying.exported import RETENTION_SLACK_MS, Manifest, Record, partitions_of, records
from rules.matching.elsewhere import Elsewhere
from schemas.fields import TIME_MAX
from schemas.gateway_topics import GATEWAY_DECISIONS
from schemas.topics import BY_NAME

LATE_MS: Final = 60_000
"""How long after the range decisions are looked at: one that came too late for an access that names it. What reads
decisions may be so far ahead of the accesses (`agents/matching/read_to.py`)."""


class _Ids(msgspec.Struct):
    decision_id: str
    person: str


_ids: Final = msgspec.json.Decoder(_Ids).decode


class Decided(Elsewhere):
    """Whose decision is it that an access names, as of a moment. `now` goes forward with the accesses.

    Args:
        export: the folder.
        manifest: its manifest.
        log: what decisions it speaks of.
        since: append time from which decisions matter to the range, milliseconds.
        until: the end of the range's last wait, milliseconds.
        partitions: of the topic; 0 where the export does not say.
        found: told of decisions that are not as the log has them.
    """

    def __init__(
        self, export: Path, manifest: Manifest, log: Log, since: int, until: int, partitions: int, found: Comparison
    ) -> None:
        super().__init__(TIME_MAX)
        self.now = 0
        """Decisions count that were appended until then."""
        self._export, self._log, self._found = export, log, found
        self._since, self._until = since, until + LATE_MS
        self._appended: dict[str, dict[str, int]] = {}
        self._not_logged: set[tuple[int, int]] = set()
        self._beyond = 0
        self._there: set[tuple[int, int]] = set()
        retention = BY_NAME[GATEWAY_DECISIONS].retention_ms or TIME_MAX
        self._outlived_to = manifest.at + RETENTION_SLACK_MS - retention
        """What was appended until then the topic's retention may have taken."""
        there = partitions_of(export, GATEWAY_DECISIONS)
        expected = {*range(max(1, partitions)), *log.decided}
        self.whole_from = 0 if expected <= set(there) else TIME_MAX
        """Append time from which the decisions of all partitions are in the export."""
        self.mine_from = 0 if log.partition in there else TIME_MAX
        """And those of the range's own partition."""
        first: dict[int, int] = {}
        for partition in there:
            told = manifest.topics.get(GATEWAY_DECISIONS, {}).get(str(partition))
            first[partition], begins = self._read(partition, None if told is None else told.first)
            self.whole_from = max(self.whole_from, begins)
            if partition == log.partition:
                self.mine_from = begins
        self._left_out(first)
        if self._beyond:
            found.limits.append(
                f"{self._beyond} records of {GATEWAY_DECISIONS} are not of the offsets that the log speaks of: they "
                "were taken as they were exported"
            )

    def whose(self, decision_id: str, person: str) -> Literal["theirs", "another's", "nobody's"]:
        """Return whether it was made for the person, for somebody else, or never, until now."""
        people = self._appended.get(decision_id)
        if people is None:
            return super().whose(decision_id, person)
        made = {name for name, at in people.items() if at <= self.now}
        return "theirs" if person in made else "another's" if made else "nobody's"

    def doubtful(self, decision_id: str, person: str, appended_at: int, kept: int) -> bool:
        """Whether it depends on what was remembered, or read ahead, then, whose decision an access names.

        Args:
            decision_id: which it names.
            person: whose the access is.
            appended_at: of the access.
            kept: how long ids are remembered for sure.
        """
        people = self._appended.get(decision_id)
        if people is None:  # nobody's that is near: forgotten, or never made
            return appended_at - kept < self.whole_from or super().whose(decision_id, person) != "nobody's"
        return any(at < appended_at - kept or at > self.now for at in people.values())

    def own(self) -> Iterator[Record]:
        """Yield the decisions of the range's partition; those that are not the log's are left out."""
        partition = self._log.partition
        if self.mine_from == TIME_MAX and partition not in partitions_of(self._export, GATEWAY_DECISIONS):
            return
        for _, record in rising(records(self._export, GATEWAY_DECISIONS, partition)):
            if (partition, record.offset) not in self._not_logged:
                yield record

    def _read(self, partition: int, first: int | None) -> tuple[int, int]:
        """Read a partition; return its first offset, and the append time from which its decisions are all there."""
        begins: int | None = 0 if first == 0 else None
        for at, record in rising(records(self._export, GATEWAY_DECISIONS, partition)):
            if first is None:
                first = record.offset
            if begins is None:
                begins = 0 if first == 0 else at
            if at > self._until:
                break
            if at >= self._since:
                self._there.add((partition, record.offset))
                self._held(record)
            self._remember(record, at)
        return 0 if first is None else first, TIME_MAX if begins is None else begins

    def _held(self, record: Record) -> None:
        """Hold a record against the log."""
        place = record.partition, record.offset
        logged = self._log.decisions.get(place)
        if logged is None:
            low, high = self._log.decided.get(record.partition, (0, -1))
            if not low <= record.offset <= high:
                self._beyond += 1
                return
        elif record.raw is not None and sha256(record.raw).hexdigest() == logged.sha256:
            return
        self._not_logged.add(place)
        self._found.differ.append(
            f"{GATEWAY_DECISIONS}/{record.partition} offset {record.offset}: not the record that the log speaks of"
        )

    def _left_out(self, first: Mapping[int, int]) -> None:
        """Tell of decisions that the log speaks of and the export should hold; `first` offset of each partition."""
        missing: dict[int, list[int]] = {}
        for (partition, offset), logged in self._log.decisions.items():
            if (
                self._since <= logged.at <= self._until
                and partition in first
                and (offset >= first[partition] or logged.at > self._outlived_to)
                and (partition, offset) not in self._there
            ):
                missing.setdefault(partition, []).append(offset)
        for partition, offsets in sorted(missing.items()):
            self._found.differ.append(
                f"{GATEWAY_DECISIONS}/{partition}: {len(offsets)} decisions that the log speaks of are not in the "
                f"export, the first at offset {min(offsets)}"
            )

    def _remember(self, record: Record, at: int) -> None:
        if (record.partition, record.offset) in self._not_logged:
            return
        try:
            found = _ids(record.raw or b"")
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return
        if at < self._since:
            self.add(found.decision_id, found.person, at)
        else:
            self._appended.setdefault(found.decision_id, {}).setdefault(found.person, at)

"""Judging a range again, and comparing with what the log and the exported alerts say.

What is compared is the *verdict part* of an alert about one access: the fields of `VERDICT`, in that order, as JSON;
its SHA-256 is the alert's verdict hash. An alert is recognised by its event's topic, partition and offset. Left out is
whatever an auditor cannot make: ids and names, which are keyed with secrets that the auditor does not have; free texts,
in which names may have been replaced; the time of detection; and which offsets of directories a worker knew.

Accesses are judged by themselves (family `access`). Alerts about behaviour, crowds, silent gateways and versions of
datasets need what was seen before the range or by other workers, and those of gateways need decisions: they are counted
and not compared.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec

from agents.audit.granted import ABSENT, Granted
from agents.audit.known import Known
from agents.audit.verdict_part import VERDICT, verdict_hash, verdict_part
from agents.audit.verifying.exported import manifest_of, partitions_of, records
from agents.files import Line
from agents.publisher import partition_of
from agents.tables import geo_table, legal_table
from rules.catalogue import RULES
from rules.join import Joiner
from rules.judge import Judge
from rules.policy import Policy
from rules.report import ACCESS
from rules.session import Session
from schemas.access import AccessEvent
from schemas.alert import Alert, EventRef, JudgedWith
from schemas.codec import ALERT
from schemas.coverage import InForce, Judged
from schemas.entry import Entry
from schemas.errors import BadRecordError
from schemas.topics import ALERTS

BATCH: Final = 5_000
"""Events judged at once: what a worker's batch holds."""

Place = tuple[str, int, int]


@dataclass(slots=True)
class Log:
    """What a log says of the range, entry by entry."""

    topic: str
    partition: int
    first: int
    last: int
    ranges: list[Judged] = field(default_factory=list)
    """Those that reach into it, in the order of the log."""
    in_force: dict[str, InForce] = field(default_factory=dict)
    """By the policy's version."""
    alerts: dict[tuple[int, int], str] = field(default_factory=dict)
    """By partition and offset in `alerts`, the record's SHA-256."""

    def seen(self, _: int, entry: Entry) -> None:
        """Take one entry."""
        if entry.kind == "alert":
            self.alerts[entry.partition, entry.offset] = entry.sha256
        elif entry.kind == "coverage":
            kind = entry.about.get("type")
            if entry.about.get("by", "judge") != "judge":
                return  # what matching found rests on decisions
            if kind == "in_force":
                with suppress(msgspec.ValidationError):  # what verifies the log says so
                    record = msgspec.convert(entry.about, InForce)
                    self.in_force[record.policy] = record
            elif kind == "judged" and entry.about.get("topic") == self.topic:
                with suppress(msgspec.ValidationError):
                    self._judged(msgspec.convert(entry.about, Judged))

    def _judged(self, judged: Judged) -> None:
        if judged.partition == self.partition and judged.first <= self.last and judged.last >= self.first:
            self.ranges.append(judged)

    def ordered(self) -> list[Judged]:
        """Return the ranges by offset; of what was judged twice the first judgement comes first, and counts."""
        return sorted(self.ranges, key=lambda each: (each.first, each.at))


@dataclass(slots=True)
class Comparison:
    """What came of it."""

    events: int = 0
    judged: int = 0
    ranges: int = 0
    exact: int = 0
    """Ranges of which the directories were exactly as the worker said."""
    same: int = 0
    differ: list[str] = field(default_factory=list)
    """Sentences, each about one access."""
    limits: list[str] = field(default_factory=list)
    """What could not be compared."""
    hashes: list[str] = field(default_factory=list)
    """`topic/partition/offset hash`, of the alerts that were computed."""


def replay(
    log: Log, export: Path, policy: Policy, content: bytes, settings: Any, *, known_at: int | None = None
) -> Comparison:
    """Judge the range again and compare.

    Args:
        log: what the log says of it.
        export: folder with the events, the directories and the alerts.
        policy: judges; `content` is its file's bytes.
        content: see `policy`.
        settings: which legal table and which table of addresses.
        known_at: directories as of then (milliseconds) for all of it; None: as of the end of each range.

    Raises:
        ConfigurationError: a file of the export cannot be used, or a table.
    """
    found = Comparison()
    told = _exported(log, export, found)
    legal, geo = legal_table(settings), geo_table(settings)
    _tables(log, policy, content, legal.digest, geo.digest, found)
    known = Known(export)
    alone = dataclasses.replace(policy, behaviour=None)
    judged_with = JudgedWith(
        policy=policy.version, legal_table=legal.digest, geo_table=geo.digest, directories="", known={}
    )
    partitions = len(manifest_of(export).topics.get(log.topic, {}))
    joiner = Joiner(alone, known.knowledge, legal, geo)
    granted = Granted(export, content, joiner)
    if granted.absent:
        found.limits.append(ABSENT)
    session = Session(
        Judge(joiner, RULES),
        describe=describe,
        provenance=lambda: judged_with,
        partition_of=(lambda person: partition_of(person, partitions)) if partitions else None,
        patient=False,
    )
    computed: dict[Place, Alert] = {}
    reached = log.first
    events = _events(export, log)
    ahead = next(events, None)
    while ahead is not None and ahead.offset < log.first:
        session.remember(ahead)
        ahead = next(events, None)
    for span in log.ordered():
        first, last = max(span.first, reached), min(span.last, log.last)
        if first > last:
            continue
        if first > reached:
            found.differ.append(f"offsets {reached} to {first - 1} are in no range of the log: nobody judged them")
        reached = last + 1
        exact = known.until(span.at if known_at is None else known_at, span.directories if known_at is None else "")
        granted.until(span.at)
        found.ranges += 1
        found.exact += exact
        batch: list[Line] = []
        while ahead is not None and ahead.offset <= last:
            if ahead.offset >= first:
                batch.append(ahead)
            ahead = next(events, None)
        found.events += len(batch)
        if span.policy != policy.version:
            said = f"offsets {first} to {last} were judged under the policy {span.policy}, not {policy.version}"
            found.limits.append(f"{said}: they were not compared")
            told = {place: alert for place, alert in told.items() if not first <= place[2] <= last}
            continue
        missing = last - first + 1 - len(batch) - _absent(span, first, last)
        if missing:
            found.differ.append(
                f"{missing} of offsets {first} to {last}, which were judged, are not in the export: never judged again"
            )
        for at in range(0, len(batch), BATCH):
            some = batch[at : at + BATCH]
            haul = session.take(some, max(line.timestamp for line in some), log.partition)
            found.judged += haul.judged
            computed |= {_place(alert): alert for alert in haul.alerts if alert.family == ACCESS}
    if reached <= log.last:
        found.differ.append(f"offsets {reached} to {log.last} are in no range of the log: nobody judged them")
    if known_at is None and found.exact < found.ranges:
        found.limits.append(
            f"of {found.ranges - found.exact} ranges the directories are as appended until the range was "
            "stored; of the "
            "others they are exactly as the worker said"
        )
    _compare(computed, told, found)
    return found


def describe(message: Any, event: AccessEvent) -> EventRef:
    """Return where an event of an export came from."""
    return EventRef(event_id=event.event_id, topic=message.topic, partition=message.partition, offset=message.offset)


def _events(export: Path, log: Log) -> Iterator[Line]:
    for record in records(export, log.topic, log.partition):
        yield Line(record.raw, record.timestamp, record.offset, record.topic, record.partition, record.raw_key)


def _place(alert: Alert) -> Place:
    ref = alert.event
    if isinstance(ref, EventRef) and ref.topic is not None and ref.partition is not None and ref.offset is not None:
        return ref.topic, ref.partition, ref.offset
    return "", -1, -1


def _absent(span: Judged, first: int, last: int) -> int:
    """Return how many offsets of a range hold no record."""
    return sum(max(0, min(hole.last, last) - max(hole.first, first) + 1) for hole in span.holes)


def _exported(log: Log, export: Path, found: Comparison) -> dict[Place, Alert]:
    """Return the exported alerts about accesses of the range: of each its earliest revision that is there."""
    told: dict[Place, Alert] = {}
    others: Counter[str] = Counter()
    for partition in partitions_of(export, ALERTS):
        for record in records(export, ALERTS, partition):
            raw = record.raw
            if raw is None:
                continue
            if log.alerts.get((partition, record.offset)) != sha256(raw).hexdigest():
                found.differ.append(
                    f"{ALERTS}/{partition} offset {record.offset}: not the record that the log speaks of"
                )
                continue
            try:
                alert = ALERT.decode(raw)
            except BadRecordError:
                continue
            place = _place(alert)
            if place[:2] != (log.topic, log.partition) or not log.first <= place[2] <= log.last:
                continue
            if alert.family != ACCESS:
                others[alert.family] += 1
            elif place not in told or alert.revision < told[place].revision:
                told[place] = alert
    for family, count in sorted(others.items()):
        found.limits.append(f"{count} alerts of family {family} are not compared: they rest on more than their access")
    return told


def _tables(log: Log, policy: Policy, content: bytes, legal: str, geo: str, found: Comparison) -> None:
    """Say where it was judged with something else than what is at hand."""
    record = log.in_force.get(policy.version)
    if record is None:
        found.limits.append(f"the log never says that the policy {policy.version} was in force")
        return
    if record.sha256 != sha256(content).hexdigest():
        found.differ.append(f"the policy {policy.version}: the file is not the one that was in force")
    for name, was, now in (("legal table", record.legal_table, legal), ("table of addresses", record.geo_table, geo)):
        if was != now:
            found.limits.append(f"the {name} was {was}, here it is {now}: places and bases may differ for that reason")


def _compare(computed: dict[Place, Alert], told: dict[Place, Alert], found: Comparison) -> None:
    for place in sorted({*computed, *told}):
        ours, theirs = computed.get(place), told.get(place)
        where = f"{place[0]}/{place[1]} offset {place[2]}"
        if ours is not None:
            found.hashes.append(f"{place[0]}/{place[1]}/{place[2]} {verdict_hash(ours)}")
        if ours is None:
            assert theirs is not None  # noqa: S101 (one of both is there)
            found.differ.append(f"{where}: there is an alert of {theirs.rule_id}, and judging again gives none")
        elif theirs is None:
            found.differ.append(
                f"{where}: judging again gives {ours.rule_id} ({ours.severity}), and there is no such alert"
            )
        elif verdict_hash(ours) != verdict_hash(theirs):
            one, two = verdict_part(ours), verdict_part(theirs)
            said = ", ".join(f"{name} {two[name]} and again {one[name]}" for name in VERDICT if one[name] != two[name])
            found.differ.append(f"{where}: {said}")
        else:
            found.same += 1

"""Judging a range again, and comparing with what the log and the exported alerts say.

What is compared is the *verdict part* of an alert about one access: the fields of `VERDICT`, in that order, as JSON;
its SHA-256 is the alert's verdict hash. An alert is recognised by its event's topic, partition and offset. Left out is
whatever an auditor cannot make: ids and names, which are keyed with secrets that the auditor does not have; free texts,
in which names may have been replaced; the time of detection; and which offsets of directories a worker knew.

Accesses are judged by themselves (family `access`), and matched with the gateways' decisions (family `gateway`,
`matching_again.py`). Alerts of other families need what was seen before the range or by other workers: they are counted
with why (`told.py`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from agents.audit.as_approved import AsApproved
from agents.audit.doubts import NO_ACCESSES, NO_GATEWAY, OLD_FORM, OTHER_POLICY, alike
from agents.audit.granted import ABSENT, Granted
from agents.audit.known import Known
from agents.audit.matching_again import MatchedAgain
from agents.audit.replay_log import Log
from agents.audit.tally import Comparison
from agents.audit.told import Told, told_of
from agents.audit.verdict_part import verdict_hash
from agents.audit.verifying.exported import manifest_of, partitions_of, records
from agents.files import Line
from agents.publisher import partition_of
from agents.tables import geo_table, legal_table
from rules.catalogue import RULES
from rules.join import Joiner
from rules.judge import Judge
from rules.matching.kinds import FAMILY as GATEWAY
from rules.policy import Policy
from rules.report import ACCESS
from rules.session import Session
from schemas.access import AccessEvent
from schemas.alert import Alert, EventRef, JudgedWith
from schemas.coverage import Judged
from schemas.topics import ALERTS

BATCH: Final = 5_000
"""Events judged at once: what a worker's batch holds."""


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
    told = told_of(log, export, found)
    legal, geo = legal_table(settings), geo_table(settings)
    _tables(log, policy, content, legal.digest, geo.digest, found)
    known = Known(export)
    alone = dataclasses.replace(policy, behaviour=None)
    judged_with = JudgedWith(
        policy=policy.version, legal_table=legal.digest, geo_table=geo.digest, directories="", known={}
    )
    partitions = len(manifest_of(export).topics.get(log.topic, {}))
    joiner = Joiner(alone, known.knowledge, legal, geo)
    granted = Granted(export, content, joiner, known.knowledge)
    if granted.absent:
        found.limits.append(ABSENT)
    judge = Judge(joiner, RULES)
    session = Session(
        judge,
        describe=describe,
        provenance=lambda: judged_with,
        partition_of=(lambda person: partition_of(person, partitions)) if partitions else None,
        patient=False,
    )
    as_approved = AsApproved(granted, judge, describe, judged_with)
    computed: dict[int, Alert] = {}
    span_of_time: tuple[int, int] | None = None
    there, unexported = bool(partitions_of(export, ALERTS)), list[str]()
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
                span_of_time = (ahead.timestamp if span_of_time is None else span_of_time[0]), ahead.timestamp
            ahead = next(events, None)
        found.events += len(batch)
        if span.policy != policy.version:
            said = f"offsets {first} to {last} were judged under the policy {span.policy}, not {policy.version}"
            found.limits.append(f"{said}: they were not compared")
            _passed_over(told, first, last, span.policy, found)
            continue
        if span.alerts and not there:
            unexported.append(f"{first} to {last}")
        else:
            found.compared += len(batch)
        missing = last - first + 1 - len(batch) - _absent(span, first, last)
        if missing:
            found.differ.append(
                f"{missing} of offsets {first} to {last}, which were judged, are not in the export: never judged again"
            )
        for at in range(0, len(batch), BATCH):
            some = batch[at : at + BATCH]
            haul = session.take(some, max(line.timestamp for line in some), log.partition)
            as_approved.take(some)
            found.judged += haul.judged
            computed |= {_offset(alert): alert for alert in haul.alerts if alert.family == ACCESS}
    if reached <= log.last:
        found.differ.append(f"offsets {reached} to {log.last} are in no range of the log: nobody judged them")
    if unexported:
        found.limits.append(f"the export holds no {ALERTS}, and offsets {', '.join(unexported)} gave some")
    if known_at is None and found.exact < found.ranges:
        found.limits.append(
            f"of {found.ranges - found.exact} ranges the directories are as appended until the range was "
            "stored; of the "
            "others they are exactly as the worker said"
        )
    for offset in sorted({*computed, *told.access}):
        where = f"{log.topic}/{log.partition}"
        if offset in computed:
            found.hashes.append(f"{where}/{offset} {verdict_hash(computed[offset])}")
        ours, theirs = computed.get(offset), told.access.get(offset)
        if not alike(ours, theirs) and as_approved.explains(offset, theirs):
            found.families[ACCESS].passed_over(OLD_FORM)
        else:
            found.compare(ACCESS, f"{where} offset {offset}", ours, theirs)
    if span_of_time is not None:
        told.count_apart(span_of_time[0], max(each.at for each in log.ranges), found)
    if span_of_time is not None and policy.gateway is not None:
        MatchedAgain(log, export, policy, content, legal, geo, told.gateway, span_of_time, found).compare(known_at)
    elif count := sum(log.first <= offset <= log.last for offset in told.gateway):
        found.families[GATEWAY].passed_over(NO_GATEWAY if policy.gateway is None else NO_ACCESSES, count)
    return found


def describe(message: Any, event: AccessEvent) -> EventRef:
    """Return where an event of an export came from."""
    return EventRef(event_id=event.event_id, topic=message.topic, partition=message.partition, offset=message.offset)


def _events(export: Path, log: Log) -> Iterator[Line]:
    for record in records(export, log.topic, log.partition):
        yield Line(record.raw, record.timestamp, record.offset, record.topic, record.partition, record.raw_key)


def _offset(alert: Alert) -> int:
    ref = alert.event
    return ref.offset if isinstance(ref, EventRef) and ref.offset is not None else -1


def _passed_over(told: Told, first: int, last: int, policy: str, found: Comparison) -> None:
    """Leave out the alerts about accesses that were judged under another policy."""
    for offset in [offset for offset in told.access if first <= offset <= last]:
        del told.access[offset]
        found.families[ACCESS].passed_over(OTHER_POLICY.format(policy))


def _absent(span: Judged, first: int, last: int) -> int:
    """Return how many offsets of a range hold no record."""
    return sum(max(0, min(hole.last, last) - max(hole.first, first) + 1) for hole in span.holes)


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

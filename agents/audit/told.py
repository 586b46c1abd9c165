"""The alerts of an export that are about a range: those that are compared, and how many are not and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final

from agents.audit.replay_log import Log
from agents.audit.tally import Comparison
from agents.audit.verifying.exported import partitions_of, records
from rules.habits.across import SILENCE
from rules.habits.report import FAMILY as BEHAVIOUR
from rules.matching.kinds import FAMILY as GATEWAY
from rules.report import ACCESS, DATASET
from schemas.alert import Alert, EventRef
from schemas.codec import ALERT
from schemas.errors import BadRecordError
from schemas.topics import ALERTS

WHY_NOT: Final = {
    BEHAVIOUR: "they rest on habits of weeks, of other people too (state.habits, state.peers), and no state of then is "
    "kept; with one, `cloverwatch replay --state` judges behaviour again",
    DATASET: "they are told once of a version of a dataset, whichever partition's access made a worker look",
    SILENCE: "they rest on all partitions and on a clock",
    GATEWAY: "they are about gateways or break-glass, no access: they rest on all partitions and on a clock",
}
"""By family, why its alerts are not judged again; of `gateway` those that are about no access."""

OTHERWISE: Final = "they are about the monitor itself"
"""Of families that are not in `WHY_NOT`."""


@dataclass(slots=True)
class Told:
    """Alerts by the offset of their access: of each its earliest revision that is there."""

    access: dict[int, Alert] = field(default_factory=dict)
    """Of the range."""
    gateway: dict[int, Alert] = field(default_factory=dict)
    """Of the whole partition: an access that was recorded twice may be told of at either place."""
    apart: list[tuple[str, int]] = field(default_factory=list)
    """Family and time of detection of alerts that are about no access of any partition."""

    def count_apart(self, since: int, until: int, found: Comparison) -> None:
        """Count those that were detected within the time of the range (milliseconds), of whatever partition."""
        for family, at in self.apart:
            if since <= at <= until:
                found.families[family].passed_over(WHY_NOT.get(family, OTHERWISE))


def told_of(log: Log, export: Path, found: Comparison) -> Told:
    """Return the exported alerts; one that is not the record that the log speaks of is told as a difference.

    An alert that was stored after the log's last one is none: the monitor goes on while log and topics are copied.
    """
    told = Told()
    ends: dict[int, int] = {}
    for partition, offset in log.alerts:
        ends[partition] = max(offset, ends.get(partition, -1))
    younger = 0
    for partition in partitions_of(export, ALERTS):
        for record in records(export, ALERTS, partition):
            raw = record.raw
            if raw is None:
                continue
            if record.offset > ends.get(partition, -1):
                younger += 1
                continue
            alert = _decoded(raw)
            if log.alerts.get((partition, record.offset)) != sha256(raw).hexdigest():
                if alert is None or _concerns(alert, log):
                    where = f"{ALERTS}/{partition} offset {record.offset}"
                    found.differ.append(f"{where}: not the record that the log speaks of")
            elif alert is not None:
                _sort(alert, log, told, found)
    if younger:
        found.limits.append(f"{younger} alerts of the export were stored after the log's last: they were not compared")
    return told


def _decoded(raw: bytes) -> Alert | None:
    try:
        return ALERT.decode(raw)
    except BadRecordError:
        return None


def _concerns(alert: Alert, log: Log) -> bool:
    """Whether an alert is about the partition, or about no access: of others `verify` speaks."""
    ref = alert.event
    return not isinstance(ref, EventRef) or (ref.topic, ref.partition) == (log.topic, log.partition)


def _sort(alert: Alert, log: Log, told: Told, found: Comparison) -> None:
    ref = alert.event
    if not isinstance(ref, EventRef) or ref.offset is None:
        told.apart.append((alert.family, alert.detected_at))
        return
    if (ref.topic, ref.partition) != (log.topic, log.partition):
        return
    if alert.family == GATEWAY:
        _keep(told.gateway, ref.offset, alert)
    elif log.first <= ref.offset <= log.last:
        if alert.family == ACCESS:
            _keep(told.access, ref.offset, alert)
        else:
            found.families[alert.family].passed_over(WHY_NOT.get(alert.family, OTHERWISE))


def _keep(told: dict[int, Alert], offset: int, alert: Alert) -> None:
    if offset not in told or alert.revision < told[offset].revision:
        told[offset] = alert

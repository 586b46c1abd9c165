"""The gauges that are asked when somebody looks, not told when something happens."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from agents.worker import Worker

DAY_S: Final = 86_400
"""Of a UTC day."""


def refresh(worker: Worker) -> None:
    """Ask the gauges that are not told."""
    metrics = worker.metrics
    metrics.state_items.set(worker.habits.items)
    if worker.privacy is not None:
        metrics.people_keys.set(len(worker.privacy.keys))
    across, overseer = worker.session.across, worker.overseer
    wall = time.time()
    metrics.forgotten_habits.set(worker.knowledge.forgotten_habits)
    metrics.watched_subjects.set(len(across.crowds))
    metrics.watched_sources.set(len(across.rhythms.sources))
    metrics.silent_sources.set(sum(rhythm.told_since > 0 for rhythm in across.rhythms.sources.values()))
    metrics.refused_sources.set(across.rhythms.refused)
    metrics.dropped_days.set(overseer.dropped)
    metrics.overseer_behind.set(max(0.0, wall - overseer.until / 1000) if overseer.until else 0.0)
    latest = worker.session.peers.latest
    metrics.peers_version.set(max(0.0, wall - (latest + 1) * DAY_S) if latest else 0.0)
    metrics.look_at_clock(round(wall * 1000))
    metrics.ready.set(0 if worker.not_ready() else 1)
    metrics.waiting.set(worker.session.waiting)
    partitions = worker.lag.partitions()
    metrics.assigned.set(len(partitions))
    metrics.lag.clear()
    behind, heads = 0, []
    for (topic, partition), lag in partitions.items():
        if lag.end is not None:
            records = lag.end - (lag.committed or 0)
            behind += records
            metrics.lag.labels(topic, str(partition)).set(records)
        if lag.head_age is not None:
            heads.append(lag.head_age)
    metrics.head_age.set(max(heads, default=0.0))
    now = time.monotonic()
    if not behind:
        worker.committed_at = now
    metrics.commit_age.set(now - worker.committed_at)
    for topic, rows in worker.knowledge.rows.items():
        metrics.reference_rows.labels(topic).set(rows)
    metrics.reference_keys.set(worker.tables.strange_keys)
    for topic, lag_records in worker.tables.lag().items():
        metrics.reference_lag.labels(topic).set(lag_records)
    for topic, age in worker.tables.age().items():
        metrics.reference_age.labels(topic).set(min(age, now - worker.started))
    for topic, written_at in worker.tables.newest.items():
        metrics.reference_newest.labels(topic).set(max(0.0, wall - written_at / 1000))

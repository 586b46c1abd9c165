"""The gauges that are asked when somebody looks, not told when something happens."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agents.worker import Worker


def refresh(worker: Worker) -> None:
    """Ask the gauges that are not told."""
    metrics = worker.metrics
    metrics.state_items.set(worker.habits.items)
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

"""Alerts about accesses that no range gave: only workers write those, each with the range of its access."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from agents.audit.verifying.alerts import Alerts, Stored
from agents.audit.verifying.continuity import Continuity
from agents.audit.verifying.coverage import Completeness
from schemas.topics import ALERTS

OF_RANGES: Final = frozenset({"access"})
"""Families whose alerts all come of a range, but for the later revisions that delivery writes."""

AHEAD_MS: Final = 60_000
"""How long before the last word of a worker that was killed it may have stored an alert of which it said nothing:
events that wait (`facts_grace`) hold back what is said of those behind them."""


def name_unclaimed(alerts: Alerts, completeness: Completeness, spans: Continuity, settled: int) -> None:
    """Name them; what was stored after `settled`, milliseconds, may be under way.

    No finding are those that a worker stored which was killed before it could say so: whoever judged the access again
    may have known more. They are counted.
    """
    claimed = {alert_id for alert_id, _ in alerts.claimed}
    killed = completeness.killed
    for (alert_id, revision), versions in alerts.stored.items():
        first = versions[0]
        if (
            first.family not in OF_RANGES
            or (alert_id, revision) in alerts.claimed
            or (revision and (alert_id in claimed or _older(alert_id, first, alerts.stored, spans)))
            or not completeness.since <= first.at <= settled
        ):
            continue
        if _within(killed, first.at):
            alerts.of_killed += 1
            continue
        alerts.findings.add(
            "verdicts",
            f"alert {alert_id} revision {revision} of the family {first.family} ({first.rule_id}) is of no range: a "
            "worker that gives an alert says in which, so somebody else wrote it, or the range that gave it was edited",
            index=first.index, topic=ALERTS, partition=first.partition, offset=first.offset,
        )  # fmt: skip


def _older(alert_id: str, later: Stored, stored: Mapping[tuple[str, int], list[Stored]], spans: Continuity) -> bool:
    """Whether the first revision of an alert may be from before the log begins, or compacted before it came to it."""
    span = spans.spans.get((ALERTS, later.partition))
    return (alert_id, 0) not in stored and span is not None and bool(span.first or span.holes)


def _within(spans: Sequence[tuple[int, int]], at: int) -> bool:
    """Whether a time is in one of some spans."""
    return any(begin - AHEAD_MS <= at <= end for begin, end in spans)

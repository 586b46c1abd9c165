"""What is usual for somebody, in their own 95th percentiles: the unit in which incidents are strong or weak.

Days are local days on which anything was done. Nothing here is shared with what judges: a percentile is interpolated
from all the days before, values are exact, and there is no memory to save.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from random import Random
from typing import Final

from demo.people import Worker
from demo.population import DAY, HOUR, Act

DRAWS: Final = 400
"""Totals of some weeks that are drawn from somebody's days to say how far such totals differ."""

Quantity = Callable[[Sequence[Act]], float]
"""What a day comes to."""


def p95(counts: Iterable[float], least: float = 1.0) -> float:
    """Return the 95th percentile, at least 1: twenty times nothing would be nothing."""
    return max(least, _quantile(sorted(counts), 0.95))


def _quantile(ordered: Sequence[float], share: float) -> float:
    if not ordered:
        return 0.0
    at = share * (len(ordered) - 1)
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)


def by_day(worker: Worker, acts: Iterable[Act]) -> list[list[Act]]:
    """Return the acts of each local day that has any, in order. The hour that clocks change by moves no working day."""
    days: dict[int, list[Act]] = {}
    offset: int | None = None
    for act in acts:
        if offset is None:
            delta = worker.zone.utcoffset(datetime.fromtimestamp(act.at / 1000, worker.zone))
            offset = round(delta.total_seconds() * 1000) if delta is not None else 0
        days.setdefault((act.at + offset) // DAY, []).append(act)
    return [days[day] for day in sorted(days)]


def subjects(acts: Sequence[Act]) -> float:
    """Different data subjects."""
    return len({subject for act in acts for subject in act.subjects})


def records(acts: Sequence[Act]) -> float:
    """Records read."""
    return sum(act.records for act in acts)


def denials(acts: Sequence[Act]) -> float:
    """Accesses refused."""
    return sum(act.outcome == "denied" for act in acts)


def accounts(acts: Sequence[Act]) -> float:
    """Different service accounts."""
    return len({act.account for act in acts if act.account is not None})


def in_a_row(acts: Sequence[Act]) -> float:
    """The longest row of accesses, each to a data subject not seen before that day."""
    seen: set[str] = set()
    longest = row = 0
    for act in acts:
        fresh = bool(act.subjects) and not seen.issuperset(act.subjects)
        row = row + 1 if fresh else 0
        seen.update(act.subjects)
        longest = max(longest, row)
    return longest


def late(worker: Worker) -> Quantity:
    """Return how many accesses lie more than an hour outside somebody's working hours."""

    def count(acts: Sequence[Act]) -> float:
        found = 0
        for act in acts:
            local = datetime.fromtimestamp(act.at / 1000, worker.zone)
            hour = local.hour + local.minute / 60
            found += not worker.starts - 1 <= hour <= worker.starts + worker.hours + 1
        return found

    return count


def news(days: Sequence[Sequence[Act]], settled: int = 10) -> list[float]:
    """Return by day how many datasets were touched for the first time, once so many days have passed."""
    known: set[str] = set()
    found = []
    for day in days:
        today = {act.dataset for act in day}
        found.append(float(len(today - known)))
        known |= today
    return found[settled:]


def work(worker: Worker) -> Quantity:
    """Return what a person's work is counted in: data subjects where cases are the work, records elsewhere."""
    return subjects if worker.trade.case_work else records


def excess_p95(random: Random, totals: Sequence[float], days: int) -> float:
    """Return the 95th percentile of how far the total of so many days lies above the median of such totals.

    Drawn from the person's own days with replacement (bootstrap, Efron 1979): there are not enough weeks to look at.
    """
    draws = sorted(sum(random.choices(totals, k=days)) for _ in range(DRAWS))
    return max(1.0, _quantile(draws, 0.95) - _quantile(draws, 0.5))


def longest_gap_p95(times: Sequence[int], spans: Sequence[tuple[int, int]]) -> float:
    """Return the 95th percentile, over spans, of the longest pause between two events, in milliseconds."""
    longest: Counter[int] = Counter()
    at, last = 0, 0
    for number, (since, until) in enumerate(spans):
        while at < len(times) and times[at] < since:
            at += 1
        last = since
        while at < len(times) and times[at] < until:
            longest[number] = max(longest[number], times[at] - last)
            last = times[at]
            at += 1
        longest[number] = max(longest[number], until - last)
    return p95([float(gap) for gap in longest.values()], HOUR / 60)

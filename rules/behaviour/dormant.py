"""An account that wakes after long silence; a leaver's last days."""

from __future__ import annotations

from rules.habits.observer import Look
from rules.habits.signal import BehaviourRule, Moment, Signal, amount

DAY_MS = 86_400_000
LAST_DAYS = 14
"""Days before the end of an employment in which less than otherwise is enough."""


def check(moment: Moment) -> Signal | None:
    """Look at the silence before the access."""
    before = moment.before.seen_at
    silent = (moment.at - before) / DAY_MS if before else 0.0
    if silent < moment.to.dormant_days:
        return None
    if moment.absent_until is not None:
        return None  # they were away, as the directory says
    return Signal(
        1.0,
        f"awake after {silent:,.0f} days of silence",
        f"an access within {moment.to.dormant_days} days",
        amount(silent, "days of silence"),
        moment.habit.active_days,
    )


RULE = BehaviourRule(
    id="behaviour.dormant",
    title="An account awakes",
    why="An account that nobody misses is the one that an intruder takes.",
    example="After four months without a single access, an account reads restricted data.",
    tune="`behaviour.dormant_days`; leave in `directory.employees` explains it.",
    severity="medium",
    looks=Look.DAY,
    check=check,
)

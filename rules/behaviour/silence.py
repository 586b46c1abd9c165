"""A gateway, source or partition that has gone quiet against its own rhythm: the monitor is blind there."""

from __future__ import annotations

from rules.habits.firsts import NOTHING
from rules.habits.rhythm import Quiet
from rules.habits.signal import BehaviourRule, Signal, amount

MINUTE_MS = 60_000


def check(quiet: Quiet) -> Signal | None:
    """Compare the silence with the longest ones at this hour of the week, and what is missing with chance."""
    lasted = quiet.now - quiet.since
    limit = max(quiet.to.silence_least_min * MINUTE_MS, quiet.to.silence_factor * quiet.usual_gap)
    # Both must be unusual: how long it is, and how much is missing.
    score = min(lasted / limit, quiet.missing / quiet.to.silence_missing)
    if score <= 0:
        return None
    return Signal(
        score,
        f"not heard for {lasted / MINUTE_MS:,.0f} minutes, in which some {quiet.missing:,.0f} records would have come",
        f"{quiet.usual_gap / MINUTE_MS:,.0f} minutes of silence at most at this hour of the week",
        amount(lasted / MINUTE_MS, "minutes of silence"),
        quiet.days,
        {"missing_records": round(quiet.missing)},
    )


RULE = BehaviourRule(
    id="behaviour.silence",
    title="A source has gone quiet",
    why="What is not logged is not seen: who can silence a gateway's log passes unseen through it.",
    example="A gateway that writes thousands of records every Tuesday morning has written none for half an hour.",
    tune="`behaviour.silence_least_min`, `behaviour.silence_factor`, `behaviour.silence_missing`.",
    severity="high",
    looks=NOTHING,  # asked by source, not by person
    check=check,
)

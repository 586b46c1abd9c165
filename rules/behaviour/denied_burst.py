"""Many denials in a short time, or many and then a success."""

from __future__ import annotations

from rules.habits.habit import Measure
from rules.habits.observer import Look
from rules.habits.signal import BehaviourRule, Moment, Signal, amount

TRIES = 5
"""Denials before a success that count as trying until it worked."""

OF_TRIES = 0.7
"""What so many tries count: a forgotten permission is granted, too, after some denials."""


def check(moment: Moment) -> Signal | None:
    """Look at the burst: how many, and whether a success ended it."""
    if moment.event.outcome != "denied":
        tried = moment.before.denied
        if tried < TRIES:
            return None
        return Signal(
            tried / TRIES * OF_TRIES,
            f"{tried} denials within ten minutes, then let through",
            "a denial now and then",
            amount(tried, "denials, then a success"),
            moment.habit.active_days,
        )
    limit = moment.own(Measure.DENIED)
    denied = moment.habit.denied
    score = denied / moment.to.floor_denied if limit is None else limit.score(denied)
    if score < moment.to.weak:
        return None
    return Signal(
        score,
        f"{denied} denials within ten minutes",
        amount(0 if limit is None else limit.usual_amount, "denials a day"),
        amount(denied, "denials"),
        moment.habit.active_days,
    )


RULE = BehaviourRule(
    id="behaviour.denied_burst",
    title="Many denials",
    why="Somebody tries doors. That the gateway held is good to know; that one opened, better still.",
    example="Forty datasets are asked for within five minutes, and refused.",
    tune="`behaviour.floor_denied`.",
    severity="medium",
    looks=Look.DENIED,
    check=check,
)

"""A little every day that adds up over weeks."""

from __future__ import annotations

from math import log

from rules.habits.cases import Acts, Story
from rules.habits.days import DRIFT_SLACK
from rules.habits.firsts import Look
from rules.habits.habit import Habit
from rules.habits.history import STEPS
from rules.habits.signal import BehaviourRule, Moment, Signal, amount

DOUBLING = STEPS * log(2) - DRIFT_SLACK
"""What a day of twice the median adds to a drift, in codes."""


def check(moment: Moment) -> Signal | None:
    """Look at what the days of late add up to, beyond what is usual."""
    score = moment.habit.drift / moment.to.drift
    if score < moment.to.weak or moment.before.ended is None:
        return None
    return Signal(
        score,
        f"day after day more than usual: together {moment.habit.drift / DOUBLING:,.0f} days of twice the usual",
        "ups and downs that even out",
        amount(moment.habit.drift, "codes beyond"),
        moment.habit.active_days,
        {"drift": round(moment.habit.drift, 1)},
    )


def _begin_anew(habit: Habit) -> None:
    """A drift that was told is told again only when as much has come together once more."""
    habit.drift = 0.0


RULE = BehaviourRule(
    id="behaviour.low_and_slow",
    title="A little more, every day",
    why="Who stays below every daily limit can still carry a user base away in a month.",
    example="For three weeks an agent reads twice as many profiles a day as before, never more.",
    tune="`behaviour.drift`.",
    severity="medium",
    looks=Look.DAY,
    check=check,
    reset=_begin_anew,
    cases=(
        Story(name="twice the usual for seven weeks", fires=True,
              acts=tuple(Acts(day=day, hour=9, count=26, every_s=900, fields={"record_count": 5,
                         "subject_ids": [f"s-{day}-{{n}}"]}) for day in range(49) if day % 7 < 5)),
        Story(name="twice the usual for two days", fires=False,
              acts=tuple(Acts(day=day, hour=9, count=26, every_s=900, fields={"record_count": 5,
                         "subject_ids": [f"s-{day}-{{n}}"]}) for day in range(2))),
        Story(name="the usual for seven weeks", fires=False,
              acts=tuple(Acts(day=day, hour=9, count=12, every_s=1_800, fields={"record_count": 5})
                         for day in range(49) if day % 7 < 5)),
    ),
)  # fmt: skip

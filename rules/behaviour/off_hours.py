"""Work in hours in which the person does not work."""

from __future__ import annotations

from rules.habits.cases import Acts, Story
from rules.habits.days import usual_slot
from rules.habits.firsts import Look
from rules.habits.habit import SLOTS, Measure
from rules.habits.signal import BehaviourRule, Moment, Signal, amount

ON_CALL = "on_call"

DAYTIME = 0.5
"""What the hours of a working day count on a day off."""


def check(moment: Moment) -> Signal | None:
    """Compare the accesses out of the person's hours with those of their other days."""
    if ON_CALL in moment.duties:
        return None
    limit = moment.own(Measure.OFF_HOURS)
    if limit is None:
        return None
    score = limit.score(moment.habit.off_hours)
    if moment.habit.day_off and usual_slot(moment.habit, moment.habit.slot - SLOTS // 2):
        score *= DAYTIME  # somebody catches up on a Sunday
    if score < moment.to.weak:
        return None
    hour = moment.habit.slot % (SLOTS // 2)
    kind = "a day off" if moment.habit.day_off else "a working day"
    return Signal(
        score,
        f"{moment.habit.off_hours} accesses out of their hours, the last after {hour}:00 of {kind}",
        amount(limit.usual_amount, "such accesses a day"),
        amount(moment.habit.off_hours, "today"),
        moment.habit.active_days,
    )


RULE = BehaviourRule(
    id="behaviour.off_hours",
    title="At hours when they do not work",
    why="A stolen account is used when its owner sleeps.",
    example="Somebody who works from nine to six reads restricted data at three in the morning of a Sunday.",
    tune="`behaviour.floor_off_hours`; the duty `on_call` explains it.",
    severity="low",
    looks=Look.OFF_HOURS,
    check=check,
    cases=(
        Story(name="eight accesses at three in the morning", fires=True, acts=(Acts(hour=3, count=8),)),
        Story(name="on call", fires=False, acts=(Acts(hour=3, count=8),),
              rows=(("duties", {"duty": "on_call", "valid_from": -1, "valid_until": 7}),)),
        Story(name="two late accesses", fires=False, acts=(Acts(hour=22, count=2),)),
        Story(name="nine in the morning where they are", fires=False, acts=(Acts(hour=2, count=8, country="SG"),),
              rows=(("locations", {"country": "SG", "evidence": "travel", "valid_from": -1, "valid_until": 9}),)),
        Story(name="somebody new has no hours", fires=False, history=4, acts=(Acts(hour=3, count=8),)),
    ),
)  # fmt: skip

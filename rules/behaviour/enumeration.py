"""One data subject after another, unlike case work."""

from __future__ import annotations

from rules.habits.cases import Acts, Story
from rules.habits.firsts import Look
from rules.habits.habit import Measure
from rules.habits.history import code, value
from rules.habits.signal import BehaviourRule, Moment, Signal, amount

STRANGERS_FLOORS = 10.0
"""Floors of a run of somebody of whom nothing is known, and who has no peers."""

IN_ORDER = 0.5
"""From this share of steps to the next number on, tokens were counted through."""

EVEN = 0.25
"""Below this ratio of the pauses' deviation to their mean, a clock sets the pace, not a person."""

BY_MACHINE = 1.5
"""What a run counts that no person makes."""

STEPS_LEAST = 10
"""Accesses of a run before its order and pace say anything."""


def check(moment: Moment) -> Signal | None:
    """Compare the run with the longest ones of the person's days, or of the peers' where there are none."""
    run = moment.habit.run
    limit = moment.own(Measure.RUN)
    if limit is not None:
        score, usual = limit.score(run.length), limit.usual_amount
    elif moment.peers is not None:
        coded = moment.peers.quantile(Measure.RUN, 0.99)
        usual = value(coded)
        score = (code(run.length) - coded) / max(1.0, code(max(3 * usual, moment.to.floor_run)) - coded)
    else:
        score, usual = run.length / (STRANGERS_FLOORS * moment.to.floor_run), 0.0
    ordered = run.length >= STEPS_LEAST and run.steps >= IN_ORDER * run.length
    even = run.length >= STEPS_LEAST and run.jitter <= EVEN * run.pace
    if ordered or even:
        score *= BY_MACHINE
    if score < moment.to.weak:
        return None
    manner = " in the order of their numbers" if ordered else " at an even pace" if even else ""
    return Signal(
        score,
        f"{run.length} data subjects in a row, none twice{manner}",
        amount(usual, "in a row"),
        amount(run.length, "in a row"),
        moment.habit.active_days,
        {"ordered": ordered, "even_pace": even},
    )


RULE = BehaviourRule(
    id="behaviour.enumeration",
    title="One data subject after another",
    why="Case work comes back to the same few people; whoever copies goes through them once.",
    example="300 profiles are read one after the other, by ascending token, one every two seconds.",
    tune="`behaviour.floor_run`.",
    severity="high",
    looks=Look.RUN,
    check=check,
    cases=(
        Story(name="sixty in the order of their numbers", fires=True,
              acts=(Acts(count=60, every_s=2, fields={"subject_ids": ["s-{n}"]}),)),
        Story(name="case work comes back to the same", fires=False,
              acts=(Acts(count=60, every_s=120, fields={"subject_ids": ["s-1"]}),)),
        Story(name="nine new ones at a person's pace", fires=False,
              acts=(Acts(count=9, every_s=300, fields={"subject_ids": ["s-{n}"]}),)),
        Story(name="somebody new who goes through them", fires=True, history=2,
              acts=(Acts(count=400, every_s=2, fields={"subject_ids": ["s-{n}"]}),)),
        Story(name="no data subjects are told", fires=False, acts=(Acts(count=60, every_s=2),)),
    ),
)  # fmt: skip

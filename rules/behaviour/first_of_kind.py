"""Datasets never touched before, many in a day."""

from __future__ import annotations

from rules.habits.cases import Acts, Story
from rules.habits.firsts import Look
from rules.habits.habit import Measure
from rules.habits.history import ENOUGH, value
from rules.habits.signal import BehaviourRule, Moment, Signal, amount

PEERS_SHARE = 0.99
"""So many of the peers' days have fewer new datasets, or the day is nothing unusual in their work."""


def check(moment: Moment) -> Signal | None:
    """Compare the new datasets of the day with the person's own days and with the peers'."""
    limit = moment.own(Measure.NOVEL)
    if limit is None or moment.habit.day - moment.habit.group_day < ENOUGH:
        return None
    novel = moment.habit.novel
    score = limit.score(novel)
    if moment.peers is not None and novel <= value(moment.peers.quantile(Measure.NOVEL, PEERS_SHARE)) + 0.5:
        score /= 2  # such days are part of the peers' work
    if score < moment.to.weak:
        return None
    return Signal(
        score,
        f"{novel} datasets that they never touched before, the last one {moment.setting.sensitivity}",
        amount(limit.usual_amount, "new datasets a day"),
        amount(novel, "new datasets today"),
        moment.habit.active_days,
    )


RULE = BehaviourRule(
    id="behaviour.first_of_kind",
    title="Many datasets for the first time",
    why="Who looks around in data that is not their work is looking for something, or has become somebody else.",
    example="An agent of six known datasets opens twelve others in an afternoon.",
    tune="`behaviour.floor_novel`; a new role or team begins a new habit.",
    severity="medium",
    looks=Look.NOVEL,
    check=check,
    cases=(
        Story(name="eight datasets never touched", fires=True,
              acts=(Acts(count=8, fields={"dataset_id": "other-{n}"}),)),
        Story(name="one new dataset is work", fires=False, acts=(Acts(fields={"dataset_id": "other-{n}"}),)),
        Story(name="the same new dataset again and again", fires=False,
              acts=(Acts(count=20, fields={"dataset_id": "other"}),)),
        Story(name="somebody new knows nothing yet", fires=False, history=4,
              acts=(Acts(count=8, fields={"dataset_id": "other-{n}"}),)),
        Story(name="a new team begins a new habit", fires=False,
              rows=(("employees", {"team": "audit", "valid_from": 0}),),
              acts=(Acts(count=8, fields={"dataset_id": "other-{n}"}),)),
    ),
)  # fmt: skip

"""Much read faster than by hand, by a tool that the policy does not name, where no history says what is usual."""

from __future__ import annotations

from rules.habits.cases import Acts, Story
from rules.habits.firsts import Look
from rules.habits.habit import Measure
from rules.habits.signal import BehaviourRule, Moment, Signal, amount


def check(moment: Moment) -> Signal | None:
    """Look at the reads in a row; where own days or peers speak, `volume` and `peer_volume` do."""
    pace = moment.habit.pace
    if pace is None or moment.peers is not None or moment.own(Measure.HOUR_RECORDS) is not None:
        return None
    score = pace.records / moment.to.floor_pace
    if score < moment.to.weak:
        return None
    return Signal(
        score,
        f"up to {amount(pace.records, 'records')} by {pace.calls} reads in a row, faster than by hand, with a tool "
        "that the policy does not name as automation",
        amount(moment.to.floor_pace, "records, or a known tool"),
        f"up to {amount(pace.records, 'records')}",
        moment.habit.active_days,
        {"calls": pace.calls, "client": moment.event.client},
    )


_NAMED = {"automation": ("* Terraform/*",)}
_PAGES = {"client": "unheard-of/1.0", "record_count": 20}

RULE = BehaviourRule(
    id="behaviour.machine_pace",
    title="Read by an unknown tool in bulk",
    why="Nobody is suspect for being new; yet a hand does not read like this, and no program that is known did.",
    example="Somebody without a history asks for all secrets of a tag, page by page, within a second.",
    tune="`behaviour.automation` names what may (without it the rule is silent); `behaviour.floor_pace`.",
    severity="medium",
    looks=Look.PACE,
    check=check,
    cases=(
        Story(name="pages of secrets by an unknown tool", fires=True, history=0, thresholds=_NAMED,
              acts=(Acts(count=5, every_s=0.2, fields=_PAGES),)),
        Story(name="by a tool that is named", fires=False, history=0, thresholds=_NAMED,
              acts=(Acts(count=200, every_s=0.1, fields={"client": "x Terraform/1.1 (y)"}),)),
        Story(name="by hand", fires=False, history=0, thresholds=_NAMED,
              acts=(Acts(count=50, every_s=4, fields=_PAGES),)),
        Story(name="the policy names no automation", fires=False, history=0,
              acts=(Acts(count=5, every_s=0.2, fields=_PAGES),)),
        Story(name="a history says what is usual", fires=False, thresholds=_NAMED,
              acts=(Acts(count=5, every_s=0.2, fields=_PAGES),)),
        Story(name="the record does not say with what", fires=False, history=0, thresholds=_NAMED,
              acts=(Acts(count=5, every_s=0.2, fields={"record_count": 20}),)),
    ),
)  # fmt: skip

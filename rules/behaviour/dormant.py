"""An account that wakes after long silence; a leaver's last days."""

from __future__ import annotations

from rules.habits.cases import Acts, Story
from rules.habits.firsts import Look
from rules.habits.habit import Measure
from rules.habits.signal import BehaviourRule, Moment, Signal, amount

DAY_MS = 86_400_000

LAST_DAYS = 14
"""Days before the end of an employment in which less than otherwise is enough: a usual notice period's second half."""

LEAVER_PART = 0.6
"""From this part of the way to a limit on, a leaver's day is told."""

CARRIED = {
    Measure.RECORDS: "records",
    Measure.BYTES: "bytes",
    Measure.SUBJECTS: "data subjects",
    Measure.NOVEL: "datasets never touched before",
}


def check(moment: Moment) -> Signal | None:
    """Look at the silence before the access, and at what somebody who leaves takes."""
    return _awake(moment) or _leaving(moment)


def _awake(moment: Moment) -> Signal | None:
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


def _leaving(moment: Moment) -> Signal | None:
    if moment.leaves_at is None or moment.leaves_at - moment.at > LAST_DAYS * DAY_MS:
        return None
    sums = moment.habit.sums()
    left = (moment.leaves_at - moment.at) // DAY_MS
    best: Signal | None = None
    for measure, what in CARRIED.items():
        limit = moment.own(measure)
        score = 0.0 if limit is None else limit.score(sums[measure] / moment.ease) / LEAVER_PART
        if limit is not None and score >= moment.to.weak and (best is None or score > best.score):
            best = Signal(
                score,
                f"leaves in {left} days, and took {amount(sums[measure], what)} today",
                amount(limit.usual_amount, f"{what} a day"),
                amount(sums[measure], what),
                moment.habit.active_days,
                {"measure": measure.name.lower(), "days_left": left},
            )
    return best


RULE = BehaviourRule(
    id="behaviour.dormant",
    title="An account awakes, or somebody who leaves takes much",
    why="An account that nobody misses is the one that an intruder takes; and who leaves may take something along.",
    example="After four months without a single access, an account reads restricted data.",
    tune="`behaviour.dormant_days`; leave in `directory.employees` explains it.",
    severity="medium",
    looks=Look.DAY | Look.VOLUME | Look.NOVEL,
    check=check,
    cases=(
        Story(name="after sixty days of silence", fires=True, acts=(Acts(day=60),)),
        Story(name="after three weeks", fires=False, acts=(Acts(day=21),)),
        Story(name="after recorded leave", fires=False, acts=(Acts(day=60),),
              rows=(("employees", {"status": "leave", "valid_from": 0}), ("employees", {"valid_from": 59}))),
        Story(name="a leaver takes twice the usual", fires=True,
              acts=(Acts(hour=9, count=8, every_s=3_000, fields={"record_count": 22}),),
              rows=(("employees", {"status": "terminated", "valid_from": 5}),)),
        Story(name="a leaver works as usual", fires=False,
              acts=(Acts(hour=9, count=10, every_s=1_800, fields={"record_count": 5}),),
              rows=(("employees", {"status": "terminated", "valid_from": 5}),)),
        Story(name="who leaves in two months", fires=False,
              acts=(Acts(hour=9, count=8, every_s=3_000, fields={"record_count": 15}),),
              rows=(("employees", {"status": "terminated", "valid_from": 60}),)),
        Story(name="the first access ever", fires=False, history=0, acts=(Acts(),)),
    ),
)  # fmt: skip

"""Far more than the person's own habit."""

from __future__ import annotations

from rules.habits.cases import Acts, Story
from rules.habits.firsts import Look
from rules.habits.habit import Measure
from rules.habits.signal import BehaviourRule, Moment, Signal, amount

UNITS = {
    Measure.RECORDS: "records a day",
    Measure.HOUR_RECORDS: "records an hour",
    Measure.BYTES: "bytes a day",
    Measure.HOUR_BYTES: "bytes an hour",
    Measure.SUBJECTS: "data subjects a day",
    Measure.HOUR_SUBJECTS: "data subjects an hour",
}


def check(moment: Moment) -> Signal | None:
    """Compare the sums of the hour and the day with the person's own days."""
    sums = moment.habit.sums()
    best: Signal | None = None
    for measure, unit in UNITS.items():
        limit = moment.own(measure)
        if limit is None:
            return None
        score = limit.score(sums[measure] / moment.ease)
        if score >= moment.to.weak and (best is None or score > best.score):
            days = moment.habit.active_days
            best = Signal(
                score,
                f"{amount(sums[measure], unit)}, where 95 of 100 of their days stay below {limit.usual_amount:,.0f}",
                amount(limit.usual_amount, unit),
                amount(sums[measure], unit),
                days,
                {"measure": measure.name.lower()},
            )
    return best


RULE = BehaviourRule(
    id="behaviour.volume",
    title="Far more than usual",
    why="Somebody who may read single records can still copy a user base, one allowed access after the other.",
    example="A support agent who reads some 40 records a day reads 3,000 within an hour.",
    tune="`behaviour.factor`, `behaviour.sigmas` and the floors; the duties `quarter_end` and `migration` explain it.",
    severity="high",
    looks=Look.VOLUME,
    check=check,
    cases=(
        Story(name="5,000 records at once", fires=True, acts=(Acts(fields={"record_count": 5_000}),)),
        Story(name="many small accesses within an hour", fires=True,
              acts=(Acts(count=300, every_s=10, fields={"record_count": 5}),)),
        Story(name="twice a usual day", fires=False,
              acts=(Acts(hour=9, count=8, every_s=3_000, fields={"record_count": 15}),)),
        Story(name="just below what is never many", fires=False, acts=(Acts(fields={"record_count": 100}),)),
        Story(name="no history of their own", fires=False, history=3, acts=(Acts(fields={"record_count": 50_000}),)),
        Story(name="ten times the usual in a migration that the directory knows", fires=False,
              rows=(("duties", {"duty": "migration", "valid_from": -1, "valid_until": 2}),),
              acts=(Acts(fields={"record_count": 600}),)),
        Story(name="everything in a migration is too much", fires=True,
              rows=(("duties", {"duty": "migration", "valid_from": -1, "valid_until": 2}),),
              acts=(Acts(fields={"record_count": 500_000}),)),
        Story(name="the sizes are unknown", fires=False, acts=(Acts(fields={"record_count": None, "bytes": None}),)),
    ),
)  # fmt: skip

"""Weak signals of one person within a day that together are strong."""

from __future__ import annotations

from rules.habits.cases import Acts, Story
from rules.habits.firsts import NOTHING
from rules.habits.signal import BehaviourRule, Moment, Signal

LEAST = 3
"""Rules that must have spoken, or two views of one thing would be taken for two things."""


def check(moment: Moment) -> Signal | None:
    """Add up the day's signals that alone say nothing."""
    weak = moment.habit.weak
    together = sum(weak.values())
    if len(weak) < LEAST or together < moment.to.composite:
        return None
    parts = ", ".join(f"{rule.removeprefix('behaviour.')} {score:.1f}" for rule, score in sorted(weak.items()))
    return Signal(
        together / moment.to.composite,
        f"several unusual things within a day, none strong by itself ({parts})",
        f"less than {moment.to.composite} of all together",
        f"{together:.1f}",
        moment.habit.active_days,
        {"parts": {rule: round(score, 2) for rule, score in weak.items()}},
    )


RULE = BehaviourRule(
    id="behaviour.composite",
    title="Several unusual things at once",
    why="Each by itself happens to everybody; all on one day, to one person, hardly ever.",
    example="On one day somewhat more records than usual, three new datasets, four denials and a late hour.",
    tune="`behaviour.composite` and `behaviour.weak`.",
    severity="medium",
    looks=NOTHING,  # asked by the engine after the others
    check=check,
    cases=(
        Story(name="more records, new datasets, denials and accounts on one day", fires=True,
              thresholds={"composite": 1.8},
              acts=(Acts(hour=10, fields={"record_count": 150}),
                    Acts(hour=10.2, count=3, fields={"dataset_id": "new-{n}"}),
                    Acts(hour=11, count=4, every_s=20, fields={"outcome": "denied"}),
                    Acts(hour=12, count=3, fields={"service_account": "svc-{n}"}))),
        Story(name="two of them", fires=False,
              acts=(Acts(hour=10.2, count=3, fields={"dataset_id": "new-{n}"}),
                    Acts(hour=12, count=3, fields={"service_account": "svc-{n}"}))),
        Story(name="each on a day of its own", fires=False, thresholds={"composite": 1.8},
              acts=(Acts(day=0, fields={"record_count": 150}),
                    Acts(day=1, count=3, fields={"dataset_id": "new-{n}"}),
                    Acts(day=2, count=4, every_s=20, fields={"outcome": "denied"}),
                    Acts(day=3, count=3, fields={"service_account": "svc-{n}"}))),
    ),
)  # fmt: skip

"""Any touch of a dataset or data subject that exists only to be touched."""

from __future__ import annotations

from rules.habits.cases import Acts, Story
from rules.habits.firsts import Look
from rules.habits.signal import BehaviourRule, Moment, Signal


def check(moment: Moment) -> Signal | None:
    """Look whether the directory marks the dataset or a data subject as a canary."""
    subject = any(row.canary for row in moment.subjects)
    if not moment.setting.canary and not subject:
        return None
    what = "dataset" if moment.setting.canary else "data subject"
    return Signal(3.0, f"touched a {what} that nobody has any reason to touch", "no touch ever", "a touch", 0)


RULE = BehaviourRule(
    id="behaviour.canary",
    title="A canary was touched",
    why="Nothing in anybody's work leads there: whoever comes is looking around.",
    example="The profile of a person who does not exist is read.",
    tune="`canary = true` in `directory.datasets` and `directory.subjects`.",
    severity="critical",
    looks=Look.CANARY | Look.SUBJECT,
    check=check,
    cases=(
        Story(name="a canary dataset", fires=True, acts=(Acts(fields={"dataset_id": "canary"}),)),
        Story(name="a canary data subject", fires=True, acts=(Acts(fields={"subject_ids": ["s-bird"]}),),
              rows=(("subjects", {"subject_id": "s-bird", "canary": True}),)),
        Story(name="a denied try", fires=True, acts=(Acts(fields={"dataset_id": "canary", "outcome": "denied"}),)),
        Story(name="any other dataset", fires=False, acts=(Acts(fields={"dataset_id": "d-9"}),)),
        Story(name="somebody new", fires=True, history=0, acts=(Acts(fields={"dataset_id": "canary"}),)),
    ),
)  # fmt: skip

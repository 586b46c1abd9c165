"""One employee over several service accounts."""

from __future__ import annotations

from rules.habits.cases import Acts, Story
from rules.habits.firsts import Look
from rules.habits.signal import BehaviourRule, Moment, Signal, amount

ACCOUNTS = 3
"""Service accounts in one day from which on the work looks spread out."""


def check(moment: Moment) -> Signal | None:
    """Count the service accounts of the day."""
    used = len(moment.habit.accounts)
    if used < ACCOUNTS:
        return None
    return Signal(
        used / (ACCOUNTS + 1),
        f"{used} service accounts used in one day",
        "one or two",
        amount(used, "service accounts"),
        moment.habit.active_days,
    )


RULE = BehaviourRule(
    id="behaviour.split_accounts",
    title="Spread over several service accounts",
    why="Limits by account are stayed below when the work is spread over many of them.",
    example="One person works through five service accounts in an afternoon.",
    tune="An exemption for those who administer service accounts.",
    severity="medium",
    looks=Look.ACCOUNTS,
    check=check,
    cases=(
        Story(name="five service accounts in an hour", fires=True,
              acts=(Acts(count=5, fields={"service_account": "svc-{n}"}),)),
        Story(name="two of them", fires=False, acts=(Acts(count=2, fields={"service_account": "svc-{n}"}),)),
        Story(name="one of them, often", fires=False, acts=(Acts(count=40, fields={"service_account": "svc"}),)),
    ),
)  # fmt: skip

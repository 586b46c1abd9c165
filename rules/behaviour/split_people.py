"""The same data subject looked up by several people, none of them with a ticket."""

from __future__ import annotations

from rules.habits.firsts import NOTHING
from rules.habits.signal import BehaviourRule, Signal, amount


def check(crowd: tuple[int, int]) -> Signal | None:
    """Look at (people within two days, people from which on they are a crowd)."""
    people, least = crowd
    if people < least:
        return None
    return Signal(
        people / least,
        f"{people} people looked up the same data subject within two days, none of them with a ticket",
        amount(1, "person, or tickets"),
        amount(people, "people"),
        2,
        {"people": people},
    )


RULE = BehaviourRule(
    id="behaviour.split_people",
    title="Spread over several people",
    why="Who must not be seen looking somebody up asks colleagues, or uses their accounts; and somebody famous draws "
    "a crowd.",
    example="Five agents look at the same profile on one day, no case is open about it.",
    tune="`behaviour.split_people`; tickets on accesses explain them.",
    severity="high",
    looks=NOTHING,  # asked by data subject, not by person
    check=check,
)

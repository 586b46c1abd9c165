"""Where a person's usual ends: limits of sums, from their own days and from their peers'."""

from __future__ import annotations

from math import log
from typing import Final, NamedTuple

from rules.habits.habit import MEASURES, Habit, Measure
from rules.habits.history import ENOUGH, STEPS, code, quantile, value
from rules.habits.thresholds import Behaviour

ANCHOR_RISE: Final = STEPS * 0.14 / 30
"""Codes a day that an anchor may rise: 15 % a month. Somebody who takes a little more each day does not become usual by
it: in half a year they may come to take 2.3 times as much, not 20 times."""

ANCHOR_UNITS: Final = 16
"""Anchors are kept in sixteenths of a code, so that a week's rise is some of them, in two bytes each."""

ANCHOR_YOUNG: Final = 25
"""Active days, a working month, until which an anchor may rise faster: few days say too little of what is usual."""

ANCHOR_RISE_YOUNG: Final = STEPS * 0.04
"""Codes a day that a young anchor may rise: 4 %, so that the first month's end becomes part of what is usual."""

SPREAD_MOST: Final = STEPS * log(2.0)
"""Codes by which days that differ much may move a limit: to twice what `factor` says, or wild days would excuse all."""


WIRES_STALE: Final = 1 << 20
"""An age at which wires are laid anew whatever the number of days."""


class Limit(NamedTuple):
    """What is usual of a measure, and where the far too much begins, as codes."""

    usual: float
    limit: float

    def score(self, amount: float) -> float:
        """Return how far an amount is on the way to the limit: 0 usual, 1 at it, more beyond."""
        return (code(amount) - self.usual) / (self.limit - self.usual)

    @property
    def usual_amount(self) -> float:
        """What is usual, in the measure's unit."""
        return value(self.usual)


def own_limit(habit: Habit, measure: Measure, to: Behaviour) -> Limit | None:
    """Return the limit by a person's own days; None where there are too few."""
    days = habit.of(measure)
    if len(days) < ENOUGH:
        return None
    ordered = sorted(days)
    usual = _at(ordered, 0.95)
    if habit.anchors:
        usual = min(usual, habit.anchors[measure] / ANCHOR_UNITS)
    median = _at(ordered, 0.5)
    # Days above the median say how far they spread; quiet days have no part in it. 1.28: the normal distribution's
    # distance from its median to its 90th percentile, in standard deviations.
    spread = (_at(ordered, 0.9) - median) / 1.2816
    reach = usual + to.reach
    wide = min(median + to.sigmas * spread, reach + SPREAD_MOST)
    return Limit(usual, max(reach, wide, to.floor_codes[measure], usual + 1.0))


def _at(ordered: list[int], share: float) -> float:
    where = share * (len(ordered) - 1)
    low = int(where)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (where - low)


def lay_wires(habit: Habit, to: Behaviour) -> None:
    """Say from which sums on the rules look closer: where a signal begins to count.

    Of somebody without days of their own, where the floors are: below them nothing is many, whatever the peers do.
    """
    habit.wires_age = 0
    if habit.active_days < ENOUGH:
        habit.wires = to.floor_wires
        return
    wires = list(to.floors)
    for measure in Measure:
        limit = own_limit(habit, measure, to)
        if limit is not None:
            wires[measure] = max(1, int(value(limit.usual + to.weak * (limit.limit - limit.usual))))
    habit.wires = tuple(wires)


def lift_wires(habit: Habit) -> None:
    """Look again only when a sum has grown by another quarter; the next day lays the wires anew.

    Of somebody without days of their own, when it has doubled.
    """
    part = 4 if habit.settled else 1
    habit.wires = tuple(
        [
            total + max(1, total // part) if total >= wire else wire
            for wire, total in zip(habit.wires, habit.sums(), strict=True)
        ]
    )
    habit.wires_age = WIRES_STALE


def raise_anchors(habit: Habit) -> None:
    """Let the anchors follow the days: down at once, up slowly."""
    days = habit.active_days
    if days < ENOUGH:
        return
    now = [round(quantile(habit.of(measure), 0.95) * ANCHOR_UNITS) for measure in Measure]
    if habit.anchors:
        rate = ANCHOR_RISE_YOUNG if days < ANCHOR_YOUNG else ANCHOR_RISE
        rise = int(max(0, habit.day - habit.anchor_day) * rate * ANCHOR_UNITS)
        now = [min(new, old + rise) for new, old in zip(now, habit.anchors, strict=True)]
    habit.anchors = tuple(now)
    habit.anchor_day = habit.day


assert len(Behaviour().floors) == MEASURES  # noqa: S101  # one for each

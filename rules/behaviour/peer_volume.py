"""Far more than people of the same role and team."""

from __future__ import annotations

from math import log

from rules.behaviour.volume import UNITS
from rules.habits.cases import Acts, Story
from rules.habits.history import STEPS, code, value
from rules.habits.limits import floors
from rules.habits.observer import Look
from rules.habits.signal import BehaviourRule, Moment, Signal, amount
from rules.habits.sketch import mark


def check(moment: Moment) -> Signal | None:
    """Compare the sums of the hour and the day with the days of the peers, and with what is usual for the person."""
    if moment.peers is None:
        return None
    others = moment.peers.others(mark(moment.person))
    sums, least = moment.habit.sums(), floors(moment.to)
    best: Signal | None = None
    for measure, unit in UNITS.items():
        usual = moment.peers.quantile(measure, 0.99)
        own = moment.own(measure)
        if own is not None:
            # Who always does more than the others is known for it: their own habit says what is too much.
            usual = max(usual, own.usual)
        limit = max(usual + log(moment.to.peer_factor) * STEPS, float(code(least[measure])), usual + 1)
        score = (code(sums[measure] / moment.ease) - usual) / (limit - usual)
        if score >= moment.to.weak and (best is None or score > best.score):
            best = Signal(
                score,
                f"{amount(sums[measure], unit)}, where 99 of 100 days of their {others} peers stay below "
                f"{value(moment.peers.quantile(measure, 0.99)):,.0f}",
                amount(value(usual), unit),
                amount(sums[measure], unit),
                moment.peers.days,
                {"measure": measure.name.lower(), "peers": others},
            )
    return best


RULE = BehaviourRule(
    id="behaviour.peer_volume",
    title="Far more than the peers",
    why="Somebody new has no habit of their own, and somebody who always took too much has a wrong one.",
    example="In the first week an analyst exports ten times what anybody of the team ever exported in a day.",
    tune="`behaviour.peer_factor`, `behaviour.peers_least` and the floors.",
    severity="high",
    looks=Look.VOLUME,
    check=check,
    cases=(
        Story(name="somebody new takes far more than anybody of the team", fires=True, history=3, peers=6,
              acts=(Acts(fields={"record_count": 5_000}),)),
        Story(name="somebody new works as the others do", fires=False, history=3, peers=6,
              acts=(Acts(count=12, every_s=1_800, fields={"record_count": 5}),)),
        Story(name="too few peers say nothing", fires=False, history=3, peers=3,
              acts=(Acts(fields={"record_count": 5_000}),)),
    ),
)  # fmt: skip

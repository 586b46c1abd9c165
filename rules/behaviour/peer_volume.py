"""Far more than people of the same role and team."""

from __future__ import annotations

from math import log

from rules.behaviour.volume import UNITS
from rules.habits.cases import Acts, Story
from rules.habits.firsts import Look
from rules.habits.habit import Measure
from rules.habits.history import STEPS, value
from rules.habits.limits import Limit
from rules.habits.peers import PeerGroup
from rules.habits.signal import BehaviourRule, Moment, Signal, amount
from rules.habits.sketch import mark
from rules.habits.thresholds import Behaviour

PEERS_SHARE = 0.99
"""So many of the peers' days lie below what is usual among them."""


def limit_of(peers: PeerGroup, measure: Measure, own: Limit | None, to: Behaviour) -> Limit:
    """Return where the peers' usual ends; who always does more is known for it: their own habit says what is usual."""
    usual = peers.quantile(measure, PEERS_SHARE)
    if own is not None:
        usual = max(usual, own.usual)
    return Limit(usual, max(usual + log(to.peer_factor) * STEPS, float(to.floor_codes[measure]), usual + 1))


def check(moment: Moment) -> Signal | None:
    """Compare the sums of the hour and the day with the days of the peers, and with what is usual for the person."""
    if moment.peers is None:
        return None
    others = moment.peers.others(mark(moment.person))
    sums = moment.habit.sums()
    best: Signal | None = None
    for measure, unit in UNITS.items():
        limit = limit_of(moment.peers, measure, moment.own(measure), moment.to)
        score = limit.score(sums[measure] / moment.ease)
        if score >= moment.to.weak and (best is None or score > best.score):
            best = Signal(
                score,
                f"{amount(sums[measure], unit)}, where 99 of 100 days of their {others} peers stay below "
                f"{value(moment.peers.quantile(measure, PEERS_SHARE)):,.0f}",
                amount(limit.usual_amount, unit),
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

"""Two countries too far apart for the time between."""

from __future__ import annotations

from rules.habits.cases import Acts, Story
from rules.habits.distances import apart_km
from rules.habits.firsts import Look
from rules.habits.habit import Spot
from rules.habits.signal import BehaviourRule, Moment, Signal, amount
from schemas.countries import NAMES

LEAST_KM = 300.0
"""Nearer than this, a border is a walk, and tables of addresses err."""

LEAST_MS = 60_000
"""Two accesses in the same minute count as a minute apart."""


def check(moment: Moment) -> Signal | None:
    """Compare like with like: the device's country with the device's, the address's with the address's."""
    before, setting = moment.before, moment.setting
    if before.device is not None and setting.device is not None:
        # A device that says where it is outweighs the exit that its traffic takes.
        return _between(moment, "device", before.device, setting.device)
    if before.address is not None and setting.address is not None:
        return _between(moment, "address", before.address, setting.address)
    return None


def _between(moment: Moment, kind: str, last: Spot, now: str) -> Signal | None:
    far = apart_km(last.country, now)
    if far < LEAST_KM:
        return None
    apart = max(LEAST_MS, abs(moment.at - last.at))
    speed = far / (apart / 3_600_000)
    if speed <= moment.to.travel_kmh:
        return None
    return Signal(
        speed / moment.to.travel_kmh,
        f"their {kind} was in {NAMES.get(last.country, last.country)} and {apart / 60_000:,.0f} minutes apart in "
        f"{NAMES.get(now, now)}, {far:,.0f} km away at least",
        amount(moment.to.travel_kmh, "km/h at most"),
        amount(speed, "km/h at least"),
        moment.habit.active_days,
        {"kind": kind, "distance_km": round(far)},
    )


RULE = BehaviourRule(
    id="behaviour.impossible_travel",
    title="In two places at once",
    why="Nobody is in Dublin and an hour later in Singapore; an account that is has two users.",
    example="An access from Ireland, and forty minutes later one from India.",
    tune="`behaviour.travel_kmh`; networks of VPN exits and providers say nothing of a place (`networks`).",
    severity="high",
    looks=Look.MOVED,
    check=check,
    cases=(
        Story(name="Ireland, and forty minutes later India", fires=True,
              acts=(Acts(hour=10), Acts(hour=10 + 40 / 60, country="IN"))),
        Story(name="a flight of eleven hours", fires=False, acts=(Acts(hour=9), Acts(hour=20, country="IN"))),
        Story(name="across a near border", fires=False, acts=(Acts(hour=10), Acts(hour=10.2, country="GB"))),
        Story(name="a device that says nothing", fires=False, acts=(Acts(hour=10), Acts(hour=10.2, country=None))),
        Story(name="an event from home that comes late", fires=False,
              rows=(("locations", {"country": "IN", "evidence": "travel", "valid_from": -1}),),
              acts=(Acts(hour=9), Acts(day=1, hour=9, country="IN"), Acts(day=0, hour=9.5))),
        Story(name="a foreign exit, and the device where it was", fires=False,
              acts=(Acts(hour=10, fields={"address": "IE"}), Acts(hour=10.2, fields={"address": "IN"}))),
        Story(name="two addresses, and no device speaks", fires=True,
              acts=(Acts(hour=10, country=None, fields={"address": "IE"}),
                    Acts(hour=10.2, country=None, fields={"address": "IN"}))),
        Story(name="no history is needed", fires=True, history=1,
              acts=(Acts(hour=10), Acts(hour=10.5, country="SG"))),
    ),
)  # fmt: skip

"""A country in which the person was never seen."""

from __future__ import annotations

from rules.habits.cases import Acts, Story
from rules.habits.firsts import Look
from rules.habits.history import ENOUGH
from rules.habits.signal import BehaviourRule, Moment, Signal
from schemas.countries import NAMES


def check(moment: Moment) -> Signal | None:
    """Look for a country that neither the habit nor the directories know."""
    device, before = moment.setting.device, moment.before.device
    moved = device is not None and (before is None or before.country != device)
    country = device if moved else moment.setting.address or device
    if country is None or country in moment.announced or moment.habit.active_days < ENOUGH:
        return None
    places = ", ".join(
        NAMES.get(seen.country, seen.country) for seen in moment.habit.countries if seen.country != country
    )
    return Signal(
        1.0,
        f"never seen in {NAMES.get(country, country)} before, and nothing announced it",
        f"from {places or 'nowhere else'}",
        f"from {NAMES.get(country, country)}",
        moment.habit.active_days,
        {"country": country},
    )


RULE = BehaviourRule(
    id="behaviour.new_country",
    title="From a country never seen before",
    why="A stolen account is used from where its thief is, inside the perimeter too.",
    example="An agent in Cork is seen in Romania; no journey was announced.",
    tune="Announce journeys in `directory.locations`; map networks that say nothing of a place.",
    severity="medium",
    looks=Look.COUNTRY,
    check=check,
    cases=(
        Story(name="France, never before", fires=True, acts=(Acts(country="FR"),)),
        Story(name="an announced journey", fires=False, acts=(Acts(country="FR"),),
              rows=(("locations", {"country": "FR", "evidence": "travel", "valid_from": -1}),)),
        Story(name="where they were last month", fires=False,
              acts=(Acts(country="FR"), Acts(day=1), Acts(day=40, country="FR")),
              rows=(("locations", {"country": "FR", "evidence": "travel", "valid_from": -1, "valid_until": 1}),)),
        Story(name="somebody new", fires=False, history=4, acts=(Acts(country="FR"),)),
        Story(name="the device where it always was, and its traffic from abroad", fires=True,
              acts=(Acts(fields={"address": "IE"}), Acts(hour=11, fields={"address": "FR"}))),
        Story(name="no device speaks", fires=False, acts=(Acts(country=None),)),
    ),
)  # fmt: skip

"""What would make each behaviour rule speak for somebody now, or why it keeps silent: one sentence a rule.

The thresholds are the rules' own; `tests/habits/test_outlook.py` holds that a rule speaks where its sentence says. A
sum that grows step by step is looked at again when it has grown by a quarter (`limits.lift_wires`): so much later at
most.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil, floor
from typing import Final, NamedTuple

from rules.behaviour import (
    composite,
    denied_burst,
    dormant,
    enumeration,
    first_of_kind,
    off_hours,
    peer_volume,
    split_accounts,
)
from rules.behaviour.impossible_travel import LEAST_KM
from rules.behaviour.volume import UNITS
from rules.habits.firsts import FORGET_COUNTRY_DAYS
from rules.habits.habit import Habit, Measure
from rules.habits.history import ENOUGH, code, least, value
from rules.habits.limits import Limit, own_limit
from rules.habits.observer import DAY_MS
from rules.habits.peers import PeerGroup
from rules.habits.thresholds import Behaviour
from schemas.countries import NAMES
from schemas.fields import TIME_MAX, plain


@dataclass(frozen=True, slots=True)
class View:
    """Somebody's habit as it stands, with what is known beside it."""

    habit: Habit
    to: Behaviour
    peers: PeerGroup | None = None
    duties: frozenset[str] = frozenset()
    announced: frozenset[str] = frozenset()
    """Countries that location rows name."""

    def own(self, measure: Measure) -> Limit | None:
        """Return the limit by the person's own days."""
        return own_limit(self.habit, measure, self.to)


class Outlook(NamedTuple):
    """Whether a rule can speak at all, and from what on or why not."""

    can_speak: bool
    sentence: str


def _speaks(when: str) -> Outlook:
    return Outlook(can_speak=True, sentence=when)


def _silent(why: str) -> Outlook:
    return Outlook(can_speak=False, sentence=why)


def _young(view: View) -> Outlook:
    return _silent(f"too little history: {view.habit.active_days} of {ENOUGH} active days")


def _volume(view: View) -> Outlook:
    limits = {unit: view.own(measure) for measure, unit in UNITS.items()}
    found = [f"{least(limit.limit):,} {unit}" for unit, limit in limits.items() if limit is not None]
    return _speaks(f"from {', '.join(found)} on") if found else _young(view)


def _peer_volume(view: View) -> Outlook:
    peers = view.peers
    if peers is None:
        return _silent(f"no peers are known here: fewer than {view.to.peers_least} people with a history")
    found = [
        f"{least(peer_volume.limit_of(peers, measure, view.own(measure), view.to).limit):,} {unit}"
        for measure, unit in UNITS.items()
    ]
    return _speaks(f"from {', '.join(found)} on")


def _first_of_kind(view: View) -> Outlook:
    limit, days = view.own(Measure.NOVEL), view.habit.day - view.habit.group_day
    if limit is None:
        return _young(view)
    if days < ENOUGH:
        return _silent(f"{days} of {ENOUGH} days in this team and role")
    wanted = least(limit.limit)
    if view.peers is not None:
        usual = floor(value(view.peers.quantile(Measure.NOVEL, first_of_kind.PEERS_SHARE)) + 0.5)
        wanted = min(max(wanted, usual + 1), least(_times(limit, 2.0)))
    return _speaks(f"from {wanted:,} datasets never touched before within a day on; {view.habit.novel} so far")


def _off_hours(view: View) -> Outlook:
    limit = view.own(Measure.OFF_HOURS)
    if off_hours.ON_CALL in view.duties:
        return _silent("on call: work at any hour is explained")
    if limit is None or view.habit.slot_days < ENOUGH:
        return _young(view)
    day_off = least(_times(limit, 1 / off_hours.DAYTIME))
    return _speaks(
        f"from {least(limit.limit):,} accesses out of their hours within a day on, {day_off:,} on a day off in hours "
        f"of a working day; {view.habit.off_hours} so far",
    )


def _impossible_travel(view: View) -> Outlook:
    spots = {"device": view.habit.device, "address": view.habit.address}
    last = [f"{kind} {_name(spot.country)} on {plain(spot.at)}" for kind, spot in spots.items() if spot is not None]
    return _speaks(
        f"two countries {LEAST_KM:,.0f} km apart or more, faster than {view.to.travel_kmh:,.0f} km/h; "
        f"last: {', '.join(last) or 'nowhere'}",
    )


def _new_country(view: View) -> Outlook:
    habit = view.habit
    if habit.active_days < ENOUGH:
        return _young(view)
    seen = {each.country for each in habit.countries if habit.day - each.day <= FORGET_COUNTRY_DAYS}
    seen |= {spot.country for spot in (habit.device, habit.address) if spot is not None}
    announced = f"; announced: {_names(view.announced)}" if view.announced - seen else ""
    return _speaks(f"from any country but {_names(frozenset(seen))} that nothing announced{announced}")


def _enumeration(view: View) -> Outlook:
    to, limit = view.to, view.own(Measure.RUN)
    if limit is None and view.peers is not None:
        coded = view.peers.quantile(Measure.RUN, peer_volume.PEERS_SHARE)
        limit = Limit(coded, max(coded + 1.0, code(max(3 * value(coded), to.floor_run))))
    if limit is None:
        slow = ceil(enumeration.STRANGERS_FLOORS * to.floor_run)
        fast = ceil(slow / enumeration.BY_MACHINE)
    else:
        slow, fast = least(limit.limit), least(_times(limit, 1 / enumeration.BY_MACHINE))
    return _speaks(
        f"from {slow:,} data subjects in a row, none twice; {max(fast, enumeration.STEPS_LEAST):,} in the order of "
        f"their numbers or at an even pace; {view.habit.longest_run} so far",
    )


def _snooping(view: View) -> Outlook:
    most = max((each.days for each in view.habit.repeats), default=0)
    return _speaks(
        f"from {view.to.repeat_days} days within two weeks on which the same data subject is looked up without a "
        f"ticket, {most} so far; at themselves, a colleague or somebody watched at once",
    )


def _low_and_slow(view: View) -> Outlook:
    if view.habit.active_days < ENOUGH:
        return _young(view)
    return _speaks(f"when days add up to {view.to.drift:,.0f} beyond the usual; {view.habit.drift:,.1f} so far")


def _split_accounts(view: View) -> Outlook:
    used = len(view.habit.accounts)
    return _speaks(f"from {split_accounts.ACCOUNTS + 1} service accounts within a day on; {used} so far")


def _dormant(view: View) -> Outlook:
    wakes = min(TIME_MAX, view.habit.seen_at + view.to.dormant_days * DAY_MS)
    return _speaks(
        f"after {view.to.dormant_days} days without an access: if the next is after {plain(wakes)}; once they are "
        f"about to leave, from {dormant.LEAVER_PART:.0%} of the way to a limit on"
    )


def _denied_burst(view: View) -> Outlook:
    limit, floor = view.own(Measure.DENIED), view.to.floor_denied
    if limit is None and view.peers is not None:
        coded = view.peers.quantile(Measure.DENIED, peer_volume.PEERS_SHARE)
        limit = Limit(coded, max(coded + 1.0, code(max(3 * value(coded), floor))))
    if limit is None:
        many, opened = ceil(denied_burst.UNKNOWN * floor), ceil(denied_burst.UNKNOWN * floor / denied_burst.OPENED)
    else:
        many, opened = least(limit.limit), least(_times(limit, 1 / denied_burst.OPENED))
    opened = max(opened, denied_burst.TRIES)
    return _speaks(f"from {many:,} denials within ten minutes on, or {opened:,} and then a success at one of the doors")


def _machine_pace(view: View) -> Outlook:
    if not view.to.automation:
        return _silent("the policy names no automation, so a pace says nothing")
    if view.habit.active_days >= ENOUGH or view.peers is not None:
        return _silent("their own habit or their peers say what is usual")
    return _speaks(f"from {view.to.floor_pace:,} restricted records on, read faster than by hand with an unknown tool")


def _split_people(view: View) -> Outlook:
    return _speaks(f"with {view.to.split_people} people around one data subject within two days, none with a ticket")


def _silence(_: View) -> Outlook:
    return _silent("it looks at sources, not at people")


def _canary(_: View) -> Outlook:
    return _speaks("at any touch of a dataset or data subject that the directories mark as a canary")


def _composite(view: View) -> Outlook:
    weak = view.habit.weak
    return _speaks(
        f"from weak signals of {composite.LEAST} rules on that add up to {view.to.composite:g} within a day; "
        f"{len(weak)} with {sum(weak.values()):.1f} so far",
    )


OUTLOOKS: Final[Mapping[str, Callable[[View], Outlook]]] = {
    "behaviour.volume": _volume,
    "behaviour.peer_volume": _peer_volume,
    "behaviour.first_of_kind": _first_of_kind,
    "behaviour.off_hours": _off_hours,
    "behaviour.impossible_travel": _impossible_travel,
    "behaviour.new_country": _new_country,
    "behaviour.enumeration": _enumeration,
    "behaviour.snooping": _snooping,
    "behaviour.low_and_slow": _low_and_slow,
    "behaviour.split_accounts": _split_accounts,
    "behaviour.split_people": _split_people,
    "behaviour.machine_pace": _machine_pace,
    "behaviour.silence": _silence,
    "behaviour.dormant": _dormant,
    "behaviour.denied_burst": _denied_burst,
    "behaviour.canary": _canary,
    "behaviour.composite": _composite,
}
"""By rule id; every rule has one."""


def _times(limit: Limit, factor: float) -> float:
    """Return the code that is so many times as far on the way to the limit."""
    return limit.usual + factor * (limit.limit - limit.usual)


def _name(country: str) -> str:
    return NAMES.get(country, country)


def _names(countries: frozenset[str]) -> str:
    return ", ".join(sorted(map(_name, countries))) or "none"

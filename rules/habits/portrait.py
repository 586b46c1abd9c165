"""What the monitor knows of how somebody works, as plain values: for whoever has to explain an alert, or its absence.

Data subjects are remembered as hashes only, and not even these are told.
"""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from rules.behaviour import RULES
from rules.behaviour.peer_volume import PEERS_SHARE
from rules.behaviour.volume import UNITS
from rules.habits.habit import SLOTS, Episode, Habit, Measure
from rules.habits.history import DAYS, ENOUGH, least, value
from rules.habits.observer import DAY_MS
from rules.habits.outlook import OUTLOOKS, View
from rules.habits.report import severity_of
from rules.habits.signal import BehaviourRule
from rules.habits.sketch import about, mark
from rules.policy import Policy
from schemas.countries import NAMES
from schemas.fields import EPOCH, iso

WORDS: Final = {
    **UNITS,
    Measure.ACCESSES: "accesses a day",
    Measure.OFF_HOURS: "accesses out of their hours a day",
    Measure.NOVEL: "datasets never touched before a day",
    Measure.RUN: "data subjects in a row",
    Measure.DENIED: "denials within ten minutes",
}
"""Every measure in words."""


def portrait(name: str, view: View, policy: Policy | None, now: int, zone: str | None) -> dict[str, Any]:
    """Return everything, in the order in which a person reads it.

    Args:
        name: who it is.
        view: their habit, and what is known beside it.
        policy: says which rules are off, in shadow or exempted; None: all rules are as they ship.
        now: milliseconds.
        zone: their time zone, where it is known.
    """
    habit = view.habit
    cool_down = None if policy is None else policy.cool_down
    return {
        "person": name,
        "as_of": iso(now),
        "policy": None if policy is None else policy.version,
        "history": {
            "active_days": habit.active_days,
            "of_at_most": DAYS,
            "enough_from": ENOUGH,
            "first_day": _day(habit.first_day),
            "last_seen": iso(habit.seen_at),
            "last_day": _day(habit.day),
            "same_work_since": _day(habit.group_day),
            "time_zone": zone,
        },
        "measures": [_measure(view, measure) for measure in Measure],
        "hours": {
            "days": habit.slot_days,
            "working_day": list(habit.slots[: SLOTS // 2]),
            "day_off": list(habit.slots[SLOTS // 2 :]),
        },
        "countries": _countries(habit),
        "last_place": {
            kind: None if spot is None else {"country": spot.country, "at": iso(spot.at)}
            for kind, spot in (("device", habit.device), ("address", habit.address))
        },
        "datasets": {"known_about": about(habit.datasets[0] | habit.datasets[1]), "new_today": habit.novel},
        "repeats": [
            {"days": each.days, "last_day": _day(each.last_day)}
            for each in sorted(habit.repeats, key=lambda each: (-each.days, -each.last_day))
        ],
        "weak_signals": dict(sorted(habit.weak.items())),
        "drift": round(habit.drift, 1),
        "episode": _episode(habit.episode, cool_down, now),
        "shadow_episode": _episode(habit.shadow_episode, cool_down, now),
        "peers": _peers(name, view),
        "rules": [_rule(name, rule, view, policy, now) for rule in RULES],
    }


def _day(number: int) -> str | None:
    return date.fromordinal(number).isoformat() if number else None


def _countries(habit: Habit) -> list[dict[str, Any]]:
    """Return where they were, the latest first. A stay that goes on is known by the last place only."""
    days = {seen.country: seen.day for seen in habit.countries}
    for spot in (habit.device, habit.address):
        if spot is not None:
            days[spot.country] = max(days.get(spot.country, 0), EPOCH.toordinal() + spot.at // DAY_MS)
    return [
        {"country": country, "name": NAMES.get(country, country), "last_day": _day(day)}
        for country, day in sorted(days.items(), key=lambda each: (-each[1], each[0]))
    ]


def _measure(view: View, measure: Measure) -> dict[str, Any]:
    today = view.habit.sums()[measure]
    found: dict[str, Any] = {"measure": measure.name.lower(), "unit": WORDS[measure], "last_day": today}
    limit = view.own(measure)
    if limit is None:
        return {**found, "usual": None, "told_from": None, "way": None}
    # Of the number of accesses no rule speaks: each is judged by what it reaches.
    spoken_of = measure is not Measure.ACCESSES
    return {
        **found,
        "usual": round(limit.usual_amount),
        "told_from": least(limit.limit) if spoken_of else None,
        "way": round(limit.score(today), 2) if spoken_of else None,
    }


def _episode(episode: Episode | None, cool_down: int | None, now: int) -> dict[str, Any] | None:
    if episode is None:
        return None
    return {
        "since": iso(episode.since),
        "revision": episode.revision,
        "last_signal": iso(episode.last_at),
        "open": None if cool_down is None else now - episode.last_at <= cool_down,
        "scores": dict(sorted(episode.told.items(), key=lambda each: (-each[1], each[0]))),
    }


def _peers(name: str, view: View) -> dict[str, Any] | None:
    peers = view.peers
    if peers is None:
        return None
    usual = {
        measure.name.lower(): round(value(peers.quantile(measure, PEERS_SHARE)))
        for measure in (*UNITS, Measure.NOVEL, Measure.RUN)
    }
    return {"people": peers.others(mark(name)), "days": peers.days, "usual": usual}


def _rule(name: str, rule: BehaviourRule, view: View, policy: Policy | None, now: int) -> dict[str, Any]:
    """Return what makes a rule speak now; where it cannot, why."""
    can_speak, sentence = OUTLOOKS[rule.id](view)
    severity = rule.severity
    state = "speaks" if can_speak else "silent"
    if policy is not None:
        severity = severity_of(rule, policy)
        if not policy.settings(rule.id).enabled:
            return {"rule": rule.id, "severity": severity, "state": "off", "when": "switched off by the policy"}
        exemption = next(
            (
                each
                for each in policy.exemptions
                # One for some countries hides only what comes from there: it is no reason to be silent.
                if not each.countries and each.covers_behaviour(rule.id, name, now, None)
            ),
            None,
        )
        if exemption is not None:
            state, sentence = "exempted", f"{sentence}; exempted by {exemption.id} until {iso(exemption.until)}"
        elif can_speak and rule.id in policy.shadowed:
            state = "shadow"
    return {"rule": rule.id, "severity": severity, "state": state, "when": sentence}

"""Which destinations are told of an alert: routes, then silences. A decision needs the plan, the alert and the time."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Final

import msgspec

from alerts.plan import DestinationPlan, Match, Plan
from schemas.alert import SEVERITIES, Alert, Severity
from schemas.fields import known

ALWAYS: Final = frozenset({"privacy"})
"""Families that no silence, route, group or limit holds back: somebody asked to see who a pseudonym stands for, or saw
it. Whoever may watch others must not be able to hide that they do. They go to every destination that tells people;
where there is none, to every destination."""

INTEGRITY: Final = frozenset({"stream", "monitor"})
"""Families about the monitor itself. Where no route takes them they go to every destination that tells people (where
there is none, to every destination): a route for what the monitor finds says nothing of its being blind."""

RANK: Final[Mapping[Severity, int]] = {severity: rank for rank, severity in enumerate(SEVERITIES)}


class Routed(msgspec.Struct, frozen=True):
    """It is told there."""


class NotRouted(msgspec.Struct, frozen=True):
    """No route leads there."""


class Silenced(msgspec.Struct, frozen=True):
    """A silence holds it back there."""

    silence: str


Decision = Routed | NotRouted | Silenced

_ROUTED: Final = Routed()
_NOT_ROUTED: Final = NotRouted()


def decide(plan: Plan, alert: Alert, now: int) -> dict[str, Decision]:
    """Return for each destination of the plan whether it is told of the alert at `now` (milliseconds)."""
    routed = reached(plan, alert)
    return {name: _decide(plan, name, alert, now, routed) for name in plan.destinations}


def decide_for(plan: Plan, name: str, alert: Alert, now: int) -> Decision:
    """Return whether the destination `name` is told of the alert at `now`."""
    return _decide(plan, name, alert, now, reached(plan, alert))


def reached(plan: Plan, alert: Alert) -> frozenset[str]:
    """Return the destinations that routes lead an alert to, silences apart."""
    if not plan.routes:
        return frozenset(plan.destinations)
    found: set[str] = set()
    for route in plan.routes:
        if matches(route.match, alert):
            found.update(route.to)
            if route.final:
                break
    if alert.family in ALWAYS or (alert.family in INTEGRITY and not found):
        people = [name for name, each in plan.destinations.items() if each.kind.grouped]
        found.update(people or plan.destinations)
    return frozenset(found)


def silenced_by(plan: Plan, destination: DestinationPlan, alert: Alert, now: int) -> str | None:
    """Return the id of the first silence that holds an alert back there at `now`; None where none does."""
    if not plan.silences or alert.family in ALWAYS:
        return None
    for silence in plan.silences:
        if (
            silence.since <= now < silence.until
            and (destination.name in silence.to if silence.to else destination.kind.grouped)
            and matches(silence.match, alert, whole=True)
        ):
            return silence.id
    return None


def matches(match: Match, alert: Alert, *, whole: bool = False) -> bool:
    """Whether all that is given holds for an alert.

    Args:
        match: empty, it means every alert.
        alert: the alert.
        whole: every reason of it must be of the named rules, not one of them: a silence of one rule does not hide what
            another rule found as well.
    """
    if match.severity is not None and RANK[alert.severity] < RANK[match.severity]:
        return False
    if match.up_to is not None and RANK[alert.severity] > RANK[match.up_to]:
        return False
    if match.families and alert.family not in match.families:
        return False
    if match.place_classes and place_class_of(alert) not in match.place_classes:
        return False
    if match.teams and team_of(alert) not in match.teams:
        return False
    if match.datasets and not _one(known(alert.dataset_id), match.datasets):
        return False
    if not match.rules:
        return True
    said = (_one(reason.rule_id, match.rules) for reason in alert.reasons)
    if whole:
        return _one(alert.rule_id, match.rules) and all(said)
    return _one(alert.rule_id, match.rules) or any(said)


def place_class_of(alert: Alert) -> str | None:
    """Return the class of country an alert is about, where it is about a place."""
    place = known(alert.place)
    if place is not None:
        return place.place_class.value
    found = alert.facts.get("place_class")
    return found if isinstance(found, str) else None


def team_of(alert: Alert) -> str | None:
    """Return the team of the person an alert is about, where the directory says it."""
    found = alert.facts.get("team")
    return found if isinstance(found, str) else None


def _decide(plan: Plan, name: str, alert: Alert, now: int, routed: frozenset[str]) -> Decision:
    if name not in routed:
        return _NOT_ROUTED
    silence = silenced_by(plan, plan.destinations[name], alert, now)
    return _ROUTED if silence is None else Silenced(silence)


def _one(value: str | None, patterns: tuple[str, ...]) -> bool:
    return value is not None and any(fnmatchcase(value, pattern) for pattern in patterns)

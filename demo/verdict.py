"""What was found of what was planted: by the labels, which no rule can see.

An alert about an access is held against the label of its event; one about somebody's behaviour against what was planted
in that person, and when.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from demo.accesses import Planned
from demo.incidents import KINDS
from demo.organisation import DAY, MONTH_DAYS
from schemas.alert import Alert

FAMILY: Final = "behaviour"
"""Of alerts about what somebody does over hours or weeks."""

SETTLE: Final = 4 * DAY
"""An alert so long after an incident's last access is still about it: what adds up is told on the next working day."""

FALSE_A_DAY: Final = 1.0
"""Alerts about the behaviour of people of whom nothing was planted, per 1,000 employees and day: the goal."""


@dataclass(slots=True)
class Score:
    """Of one kind of incident: how many were planted and found. Of look-alikes: how many were flagged."""

    planted: int = 0
    found: int = 0
    rules: Counter[str] = field(default_factory=Counter)
    """For behaviour: which rules told it, and how many incidents each."""

    @property
    def missed(self) -> int:
        """Planted and not found."""
        return self.planted - self.found


@dataclass(slots=True)
class Result:
    """The scores by kind, and every alert that no incident explains."""

    incidents: dict[str, Score] = field(default_factory=dict)
    look_alikes: dict[str, Score] = field(default_factory=dict)
    false: list[Alert] = field(default_factory=list)
    conduct: dict[str, Score] = field(default_factory=dict)
    """Incidents of behaviour."""
    innocent: dict[str, Score] = field(default_factory=dict)
    """What only seems so, and every alert about its people."""
    falsely: list[Alert] = field(default_factory=list)
    """Alerts about the behaviour of people of whom nothing was planted then."""
    employees: int = 0

    @property
    def missed(self) -> int:
        """Incidents that were not found."""
        return sum(score.missed for score in (*self.incidents.values(), *self.conduct.values()))

    @property
    def false_a_day(self) -> float:
        """False alerts about behaviour per 1,000 employees and day of the month."""
        return len(self.falsely) * 1000 / max(1, self.employees * MONTH_DAYS)

    @property
    def perfect(self) -> bool:
        """Nothing missed, no access falsely flagged, and no more false alerts about behaviour than the goal allows."""
        return not self.missed and not self.false and self.false_a_day <= FALSE_A_DAY


@dataclass(slots=True)
class Case:
    """One incident, or look-alike, of somebody's behaviour: who, and from when until when."""

    kind: str
    people: set[str]
    since: int
    until: int


def score(stream: Iterable[Planned], alerts: Iterable[Alert], employees: int) -> Result:
    """Hold alerts against labels.

    An alert about an access is false unless its event, or its dataset, is an incident's; one about behaviour unless an
    incident of any kind was planted in its person at the time.
    """
    result = Result(employees=employees)
    labelled = [planned for planned in stream if planned.label is not None]
    told = list(alerts)
    _accesses(result, labelled, [alert for alert in told if alert.family != FAMILY])
    _behaviour(result, labelled, [alert for alert in told if alert.family == FAMILY])
    return result


def _accesses(result: Result, labelled: list[Planned], alerts: list[Alert]) -> None:
    about = {kind.name: kind.about for kind in KINDS}
    events: dict[str, str] = {}
    datasets: dict[str, str] = {}
    innocent: dict[str, str] = {}
    for planned in labelled:
        label = planned.label
        if label is None or label.case:
            continue
        if not label.incident:
            innocent[planned.event["event_id"]] = label.kind
        elif about[label.kind] == "dataset":
            datasets[planned.event["dataset_id"]] = label.kind
        else:
            events[planned.event["event_id"]] = label.kind
    for planted_kind in (*events.values(), *datasets.values()):
        result.incidents.setdefault(planted_kind, Score()).planted += 1
    for kind in innocent.values():
        result.look_alikes.setdefault(kind, Score()).planted += 1
    seen: set[str] = set()
    found: set[tuple[str, str]] = set()
    for alert in alerts:
        if alert.alert_id in seen:
            continue
        seen.add(alert.alert_id)
        event_id = None if not hasattr(alert.event, "event_id") else alert.event.event_id
        table = events if event_id is not None else datasets
        key = event_id if event_id is not None else str(alert.dataset_id)
        if key in table:
            # Two alerts about one incident are one found, or the second would hide a miss of its kind.
            if (table[key], key) not in found:
                found.add((table[key], key))
                result.incidents[table[key]].found += 1
        else:
            result.false.append(alert)
            if key in innocent:
                result.look_alikes[innocent[key]].found += 1


def _behaviour(result: Result, labelled: list[Planned], alerts: list[Alert]) -> None:
    cases: dict[str, Case] = {}
    innocent: dict[str, Case] = {}
    excused: dict[str, list[tuple[int, int]]] = {}
    for planned in labelled:
        label, at, person = planned.label, planned.at, _person(planned.event)
        if label is None:
            continue
        if label.incident:
            excused.setdefault(person, []).append((at, at + SETTLE))
        if label.case:
            table = cases if label.incident else innocent
            case = table.setdefault(label.case, Case(label.kind, set(), at, at))
            case.people.add(person)
            case.since, case.until = min(case.since, at), max(case.until, at + SETTLE)
    for case in cases.values():
        result.conduct.setdefault(case.kind, Score()).planted += 1
        rules = {
            reason.rule_id
            for alert in alerts
            if alert.person in case.people and case.since <= alert.occurred_at <= case.until
            for reason in alert.reasons
        }
        result.conduct[case.kind].found += bool(rules)
        result.conduct[case.kind].rules.update(rules)
    for case in innocent.values():
        result.innocent.setdefault(case.kind, Score()).planted += 1
    seen: set[str] = set()
    for alert in alerts:
        # An anomaly that goes on is told again under its id: the first word on it says whether it is false.
        if alert.alert_id in seen:
            continue
        seen.add(alert.alert_id)
        who, at = str(alert.person), alert.occurred_at
        spans = excused.get(who, []) + [(case.since, case.until) for case in cases.values() if who in case.people]
        if any(since <= at <= until for since, until in spans):
            continue
        result.falsely.append(alert)
        for case in innocent.values():
            if who in case.people:
                result.innocent[case.kind].found += 1


def _person(event: dict[str, Any]) -> str:
    return str(event.get("employee_id") or event["principal_id"])

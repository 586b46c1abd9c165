"""Behaviour as a session judges it: each event once, exemptions, and the alert that comes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import UNSET

from rules.behaviour import RULES
from rules.habits.anomalies import Anomalies, Telling
from rules.habits.crowds import Visit
from rules.habits.habit import Habit
from rules.habits.observer import LOOKED_UP_MOST, Setting
from rules.habits.peers import Peers
from rules.habits.report import behaviour_alert
from rules.habits.signal import BehaviourRule, Moment, Signal
from rules.habits.sketch import mark
from rules.habits.thresholds import Behaviour
from rules.knowledge import Knowledge, Person
from rules.policy import Policy
from rules.shadow import as_shadow
from schemas.access import AccessEvent
from schemas.alert import Alert, EventRef, JudgedWith


class BehaviourWatch:
    """Judges behaviour under one policy; habits hang on their persons and outlive it."""

    def __init__(
        self,
        policy: Policy,
        knowledge: Knowledge,
        peers: Peers,
        describe: Callable[[Any, AccessEvent], EventRef],
        provenance: Callable[[], JudgedWith],
        touched: Callable[[str, int], None] | None = None,
    ) -> None:
        """Take a policy with a `[behaviour]`, the directories, the peers, and what alerts are made with.

        `touched` is told of every habit that changes and its partition, where habits are kept.
        """
        self._policy = policy
        self._describe, self._provenance, self._touched = describe, provenance, touched
        enabled = [rule for rule in RULES if policy.settings(rule.id).enabled]
        to = policy.behaviour or Behaviour()
        exempt = self._exempt if policy.exemptions else None
        self._exempted: dict[tuple[str, str], int] = {}
        """Of the batch at hand."""
        self._anomalies = Anomalies(knowledge, to, policy.cool_down, enabled, peers, policy.shadowed, exempt)

    def observe(
        self, message: Any, name: str, person: Person, event: AccessEvent, setting: Setting, clock: int, haul: Any
    ) -> None:
        """Apply an event to its person's habit, once: what is counted there already is passed over on a replay."""
        habit = person.habit
        if habit is None:
            habit = person.habit = Habit()
        if person.partition >= 0:
            if message.offset <= habit.applied:
                haul.habit_known += 1
                return
            habit.applied = message.offset
            if self._touched is not None:
                self._touched(name, person.partition)
        if event.occurred_at - message.timestamp > self._policy.clock_ahead:
            # It cannot have happened after it was told; a clock that is wrong must not carry a habit into the future.
            event = msgspec.structs.replace(event, occurred_at=message.timestamp)
        shadow: list[Telling] | None = [] if self._policy.shadowed else None
        self._exempted = haul.exempted
        if event.occurred_at < habit.day_from:
            haul.habit_late += 1
        telling = self._anomalies.take(name, person, habit, event, setting, shadow)
        if event.ticket is UNSET and event.action == "read" and event.subject_ids and event.outcome != "denied":
            self._visited(message, name, event, haul)
        if telling is not None:
            haul.alerts.append(self._alert(telling, message, event, clock))
        haul.shadow += [as_shadow(self._alert(each, message, event, clock)) for each in shadow or ()]

    def _alert(self, telling: Telling, message: Any, event: AccessEvent, clock: int) -> Alert:
        return behaviour_alert(
            telling,
            self._describe(message, event),
            now=message.timestamp,
            detected_at=clock,
            judged_with=self._provenance(),
            policy=self._policy,
        )

    def _visited(self, message: Any, name: str, event: AccessEvent, haul: Any) -> None:
        """Take note of whom somebody looked up without a ticket: others judge whether a crowd did."""
        subjects = event.subject_ids
        if subjects is UNSET or len(subjects) > LOOKED_UP_MOST:
            return
        ref = self._describe(message, event)
        at, appended = event.occurred_at, message.timestamp
        haul.visits += [
            Visit(mark(each), name, at, appended, event.dataset_id, ref) for each in dict.fromkeys(subjects)
        ]

    def _exempt(self, moment: Moment, rule: BehaviourRule, signal: Signal) -> bool:
        """Whether somebody answers for a signal; one that would be told is counted."""
        country = moment.setting.country
        for each in self._policy.exemptions:
            if each.covers_behaviour(rule.id, moment.person, moment.at, country):
                if signal.score >= 1.0:
                    what = rule.id, each.id
                    self._exempted[what] = self._exempted.get(what, 0) + 1
                return True
        return False

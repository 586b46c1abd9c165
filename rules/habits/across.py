"""What is seen only across people: crowds around a data subject, and sources that have gone quiet.

A session over files judges both itself. Workers hand visits and what they heard on to one agent each
(`agents/overseeing.py`), which judges them here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from rules.behaviour import silence, split_people
from rules.habits.crowds import Crowds, Gathering, Visit
from rules.habits.report import severity_of
from rules.habits.rhythm import Heard, Rhythms, Told
from rules.habits.signal import BehaviourRule, Signal
from rules.habits.thresholds import Behaviour
from rules.policy import Policy
from rules.report import digest
from rules.shadow import as_shadow
from schemas.alert import Alert, JudgedWith, Reason
from schemas.fields import plain

FAMILY: Final = "behaviour"
SILENCE: Final = "silence"
"""Family of alerts about sources: they are about nobody."""


class Across:
    """Judges visits and sources under the policy in force; what is remembered outlives it."""

    def __init__(self, provenance: Callable[[], JudgedWith]) -> None:
        """Take what alerts are made with. Nothing is judged before `adopt`."""
        self._provenance = provenance
        self._policy: Policy | None = None
        self._to = Behaviour()
        self.crowds = Crowds(split_people.RULE, lambda: self._to.split_people, self._exempted)
        self.exempted: dict[tuple[str, str], int] = {}
        """Crowds that exemptions hid since they were last counted, by (rule, exemption)."""
        self.rhythms = Rhythms(silence.RULE, self._to)

    def adopt(self, policy: Policy) -> None:
        """Judge by another policy from now on."""
        self._policy = None if policy.behaviour is None else policy
        self._to = policy.behaviour or Behaviour()
        self.rhythms.judge_by(self._to)

    def hand_over(self, alerts: Iterable[Alert], haul: Any) -> None:
        """Put alerts made here where they belong, and count what exemptions hid."""
        for alert in alerts:
            if self._policy is not None and alert.rule_id in self._policy.shadowed:
                haul.shadow.append(as_shadow(alert))
            else:
                haul.alerts.append(alert)
        for what, number in self.exempted.items():
            haul.exempted[what] = haul.exempted.get(what, 0) + number
        self.exempted.clear()

    def visit(self, visit: Visit, clock: int) -> Alert | None:
        """Judge a visit; `clock` is the wall clock, milliseconds."""
        policy = self._policy
        if policy is None or not policy.settings(split_people.RULE.id).enabled:
            return None
        found = self.crowds.take(visit)
        return None if found is None else self._crowd_alert(policy, found, clock)

    def heard(self, what: Heard, clock: int) -> Alert | None:
        """Learn that a source was heard; return the end of a silence that was told of."""
        ended = self.rhythms.heard(what)
        return None if ended is None else self._silence_alert(ended, clock)

    def silent(self, now: int, clock: int) -> list[Alert]:
        """Return alerts about the sources that have gone quiet, all having been heard up to `now`."""
        return [alert for told in self.rhythms.silent(now) if (alert := self._silence_alert(told, clock)) is not None]

    def _exempted(self, visit: Visit, people: set[str]) -> bool:
        """Whether somebody answers for everybody in a crowd."""
        policy, rule_id = self._policy, split_people.RULE.id
        if policy is None or not policy.exemptions:
            return False
        covering = [
            next((each.id for each in policy.exemptions if each.covers_behaviour(rule_id, who, visit.at, None)), None)
            for who in people
        ]
        if None in covering:
            return False
        what = rule_id, str(covering[0])
        self.exempted[what] = self.exempted.get(what, 0) + 1
        return True

    def _crowd_alert(self, policy: Policy, found: Gathering, clock: int) -> Alert:
        rule, visit = split_people.RULE, found.visit
        identity = digest(FAMILY, rule.id, visit.subject, found.since)
        said = f"{', '.join(found.people)} looked up the same data subject within two days, none with a ticket"
        facts = _facts(rule, found.signal) | {"people": list(found.people), "subject": f"{visit.subject:016x}"}
        return Alert(
            alert_id=identity,
            family=FAMILY,
            revision=found.revision,
            status="amended" if found.revision else "open",
            cause="more people" if found.revision else "found",
            rule_id=rule.id,
            severity=severity_of(rule, policy),
            title=rule.title,
            explanation=f"Up to {plain(visit.at)}: {said}.",
            reasons=(_reason(rule, policy, found.signal),),
            occurred_at=visit.at,
            detected_at=clock,
            event=visit.ref,
            person=visit.person,
            dataset_id=visit.dataset_id,
            facts={"appended_at": visit.appended_at, **facts},
            judged_with=self._provenance(),
            dedup_key=digest(FAMILY, rule.id, "crowd", visit.subject, found.since),
        )

    def _silence_alert(self, told: Told, clock: int) -> Alert | None:
        policy, rule, quiet = self._policy, silence.RULE, told.quiet
        if policy is None or not policy.settings(rule.id).enabled:
            return None
        over = told.ended is not None
        until = f"; heard again on {plain(told.ended)}" if told.ended is not None else ""
        return Alert(
            alert_id=digest(SILENCE, quiet.source, quiet.since),
            family=SILENCE,
            revision=int(over),
            status="resolved" if over else "open",
            cause="heard again" if over else "found",
            rule_id=rule.id,
            severity=severity_of(rule, policy),
            title=rule.title,
            explanation=f"{quiet.source}, last heard on {plain(quiet.since)}: {told.signal.sentence}{until}.",
            reasons=(_reason(rule, policy, told.signal),),
            occurred_at=quiet.since if told.ended is None else told.ended,
            detected_at=clock,
            facts={
                "appended_at": quiet.now if told.ended is None else told.ended,
                "source": quiet.source,
                "since": quiet.since,
                **_facts(rule, told.signal),
            },
            judged_with=self._provenance(),
            dedup_key=digest(SILENCE, quiet.source),
        )


def _reason(rule: BehaviourRule, policy: Policy, signal: Signal) -> Reason:
    return Reason(
        rule_id=rule.id,
        rule_version=rule.version,
        severity=severity_of(rule, policy),
        sentence=signal.sentence,
    )


def _facts(rule: BehaviourRule, signal: Signal) -> dict[str, object]:
    return {
        "signals": {
            rule.id: {
                "expected": signal.expected,
                "seen": signal.seen,
                "history_days": signal.history_days,
                "score": round(signal.score, 2),
                **signal.facts,
            }
        }
    }

"""What another policy would have told: the alerts of two runs over the same events, side by side.

Alerts are the same by their id. An anomaly of somebody's behaviour that began at another event has another id and is
still the same one: two whose times overlap are a pair that moved.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from rules.habits.report import FAMILY
from schemas.alert import Alert, Severity


class Told(msgspec.Struct, frozen=True):
    """One alert with all its revisions."""

    alert_id: str
    family: str
    rule_id: str
    severity: Severity
    """As of the last revision, as `rule_id`, `explanation` and `until` are."""
    rules: tuple[str, ...]
    """Ids of the rules that spoke in any revision."""
    revisions: int
    since: int
    until: int
    about: str | None
    """The person, or the dataset where it is about no person."""
    event_id: str | None
    """Of the first revision."""
    dedup_key: str
    explanation: str
    around: str | None = None
    """The data subject around whom it is; None where it is about a person's own conduct, or a dataset."""

    def amended(self, alert: Alert) -> Told:
        """Return it with one more revision."""
        rules = tuple(sorted({*self.rules, *(reason.rule_id for reason in alert.reasons)}))
        return msgspec.structs.replace(
            self,
            rule_id=alert.rule_id,
            severity=alert.severity,
            rules=rules,
            revisions=self.revisions + 1,
            until=max(self.until, alert.occurred_at),
            explanation=alert.explanation,
        )


class Pair(msgspec.Struct, frozen=True):
    """The same alert under both policies."""

    before: Told
    after: Told

    @property
    def changes(self) -> dict[str, Any]:
        """What differs, by name; nothing where nothing does."""
        before, after = self.before, self.after
        found: dict[str, Any] = {}
        for name in ("severity", "revisions", "since"):
            if getattr(before, name) != getattr(after, name):
                found[name] = [getattr(before, name), getattr(after, name)]
        more, less = sorted({*after.rules} - {*before.rules}), sorted({*before.rules} - {*after.rules})
        if more or less:
            found["rules"] = {"more": more, "less": less}
        return found


@dataclass(slots=True)
class Run:
    """The alerts of one run."""

    cool_down: int
    """Of its policy, milliseconds: so long after its last signal an anomaly still goes on."""
    told: dict[str, Told] = field(default_factory=dict)
    """By alert id, in the order of their first revisions."""

    def add(self, alerts: Iterable[Alert]) -> None:
        """Take alerts in the order in which they were made."""
        for alert in alerts:
            known = self.told.get(alert.alert_id)
            self.told[alert.alert_id] = _told(alert) if known is None else known.amended(alert)


def _told(alert: Alert) -> Told:
    since = alert.facts.get("since", alert.occurred_at) if alert.family == FAMILY else alert.occurred_at
    about = alert.person if isinstance(alert.person, str) else alert.dataset_id
    return Told(
        alert_id=alert.alert_id,
        family=alert.family,
        rule_id=alert.rule_id,
        severity=alert.severity,
        rules=tuple(sorted({reason.rule_id for reason in alert.reasons})),
        revisions=1,
        since=since,
        until=alert.occurred_at,
        about=about if isinstance(about, str) else None,
        event_id=None if isinstance(alert.event, msgspec.UnsetType) else alert.event.event_id,
        dedup_key=alert.dedup_key,
        explanation=alert.explanation,
        around=alert.facts.get("subject"),
    )


@dataclass(slots=True)
class RuleCounts:
    """Of one rule: in how many alerts it spoke, and how these differ. `after` is `before + appear - vanish`."""

    before: int = 0
    after: int = 0
    appear: int = 0
    vanish: int = 0
    changed: int = 0
    """Alerts in which it spoke both times and that differ in anything."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How the alerts of two runs differ."""

    appear: tuple[Told, ...]
    vanish: tuple[Told, ...]
    changed: tuple[Pair, ...]
    moved: tuple[Pair, ...]
    """About the same anomaly of the same person, which began at another event."""
    same: tuple[Pair, ...]

    @property
    def differs(self) -> bool:
        """Whether anything does."""
        return bool(self.appear or self.vanish or self.changed or self.moved)

    def by_rule(self) -> Mapping[str, RuleCounts]:
        """Return the counts of every rule that spoke, by its id."""
        counts: dict[str, RuleCounts] = defaultdict(RuleCounts)
        for before, after, differs in (
            *((None, told, True) for told in self.appear),
            *((told, None, True) for told in self.vanish),
            *((pair.before, pair.after, True) for pair in (*self.changed, *self.moved)),
            *((pair.before, pair.after, False) for pair in self.same),
        ):
            old = set() if before is None else {*before.rules}
            new = set() if after is None else {*after.rules}
            for rule in old | new:
                count = counts[rule]
                count.before += rule in old
                count.after += rule in new
                count.appear += rule in new - old
                count.vanish += rule in old - new
                count.changed += differs and rule in old & new
        return dict(sorted(counts.items()))


def compare(before: Run, after: Run) -> Comparison:
    """Return how two runs over the same events differ."""
    pairs = [Pair(told, after.told[name]) for name, told in before.told.items() if name in after.told]
    vanish = [told for name, told in before.told.items() if name not in after.told]
    appear = [told for name, told in after.told.items() if name not in before.told]
    moved = _moved(vanish, appear, before.cool_down, after.cool_down)
    gone = {pair.before.alert_id for pair in moved}
    come = {pair.after.alert_id for pair in moved}
    return Comparison(
        appear=tuple(told for told in appear if told.alert_id not in come),
        vanish=tuple(told for told in vanish if told.alert_id not in gone),
        changed=tuple(pair for pair in pairs if pair.changes),
        moved=tuple(moved),
        same=tuple(pair for pair in pairs if not pair.changes),
    )


def _moved(vanish: Iterable[Told], appear: Iterable[Told], before: int, after: int) -> list[Pair]:
    """Pair anomalies of one person whose times overlap: each with the one that begins nearest, the earliest first."""
    left: dict[str, list[Told]] = defaultdict(list)
    for told in appear:
        if told.family == FAMILY:
            left[_whose(told)].append(told)
    found = []
    for old in vanish:
        if old.family != FAMILY:
            continue
        near = [new for new in left[_whose(old)] if new.since <= old.until + before and old.since <= new.until + after]
        if near:
            nearest = min(near, key=lambda new: abs(new.since - old.since))
            left[_whose(old)].remove(nearest)
            found.append(Pair(old, nearest))
    return found


def _whose(told: Told) -> str:
    """Return whom an anomaly is about: the data subject of a crowd, else the person."""
    return f"subject {told.around}" if told.around is not None else f"person {told.about}"

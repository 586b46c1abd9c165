"""What was found of what was planted: by the labels, which no rule can see."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from demo.accesses import Planned
from demo.incidents import KINDS
from schemas.alert import Alert


@dataclass(slots=True)
class Score:
    """Of one kind of incident: how many were planted and found. Of look-alikes: how many were flagged."""

    planted: int = 0
    found: int = 0

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

    @property
    def missed(self) -> int:
        """Incidents that were not found."""
        return sum(score.missed for score in self.incidents.values())

    @property
    def perfect(self) -> bool:
        """Nothing missed, nothing false."""
        return not self.missed and not self.false


def score(stream: Iterable[Planned], alerts: Iterable[Alert]) -> Result:
    """Hold alerts against labels. An alert is false unless its event, or its dataset, is an incident's."""
    about = {kind.name: kind.about for kind in KINDS}
    result = Result()
    events: dict[str, str] = {}
    datasets: dict[str, str] = {}
    innocent: dict[str, str] = {}
    for planned in stream:
        label = planned.label
        if label is None:
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
    return result

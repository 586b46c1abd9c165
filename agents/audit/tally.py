"""What came of judging again: by family of alerts what is equal, what is not, and what was not judged again and why."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from agents.audit.verdict_part import VERDICT, verdict_hash, verdict_part
from rules.matching.kinds import FAMILY as GATEWAY
from rules.report import ACCESS
from schemas.alert import Alert


@dataclass(slots=True)
class Family:
    """Alerts of one family."""

    equal: int = 0
    different: int = 0
    """There is an alert then and now, and the two say different things."""
    missing: int = 0
    """Judging again gives an alert that there was not."""
    extra: int = 0
    """There was an alert, and judging again gives none."""
    not_judged: dict[str, int] = field(default_factory=dict)
    """By why: what was not judged again, or with a result that proves nothing."""

    def passed_over(self, why: str, count: int = 1) -> None:
        """Count what was not judged again."""
        self.not_judged[why] = self.not_judged.get(why, 0) + count


@dataclass(slots=True)
class Comparison:
    """What came of it."""

    events: int = 0
    judged: int = 0
    compared: int = 0
    """Events that were judged again under the policy of then, so that what came of them could be compared."""
    ranges: int = 0
    exact: int = 0
    """Ranges of which the directories were exactly as the worker said."""
    matched: int = 0
    """Accesses that needed, or named, a gateway's decision and were matched again."""
    families: defaultdict[str, Family] = field(
        default_factory=lambda: defaultdict(Family, {ACCESS: Family(), GATEWAY: Family()})
    )
    """By name; those that are judged again are always there."""
    differ: list[str] = field(default_factory=list)
    """Sentences, each about one access or one record."""
    limits: list[str] = field(default_factory=list)
    """What could not be compared."""
    hashes: list[str] = field(default_factory=list)
    """`topic/partition/offset hash`, of the alerts that were computed; with the family before the hash but for
    `access`."""

    @property
    def same(self) -> int:
        """Alerts that came out as they were."""
        return sum(each.equal for each in self.families.values())

    @property
    def nothing(self) -> str:
        """A sentence that says why nothing was compared; empty where something was, or where something differs."""
        if self.compared or self.same or self.differ:
            return ""
        why = "; ".join(self.limits) if self.events else f"the {self.ranges} ranges of these offsets hold no record"
        return f"nothing was compared, so nothing is proven: {why}"

    def compare(self, family: str, where: str, ours: Alert | None, theirs: Alert | None) -> None:
        """Count one access of which there is an alert, then or now or both; tell what differs.

        Args:
            family: of the alerts.
            where: names the access.
            ours: what judging again gives.
            theirs: what there was.
        """
        counts = self.families[family]
        if ours is None:
            if theirs is not None:
                counts.extra += 1
                self.differ.append(f"{where}: there is an alert of {theirs.rule_id}, and judging again gives none")
        elif theirs is None:
            counts.missing += 1
            self.differ.append(
                f"{where}: judging again gives {ours.rule_id} ({ours.severity}), and there is no such alert"
            )
        elif verdict_hash(ours) != verdict_hash(theirs):
            counts.different += 1
            one, two = verdict_part(ours), verdict_part(theirs)
            said = ", ".join(f"{name} {two[name]} and again {one[name]}" for name in VERDICT if one[name] != two[name])
            self.differ.append(f"{where}: {said}")
        else:
            counts.equal += 1

"""What of the planted was found, and what was told of nothing: the same for whatever detects."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import sqrt
from typing import Final

import msgspec

from demo.population import DAY

SETTLE: Final = 2 * DAY
"""A detection so long after an incident's last act is still about it."""

Z: Final = 1.96
"""Standard deviations around the middle that hold 95 % of a normal distribution."""

EXAMPLES_MOST: Final = 200
"""False alerts and missed incidents of a seed that are kept to be looked at."""


class Detection(msgspec.Struct, frozen=True):
    """One alert, or more of one (revision above 0): about a person or a gateway, and which rules spoke."""

    about: str
    at: int
    rules: tuple[str, ...]
    """The strongest first."""
    revision: int = 0
    sentence: str = ""


class Case(msgspec.Struct, frozen=True):
    """One planted incident, without its acts."""

    kind: str
    strength: str
    about: tuple[str, ...]
    since: int
    until: int


class Outcome(msgspec.Struct):
    """What became of an incident."""

    kind: str
    strength: str
    label: str
    delay: int | None
    """Milliseconds from its first act to the first alert; None: missed."""
    rules: tuple[str, ...]
    """Every rule that spoke of it."""
    days: float
    """Person-days within which an alert is credited to it."""


@dataclass(slots=True)
class Score:
    """Sums of one or more populations."""

    outcomes: list[Outcome] = field(default_factory=list)
    false: Counter[str] = field(default_factory=Counter)
    """By the rule that spoke loudest, alerts about nothing."""
    true: Counter[str] = field(default_factory=Counter)
    """By the rule that spoke loudest, alerts about incidents."""
    person_days: float = 0.0
    watched_days: float = 0.0
    """Days of the incidents' windows, which are in no `person_days`."""
    falsely: list[str] = field(default_factory=list)

    def add(self, other: Score) -> None:
        """Add another population's."""
        self.outcomes += other.outcomes
        self.false += other.false
        self.true += other.true
        self.person_days += other.person_days
        self.watched_days += other.watched_days
        self.falsely += other.falsely

    @property
    def false_rate(self) -> float:
        """False alerts per 1,000 people and day."""
        return sum(self.false.values()) / self.person_days * 1000 if self.person_days else 0.0


def score(cases: Sequence[Case], detections: Iterable[Detection], start: int, person_days: float) -> Score:
    """Credit detections to incidents: those about its people, from its first act to `SETTLE` after its end.

    Everything else from `start` on is false, but for the later revisions of one alert. `person_days` are all that were
    employed from `start` on; those within incidents' windows are taken off.
    """
    windows: dict[str, list[int]] = defaultdict(list)
    for number, case in enumerate(cases):
        for name in case.about:
            windows[name].append(number)
    spoke: list[set[str]] = [set() for _ in cases]
    first: list[int | None] = [None] * len(cases)
    result = Score()
    for each in detections:
        about = [n for n in windows.get(each.about, ()) if cases[n].since <= each.at <= cases[n].until + SETTLE]
        for number in about:
            spoke[number].update(each.rules)
            earlier = first[number]
            if earlier is None or each.at < earlier:
                first[number] = each.at
        if each.revision or each.at < start:
            continue
        if about:
            result.true[each.rules[0]] += 1
            continue
        result.false[each.rules[0]] += 1
        if len(result.falsely) < EXAMPLES_MOST:
            day = (each.at - start) // DAY
            result.falsely.append(f"{each.about} on day {day}: {', '.join(each.rules)}: {each.sentence}")
    for number, case in enumerate(cases):
        at = first[number]
        delay = None if at is None else at - case.since
        label = f"{case.kind}/{case.strength}/{case.about[0]}"
        days = (case.until + SETTLE - case.since) / DAY * (len(case.about) if case.kind != "silence" else 0)
        result.watched_days += days
        rules = tuple(sorted(spoke[number]))
        result.outcomes.append(Outcome(case.kind, case.strength, label, delay, rules, days))
    result.person_days = max(0.0, person_days - result.watched_days)
    return result


def interval(hits: int, of: int) -> tuple[float, float]:
    """Return Wilson's interval of a share, 95 % (Wilson 1927)."""
    if not of:
        return 0.0, 1.0
    share = hits / of
    middle = (share + Z * Z / (2 * of)) / (1 + Z * Z / of)
    half = Z / (1 + Z * Z / of) * sqrt(share * (1 - share) / of + Z * Z / (4 * of * of))
    return max(0.0, middle - half), min(1.0, middle + half)


def quantile(values: Sequence[float], share: float) -> float | None:
    """Return the value below which so large a share lies, the nearest; None without values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None

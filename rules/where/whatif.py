"""The same accesses in another world: which had had no basis recorded, which teams and datasets would stop working.

Both worlds judge every access by the same rules. Behaviour is left out: it depends on what came before, and what people
would have done in another world nobody knows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from typing import Final

from rules.policy import Policy
from rules.where.assess import Assessed, Assessor
from rules.where.distinct import STATED, Distinct, together
from rules.where.law import day
from rules.where.sheet import Cell, Report, Sheet, columns
from rules.where.words import BASES, CLASSES, or_unknown
from schemas.access import AccessEvent
from schemas.fields import iso, known

LISTED_MAX: Final = 1_000
"""Accesses that are listed one by one, the first of the range: as many as somebody looks through. All are counted."""

LISTED_USUALLY: Final = 20
"""And where nobody says how many."""

NONE: Final = "none_recorded"

ABOUT: Final = (
    "Accesses are those that succeeded. Flagged: a rule about accesses speaks; refused: a gateway of the policy would "
    "have denied it, since a rule speaks that [gateway] does not tolerate. What rules about behaviour would say, the "
    "conditions of gateways and what approvals override are left out."
)


class Line:
    """One group in both worlds."""

    __slots__ = (
        "accesses", "fewer", "flagged", "freed", "gained", "lost", "refused", "stopped", "subjects", "without", "would",
    )  # fmt: skip

    def __init__(self) -> None:
        self.accesses = self.without = self.would = self.lost = self.gained = 0
        self.flagged = self.stopped = self.freed = self.refused = self.fewer = 0
        self.subjects = Distinct()
        """Whose data was reached in accesses that lose their basis."""


class Comparison:
    """Adds up a range [`since`, `until`) (milliseconds) of accesses in two worlds."""

    def __init__(self, before: Assessor, after: Assessor, since: int, until: int, *, listed: int) -> None:
        """Take two assessors; `listed` is how many accesses are listed one by one."""
        self._before, self._after, self.since, self.until = before, after, since, until
        self._listed = min(listed, LISTED_MAX)
        self._refuses = _refusing(before.policy), _refusing(after.policy)
        self._by: dict[str, dict[str, Line]] = {"country": {}, "team": {}, "dataset": {}}
        self._rules: Counter[tuple[str, str]] = Counter()
        self._accesses: list[tuple[Cell, ...]] = []
        self.outside = self.changed = 0

    def take(self, event: AccessEvent) -> None:
        """Count one access."""
        if not self.since <= event.occurred_at < self.until:
            self.outside += 1
            return
        if event.result != "success":
            return
        was, would = self._before.assess(event), self._after.assess(event)
        said, says = self._before.found(event), self._after.found(event)
        lost, gained = was.basis != NONE and would.basis == NONE, was.basis == NONE and would.basis != NONE
        stopped, freed = bool(says) and not said, bool(said) and not says
        refused, refuses = self._refuses[0](was, said), self._refuses[1](would, says)
        for name, value in (("country", was.country), ("team", was.team), ("dataset", was.dataset)):
            line = self._by[name].get(value) or self._by[name].setdefault(value, Line())
            line.accesses += 1
            line.without += was.basis == NONE
            line.would += would.basis == NONE
            line.lost += lost
            line.gained += gained
            line.flagged += bool(said)
            line.stopped += stopped
            line.freed += freed
            line.refused += refuses and not refused
            line.fewer += refused and not refuses
            if lost and (tokens := known(event.subject_ids)):
                line.subjects.add(tokens)
        for rule in said ^ says:
            self._rules[rule, "appears" if rule in says else "vanishes"] += 1
        if not (lost or gained or said != says):
            return
        self.changed += 1
        if len(self._accesses) < self._listed:
            self._accesses.append((*_told(event, was, would), _listed(says - said), _listed(said - says)))

    def report(self, said: Iterable[tuple[str, str]] = (), notes: Iterable[str] = ()) -> Report:
        """Return the difference as tables."""
        return Report(
            title="What if",
            said=(("from", day(self.since)), ("to", f"{day(self.until - 1)}, included"), *said),
            sheets=(
                *(self._lines(name) for name in self._by),
                self._stops(),
                self._ruled(),
                self._each(),
                self._after.law.sheet(),
            ),
            notes=(ABOUT, STATED, *notes),
        )

    def _lines(self, name: str) -> Sheet:
        lines = self._by[name]
        ordered = sorted(lines.items(), key=lambda each: (-each[1].lost, -each[1].stopped, -each[1].accesses, each[0]))
        return Sheet(
            name=f"by-{name}",
            title=f"By {name}: accesses without a basis recorded, and accesses that would be flagged",
            columns=columns(
                name,
                numbers=(
                    "accesses", "no basis before", "no basis after", "difference", "data subjects of those lost",
                    "flagged before", "flagged after", "newly flagged", "newly refused",
                ),
            ),
            rows=tuple((or_unknown(value), *_numbers([line])) for value, line in ordered),
            total=("total", *_numbers(lines.values())),
        )  # fmt: skip

    def _stops(self) -> Sheet:
        rows: list[tuple[int, tuple[Cell, ...]]] = []
        for name in ("team", "dataset"):
            for value, line in self._by[name].items():
                if line.stopped or line.refused or line.lost:
                    share = 100 * line.stopped // line.accesses
                    told = (name, or_unknown(value), line.accesses, line.lost, line.stopped, line.refused, share)
                    rows.append((share, told))
        rows.sort(key=lambda row: (row[1][0] != "team", -row[0], str(row[1][1])))
        return Sheet(
            name="stops",
            title="Teams and datasets that would stop working",
            columns=columns(
                "what",
                "name",
                numbers=("accesses", "lose their basis", "newly flagged", "newly refused", "percent flagged"),
            ),
            rows=tuple(row for _, row in rows),
            note="Of accesses that nothing was said of.",
        )

    def _ruled(self) -> Sheet:
        ordered = sorted(self._rules.items(), key=lambda each: (-each[1], each[0]))
        return Sheet(
            name="rules",
            title="Rules that would speak, or no longer would",
            columns=columns("rule", "change", numbers=("accesses",)),
            rows=tuple((rule, change, count) for (rule, change), count in ordered),
        )

    def _each(self) -> Sheet:
        return Sheet(
            name="accesses",
            title=f"Accesses that change: {len(self._accesses):,} of {self.changed:,}",
            columns=columns(
                "event", "at", "dataset", "country", "class before", "class after", "basis before", "basis after",
                "rules that appear", "rules that vanish",
            ),
            rows=tuple(self._accesses),
            note="Who it was, `cloverwatch explain --event-id ID` says to whoever may know.",
        )  # fmt: skip


def _numbers(lines: Iterable[Line]) -> tuple[Cell, ...]:
    lines = list(lines)
    without, would = sum(line.without for line in lines), sum(line.would for line in lines)
    return (
        sum(line.accesses for line in lines),
        without,
        would,
        would - without,
        together(line.subjects for line in lines),
        sum(line.flagged for line in lines),
        sum(line.flagged + line.stopped - line.freed for line in lines),
        sum(line.stopped for line in lines),
        sum(line.refused for line in lines),
    )


def _told(event: AccessEvent, was: Assessed, would: Assessed) -> tuple[Cell, ...]:
    return (
        event.event_id,
        iso(event.occurred_at),
        event.dataset_id,
        or_unknown(was.country),
        CLASSES[was.place],
        CLASSES[would.place],
        BASES[was.basis],
        BASES[would.basis],
    )


def _listed(rules: frozenset[str]) -> str:
    return ", ".join(sorted(rules))


def _refusing(policy: Policy) -> Callable[[Assessed, frozenset[str]], bool]:
    """Return what says whether a gateway of the policy would refuse such an access; without `[gateway]` none would."""
    gateway = policy.gateway
    if gateway is None:
        return lambda *_: False

    def refuses(assessed: Assessed, found: frozenset[str]) -> bool:
        return (
            not found <= gateway.tolerates
            and assessed.principal in gateway.principals
            and assessed.sensitivity in gateway.sensitivities
            and any(fnmatchcase(assessed.dataset, pattern) for pattern in gateway.must_pass)
        )

    return refuses

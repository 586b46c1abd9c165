"""Transfers of a range of dates: accesses, exports and approvals by country, class of place, basis and dataset.

What has no basis in the policy's terms is "no basis recorded": what the law makes of it is not for a program to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from operator import attrgetter
from typing import Any, Final

from rules.knowledge import Knowledge
from rules.where.assess import Assessed, Assessor
from rules.where.distinct import STATED, Distinct, together
from rules.where.law import day
from rules.where.sheet import Cell, Report, Sheet, columns
from rules.where.words import BASES, CLASSES, or_unknown
from schemas.access import AccessEvent
from schemas.approval import Approval
from schemas.fields import iso, known
from schemas.places import PlaceClass

_FIELDS: Final[Mapping[str, str]] = {
    "country": "country",
    "class": "place",
    "basis": "basis",
    "dataset": "dataset",
    "team": "team",
    "importer": "importer",
    "regime": "regime",
    "sensitivity": "sensitivity",
}
"""What may be grouped by, and the field of an assessment that says it."""

DIMENSIONS: Final = tuple(_FIELDS)
USUAL: Final = ("country", "class", "basis", "dataset")
ABOUT: Final = (
    "Days are days of UTC. A basis is that of the importer, the separate entity whose staff reached the data; of an "
    "export, what the law says of the destination. No basis recorded: neither the policy nor the table of the law "
    "names one."
)
LEAVES: Final = frozenset({"export", "grant"})
"""Actions by which data goes, or is opened, to a destination."""


class Group:
    """What came of one group."""

    __slots__ = ("accesses", "approvals", "exports", "nameless", "people", "records", "refused", "subjects")

    def __init__(self) -> None:
        self.accesses = self.exports = self.refused = self.records = self.nameless = 0
        self.people: set[str] = set()
        self.approvals: set[str] = set()
        self.subjects = Distinct()


class Transfers:
    """Adds up a range [`since`, `until`) (milliseconds) of accesses and approvals, by some dimensions."""

    def __init__(self, assessor: Assessor, since: int, until: int, by: tuple[str, ...] = USUAL) -> None:
        self._assessor, self.since, self.until, self.by = assessor, since, until, by
        fields = [attrgetter(_FIELDS[name]) for name in by]
        self._key: Callable[[Assessed], tuple[Any, ...]] = lambda assessed: tuple(field(assessed) for field in fields)
        self._groups: dict[tuple[Any, ...], Group] = {}
        self._of: dict[Assessed, Group] = {}
        self._sent: dict[tuple[str, str, PlaceClass | None, str, str], Group] = {}
        self._approvals: list[tuple[Cell, ...]] = []
        self.outside = 0
        """Accesses before or after the range."""

    def take(self, event: AccessEvent) -> None:
        """Count one access."""
        if not self.since <= event.occurred_at < self.until:
            self.outside += 1
            return
        assessed = self._assessor.assess(event)
        group = self._of.get(assessed) or self._group(assessed)
        if event.result != "success":
            group.refused += 1
            return
        group.accesses += 1
        _count(group, event)
        if event.action in LEAVES:
            group.exports += 1
            to = self._assessor.sent(event)
            sent = self._sent.setdefault(
                (to.country, to.name, to.place, assessed.dataset, assessed.sensitivity), Group()
            )
            sent.exports += 1
            _count(sent, event)

    def take_approval(self, approval: Approval, knowledge: Knowledge) -> None:
        """Count an approval that held in the range, at the place where the person was when it began to."""
        since = approval.since
        if since is None or not (since < self.until and approval.ends > self.since):
            return
        countries, bases = set[str](), set[str]()
        for pattern in approval.datasets:
            some = pattern if pattern in knowledge.datasets else _some(pattern, knowledge.datasets)
            asked = AccessEvent(
                event_id=approval.approval_id,
                occurred_at=since,
                employee_id=approval.person,
                dataset_id=some or pattern,
                action=approval.actions[0] if approval.actions else "read",
            )
            assessed = self._assessor.assess(asked)
            values = self._key(assessed)
            values = tuple(pattern if name == "dataset" else value for name, value in zip(self.by, values, strict=True))
            self._groups.setdefault(values, Group()).approvals.add(approval.approval_id)
            countries.add(f"{or_unknown(assessed.country)} ({CLASSES[assessed.place]})")
            bases.add(BASES[assessed.basis])
        kind = "break-glass" if approval.break_glass else "approval"
        self._approvals.append(
            (
                iso(since),
                iso(approval.ends),
                approval.approval_id,
                kind,
                ", ".join(sorted(countries)),
                ", ".join(sorted(bases)),
                ", ".join(approval.datasets),
                ", ".join(approval.actions),
                approval.ticket,
                ("yes" if approval.reviewed else "no") if approval.break_glass else "",
            )
        )

    def report(self, said: Iterable[tuple[str, str]] = (), notes: Iterable[str] = ()) -> Report:
        """Return it as tables; `said` stands behind the range, `notes` at the end."""
        nameless = sum(group.nameless for group in self._groups.values())
        unnamed = (
            (f"{nameless:,} accesses name no data subject: those whom they exposed are in no count of distinct ones.",)
            if nameless
            else ()
        )
        return Report(
            title="Transfers",
            said=(("from", day(self.since)), ("to", f"{day(self.until - 1)}, included"), *said),
            sheets=(self._main(), self._exports(), self._approved(), self._assessor.law.sheet()),
            notes=(
                STATED,
                *unnamed,
                ABOUT,
                *notes,
            ),
        )

    def _group(self, assessed: Assessed) -> Group:
        group = self._groups.setdefault(self._key(assessed), Group())
        self._of[assessed] = group
        return group

    def _main(self) -> Sheet:
        numbers = ("accesses", "exports", "approvals", "refused", "people", "data subjects", "records")
        rows = [(*shown(self.by, values), *_numbers([group])) for values, group in self._groups.items()]
        width, place = len(self.by), self.by.index("class") if "class" in self.by else None
        return Sheet(
            name="transfers",
            title="Accesses, exports and approvals by " + ", ".join(self.by),
            columns=columns(*self.by, numbers=numbers),
            rows=tuple(sorted(rows, key=lambda row: _order(row, width, place))),
            total=("total", *[""] * (width - 1), *_numbers(self._groups.values())),
            note="Accesses are those that succeeded, exports and grants among them; refused: denied, or ended in an "
            "error. An approval counts in each group of datasets that it names, in the total once.",
        )

    def _exports(self) -> Sheet:
        ordered = sorted(
            self._sent.items(), key=lambda each: (-_badness(each[0][2]), -each[1].exports, *map(str, each[0]))
        )
        rows = tuple(
            (
                or_unknown(country),
                name or "not recorded",
                CLASSES[place or PlaceClass.UNKNOWN],
                BASES[destination_basis(place)],
                dataset,
                sensitivity,
                sent.exports,
                sent.subjects.estimate(),
                sent.records,
            )
            for (country, name, place, dataset, sensitivity), sent in ordered
        )
        return Sheet(
            name="exports",
            title="Exports and grants by destination",
            columns=columns(
                "country", "destination", "class", "basis", "dataset", "sensitivity",
                numbers=("exports", "data subjects", "records"),
            ),
            rows=rows,
            note="A conditional country counts as no basis recorded: whether the recipient is certified, the record "
            "does not say.",
        )  # fmt: skip

    def _approved(self) -> Sheet:
        return Sheet(
            name="approvals",
            title="Approvals that held in the range",
            columns=columns(
                "from", "until", "approval", "kind", "country", "basis", "datasets", "actions", "ticket", "reviewed"
            ),
            rows=tuple(sorted(self._approvals, key=str)),
            note="The country is where the person was when it began to hold.",
        )


def destination_basis(place: PlaceClass | None) -> Any:
    """Return the basis of sending data to such a place, as far as the law of places says."""
    if place is PlaceClass.INSIDE:
        return "not_a_transfer"
    return "adequacy" if place is PlaceClass.ADEQUATE else "none_recorded"


def shown(by: tuple[str, ...], values: Iterable[Any]) -> tuple[str, ...]:
    """Return the values of dimensions in words."""
    words = []
    for name, value in zip(by, values, strict=True):
        if name == "class":
            words.append(CLASSES[value])
        elif name == "basis":
            words.append(BASES[value])
        elif name == "importer":
            words.append(value or "none")
        else:
            words.append(or_unknown(value))
    return tuple(words)


def _count(group: Group, event: AccessEvent) -> None:
    group.people.add(event.person)
    group.records += known(event.record_count) or 0
    tokens = known(event.subject_ids)
    if tokens:
        group.subjects.add(tokens)
    else:
        group.nameless += 1


def _numbers(groups: Iterable[Group]) -> tuple[Cell, ...]:
    groups = list(groups)
    return (
        sum(group.accesses for group in groups),
        sum(group.exports for group in groups),
        len(set[str]().union(*(group.approvals for group in groups))),
        sum(group.refused for group in groups),
        len(set[str]().union(*(group.people for group in groups))),
        together(group.subjects for group in groups),
        sum(group.records for group in groups),
    )


_BY_WORDS: Final = {words: place.badness for place, words in CLASSES.items()}


def _order(row: tuple[Any, ...], width: int, place: int | None) -> tuple[Any, ...]:
    """The worst places first, then the busiest."""
    return (0 if place is None else -_BY_WORDS[row[place]], -row[width], row[:width])


def _badness(place: PlaceClass | None) -> int:
    return (place or PlaceClass.UNKNOWN).badness


def _some(pattern: str, datasets: Iterable[str]) -> str | None:
    """Return the first dataset that a pattern means, None where it means none that is known."""
    return min((name for name in datasets if fnmatchcase(name, pattern)), default=None)

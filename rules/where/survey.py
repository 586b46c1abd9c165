"""Sites and what lives there, as of a date: datasets, copies outside the perimeter, moves away from old sites."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from rules.join import Joiner
from rules.knowledge import Knowledge
from rules.policy import Site
from rules.timeline import Timeline
from rules.where.law import LawUsed
from schemas.directory import CopyRow, DatasetRow
from schemas.fields import known, milliseconds
from schemas.places import PlaceClass

DATASET: Final = "dataset"
"""The kind of what is the dataset itself, beside `replica backup export`."""

_DAY_MS: Final = 86_400_000

Placed = DatasetRow | CopyRow
History = Sequence[tuple[int, Placed]]


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset or a copy of one, as of a date."""

    dataset: str
    copy: str
    """Empty of the dataset itself."""
    kind: str
    sensitivity: str
    """Empty of a copy whose dataset is not known."""
    site: str
    country: str
    """Empty where nothing says it."""
    place: PlaceClass
    owner: str
    destination: str
    purpose: str
    since: int
    """Since when it is there."""
    moving_to: str
    moving_by: int | None


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """How far an old site is emptied."""

    site: str
    retires: int | None
    """The first millisecond after the day by which nothing is to be left; None where only rows say that they move."""
    ever: int
    """Datasets and copies that were there at any time until the date."""
    left: tuple[Held, ...]
    """Those that still are."""

    @property
    def moved(self) -> int:
        """How many are there no more: elsewhere, or destroyed."""
        return self.ever - len(self.left)

    def due(self, held: Held) -> int | None:
        """Return when one is to be gone: by its own row, else with the site."""
        return self.retires if held.moving_by is None else held.moving_by

    def late(self, at: int) -> tuple[Held, ...]:
        """Return those that were to be gone."""
        return tuple(held for held in self.left if (due := self.due(held)) is not None and due <= at)


class Survey:
    """What the directories say at `at` (milliseconds), under a policy and a table of the law."""

    def __init__(self, joiner: Joiner, at: int) -> None:
        self._joiner, self.at = joiner, at
        self.sites = joiner.policy.sites
        self.regime = joiner.policy.regime
        self.law = LawUsed(joiner.legal)
        knowledge = joiner.knowledge
        self.datasets = tuple(sorted(self._datasets(knowledge), key=lambda held: held.dataset))
        self.copies = tuple(sorted(self._copies(knowledge), key=lambda held: (held.dataset, held.copy)))
        self.moves = tuple(self._moves(knowledge))

    def class_of(self, country: str, regime: str) -> PlaceClass:
        """Return the class of a country for data under a regime, and note the row that says so."""
        if not country:
            return PlaceClass.UNKNOWN
        answer = self._joiner.classify(country, self.at, regime)
        self.law.note(country, self.at, answer)
        return answer.cls

    def _datasets(self, knowledge: Knowledge) -> Iterator[Held]:
        for timeline in knowledge.datasets.values():
            row = timeline.at(self.at)[0]
            if row is not None:
                yield self._held(row, row, self._history(timeline))

    def _copies(self, knowledge: Knowledge) -> Iterator[Held]:
        for dataset_id, copies in knowledge.copies.items():
            of = knowledge.datasets.get(dataset_id)
            dataset = None if of is None else of.at(self.at)[0]
            for timeline in copies.values():
                row = timeline.at(self.at)[0]
                if row is not None:
                    yield self._held(row, dataset, self._history(timeline))

    def _held(self, row: Placed, dataset: DatasetRow | None, history: History) -> Held:
        country = country_of(row, self.sites)
        copy = row if isinstance(row, CopyRow) else None
        return Held(
            dataset=row.dataset_id,
            copy="" if copy is None else copy.copy_id,
            kind=DATASET if copy is None else copy.copy_kind,
            sensitivity="" if dataset is None else dataset.sensitivity,
            site=known(row.site) or "",
            country=country,
            place=self.class_of(country, self._joiner.regime(dataset)),
            owner="" if dataset is None else known(dataset.owner) or "",
            destination="" if copy is None else known(copy.destination) or "",
            purpose="" if copy is None else known(copy.purpose) or "",
            since=self._since(row, history),
            moving_to=known(row.moving_to) or "",
            moving_by=known(row.moving_by),
        )

    def _history(self, timeline: Timeline[DatasetRow] | Timeline[CopyRow]) -> History:
        """Return the versions that had begun by then, with when they did."""
        return [(span.since, span.row) for span in timeline.spans() if span.since <= self.at]

    def _since(self, row: Placed, history: History) -> int:
        """Return since when it is where it is: a row that changes its owner only does not move it."""
        since = row.valid_from
        for at, earlier in reversed(history):
            if (known(earlier.site), country_of(earlier, self.sites)) != (known(row.site), country_of(row, self.sites)):
                break
            since = at
        return since

    def _moves(self, knowledge: Knowledge) -> Iterator[Move]:
        """Yield the old sites: those that the policy retires, and those that something is to leave."""
        held = (*self.datasets, *self.copies)
        old = {name for name, site in self.sites.items() if site.retires is not None}
        old |= {each.site for each in held if each.site and each.moving_to and each.moving_to != each.site}
        ever = Counter[str]()
        histories = [self._history(timeline) for timeline in knowledge.datasets.values()]
        histories += [self._history(timeline) for copies in knowledge.copies.values() for timeline in copies.values()]
        for history in histories:
            ever.update({known(row.site) or "" for _, row in history} & old)
        for name in sorted(old):
            site = self.sites.get(name)
            yield Move(
                site=name,
                retires=retired_at(site),
                ever=ever[name],
                left=tuple(each for each in held if each.site == name),
            )


def country_of(row: Placed, sites: Mapping[str, Site]) -> str:
    """Return where a version of a dataset or copy is: its own word, else its site's country; empty: nothing says."""
    site = sites.get(known(row.site) or "")
    return known(row.site_country) or (site.country if site else "")


def retired_at(site: Site | None) -> int | None:
    """Return the first millisecond after a site's last day."""
    if site is None or site.retires is None:
        return None
    last = site.retires
    return milliseconds(datetime(last.year, last.month, last.day, tzinfo=UTC)) + _DAY_MS

"""What values of an event mean to the rules, as small numbers: equal numbers, equal facts.

Addresses and datasets have too many values to remember a verdict for each, and few meanings: a country or none;
restricted data of the EEA in Ireland. A clean verdict is remembered by these: what else is known of an address or
a dataset stands in sentences, and nothing is said of a clean access.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any, Final, NamedTuple

from msgspec import UNSET

from rules.join import ORIGINS_MAX, Joiner
from rules.policy import Policy
from rules.timeline import Timeline
from schemas.directory import DatasetRow

DATASETS_MAX: Final = 65_536
"""Datasets whose meaning is remembered, some hundred bytes each: more than a company's catalogue of sensitive data."""


class DatasetMeaning(NamedTuple):
    """What a dataset means on [`since`, `until`), as long as `timeline` is its history."""

    timeline: Timeline[DatasetRow] | None
    since: int
    until: int
    number: int


class Meanings:
    """Meanings under one policy; a change of policy makes new ones."""

    def __init__(self, joiner: Joiner) -> None:
        """Take the joiner whose facts are meant."""
        self._joiner = joiner
        self._patterns = _patterns(joiner.policy)
        self._numbers: dict[object, int] = {UNSET: 0}
        self.addresses: dict[Any, int] = {UNSET: 0}
        self.datasets: dict[str, DatasetMeaning] = {}

    def address(self, address: Any) -> int:
        """Return a number for the country that an address says; why it says none is for sentences only."""
        if len(self.addresses) >= ORIGINS_MAX:
            self.addresses.clear()
            self.addresses[UNSET] = 0
        return self.addresses.setdefault(address, self._number(self._joiner.origin(address).country))

    def dataset(self, dataset_id: str, at: int) -> DatasetMeaning:
        """Return what a dataset means at a time."""
        timeline = self._joiner.knowledge.datasets.get(dataset_id)
        if timeline is None:
            return DatasetMeaning(None, at, at + 1, self._number(None))
        row, since, until = timeline.at(at)
        matched = frozenset(pattern for pattern in self._patterns if fnmatchcase(dataset_id, pattern))
        means = row and (row.sensitivity, row.subject_region, self._joiner.stored_in(row))
        found = DatasetMeaning(timeline, since, until, self._number((means, matched)))
        if len(self.datasets) >= DATASETS_MAX:
            self.datasets.clear()
        self.datasets[dataset_id] = found
        return found

    def _number(self, means: object) -> int:
        return self._numbers.setdefault(means, len(self._numbers))


def _patterns(policy: Policy) -> frozenset[str]:
    """Return the patterns of dataset ids by which roles tell datasets apart."""
    return frozenset(
        pattern for role in policy.roles.values() for may in role.may for pattern in may.datasets if pattern != "*"
    )

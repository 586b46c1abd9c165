"""The law of places: the class of a country for data of a regime, on a date, seen from a policy's perimeter.

Two answers travel in one `Classification`. `cls` is a fact of place: `inside` where the policy's perimeter
reaches, else what the law says of the country. `basis`, `condition` and `source` are the row of the law,
whatever the perimeter: the data protection officer needs them also where the policy says inside.

The facts are rows of `jurisdictions.csv`, whose head says what each column means. Days are days of UTC: the
few hours by which a law in Brussels or London begins earlier are below what a date can say.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Final

from rules.legal_rows import BEGINNING_MS, END_MS, EU, EVERY_CODE, Confidence, LegalRow, Scope, read_rows
from schemas.countries import NAMES, normalise
from schemas.errors import ConfigurationError
from schemas.places import PlaceClass

REGIME_OF_REGION: Final[Mapping[str, str]] = {
    **dict.fromkeys(("EEA", "EU"), EU),
    **dict.fromkeys(("IS", "LI", "NO", "EFTA"), "EEA_EFTA"),
    "GB": "UK",
    "CH": "CH",
}
"""The regime of a dataset's `subject_region`, where it is not that of the EU by membership."""

_CLASS_OF_SCOPE: Final[Mapping[Scope, PlaceClass]] = {
    "eu_member": PlaceClass.ADEQUATE,  # law asks for no basis at all there; `inside` is the policy's word
    "eea_efta_member": PlaceClass.ADEQUATE,
    "eu_territory": PlaceClass.ADEQUATE,
    "home": PlaceClass.ADEQUATE,
    "whole": PlaceClass.ADEQUATE,
    "organisations": PlaceClass.CONDITIONAL,
    "none": PlaceClass.THIRD_COUNTRY,
}

GROUPS: Final[Mapping[str, frozenset[Scope]]] = {
    "EU": frozenset({"eu_member", "eu_territory"}),
    "EEA": frozenset({"eu_member", "eu_territory", "eea_efta_member"}),
}
"""Groups that a perimeter may name, with the scopes of the EU's rows that belong to them."""

_ANY: Final = ""  # stands for every code that no row names, and for every regime that has no rows


@dataclass(frozen=True, slots=True)
class Perimeter:
    """Where the policy lets data be reached from: countries, and groups whose membership changes with time.

    A country does not bring its territories that have a code of their own (FR is not RE); the groups do.
    """

    countries: frozenset[str]
    groups: frozenset[str]

    @classmethod
    def of(cls, codes: Iterable[str]) -> Perimeter:
        """Sort codes into countries and groups.

        Raises:
            ConfigurationError: A code is neither; the message names it and what is allowed.
        """
        names = list(codes)
        groups = frozenset(code for code in names if code in GROUPS)
        countries: set[str] = set()
        for code in names:
            if code not in GROUPS:
                try:
                    countries.add(normalise(code))
                except ValueError as error:
                    message = f"perimeter: {code!r} is {error}, or a group: {', '.join(sorted(GROUPS))}"
                    raise ConfigurationError(message) from error
        return cls(frozenset(countries), groups)


@dataclass(frozen=True, slots=True)
class Classification:
    """What a place is, and by which law.

    The same answer holds for the same country, regime and perimeter on [`valid_from_ms`, `valid_until_ms`): a
    memo may keep it for that long. `judged_under` is the regime whose list answered; `fallback` says that the
    regime asked for had no list at that time, so that the EU's stood in.
    """

    cls: PlaceClass
    judged_under: str
    fallback: bool
    basis: str
    condition: str
    source: str
    confidence: Confidence | None
    valid_from_ms: int
    valid_until_ms: int


@dataclass(frozen=True, slots=True)
class _Track:
    """The answers of one (regime, code): `answers[i]` holds from `starts[i]` to `starts[i + 1]`."""

    starts: tuple[int, ...]
    answers: tuple[Classification, ...]

    def at(self, at_ms: int) -> Classification:
        return self.answers[max(bisect_right(self.starts, at_ms) - 1, 0)]


class LegalTable:
    """The rows of the law, cut into answers ahead of time: a question is two look-ups and a bisection."""

    def __init__(self, rows: Iterable[LegalRow], digest: str, name: str) -> None:
        """Take rows that `parse` has checked; `digest` and `name` say which file an alert was judged with."""
        self.digest = digest
        self.name = name
        self.rows = tuple(rows)
        self._by_key: dict[tuple[str, str], list[LegalRow]] = {}
        for row in sorted(self.rows, key=lambda row: row.from_ms):
            self._by_key.setdefault((row.regime, row.code), []).append(row)
        self._began = {row.regime: row.from_ms for row in sorted(self.rows, key=lambda row: -row.from_ms)}
        codes = {row.code for row in self.rows} - {EVERY_CODE} | {_ANY}
        self.regimes = frozenset(self._began)
        self._tracks = {(regime, code): self._track(regime, code) for regime in self.regimes | {_ANY} for code in codes}

    @classmethod
    def parse(cls, text: str, name: str) -> LegalTable:
        """Read a table as `jurisdictions.csv` is written: UTF-8 text, `#` begins a comment line.

        Args:
            text: The file's content.
            name: What to call it in errors and alerts, such as its path.

        Raises:
            ConfigurationError: Names the table, the line, the column, the value and what is allowed.
        """
        return cls(read_rows(text, name), hashlib.sha256(text.encode()).hexdigest()[:16], name)

    def classify(self, country: str | None, at_ms: int, regime: str, perimeter: Perimeter) -> Classification:
        """Return the class of a place and the law behind it.

        Args:
            country: A canonical code (`schemas.countries.normalise`); None or anything else is unknown.
            at_ms: When the access happened, milliseconds of UTC.
            regime: Whose data: `EU`, `EEA_EFTA`, `UK`, `CH`; any other falls back to `EU` and says so.
            perimeter: The policy's.
        """
        if country is None or country not in NAMES:
            return UNKNOWN_PLACE
        answer = self._law(regime, country).at(at_ms)
        if country in perimeter.countries:
            return replace(answer, cls=PlaceClass.INSIDE)
        if not perimeter.groups:
            return answer
        member, start, end = self._membership(country, at_ms, perimeter.groups)
        return replace(
            answer,
            cls=PlaceClass.INSIDE if member else answer.cls,
            valid_from_ms=max(start, answer.valid_from_ms),
            valid_until_ms=min(end, answer.valid_until_ms),
        )

    def groups(self, at_ms: int) -> dict[str, frozenset[str]]:
        """Return the members of each group at a time, territories with a code of their own included."""
        return {
            group: frozenset(
                row.code
                for row in self.rows
                if row.regime == EU and row.scope in scopes and row.from_ms <= at_ms < row.until_ms
            )
            for group, scopes in GROUPS.items()
        }

    def expand(self, perimeter: Perimeter, at_ms: int) -> frozenset[str]:
        """Return every country inside a perimeter at a time."""
        members = self.groups(at_ms)
        return perimeter.countries.union(*(members[group] for group in perimeter.groups))

    def regime_of(self, region: str) -> str:
        """Return the regime of a dataset's `subject_region`.

        A country that has none of its own is returned as it is: `classify` then falls back and says so.
        """
        if region in REGIME_OF_REGION:
            return REGIME_OF_REGION[region]
        rows = self._by_key.get((EU, region), ())
        return EU if any(row.scope in GROUPS[EU] for row in rows) else region

    def _law(self, regime: str, code: str) -> _Track:
        known = regime if regime in self.regimes else _ANY
        return self._tracks.get((known, code)) or self._tracks[known, _ANY]

    def _membership(self, code: str, at_ms: int, groups: frozenset[str]) -> tuple[bool, int, int]:
        """Whether a country is in one of the groups, and an interval on which that stays so."""
        scopes = frozenset[Scope]().union(*(GROUPS[group] for group in groups))
        start, end = BEGINNING_MS, END_MS
        for row in self._by_key.get((EU, code), ()):
            if row.scope not in scopes:
                continue
            if row.from_ms <= at_ms < row.until_ms:
                return True, row.from_ms, row.until_ms
            if row.until_ms <= at_ms:
                start = max(start, row.until_ms)
            else:
                end = min(end, row.from_ms)
        return False, start, end

    def _track(self, regime: str, code: str) -> _Track:
        cuts = {BEGINNING_MS, END_MS, self._began.get(regime, END_MS)}
        for key in ((regime, code), (regime, EVERY_CODE), (EU, code)):
            for row in self._by_key.get(key, ()):
                cuts |= {row.from_ms, row.until_ms}
        pieces = [self._answer(regime, code, start, end) for start, end in pairwise(sorted(cuts))]
        merged = [pieces[0]]
        for piece in pieces[1:]:
            last = merged[-1]
            if replace(piece, valid_from_ms=last.valid_from_ms) == replace(last, valid_until_ms=piece.valid_until_ms):
                merged[-1] = replace(last, valid_until_ms=piece.valid_until_ms)
            else:
                merged.append(piece)
        return _Track(tuple(piece.valid_from_ms for piece in merged), tuple(merged))

    def _answer(self, regime: str, code: str, start: int, end: int) -> Classification:
        """Judge one stretch of time, inside which no row begins or ends.

        The regime's own row; else, where it says so, as the EU; else, where the regime has a list at that
        time, a third country; else the EU's list, as a fallback.
        """
        row, under, fallback = self._row(regime, code, start), regime, False
        if row is None and self._row(regime, EVERY_CODE, start) is not None:
            row, under = self._row(EU, code, start), EU
        elif row is None and start < self._began.get(regime, END_MS):
            row, under, fallback = self._row(EU, code, start), EU, regime != EU
        if row is None:
            return replace(_NO_DECISION, judged_under=under, fallback=fallback, valid_from_ms=start, valid_until_ms=end)
        return Classification(
            _CLASS_OF_SCOPE[row.scope],
            under,
            fallback,
            row.basis,
            row.condition,
            row.source,
            row.confidence,
            start,
            end,
        )

    def _row(self, regime: str, code: str, at_ms: int) -> LegalRow | None:
        rows = self._by_key.get((regime, code), ())
        return next((row for row in rows if row.from_ms <= at_ms < row.until_ms), None)


UNKNOWN_PLACE: Final = Classification(
    cls=PlaceClass.UNKNOWN,
    judged_under=EU,
    fallback=False,
    basis="place not known",
    condition="",
    source="",
    confidence=None,
    valid_from_ms=BEGINNING_MS,
    valid_until_ms=END_MS,
)
"""The answer where no country is known, at every time and under every regime."""

_NO_DECISION: Final = replace(UNKNOWN_PLACE, cls=PlaceClass.THIRD_COUNTRY, basis="no adequacy decision")


@cache
def shipped() -> LegalTable:
    """Return the table that is packed with the program, read once: the one place in `rules` that opens a resource.

    The file is part of the package like its code, so reading it is no dependency on the machine around it.
    """
    text = files("rules").joinpath("jurisdictions.csv").read_text(encoding="utf-8")
    return LegalTable.parse(text, "rules/jurisdictions.csv")

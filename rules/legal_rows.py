"""The rows of the legal table: what one line of `jurisdictions.csv` says, and reading them out of text."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Final, Literal, NoReturn, TypeVar, get_args

from schemas.countries import normalise
from schemas.errors import ConfigurationError
from schemas.fields import TIME_MAX, milliseconds

COLUMNS: Final = (
    "regime",
    "code",
    "scope",
    "valid_from",
    "valid_until",
    "basis",
    "condition",
    "source",
    "checked_on",
    "confidence",
)
"""The columns of the table, in this order."""

BEGINNING_MS: Final = 0
"""The least time that a record can carry: answers that hold "since ever" hold since here."""

END_MS: Final = TIME_MAX + 1
"""The first millisecond that no record can carry: answers that hold until further notice hold until here."""

EU: Final = "EU"
"""The regime that stands in for one whose own list is missing."""

EVERY_CODE: Final = "*"
"""The code of an `as_eu` row: it speaks of every country that the regime does not name."""

Scope = Literal["eu_member", "eea_efta_member", "eu_territory", "home", "whole", "organisations", "none", "as_eu"]
Confidence = Literal["verified", "secondary", "memory"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LegalRow:
    """One line of the table. `until_ms` is the first millisecond at which it no longer holds."""

    regime: str
    code: str
    scope: Scope
    from_ms: int
    until_ms: int
    basis: str
    condition: str
    source: str
    checked_on: date
    confidence: Confidence
    line: int


def read_rows(text: str, name: str) -> list[LegalRow]:
    """Read a table: UTF-8 text, `#` begins a comment line, `name` is what errors call it.

    Raises:
        ConfigurationError: Names the table, the line, the column, the value and what is allowed.
    """
    rows = list(_read(text, name))
    _refuse_overlaps(rows, name)
    if not any(row.regime == EU for row in rows):
        message = f"{name}: no row of the regime {EU}, which every other falls back to"
        raise ConfigurationError(message)
    return rows


def _read(text: str, name: str) -> Iterator[LegalRow]:
    # A comment becomes an empty line, so that line numbers stay those of the file.
    reader = csv.reader("" if line.startswith("#") else line for line in text.splitlines())
    header_seen = False
    for values in reader:
        line = reader.line_num
        if not values:
            continue
        if not header_seen:
            if tuple(values) != COLUMNS:
                _refuse(name, line, "header", ",".join(values), ",".join(COLUMNS))
            header_seen = True
            continue
        if len(values) != len(COLUMNS):
            _refuse(name, line, "row", f"{len(values)} fields", f"{len(COLUMNS)} fields: {','.join(COLUMNS)}")
        yield _row_of(name, line, dict(zip(COLUMNS, (value.strip() for value in values), strict=True)))


def _row_of(name: str, line: int, value: dict[str, str]) -> LegalRow:
    regime, code = value["regime"], value["code"]
    if not regime:
        _refuse(name, line, "regime", regime, "a name such as EU, EEA_EFTA, UK or CH")
    scope: Scope = _one_of(name, line, "scope", value["scope"], get_args(Scope))
    if (code == EVERY_CODE) != (scope == "as_eu") or (scope == "as_eu" and regime == EU):
        _refuse(
            name,
            line,
            "scope",
            scope,
            f"as_eu together with the code {EVERY_CODE}, in another regime than {EU}",
        )
    if code != EVERY_CODE:
        try:
            code = normalise(code)
        except ValueError as error:
            _refuse(name, line, "code", code, str(error))
    from_ms = _day(name, line, "valid_from", value["valid_from"])
    until_ms = _day(name, line, "valid_until", value["valid_until"]) if value["valid_until"] else END_MS
    if until_ms <= from_ms:
        _refuse(name, line, "valid_until", value["valid_until"], f"empty, or a day after {value['valid_from']}")
    for column in ("basis", "source"):
        if not value[column]:
            _refuse(name, line, column, "", "a text: a row without it convinces nobody")
    confidence: Confidence = _one_of(name, line, "confidence", value["confidence"], get_args(Confidence))
    _day(name, line, "checked_on", value["checked_on"])
    return LegalRow(
        regime,
        code,
        scope,
        from_ms,
        until_ms,
        value["basis"],
        value["condition"],
        value["source"],
        date.fromisoformat(value["checked_on"]),
        confidence,
        line,
    )


def _refuse_overlaps(rows: list[LegalRow], name: str) -> None:
    ordered = sorted(rows, key=lambda row: (row.regime, row.code, row.from_ms))
    for earlier, later in pairwise(ordered):
        if (earlier.regime, earlier.code) == (later.regime, later.code) and later.from_ms < earlier.until_ms:
            allowed = f"a day that line {earlier.line} leaves free: one answer a day for each regime and code"
            day = datetime.fromtimestamp(later.from_ms / 1000, UTC).date().isoformat()
            _refuse(name, later.line, "valid_from", day, allowed)


def _one_of(name: str, line: int, column: str, value: str, allowed: tuple[T, ...]) -> T:
    for candidate in allowed:
        if candidate == value:
            return candidate
    return _refuse(name, line, column, value, ", ".join(map(str, allowed)))


def _day(name: str, line: int, column: str, value: str) -> int:
    try:
        day = date.fromisoformat(value)
    except ValueError:
        day = date.min
    at_ms = milliseconds(datetime(day.year, day.month, day.day, tzinfo=UTC))
    if at_ms < BEGINNING_MS or len(value) != len("2000-01-01"):
        _refuse(name, line, column, value, "a day from 1970-01-01 on, written like 2026-01-26")
    return at_ms


def _refuse(name: str, line: int, column: str, value: str, allowed: str) -> NoReturn:
    message = f"{name}, line {line}, {column}: {value!r} is not allowed; allowed is {allowed}"
    raise ConfigurationError(message)

"""Rows of the law behind a report, and the law as it would be: an adequacy decision annulled on a date."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

from rules.jurisdictions import Classification, LegalTable
from rules.legal_rows import END_MS, EU, LegalRow
from rules.where.sheet import Sheet, columns
from schemas.countries import NAMES
from schemas.errors import ConfigurationError

ADEQUATE: Final = frozenset({"whole", "organisations"})
"""Scopes of rows that are adequacy decisions; the others are membership, or no decision."""


class LawUsed:
    """The rows that answers came from, noted while a report is made."""

    def __init__(self, table: LegalTable) -> None:
        self._table = table
        self._rows: dict[tuple[str, str], list[LegalRow]] = {}
        for row in table.rows:
            self._rows.setdefault((row.regime, row.code), []).append(row)
        self._seen: set[tuple[str, str, int]] = set()
        self.used: set[LegalRow] = set()
        self.unnamed: set[tuple[str, str]] = set()
        """(regime, country) of which the table has no row at the time: a third country."""

    def note(self, country: str, at: int, answer: Classification) -> None:
        """Note the row behind an answer about a country at a time (milliseconds)."""
        under = answer.judged_under
        if country not in NAMES or (seen := (under, country, answer.valid_from_ms)) in self._seen:
            return
        self._seen.add(seen)
        rows = self._rows.get((under, country), ())
        row = next((row for row in rows if row.from_ms <= at < row.until_ms), None)
        if row is None:
            self.unnamed.add((under, country))
        else:
            self.used.add(row)

    def sheet(self) -> Sheet:
        """Return the rows with their sources and the dates on which they were checked."""
        rows: list[tuple[str, ...]] = [
            (
                row.regime,
                row.code,
                row.scope,
                day(row.from_ms),
                "" if row.until_ms >= END_MS else day(row.until_ms),
                row.basis,
                row.condition,
                row.source,
                row.checked_on.isoformat(),
                row.confidence,
            )
            for row in self.used
        ]
        newest = max((row.checked_on for row in self._table.rows), default=None)
        checked = "" if newest is None else newest.isoformat()
        rows += [
            (regime, code, "none", "", "", "no adequacy decision in the table", "", self._table.name, checked, "")
            for regime, code in self.unnamed
        ]
        return Sheet(
            name="law",
            title="Rows of the law that were used",
            columns=columns(
                "regime",
                "country",
                "scope",
                "valid from",
                "valid until",
                "basis",
                "condition",
                "source",
                "checked on",
                "confidence",
            ),
            rows=tuple(sorted(rows)),
            note="Checked on: the day on which the row was compared with its source; of a country without a row, the "
            "day of the table's latest check. This is a record of what the table says, and no advice.",
        )


def annulled(table: LegalTable, regime: str, code: str, at: int) -> LegalTable:
    """Return the table in which the adequacy decision of a country ends at `at` (milliseconds) for good.

    Raises:
        ConfigurationError: no such decision is in force then; it names those that are.
    """
    kept, found = [], False
    for row in table.rows:
        mine = (row.regime, row.code) == (regime, code) and row.scope in ADEQUATE
        if not mine or row.until_ms <= at:
            kept.append(row)
            continue
        if row.from_ms < at:
            kept.append(replace(row, until_ms=at, basis=f"{row.basis}; annulled on {day(at)} (what if)"))
            found = True
    if not found:
        raise ConfigurationError(
            f"--annul: {regime}:{code}={day(at)}: no adequacy decision of {code} is in force under {regime} the day "
            f"before; allowed then: {', '.join(sorted(_decided(table.rows, regime, at))) or 'none'}"
        )
    words = f"{regime}:{code} annulled {day(at)}"
    digest = sha256(f"{table.digest} {words}".encode()).hexdigest()[:16]
    return LegalTable(kept, digest, f"{table.name} with {words}")


def _decided(rows: Iterable[LegalRow], regime: str, at: int) -> set[str]:
    return {
        row.code for row in rows if row.regime == regime and row.scope in ADEQUATE and row.from_ms < at < row.until_ms
    }


def day(at: int) -> str:
    """Return milliseconds as a day of UTC."""
    return datetime.fromtimestamp(at / 1000, UTC).date().isoformat()


def regime_and_code(text: str) -> tuple[str, str]:
    """Split `REGIME:CODE`; a code alone is under the law of the EU."""
    regime, bar, code = text.rpartition(":")
    return (regime if bar else EU), code

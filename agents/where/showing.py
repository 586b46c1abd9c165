"""A report as text for a terminal, as CSV, as JSON; as a page: `agents/where/page.py`."""

from __future__ import annotations

import csv
import io
import json
import textwrap
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from agents.text import printable, printable_json
from rules.where.sheet import Cell, Column, Estimate, Report, Sheet
from schemas.errors import ConfigurationError
from schemas.toml_file import nearest

WIDEST: Final = 60
"""Columns of one cell of text: longer ones end in `…`, and are whole in the other formats."""

PROSE: Final = 120
"""Columns of a line of prose."""

FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""What a cell may begin with that a spreadsheet takes for a formula (OWASP, "CSV Injection")."""


def text_of(report: Report) -> str:
    """Return a report as a person reads it in a terminal."""
    said = [report.title, *(f"  {name:<14} {value}" for name, value in report.said)]
    for sheet in report.sheets:
        said += ["", *sheet_text(sheet)]
    said += [""]
    for note in report.notes:
        said += _wrapped(note, "- ", "  ")
    return "\n".join(map(printable, said)) + "\n"


def sheet_text(sheet: Sheet) -> list[str]:
    """Return one table as lines; a column of which every cell is empty is left out."""
    if not sheet.rows:
        return [f"{sheet.title}: {sheet.empty}"]
    rows = [*sheet.rows, *([sheet.total] if sheet.total else [])]
    kept = [at for at in range(len(sheet.columns)) if any(row[at] not in {"", None} for row in rows)]
    heads = [sheet.columns[at] for at in kept]
    words = [[_cut(words_of(row[at])) for at in kept] for row in rows]
    widths = [max(len(head.words), *(len(line[at]) for line in words)) for at, head in enumerate(heads)]
    lines = [f"{sheet.title}", "  " + _line([head.words for head in heads], heads, widths)]
    lines += ["  " + _line(line, heads, widths) for line in words]
    return [*lines, *_wrapped(sheet.note, "  ", "  ")]


def _wrapped(text: str, first: str, others: str) -> list[str]:
    return textwrap.wrap(text, PROSE, initial_indent=first, subsequent_indent=others)


def _line(cells: list[str], heads: list[Column], widths: list[int]) -> str:
    padded = [
        f"{cell:>{width}}" if head.number else f"{cell:<{width}}"
        for cell, head, width in zip(cells, heads, widths, strict=True)
    ]
    return "  ".join(padded).rstrip()


def words_of(cell: Cell) -> str:
    """Return a cell as a person reads it; an estimate with its bounds."""
    if isinstance(cell, Estimate):
        return f"{cell.count:,}" if cell.exact else f"{cell.count:,} ({cell.low:,}-{cell.high:,})"
    if cell is None:
        return ""
    return f"{cell:,}" if isinstance(cell, int) else cell


def _cut(text: str) -> str:
    text = printable(text)  # before it is measured: an escape is longer
    return text if len(text) <= WIDEST else text[: WIDEST - 1] + "…"


def csv_of(sheet: Sheet) -> str:
    """Return one table as CSV (RFC 4180), without its total; an estimate takes three columns."""
    estimated = {at for row in sheet.rows for at, cell in enumerate(row) if isinstance(cell, Estimate)}
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    heads: list[str] = []
    for at, column in enumerate(sheet.columns):
        heads += [column.name, *([f"{column.name}_low", f"{column.name}_high"] if at in estimated else [])]
    writer.writerow(heads)
    for row in sheet.rows:
        cells: list[Any] = []
        for cell in row:
            cells += [cell.count, cell.low, cell.high] if isinstance(cell, Estimate) else [_inert(cell)]
        writer.writerow(cells)
    return out.getvalue()


def _inert(cell: str | int | None) -> str | int | None:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell


def json_of(report: Report) -> str:
    """Return the whole report as one JSON object; rows are objects by the names of the columns."""
    whole = {
        "title": report.title,
        "said": dict(report.said),
        "tables": {
            sheet.name: {
                "title": sheet.title,
                "rows": [_named(sheet.columns, row) for row in sheet.rows],
                "total": None if sheet.total is None else _named(sheet.columns, sheet.total),
                "note": sheet.note,
            }
            for sheet in report.sheets
        },
        "notes": report.notes,
    }
    return printable_json(json.dumps(whole, indent=2, ensure_ascii=False)) + "\n"


def _named(columns: Iterable[Column], row: tuple[Cell, ...]) -> dict[str, Any]:
    return {
        column.name: _plain(cell) if isinstance(cell, Estimate) else cell
        for column, cell in zip(columns, row, strict=True)
    }


def _plain(estimate: Estimate) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(estimate)
    plain.pop("type")
    return plain


def sheet_named(report: Report, name: str | None) -> Sheet:
    """Return a table by its name, the first where none is named.

    Raises:
        ConfigurationError: there is none of that name; it says which there are.
    """
    if name is None:
        return report.sheets[0]
    for sheet in report.sheets:
        if sheet.name == name:
            return sheet
    raise ConfigurationError(f"--table: {name!r}; {nearest(name, [sheet.name for sheet in report.sheets])}")

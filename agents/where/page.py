"""A report as one page: nothing is fetched, everything is escaped, a screen reader finds its way, and it prints."""

from __future__ import annotations

from html import escape
from typing import Final

from agents.text import printable
from agents.where.showing import words_of
from rules.where.sheet import Cell, Column, Estimate, Report, Sheet

POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
"""Of the page's content: nothing is loaded, no script runs, even if something were not escaped."""

STYLE: Final = """
:root { color-scheme: light; --ink: #1b1b1b; --faint: #595959; --line: #c4c4c4; --band: #f3f5f3; }
* { box-sizing: border-box; }
body { margin: 2rem auto; max-width: 76rem; padding: 0 1rem; color: var(--ink); background: #fff;
  font: 15px/1.45 system-ui, -apple-system, "Segoe UI", "Liberation Sans", Arial, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .75rem; }
h2 { font-size: 1.1rem; margin: 2.25rem 0 .5rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: 0; }
dt { color: var(--faint); }
dd { margin: 0; overflow-wrap: anywhere; }
nav ul { padding: 0; margin: 1rem 0 0; list-style: none; display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; }
a { color: #00563f; }
a:focus-visible, .wide:focus-visible { outline: 3px solid #00563f; outline-offset: 2px; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid var(--line); }
thead th { border-bottom: 2px solid var(--ink); white-space: nowrap; }
tbody tr:nth-child(even) { background: var(--band); }
tbody th { font-weight: 400; }
tfoot th, tfoot td { font-weight: 600; border-top: 2px solid var(--ink); }
.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.bounds { color: var(--faint); font-size: .85em; }
.note, .notes { color: var(--faint); max-width: 60rem; }
@media print {
  @page { size: A4 landscape; margin: 12mm; }
  body { margin: 0; max-width: none; padding: 0; font-size: 10pt; }
  nav { display: none; }
  .wide { overflow: visible; }
  h2 { break-after: avoid; }
  thead { display: table-header-group; }
  tr { break-inside: avoid; }
  tbody tr:nth-child(even) { background: none; }
}
"""


def page_of(report: Report) -> str:
    """Return the whole page, HTML 5."""
    facts = "".join(f"<dt>{_safe(name)}</dt><dd>{_safe(value)}</dd>\n" for name, value in report.said)
    links = "".join(f'<li><a href="#{_safe(sheet.name)}">{_safe(sheet.title)}</a></li>\n' for sheet in report.sheets)
    notes = "".join(f"<li>{_safe(note)}</li>\n" for note in report.notes)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{_safe(report.title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<header>\n<h1>{_safe(report.title)}</h1>\n<dl>\n{facts}</dl>\n"
        f'<nav aria-label="Tables">\n<ul>\n{links}</ul>\n</nav>\n</header>\n<main>\n'
        + "".join(map(_section, report.sheets))
        + '<section aria-labelledby="notes">\n<h2 id="notes">Notes</h2>\n'
        f'<ul class="notes">\n{notes}</ul>\n</section>\n'
        "</main>\n</body>\n</html>\n"
    )


def _section(sheet: Sheet) -> str:
    name, title = _safe(sheet.name), _safe(sheet.title)
    head = f'<section aria-labelledby="{name}">\n<h2 id="{name}">{title}</h2>\n'
    note = f'<p class="note">{_safe(sheet.note)}</p>\n' if sheet.note else ""
    if not sheet.rows:
        return f"{head}<p>{_safe(sheet.empty).capitalize()}.</p>\n{note}</section>\n"
    heads = "".join(f'<th scope="col"{_class(column)}>{_safe(column.words)}</th>' for column in sheet.columns)
    body = "".join(_row(sheet, row) for row in sheet.rows)
    foot = f"<tfoot>\n{_row(sheet, sheet.total)}</tfoot>\n" if sheet.total else ""
    return (
        # What may scroll sideways must be reached by the keyboard (WCAG 2.2, 2.1.1).
        f'{head}<div class="wide" role="region" tabindex="0" aria-labelledby="{name}">\n'
        f'<table aria-labelledby="{name}">\n<thead>\n<tr>{heads}</tr>\n</thead>\n'
        f"<tbody>\n{body}</tbody>\n{foot}</table>\n</div>\n{note}</section>\n"
    )


def _row(sheet: Sheet, row: tuple[Cell, ...]) -> str:
    first, *others = zip(sheet.columns, row, strict=True)
    cells = "".join(f"<td{_class(column)}>{_cell(cell)}</td>" for column, cell in others)
    return f'<tr><th scope="row"{_class(first[0])}>{_cell(first[1])}</th>{cells}</tr>\n'


def _class(column: Column) -> str:
    return ' class="n"' if column.number else ""


def _cell(cell: Cell) -> str:
    if isinstance(cell, Estimate) and not cell.exact:
        return f'{cell.count:,} <span class="bounds">({cell.low:,} to {cell.high:,})</span>'
    return _safe(words_of(cell))


def _safe(text: str) -> str:
    """Return text that is only text: no mark-up, and no character that is not seen."""
    return escape(printable(text))

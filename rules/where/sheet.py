"""A report as plain frozen values: facts, tables, notes. How it is shown is for others (`agents/where/`)."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class Estimate(msgspec.Struct, frozen=True, tag="estimate"):
    """How many distinct things, with the bounds between which the true number lies (`rules/where/distinct.py`)."""

    count: Annotated[int, Meta(ge=0)]
    low: int
    high: int
    exact: bool


Cell = str | int | Estimate | None
"""None: not known, or not asked; shown as nothing."""


class Column(msgspec.Struct, frozen=True):
    """One column: the name that machines read, and the words that people do."""

    name: str
    words: str
    number: bool = False


class Sheet(msgspec.Struct, frozen=True, kw_only=True):
    """One table. `total` is of all rows; distinct things in it are counted once."""

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    total: tuple[Cell, ...] | None = None
    note: str = ""
    empty: str = "none"
    """What is said in place of rows where there are none."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A whole report; the first sheet is what it is about."""

    title: str
    said: tuple[tuple[str, str], ...]
    """What it rests on: range, policy, table of the law."""
    sheets: tuple[Sheet, ...]
    notes: tuple[str, ...] = ()


def columns(*names: str, numbers: tuple[str, ...] = ()) -> tuple[Column, ...]:
    """Return columns named as they are shown, with underscores for machines; `numbers` come last."""
    words = [(name, False) for name in names] + [(name, True) for name in numbers]
    return tuple(Column(name.replace(" ", "_"), name, number) for name, number in words)

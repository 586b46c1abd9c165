"""What all parts of a report say alike."""

from __future__ import annotations

from typing import Final

from schemas.fields import TIME_MAX, iso

SHOWN_MOST: Final = 20
"""Findings of one kind, undelivered alerts and the like that are printed; `--json` has them all."""


def when(at: int) -> str:
    """Return a time in milliseconds as a report says it."""
    if not 0 < at <= TIME_MAX:
        return "never" if not at else f"a time that is none ({at})"
    return iso(at).replace(".000Z", "Z")

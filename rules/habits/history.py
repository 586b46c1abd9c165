"""The days behind somebody, one byte a day and measure: enough to say what is usual, small enough to keep for all.

A value is kept as the rounded logarithm of one more than it (`code`), so that a byte reaches from 0 to 2 × 10¹² in
steps of 12 %. What is usual is said by quantiles of the last active days: a single wild day moves them little.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, exp, log1p
from typing import Final

STEPS: Final = 9.0
"""Codes to a factor of e."""

DAYS: Final = 40
"""Active days remembered: eight working weeks, so that a month's end is seen once or twice."""

ENOUGH: Final = 10
"""Active days below which nothing is said of somebody's own habit."""


def code(value: float) -> int:
    """Return a value as its code, 0 to 255."""
    return min(255, round(log1p(value) * STEPS))


SMALL: Final = 1024
"""Amounts below this are looked up: nearly all of a day are."""

_SMALL: Final = bytes(code(amount) for amount in range(SMALL))


def value(coded: float) -> float:
    """Return what a code stands for."""
    return exp(coded / STEPS) - 1.0


def least(coded: float) -> int:
    """Return the least whole amount whose code is so great; that of the greatest code for what no code reaches."""
    wanted = min(255, ceil(coded))
    found = max(0, ceil(value(wanted - 0.5)))  # codes are rounded: half a step below it begins
    while code(found) < wanted:
        found += 1
    while found and code(found - 1) >= wanted:
        found -= 1
    return found


def codes_of(amounts: Sequence[int]) -> bytes:
    """Return amounts as their codes."""
    return bytes([_SMALL[each] if each < SMALL else code(each) for each in amounts])


def quantile(days: bytes, share: float) -> float:
    """Return the code below which so large a share of days lies, between the two nearest; 0 without days."""
    if not days:
        return 0.0
    ordered = sorted(days)
    at = share * (len(ordered) - 1)
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)

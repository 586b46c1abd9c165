"""Where a range that was judged is cut, so that each record about it fits into an entry of the audit log."""

from __future__ import annotations

from typing import Final

from schemas.coverage import Hole

HOLES_MAX: Final = 300
"""Holes of one record at most, some 90 bytes each: with alerts and the counts of every rule a record stays below the
65,535 bytes of an entry of the audit log. A range with more of them becomes several."""

ALERTS_MAX: Final = 500
"""Alerts of one record at most, some 45 bytes each. A range with more of them becomes several."""


def cut(last: int, alerts: list[int], holes: list[Hole]) -> int:
    """Return where a range is to end, at most `last`, so that it has no more alerts and holes than one record may.

    Args:
        last: its end.
        alerts: the offset of each alert, sorted.
        holes: sorted. No cut is within one.
    """
    end = last
    if len(holes) > HOLES_MAX:
        end = holes[HOLES_MAX - 1].last
    if len(alerts) > ALERTS_MAX:
        # Those of one offset stay together: a record gives a handful at most.
        at = alerts[ALERTS_MAX]
        before = next((each for each in reversed(alerts[:ALERTS_MAX]) if each < at), at)
        end = min(end, before)
    return next((hole.last for hole in holes if hole.first <= end < hole.last), end)

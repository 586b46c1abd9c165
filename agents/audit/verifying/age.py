"""How old a log is when it is verified. One that was frozen is right in itself: only the auditor's clock shows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from agents.audit.verifying.findings import Findings
from schemas.fields import TIME_MAX, iso

HOUR_MS: Final = 3_600_000


def said(until: int, now: int) -> str:
    """Return how long before a verification something was; times in milliseconds."""
    if not 0 < until <= TIME_MAX:
        return "at no time"
    hours = abs(now - until) / HOUR_MS
    length = f"{hours:,.1f} hours" if hours < 48 else f"{hours / 24:,.1f} days"
    return f"{length} {'before' if until <= now else 'AFTER'} this verification"


def check(until: int, witnessed: Sequence[int], needed: int, oldest: int, now: int, findings: Findings) -> None:
    """Say that a log, or what witnesses signed of it, is older than it may be.

    Args:
        until: time of the log's last entry, milliseconds.
        witnessed: when each witness signed, milliseconds.
        needed: how many must have.
        oldest: how old it may be, milliseconds.
        now: the auditor's clock, milliseconds.
        findings: where to.
    """
    allowed = f"more than the {oldest / HOUR_MS:,g} hours that are allowed"
    if until + oldest < now:
        findings.add(
            "age",
            f"the log ends {said(until, now)}, {allowed}: it does not grow, or what came since is withheld",
            file="checkpoint",
        )
    if until > now + oldest:
        findings.add(
            "age",
            f"the log ends {said(until, now)}: its times are not those of this clock, and do not show its age",
            file="checkpoint",
        )
    if 0 < needed <= len(witnessed):
        at = sorted(witnessed, reverse=True)[needed - 1]
        if at + oldest < now:
            findings.add(
                "age",
                f"what {needed} witnesses have signed is from {iso(at)}, {said(at, now)}, {allowed}",
                file="checkpoint",
            )

"""What a decision covers of an access, and how far an access goes beyond; in words where it is to be told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from rules.matching.memory import Known
from schemas.access import AccessEvent, Action
from schemas.fields import known

COVERED: Final[Mapping[Action, frozenset[Action]]] = {
    "read": frozenset({"read", "list"}),
    "query": frozenset({"query", "list"}),
}
"""What a decision for an action covers beside itself: whoever may read or query records sees their list. Nothing else
stands for another: a `query` returns what a `read` of one record does not."""

CLOCKS_MS: Final = 1_000
"""How far the clocks of the decision point and of a data plane may be apart: an access that by its own clock is so much
before its decision, or after its end, is taken as within. Machines that keep NTP differ by milliseconds."""


def covers(decided: Action, done: Action) -> bool:
    """Whether a decision for an action covers another."""
    return done == decided or done in COVERED.get(decided, ())


def rows(event: AccessEvent) -> int | None:
    """Return how many records an access reached at least; None where it says neither a number nor whom they are of.

    A number that is smaller than the list of data subjects is not believed: it would be a way around every limit.
    """
    records, subjects = known(event.record_count), known(event.subject_ids)
    if subjects:
        return max(records or 0, len(subjects))
    return records


def rows_unsaid(event: AccessEvent, decision: Known) -> bool:
    """Whether an access is under a row limit and does not say how many records it reached."""
    return decision.allow and decision.row_limit is not None and rows(event) is None


def wider(event: AccessEvent, decision: Known) -> list[str]:
    """Return in what an access goes beyond its decision, each a phrase; nothing where it does not.

    Which view was shown counts where the access says it.
    """
    found = []
    if event.dataset_id != decision.dataset_id:
        found.append(f"of {event.dataset_id}, decided was {decision.dataset_id}")
    if not covers(decision.action, event.action):
        found.append(f"{event.action}, decided was {decision.action}")
    count = rows(event)
    if decision.row_limit is not None and count is not None and count > decision.row_limit:
        found.append(f"{count} records, granted were {decision.row_limit}")
    ticket = known(event.ticket)
    if decision.ticket_asked and ticket != decision.ticket:
        found.append("the ticket that it had to name is " + ("another" if ticket else "missing"))
    elif ticket is not None and decision.ticket not in {"", ticket}:
        found.append("under another ticket than decided on")
    if decision.view_asked and known(event.view) == "clear":
        found.append("in clear, granted was the pseudonymised view")
    destination = known(event.destination)
    if destination is not None and destination != decision.destination:
        found.append(f"to {destination}, decided was {decision.destination or 'no destination'}")
    return found


def times(used: int, uses: int) -> int | None:
    """Return how many times as often as it covers a decision was used, where that is to be told now; else None."""
    if used == uses + 1:
        return 1
    times, rest = divmod(used, max(1, uses))
    return times if not rest and times >= 2 and times.bit_count() == 1 else None


def latest(decision: Known) -> tuple[int, str]:
    """Return what orders decisions, the latest first."""
    return -decision.decided_at, decision.decision_id


def span(milliseconds: int) -> str:
    """Return a length of time as a person says it."""
    if milliseconds < 1_000:
        return f"{milliseconds} ms"
    seconds = milliseconds // 1_000
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7_200 else f"{seconds // 3_600} h"

"""The group book of one destination that tells people: what is told now, what waits, what was told.

A pure state machine: no clock, no network; `now` is handed in, integer milliseconds since 1970. The engine calls
`take` or `silence` for each revision that it reads, `due` when `next_due` says so (and after taking), sends what it
gets, calls `settle` (or `park`) with what came of it, and after any of these empties `settled`.
"""

from __future__ import annotations

from typing import Generic

from alerts.notice import Outcome
from alerts.plan import Plan
from alerts.settling import Due, Settled, T
from schemas.alert import Alert
from schemas.receipt import Receipt

__all__ = ["Book", "Due", "Settled"]


class Book(Generic[T]):
    """The groups of one grouped destination. `T` is whatever the engine wants back when an alert is settled."""

    def __init__(self, plan: Plan, destination: str) -> None:
        """Start empty; `destination` is a name in `plan.destinations`."""

    def take(self, alert: Alert, ref: T, now: int) -> None:
        """Take a revision of an alert that is routed here. `ref` comes back in `settled`, once."""

    def silence(self, alert: Alert, silence: str, ref: T, now: int) -> None:
        """Take a revision that a silence holds back; it is told when the silence ends and it is open still.

        The end of something that was told is told through a silence: `ref` comes back when it is.
        """

    def due(self, now: int) -> list[Due[T]]:
        """Return what is to be sent now. Of one key there is at most one notice out, until it is settled."""
        raise NotImplementedError

    def next_due(self) -> int | None:
        """Return when `due` has something to do again, if nothing is taken or settled before; None: never."""
        raise NotImplementedError

    def settle(self, due: Due[T], outcome: Outcome, now: int, retry_at: int | None = None) -> None:
        """Note what came of a notice. `Refused` parks it; after `Failed` the same notice is due again at `retry_at`."""

    def park(self, due: Due[T], reason: str, now: int) -> None:
        """Give a notice up: its alerts are settled as `parked`, and later ones of its groups park behind them."""

    def unpark(self, key: str) -> None:
        """Let a group be told of again; the engine takes what is parked for it anew, in order, before anything else."""

    def settled(self) -> list[Settled[T]]:
        """Return what was settled since the last call."""
        raise NotImplementedError

    def restore(self, receipt: Receipt, alert: Alert | None, ref: T) -> None:
        """Rebuild from the newest receipt of an alert, before anything is taken.

        Args:
            receipt: of this destination.
            alert: the newest revision in the alerts topic, where there is one; needed of those that are open.
            ref: made from the receipt; comes back (`first=False`) if a silence of it ends.
        """

    def replan(self, plan: Plan, now: int) -> None:
        """Go on under another version of the policy: silences end or begin, limits and times change."""

    @property
    def pending(self) -> int:
        """Refs that are not settled: the engine stops reading when they are too many."""
        raise NotImplementedError

    @property
    def silenced(self) -> dict[str, int]:
        """By silence: how many open alerts it holds back."""
        raise NotImplementedError

    @property
    def parked(self) -> frozenset[str]:
        """Keys of groups that are parked."""
        raise NotImplementedError

    def key(self, alert: Alert) -> str:
        """Return the key of the group that an alert belongs to."""
        raise NotImplementedError

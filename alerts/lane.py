"""The lane to one destination: what is to be sent, in which order, when again, and when no more.

Pure: it is handed the time and a random number. Order holds by key: while a notice waits for its next try, later ones
of its key wait behind it, others go past. A notice that was tried for longer than the budget is given up, and with it
all that stands behind it under its key: they are parked in their order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from alerts.notice import Delivered, Failed, Notice, Outcome, Refused

BACKOFF_FIRST_MS: Final = 500
"""The wait after a first failure, at most: a receiver that restarts is back within seconds."""

BACKOFF_MOST_MS: Final = 30_000
"""The longest wait between two tries, unless the receiver asks for a longer one: how late its return is noticed."""

BEHIND: Final = "behind an earlier one of its key that is parked"

ASKED_MOST_MS: Final = 600_000
"""The longest wait that a receiver may ask for (Retry-After): ten minutes; more would be an outage by request."""


@dataclass(slots=True, eq=False)
class Item:
    """A notice on its way."""

    notice: Notice
    handle: Any
    """What its giver knows it by."""
    since: int = 0
    """Since when it is to be sent, milliseconds."""
    attempts: int = 0
    not_before: int = 0
    reason: str = ""
    """Why the last try failed."""


class Done(NamedTuple):
    """An item that is on its way no more."""

    item: Item
    outcome: Delivered | Refused


@dataclass(slots=True)
class Lane:
    """One destination's notices.

    Args:
        batch_max: notices in one `send`.
        budget: how long one notice is tried, milliseconds.
        jitter: returns a number from 0 to 1: many processes must not come back at one moment.
    """

    batch_max: int
    budget: int
    jitter: Callable[[], float]
    pending: deque[Item] = field(default_factory=deque)
    held_until: int = 0
    """Nothing is sent before: the receiver takes nothing, or asks for a pause."""
    _failing: set[str] = field(default_factory=set)
    """Keys that failed since something was last taken."""

    def __len__(self) -> int:
        return len(self.pending)

    def put(self, notice: Notice, handle: Any, now: int) -> None:
        """Take a notice to be sent; its budget begins."""
        self.pending.append(Item(notice, handle, since=now))

    def ready(self, now: int) -> list[Item]:
        """Return what may be sent now, at most a batch, in order."""
        found: list[Item] = []
        if now < self.held_until:
            return found
        blocked: set[str] = set()
        for item in self.pending:
            if item.notice.key in blocked:
                continue
            if item.not_before > now:
                blocked.add(item.notice.key)
                continue
            found.append(item)
            if item.attempts:
                blocked.add(item.notice.key)  # it failed: it goes before all of its key, not with them
            if len(found) == self.batch_max:
                break
        return found

    def next_at(self) -> int | None:
        """Return when something may be sent; None where nothing waits."""
        seen: set[str] = set()
        earliest = None
        for item in self.pending:
            if item.notice.key not in seen:
                seen.add(item.notice.key)
                earliest = item.not_before if earliest is None else min(earliest, item.not_before)
                if not earliest:
                    break  # one that was never tried: nothing is earlier
        return None if earliest is None else max(earliest, self.held_until)

    def took(self, items: Sequence[Item], outcomes: Sequence[Outcome], now: int) -> list[Done]:
        """Take note of what came of a batch; return what is done with, in order.

        What was delivered behind something of its key that was not is not done with: it is sent again behind it, so
        that the last word of a key is the last one that the receiver has.

        Args:
            items: as `ready` returned them.
            outcomes: of each.
            now: when the answer was there, milliseconds.
        """
        done: list[Done] = []
        failed: dict[str, Item] = {}
        refused: set[str] = set()
        wait = self._wait(items, outcomes)
        for item, outcome in zip(items, outcomes, strict=True):
            key = item.notice.key
            item.attempts += 1
            if key in failed:
                item.not_before, item.reason = now + wait, failed[key].reason
            elif key in refused:
                done.append(Done(item, Refused(BEHIND)))
            elif isinstance(outcome, Failed):
                item.not_before, item.reason = now + wait, outcome.reason
                failed[key] = item
            else:
                done.append(Done(item, outcome))
                if isinstance(outcome, Refused):
                    refused.add(key)
        if len(failed) < len({item.notice.key for item in items}):
            self._failing.clear()
        elif failed:
            # One that fails by itself holds up nobody; several keys in a row, or a receiver that asks for a pause, do.
            self._failing.update(failed)
            asked = any(isinstance(each, Failed) and each.retry_after_s is not None for each in outcomes)
            if asked or len(self._failing) > 1:
                self.held_until = now + wait
        done += self._given_up(failed, refused, {id(each.item) for each in done}, now)
        gone = {id(each.item) for each in done}
        if gone:
            self.pending = deque(item for item in self.pending if id(item) not in gone)
        return done

    def _given_up(self, failed: Mapping[str, Item], refused: set[str], done: set[int], now: int) -> list[Done]:
        """Return what is parked besides: what waited for longer than the budget, and what stands behind that."""
        found = []
        over, away = set(refused), self.held_until > now
        reason = next((item.reason for item in failed.values()), "")
        for item in self.pending:
            if id(item) in done:
                continue
            key = item.notice.key
            if key in over:
                found.append(Done(item, Refused(BEHIND)))
            elif now - item.since >= self.budget and (away or key in failed):
                over.add(key)
                found.append(Done(item, Refused(f"given up after {item.attempts} tries: {item.reason or reason}")))
        return found

    def _wait(self, items: Sequence[Item], outcomes: Sequence[Outcome]) -> int:
        """Return how long those that failed wait, together: an exponential back-off with jitter, or what is asked for.

        Together, so that a receiver that comes back gets batches, not single notices.
        """
        failed = [(item, each) for item, each in zip(items, outcomes, strict=True) if isinstance(each, Failed)]
        if not failed:
            return 0
        tries = max(item.attempts for item, _ in failed)
        most = min(BACKOFF_MOST_MS, BACKOFF_FIRST_MS << min(tries, 16))
        asked = max(each.retry_after_s or 0.0 for _, each in failed)
        return max(round(most * (0.5 + 0.5 * self.jitter())), min(ASKED_MOST_MS, round(asked * 1000)))

"""Ends a process that no longer gets anywhere, so that its restart reads again from the commit.

A crash is the cure for a stream that hangs while everything around it works. It is no cure for a broker that
does not answer: then the worker is not ready and keeps trying.
"""

from dataclasses import dataclass
from time import monotonic
from typing import Any

from mode import Service

from agents.transport.app import StreamApp
from agents.transport.lag import LagService

__all__ = ["StreamStuckError", "Watchdog", "WatchdogSettings"]


class StreamStuckError(Exception):
    """The stream made no progress although the broker answers."""


@dataclass(frozen=True, slots=True)
class WatchdogSettings:
    """Limits in seconds."""

    stuck_head: float = 120.0
    """How long the oldest unfinished batch may stay the oldest. It bounds the longest honest batch: one that
    awaits 30 s for its alerts (producer_request_timeout), with several retries. Too low kills workers that
    are only slow."""
    held_head: float = 300.0
    """The same where its agent said that events in it wait. Those are bounded on their own (facts_grace, 10
    s), so this catches a bound that failed."""
    no_assignment: float = 120.0
    """How long the group may leave this worker without an answer to its join. Several rebalance timeouts (30
    s): other workers may hold up a join twice in a row."""
    broker_silence: float = 30.0
    """How old the broker's last answer may be for it to count as answering: several rounds of LagService."""
    interval: float = 5.0
    """Between two looks."""


class Watchdog(Service):
    """Crashes the app (exit code 1) when it hangs while the broker answers.

    Args:
        app: the stream.
        lag: knows when the broker last answered.
        settings: the limits.
    """

    def __init__(
        self, app: StreamApp, lag: LagService, settings: WatchdogSettings | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._app = app
        self._lag = lag
        self._settings = settings or WatchdogSettings()
        self._unassigned_since: float | None = None

    @property
    def broker_answers(self) -> bool:
        """Whether the broker answered lately. Part of readiness."""
        return self._lag.answered_within(self._settings.broker_silence)

    @property
    def ready(self) -> bool:
        """Whether this worker has its assignment, is positioned on all of it, and the broker answers."""
        return self.broker_answers and self._app.positioned

    @Service.task
    async def _watch(self) -> None:
        while not self.should_stop:
            await self.sleep(self._settings.interval)
            now = monotonic()
            reason = self.stuck(now)
            if reason is not None and not self.should_stop:
                raise StreamStuckError(reason)

    def stuck(self, now: float) -> str | None:
        """Why the process must be ended, in a sentence, or None. `now` is in monotonic seconds."""
        if self._app.assigned_since is not None or not self.broker_answers:
            # A silent broker assigns nothing; the time counts from when it answers again.
            self._unassigned_since = None
        elif self._unassigned_since is None:
            self._unassigned_since = now
        if not self.broker_answers:
            return None
        limits = self._settings
        if self._unassigned_since is not None and now - self._unassigned_since > limits.no_assignment:
            return f"no assignment for {now - self._unassigned_since:.0f} s although the broker answers"
        ledger = self._app.ledger
        for tp in ledger.partitions():
            head, age = ledger.head(tp), ledger.head_age(tp, now)
            if head is None or age is None:
                continue
            limit = limits.held_head if head.held else limits.stuck_head
            if age > limit:
                return (
                    f"topic {tp[0]} partition {tp[1]}: offsets {head.first}..{head.last} unfinished for {age:.0f} s"
                    f" although the broker answers; {ledger.open_spans(tp)} batches from there on"
                )
        return None

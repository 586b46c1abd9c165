"""Sending a batch to a destination: clear names where they are allowed, whatever it raises as a failure, counted."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from msgspec import structs

from agents.delivering.metrics import DeliveryMetrics
from alerts.destination import Destination
from alerts.notice import Delivered, Failed, Notice, Outcome, Refused
from alerts.trouble import place
from schemas.alert import Alert

log = logging.getLogger(__name__)

Show = Callable[[Sequence[Alert]], Awaitable[list[Alert]]]
"""Puts clear names into alerts."""

WORDS = {Delivered: "delivered", Failed: "failed", Refused: "refused"}


class Sender:
    """One destination's.

    Args:
        name: of the destination.
        destination: not started.
        metrics: counts attempts.
        show: puts clear names into an alert; None where the policy does not allow them there.
    """

    def __init__(self, name: str, destination: Destination, metrics: DeliveryMetrics, show: Show | None) -> None:
        self._name, self._destination, self._metrics, self._show = name, destination, metrics, show
        self.up = True
        """Whether the last batch was answered, if only for one of it."""

    async def start(self) -> None:
        """Open the destination."""
        await self._destination.start()

    async def stop(self) -> None:
        """Close it."""
        await self._destination.stop()

    async def send(self, notices: Sequence[Notice]) -> Sequence[Outcome]:
        """Send notices; return what came of each. Never raises for what a destination does."""
        if self._show is not None:
            notices = [structs.replace(each, alerts=tuple(await self._show(each.alerts))) for each in notices]
        try:
            outcomes = await self._destination.send(notices)
            if len(outcomes) != len(notices):
                raise RuntimeError(f"{len(outcomes)} outcomes of {len(notices)} notices")
        except Exception as error:  # noqa: BLE001  # a defect of one must not stop the others: tried again
            log.error("%s: sending raised %s", self._name, place(error))
            outcomes = [Failed(f"sending raised {type(error).__name__}")] * len(notices)
        self._count(outcomes)
        return outcomes

    def _count(self, outcomes: Sequence[Outcome]) -> None:
        for kind, count in Counter(type(outcome) for outcome in outcomes).items():
            self._metrics.attempts.labels(self._name, WORDS[kind]).inc(count)
        up = any(not isinstance(outcome, Failed) for outcome in outcomes)
        if up and not self.up:
            log.info("%s: answers again", self._name)
        elif self.up and not up:
            reason = next(each.reason for each in outcomes if isinstance(each, Failed))
            log.warning("%s: does not take notices: %s; they are tried again", self._name, reason)
        self.up = up

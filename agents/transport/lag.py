"""How far behind the stream is, asked of the broker and not of the fetches."""

import asyncio
from dataclasses import dataclass
from time import monotonic
from typing import Any

from mode import Service

from agents.ledger import TP
from agents.transport.app import StreamApp

__all__ = ["LagService", "PartitionLag"]

INTERVAL = 5.0
"""Seconds between two questions. One request a broker; fine enough for an alert on lag, which looks at
minutes."""

ANSWER_TIMEOUT = 10.0
"""Seconds for an answer. Without one the broker counts as not answering, and the next round asks again."""


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """Offsets of one partition held by this worker. Each is the next one: of the log, to deliver, to do."""

    end: int | None
    """The end of the log, None until the broker answered. Right also while nothing is fetched."""
    position: int
    """The next offset to hand to the stream."""
    committed: int | None
    """The next offset for whoever takes over; None for a group that never committed."""
    head_age: float | None
    """Seconds for which the oldest unfinished batch has been the oldest, None where all is done."""


class LagService(Service):
    """Refreshes the log ends of the held partitions. Faust's figure freezes when its consumer stalls.

    Args:
        app: the stream.
        interval: seconds between two questions.
    """

    def __init__(self, app: StreamApp, *, interval: float = INTERVAL, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._app = app
        self._interval = interval
        self._ends: dict[TP, int] = {}
        self.answered_at: float | None = None
        """When (monotonic seconds) the broker last answered; None if never."""

    def partitions(self) -> dict[TP, PartitionLag]:
        """What is known now, for every partition held."""
        ledger, now = self._app.ledger, monotonic()
        return {
            tp: PartitionLag(
                end=self._end(tp, position),
                position=position,
                committed=self._app.committed(tp),
                head_age=ledger.head_age(tp, now),
            )
            for tp in ledger.partitions()
            if (position := ledger.expected(tp)) is not None
        }

    def ends(self) -> dict[TP, int]:
        """Where the log of every partition held ends, of those of which the broker has told it."""
        return {tp: each.end for tp, each in self.partitions().items() if each.end is not None}

    def answered_within(self, seconds: float) -> bool:
        """Whether the broker answered in the last `seconds`."""
        return self.answered_at is not None and monotonic() - self.answered_at <= seconds

    def _end(self, tp: TP, position: int) -> int | None:
        end = self._ends.get(tp)
        return None if end is None else max(end, position)

    @Service.task
    async def _ask(self) -> None:
        while not self.should_stop:
            tps = self._app.ledger.partitions() or self._first_partitions()
            if tps:
                try:
                    self._ends = dict(await self._app.log_ends(tps, ANSWER_TIMEOUT))
                except asyncio.CancelledError:
                    raise
                except Exception as exc:  # noqa: BLE001 - any failure to answer is the finding; the next round asks again
                    self.log.warning("No log ends from the broker: %r", exc)
                else:
                    self.answered_at = monotonic()
            await self.sleep(self._interval)

    def _first_partitions(self) -> list[TP]:
        """Something to ask about while nothing is assigned, to know whether the broker answers."""
        return [(topic, 0) for topic in self._app.topics.acking_topics]

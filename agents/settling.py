"""Settling batches: a batch is acked when everything that came of it is stored, and not a moment before.

Sends are started at once and awaited here in order, so that the next batch is judged while the brokers still store
what the last one gave. A batch with waiting events stays open until the last of them is judged and stored.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from mode import Service

from agents.gave import Gave
from agents.publisher import Sent
from agents.transport import Delivery

IN_FLIGHT: Final = 8
"""Batches whose sends may be on their way at once. Enough to hide the brokers' answer time behind judging; each may
hold a batch of alerts in memory."""


@dataclass(slots=True, eq=False)
class Open:
    """A batch and how much of it is still to be stored."""

    delivery: Delivery
    parts: int = 1
    """The batch itself and each event of it that waits."""
    gave: Gave = field(default_factory=Gave)
    """What came of it, for the audit."""

    def done(self, parts: int = 1) -> None:
        """Count parts as stored; the last one acks the batch."""
        self.parts -= parts
        if self.parts == 0:
            self.delivery.ack()


@dataclass(slots=True)
class _Work:
    sends: Sequence[Sent]
    settle: Sequence[Open]
    then: Callable[[], None] | None = field(default=None)


class Settler(Service):
    """Awaits sends in order and settles what they belong to. A failed send crashes the process: nothing is acked."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._queue: asyncio.Queue[_Work] = asyncio.Queue(IN_FLIGHT)
        self._begun: dict[int, asyncio.Future[None]] = {}
        """What is being judged or not stored yet, in the order of its beginning."""
        self._number = 0
        self._broken = False

    def begin(self) -> Callable[[], None]:
        """Take note that something is about to be judged; what is returned is called when all of it is stored."""
        self._number += 1
        number = self._number
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._begun[number] = future

        def done() -> None:
            self._begun.pop(number, None)
            if not future.done():
                future.set_result(None)

        return done

    async def stored(self) -> None:
        """Return when everything that came of what was judged until now is stored.

        Raises:
            RuntimeError: something never will be: the process goes down, and what depends on it must not be written.
        """
        for waited in list(self._begun.values()):
            await waited
        if self._broken:
            raise RuntimeError("what was judged is not stored, and never will be by this process")

    @contextmanager
    def or_broken(self) -> Iterator[None]:
        """Whatever fails here fails for good: states may have moved on without their alerts, and must not be saved."""
        try:
            yield
        except BaseException:
            self.broke()
            raise

    def broke(self) -> None:
        """Take note that something begun will never be stored: whoever waits for it is told so."""
        self._broken = True
        for future in self._begun.values():
            if not future.done():
                future.set_result(None)
        self._begun.clear()

    async def put(self, sends: Sequence[Sent], settle: Sequence[Open], then: Callable[[], None] | None = None) -> None:
        """Call `then` and settle each of `settle` by one part once all `sends` are stored; waits while many are."""
        if not sends and self._queue.empty():
            if then is not None:
                then()
            for item in settle:
                item.done()
            return
        await self._queue.put(_Work(sends, settle, then))

    @Service.task
    async def _settle(self) -> None:
        while not self.should_stop:
            work = await self._queue.get()
            if work.sends:
                with self.or_broken():
                    await asyncio.gather(*work.sends)
            if work.then is not None:
                work.then()
            for item in work.settle:
                item.done()

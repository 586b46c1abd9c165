"""Until when approvals are known: an access is not judged before those are that its decision may rest on.

The decision point knows an approval before it decides by it, so its record is older than the decision's. What reads
approvals here may be behind all the same, above all while it reads the topic anew under another policy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from aiokafka.errors import KafkaError
from mode import Service

from agents.watching import wall_clock
from schemas.errors import ReferenceUnavailableError

RETRY_S: Final = 0.5
"""After brokers did not answer."""


class Known(Protocol):
    """Says until when all is known."""

    known_to: int

    def want(self, at: int) -> None:
        """Ask that `known_to` reach a time, which is past."""


class ApprovalsKnown(Service):
    """Asks, when somebody wants to know, that all approvals be read that there are.

    Args:
        to_end: returns when everything is read that the topic holds now (`ApprovalTail.to_end`).
    """

    def __init__(self, to_end: Callable[[], Awaitable[None]], **kwargs: object) -> None:
        super().__init__(**kwargs)  # type: ignore[arg-type]  # mode's own
        self._to_end = to_end
        self._wanted = 1
        self._asked = asyncio.Event()
        self.known_to = 0
        """Every approval that was appended until then is taken, milliseconds."""

    def want(self, at: int) -> None:
        """Ask that `known_to` reach a time, which is past."""
        if at > self._wanted:
            self._wanted = at
            self._asked.set()

    @Service.task
    async def _ask(self) -> None:
        while not self.should_stop:
            if self.known_to >= self._wanted:
                self._asked.clear()
                await self.wait(self._asked.wait())
                continue
            at = wall_clock()
            try:
                await self._to_end()
            except (TimeoutError, ReferenceUnavailableError, KafkaError) as error:
                self.log.warning("Approvals are not known to their end, asked again: %s", error)
                await self.sleep(RETRY_S)
            else:
                self.known_to = at


class Both:
    """What is known of two."""

    def __init__(self, one: Known, other: Known) -> None:
        self._one, self._other = one, other

    @property
    def known_to(self) -> int:
        """Everything that was appended until then is taken, milliseconds."""
        return min(self._one.known_to, self._other.known_to)

    def want(self, at: int) -> None:
        """Ask that `known_to` reach a time, which is past."""
        self._one.want(at)
        self._other.want(at)

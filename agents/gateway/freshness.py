"""How long ago it was last known that everything is read by which is decided: directories and approvals.

Rows and withdrawals take effect within a second because they are read as they come. That nothing comes may be because
there is nothing, or because nothing is read: only a broker's answer tells. So brokers are asked where the topics end,
and a decision point that has not reached those ends for too long does not go by what it knows.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from aiokafka.errors import KafkaError
from mode import Service

from schemas.errors import ReferenceUnavailableError
from schemas.gateway_topics import GATEWAY_APPROVALS

ASK_EVERY_S: Final = 1.0
"""Between two questions where the approvals end: as of the directories."""

ASK_WITHIN_S: Final = 10.0
"""Within which it must be answered and read to there; then it is asked again, since the old question may be lost."""


class ToEnd(Protocol):
    """Reads approvals; an `ApprovalTail` does."""

    async def to_end(self) -> None:
        """Return when everything is read that the topic holds now."""


class Freshness(Service):
    """Asks about approvals, and says how old all is that is known.

    Args:
        directories: by topic the seconds since it was known to be read to its end (`ReferenceTables.age`).
        approvals: those that are read.
        within_s: how old is too old.
    """

    def __init__(
        self, directories: Callable[[], Mapping[str, float]], approvals: ToEnd, within_s: float, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._directories, self._approvals, self.within_s = directories, approvals, within_s
        self._approvals_at = float("-inf")
        self._was_stale: bool | None = None
        """None: nothing was current yet; before the start nobody is told that it is not."""

    def ages(self) -> dict[str, float]:
        """Return by topic the seconds since it was last known to be read to its end; infinite before."""
        return {**self._directories(), GATEWAY_APPROVALS: time.monotonic() - self._approvals_at}

    def reasons(self) -> list[str]:
        """Return why what is known is too old to decide by, for an administrator; nothing when it is not."""
        return [
            f"{topic} was not known to be read to its end for {age:.1f} s; allowed: {self.within_s:g} s"
            for topic, age in sorted(self.ages().items())
            if age > self.within_s
        ]

    @Service.task
    async def _ask(self) -> None:
        while not self.should_stop:
            asked_at = time.monotonic()
            try:
                async with asyncio.timeout(ASK_WITHIN_S):
                    await self._approvals.to_end()
            except (TimeoutError, ReferenceUnavailableError, KafkaError) as error:
                self.log.warning("Approvals are not known to their end: %s", type(error).__name__)
            else:
                self._approvals_at = asked_at
            await self.sleep(ASK_EVERY_S)

    @Service.task
    async def _look(self) -> None:
        while not self.should_stop:
            self._say()
            await self.sleep(ASK_EVERY_S)

    def _say(self) -> None:
        stale = self.reasons()
        if stale and self._was_stale is None:
            return
        if stale and not self._was_stale:
            self.log.error("What is known is too old to decide by: %s", "; ".join(stale))
        elif self._was_stale and not stale:
            self.log.warning("What is known is current again")
        self._was_stale = bool(stale)

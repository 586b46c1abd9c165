"""The runner, begun anew at what is committed where it fails."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from agents.matching.metrics import MatchMetrics
from agents.matching.runner import MatchRunner
from alerts.trouble import place
from schemas.errors import CloverwatchError

log = logging.getLogger(__name__)

RESTART_FIRST_S: Final = 1.0
RESTART_MOST_S: Final = 60.0
"""Between the end of a runner that failed and its next beginning: doubled each time, up to a minute."""


class Restarting:
    """Runs a runner; where it fails another is begun, later and later.

    Args:
        make: makes one.
        metrics: counted into.
    """

    def __init__(self, make: Callable[[], MatchRunner], metrics: MatchMetrics) -> None:
        self._make, self._metrics = make, metrics
        self.runner = make()
        """The present one."""

    async def run(self, stopping: asyncio.Event) -> None:
        """Run until the runner was told to stop, or all ends."""
        wait = RESTART_FIRST_S
        while not stopping.is_set():
            began = time.monotonic()
            try:
                await self.runner.run()
            except Exception as error:  # noqa: BLE001  # whatever it is: it is told, and tried again
                if time.monotonic() - began > RESTART_MOST_S:
                    wait = RESTART_FIRST_S
                said = str(error) if isinstance(error, CloverwatchError) else place(error)
                log.error("Matching ended: %s; begun anew in %g s", said, wait)
                self._metrics.restarts.inc()
            else:
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), wait)
                return
            wait = min(RESTART_MOST_S, 2 * wait)
            self.runner = self._make()

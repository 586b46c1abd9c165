"""How the tests hand notices to a destination: again and again until each has an outcome that is final."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from alerts.destination import Destination
from alerts.notice import Delivered, Failed, Notice, Refused

PAUSE = 0.05
"""Seconds between two tries; the policy's back-off is not what is tested here."""


async def send_all(
    destination: Destination,
    notices: Sequence[Notice],
    *,
    batch: int,
    within: float,
    between: Callable[[int], object] = lambda _: None,
) -> list[Delivered | Refused]:
    """Send all in batches, each until it has no failure; fail where `within` seconds do not suffice.

    Args:
        destination: started.
        notices: in order.
        batch: how many in one `send`.
        within: seconds for all.
        between: called with the number of each batch, before its first `send`.
    """
    deadline = time.monotonic() + within
    final: list[Delivered | Refused] = []
    for number, first in enumerate(range(0, len(notices), batch)):
        between(number)
        todo = dict(enumerate(notices[first : first + batch]))
        done: dict[int, Delivered | Refused] = {}
        while todo:
            outcomes = await destination.send(list(todo.values()))
            assert len(outcomes) == len(todo)
            for index, outcome in zip(list(todo), outcomes, strict=True):
                if not isinstance(outcome, Failed):
                    done[index] = outcome
                    del todo[index]
            if todo:
                assert time.monotonic() < deadline, f"{len(todo)} of a batch fail still: {outcomes[-1]}"
                await asyncio.sleep(PAUSE)
        final += [done[index] for index in sorted(done)]
    return final

"""How often each caller may ask: a bucket of tokens each."""

from __future__ import annotations

import math
from collections.abc import Callable

from agents.gateway.refusal import Refusal

CALLERS_MAX = 10_000
"""Callers remembered: certificates of one authority may name more; the one that was silent longest is forgotten."""


class Rates:
    """So much a second, of each caller.

    Args:
        per_s: how much.
        what: in words, for whoever has had it.
        at_once_s: how many seconds' worth may be had at once after a pause.
        clock: seconds that never go back.
    """

    def __init__(self, per_s: float, what: str, clock: Callable[[], float], at_once_s: float = 1.0) -> None:
        self._most = max(1.0, per_s * at_once_s)
        self._per_s, self._what, self._clock = per_s, what, clock
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, caller: str, cost: int = 1) -> None:
        """Take so much; the last request may take more than is left, which the next ones pay for.

        Raises:
            Refusal: nothing is left; it says after how many seconds there is.
        """
        now = self._clock()
        left, at = self._left.pop(caller, (self._most, now))
        left = min(self._most, left + (now - at) * self._per_s)
        taken = left >= 1.0
        self._left[caller] = (left - cost if taken else left, now)
        if len(self._left) > CALLERS_MAX:
            del self._left[next(iter(self._left))]
        if not taken:
            wait = max(1, math.ceil((1.0 - left) / self._per_s))
            raise Refusal("rate", f"more than {self._per_s:g} {self._what} a second", {"Retry-After": str(wait)})

"""How many distinct data subjects: exact while they are few, a HyperLogLog sketch beyond, its error stated."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil, floor
from typing import Any, Final

from datasketches import HLL_8, hll_sketch, hll_union  # type: ignore[import-untyped]  # it has no stubs

from rules.where.sheet import Estimate

EXACT_MAX: Final = 1_000
"""Up to so many tokens the count is exact: 100 KB of a group at most, and no reader doubts a small number."""

LG_K: Final = 14
"""2^14 registers, 16 KB a group: a relative standard error of 1.04 / sqrt(2^14) = 0.81 % (Flajolet et al. 2007,
"HyperLogLog: the analysis of a near-optimal cardinality estimation algorithm", theorem 1)."""

DEVIATIONS: Final = 2
"""Standard deviations to either bound."""

CONFIDENCE: Final = "95 %"
"""Of normally distributed errors 95.4 % lie within two standard deviations."""

STATED: Final = (
    f"Distinct data subjects are exact up to {EXACT_MAX:,}; beyond it they are estimated (HyperLogLog, 2^{LG_K} "
    f"registers), and the true number lies between the bounds with {CONFIDENCE} confidence."
)
"""What a report says of it."""


class Distinct:
    """A set of tokens of which only the size is asked. No token can be read out of a sketch."""

    __slots__ = ("_few", "_sketch")

    def __init__(self) -> None:
        self._few: set[str] = set()
        """Every token while they are few; then those that are not in the sketch yet."""
        self._sketch: Any = None

    def add(self, tokens: Iterable[str]) -> None:
        """Take tokens, new or not."""
        self._few.update(tokens)
        if len(self._few) > EXACT_MAX:
            self._flush()

    def _flush(self) -> None:
        if self._sketch is None:
            self._sketch = hll_sketch(LG_K, HLL_8)
        update = self._sketch.update
        for token in self._few:
            update(token)
        self._few.clear()

    def estimate(self) -> Estimate:
        """Return how many there were; the same tokens give the same answer, in whichever order they came."""
        return together((self,))


def together(parts: Iterable[Distinct]) -> Estimate:
    """Return how many there were in all of them, each once.

    Always asked of a union: the estimate of a single sketch is a little better (0.65 %), and depends on the order.
    """
    sketches, few = list[Any](), set[str]()
    for part in parts:
        few |= part._few
        if part._sketch is not None:
            sketches.append(part._sketch)
    if not sketches and len(few) <= EXACT_MAX:
        return Estimate(len(few), len(few), len(few), exact=True)
    rest = hll_sketch(LG_K, HLL_8)
    for token in few:
        rest.update(token)
    union = hll_union(LG_K)
    for sketch in (*sketches, rest):
        # Twice: a union of one sketch alone keeps its history, and with it the order.
        union.update(sketch)
        union.update(sketch)
    return _bounded(union.get_result())


def _bounded(sketch: Any) -> Estimate:
    # The bounds of a sketch can lie below what was seen before it was needed.
    least = EXACT_MAX + 1
    count, low, high = sketch.get_estimate(), sketch.get_lower_bound(DEVIATIONS), sketch.get_upper_bound(DEVIATIONS)
    return Estimate(max(least, round(count)), max(least, floor(low)), max(least, ceil(high)), exact=False)

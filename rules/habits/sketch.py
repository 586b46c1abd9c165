"""Counting how many different things there were, and whether one was there before, at a bounded size.

Counting is linear counting (Whang et al. 1990): exact for few, good to some thousands, a day of one person. Membership
is a Bloom filter (Bloom 1970). Both are plain integers used as bit sets, over 64-bit hashes that are the same in every
process (`mark`); Python's own `hash` of a string is not.
"""

from __future__ import annotations

from math import log
from typing import Final

from xxhash import xxh3_64_intdigest


def mark(text: str) -> int:
    """Return 64 bits of a text, the same in every process and on every machine."""
    return xxh3_64_intdigest(text.encode())


DAY_BITS: Final = 1024
"""Bits of a day's counter: 128 bytes; 5 % off at 1,000 different subjects, full at some 7,000 (`MOST`)."""

MOST: Final = int(DAY_BITS * log(DAY_BITS))
"""What a full counter says: at least so many."""


def bit_of(subject: int) -> int:
    """Return the bit of a marked subject in a day's counter."""
    return 1 << (subject % DAY_BITS)


def distinct(bits: int) -> int:
    """Return how many different subjects a day's counter has seen."""
    free = DAY_BITS - bits.bit_count()
    return MOST if free <= 0 else round(-DAY_BITS * log(free / DAY_BITS))


BLOOM_BITS: Final = 512
"""Bits of a filter of datasets: 64 bytes; with 50 of them one new dataset in 90 is taken for a known one."""


BLOOM_HASHES: Final = 3
"""Bits of one thing: with more of them a filter of this size fills too fast."""


def about(bits: int) -> int:
    """Return how many things a filter holds, about: from how many of its bits are set (Swamidass & Baldi 2007)."""
    free = BLOOM_BITS - bits.bit_count()
    return round(-BLOOM_BITS / BLOOM_HASHES * log(max(free, 1) / BLOOM_BITS))


def bloom_of(thing: int) -> int:
    """Return the bits of a marked thing in a filter: three of them."""
    return 1 << (thing & 511) | 1 << (thing >> 9 & 511) | 1 << (thing >> 18 & 511)

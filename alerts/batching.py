"""What destinations that take many alerts in one request share: where a batch is cut, and how it is packed."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from alerts.notice import Notice

GZIP_LEVEL: Final = 1
"""JSON of alerts shrinks to a seventh at once; a higher level costs three times the processor for a tenth less."""


BREATH: Final = 100
"""Alerts that are written before others may run: some four milliseconds, which a pager beside does not notice."""


async def written(notices: Sequence[Notice], write: Callable[[Notice], bytes]) -> list[bytes]:
    """Return what is written of each notice, letting others run in between: a batch takes tens of milliseconds."""
    parts = []
    for number, notice in enumerate(notices, 1):
        parts.append(write(notice))
        if number % BREATH == 0:
            await asyncio.sleep(0)
    return parts


def runs(parts: Sequence[bytes], most: int) -> Iterator[tuple[int, int]]:
    """Yield `(from, to)` of runs of parts that are at most `most` bytes together; a longer part is a run by itself."""
    first = size = 0
    for index, part in enumerate(parts):
        if index > first and size + len(part) > most:
            yield first, index
            first, size = index, 0
        size += len(part)
    if parts:
        yield first, len(parts)


def halves(first: int, last: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the two halves of a run of at least two."""
    middle = (first + last) // 2
    return (first, middle), (middle, last)


def packed(body: bytes) -> bytes:
    """Return a body as `Content-Encoding: gzip` has it; equal bodies are packed equally."""
    return gzip.compress(body, GZIP_LEVEL, mtime=0)

"""What is kept of the ranges that were judged: of each partition, and of each range that gave alerts."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Final

import msgspec

from agents.audit.verifying.tenure import Tenure
from schemas.coverage import Pass

REPEATED_WITHIN: Final = 64
"""Records of a partition among which a repetition is looked for: what one send holds, and is sent again."""


class Claim(msgspec.Struct, frozen=True, gc=False):
    """A range with alerts: compared when all alerts of the log are known."""

    index: int
    topic: str
    partition: int
    first: int
    last: int
    alerts: tuple[str, ...]
    alerts_hash: str
    verdicts: dict[str, int]
    at: int
    """When it was stored, and no later than it says itself."""
    by: Pass = "judge"
    over: bool = False
    """Whether it reaches over the log's beginning, so that its alerts may be in the log before."""


@dataclass(slots=True)
class Judgement(Tenure):
    """What was judged of one partition, and by whom."""

    first: int
    following: int
    since: int = 0
    until: int = 0
    """When the first and the last range was stored, milliseconds."""
    ranges: int = 0
    records: int = 0
    again: int = 0
    """Offsets that were judged a second time, after a start that says so."""
    alerts: int = 0
    dead_letters: int = 0
    duplicates: int = 0
    moved: int = 0
    holes: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)
    gaps: list[tuple[int, int, int]] = field(default_factory=list)
    """Offsets that no range holds so far: [first, last], and the index of the entry that passed them over."""
    said: deque[str] = field(default_factory=lambda: deque(maxlen=REPEATED_WITHIN))
    """Hashes of its last records."""

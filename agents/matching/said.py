"""What matching says of its own work: which accesses were held against decisions, and what alerts that gave.

The same records by the same means as the worker's (`agents/coverage.py`), as a pass of their own: `by` is `match`. An
access is held against decisions `wait` after it, so what is said here comes that much later, and up to a second, than
what the workers say of the same offsets: a range is said when everything in it is, and not before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from agents.coverage import Coverage
from agents.delivering.group import Batch
from agents.delivering.refs import Run
from agents.gave import Gave
from agents.ledger import TP, Hole
from agents.publisher import Told
from rules.matching.matcher import Judged
from schemas.coverage import Coverage as Record
from schemas.topics import ACCESS_EVENTS

FIRST: Final[TP] = (ACCESS_EVENTS, 0)
"""Alerts about gateways and break-glass are of no access; whoever has this partition tells them, and its ranges name
them."""

WITH_THE_NEXT: Final = -1
"""An offset before every range: what counts there is named by the next one."""


def of_match(record: Record) -> Record:
    """Return a record as one of this pass."""
    return msgspec.structs.replace(record, by="match")


def sends(coverage: Callable[[Record], Any]) -> Callable[[Record], Any]:
    """Return what stores records as those of this pass, given what stores records (`Publisher.coverage`)."""
    return lambda record: coverage(of_match(record))


@dataclass(slots=True, eq=False)
class Part:
    """What becomes of the records of one batch: called once for each that is done with."""

    run: Run
    gave: Gave

    def __call__(self) -> None:
        """Take note that one record is done with, and what came of it stored."""
        self.run.done()


class Saying:
    """Tells `Coverage` of the partitions of `access.events` that the group gives; those of decisions are no matter.

    Args:
        coverage: says it.
    """

    def __init__(self, coverage: Coverage) -> None:
        self._coverage = coverage
        self._held: set[TP] = set()

    def positioned(self, tp: TP, offset: int, committed: int | None) -> None:
        """Take note of where reading begins."""
        if tp[0] == ACCESS_EVENTS:
            self._held.add(tp)
            self._coverage.positioned(tp, offset, committed)

    def hole(self, hole: Hole) -> None:
        """Take note of offsets without a record."""
        if hole.tp[0] == ACCESS_EVENTS:
            self._coverage.hole(hole)

    def given_up(self) -> None:
        """Take note that all partitions are given up."""
        self._coverage.revoked(self._held)
        self._held.clear()

    def begin(self, batch: Batch) -> Part:
        """Take note of a batch of accesses that is about to be held against decisions."""
        return Part(batch.run, self._coverage.begin(batch))

    def held(self, judged: Judged, policy: str) -> None:
        """Take note that an access was held against decisions, under a policy."""
        part = judged.access.handle
        if isinstance(part, Part):
            part.gave.policy = policy
            part.gave.duplicates += judged.repeated

    def gave(self, judged: Judged, told: Told) -> None:
        """Count a stored alert with the batch whose access gave it."""
        part = judged.access.handle
        if isinstance(part, Part):
            part.gave.add(told.alert, told.value)

    def of_gateways(self, told: Told) -> None:
        """Count a stored alert that is about no access."""
        self._coverage.about(FIRST, WITH_THE_NEXT, told.alert, told.value)

    async def before_commit(self, offsets: Mapping[TP, int]) -> dict[int, int]:
        """Return when what was held against decisions below the offsets is said, and stored; by partition, to where."""
        accesses = {(tp[0], tp[1]): offset for tp, offset in offsets.items() if tp[0] == ACCESS_EVENTS}
        await self._coverage.before_commit(accesses)
        return {partition: offset for (_, partition), offset in accesses.items()}

"""Which record of `alerts` something came of, and what must be done with it before its offset may be committed."""

from __future__ import annotations

from dataclasses import dataclass

from agents.ledger import Ledger, Span
from schemas.alert import Alert


@dataclass(slots=True, eq=False)
class Run:
    """A run of records read at once: its span is finished when all of them are settled."""

    ledger: Ledger
    span: Span
    parts: int

    def done(self) -> None:
        """One part is settled."""
        self.parts -= 1
        if self.parts == 0:
            self.ledger.finish(self.span)


@dataclass(slots=True, eq=False)
class Ref:
    """One revision of an alert, on its way to one destination."""

    alert: Alert
    """As it was published: under pseudonyms."""
    partition: int
    offset: int
    published_at: int
    """Append time of its record, milliseconds."""
    term: int
    """Of the group, when it was read: what was read in an earlier one is somebody else's now."""
    run: Run | None = None
    parked_as: bytes | None = None
    """Its key in `alerts.parked`, where it comes from there."""
    attempts: int = 0

    def done(self) -> None:
        """Its fate is stored."""
        if self.run is not None:
            self.run.done()
            self.run = None

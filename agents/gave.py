"""What a batch gave, added up for the audit: counts, and the hash of each alert as it was published."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, NamedTuple

from msgspec import UNSET

from agents.ledger import TP
from agents.publisher import Told
from rules.haul import Haul
from schemas.alert import Alert

Mark = tuple[str, int, str]
"""(alert id, revision, SHA-256 of the record in hex)."""


class Given(NamedTuple):
    """An alert that a batch gave."""

    offset: int
    """Where it counts: of the record that it is about; else one of the batch's."""
    mark: Mark
    rules: tuple[str, ...]
    """Of its findings."""


@dataclass(slots=True, eq=False)
class Gave:
    """What one batch gave so far."""

    first: int = 0
    last: int = -1
    records: int = 0
    place: TP = ("", 0)
    policy: str = ""
    dead_letters: int = 0
    duplicates: int = 0
    moved: int = 0
    alerts: list[Given] = field(default_factory=list)

    @classmethod
    def of(cls, batch: Any) -> Gave:
        """Return what a batch (`RecordBatch`) gave so far: nothing."""
        return cls(batch.span.first, batch.span.last, len(batch.records), (batch.topic, batch.partition))

    def add(self, alert: Alert, value: bytes) -> None:
        """Count an alert that is published as `value`."""
        ref = alert.event
        at = -1 if ref is UNSET or ref.offset is None or (ref.topic, ref.partition) != self.place else ref.offset
        if self.first <= at <= self.last:
            offset = at
        else:  # spread, so that a range can be cut however many there are
            offset = self.first + len(self.alerts) % max(1, self.last - self.first + 1)
        mark = alert.alert_id, alert.revision, sha256(value).hexdigest()
        self.alerts.append(Given(offset, mark, tuple(reason.rule_id for reason in alert.reasons)))


def attribute(haul: Haul, told: Iterable[Told], current: Gave | None, released: Sequence[Gave]) -> None:
    """Count what a haul gave with the batches that gave it.

    Args:
        haul: of a batch, or of events that had waited.
        told: its alerts as they were published; without those of the shadow, which are no alerts.
        current: the batch; None where only waiting events were judged.
        released: the batch of each event that had waited, one for each.
    """
    if current is not None:
        current.dead_letters += len(haul.bad)
        current.moved += len(haul.misplaced)
        current.duplicates += haul.duplicates - len(haul.repeated)
    for token in haul.repeated:
        token.gave.duplicates += 1
    fallback = current if current is not None else released[-1] if released else None
    for each in told:
        found = fallback
        ref = each.alert.event
        if released and ref is not UNSET and ref.offset is not None:
            place = ref.topic, ref.partition
            found = next(
                (gave for gave in released if gave.first <= ref.offset <= gave.last and gave.place == place), fallback
            )
        if found is not None:
            found.add(each.alert, each.value)

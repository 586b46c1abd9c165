"""What a destination's runner knows of before: what was told, what is parked, what is open. Read on assignment."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

from agents.delivering.looking_back import look_back
from agents.delivering.storing import ParkedAlert
from agents.settings import Settings
from schemas.alert import Alert
from schemas.codec import ALERT
from schemas.errors import BadRecordError
from schemas.receipt import Receipt
from schemas.topics import ALERTS, DAY_MS, PARKED, RECEIPTS

TOLD_MAX: Final = 50_000
"""Alerts of which the last revision told is remembered, some 10 MB: repetitions come soon after what they repeat."""

_receipt: Final = msgspec.json.Decoder(Receipt).decode
_parked: Final = msgspec.json.Decoder(ParkedAlert).decode
_OPEN: Final = ("open", "amended")


def horizon(auto_resolve_after: int) -> int:
    """Return how far back something may still be open, milliseconds: the keeper resolves what is older.

    Twice, and a day more: the keeper itself may have been down.
    """
    return 2 * auto_resolve_after + DAY_MS


@dataclass(slots=True)
class Memory:
    """Of one destination."""

    destination: str
    told: OrderedDict[str, int] = field(default_factory=OrderedDict)
    """By alert, the last revision that was taken, or has a receipt other than `parked`."""
    parked: dict[bytes, ParkedAlert] = field(default_factory=dict)
    groups: Counter[str] = field(default_factory=Counter)
    """By key, how many alerts are parked under it."""

    def tell(self, alert_id: str, revision: int) -> None:
        """Take note of a revision that is taken, or has a receipt."""
        if revision >= self.told.get(alert_id, -1):
            self.told[alert_id] = revision
            self.told.move_to_end(alert_id)
            while len(self.told) > TOLD_MAX:
                self.told.popitem(last=False)

    def knows(self, alert: Alert) -> bool:
        """Whether this revision, or a later one, is taken already."""
        return self.told.get(alert.alert_id, -1) >= alert.revision

    def park(self, key: bytes, parked: ParkedAlert) -> None:
        """Take note of a parked alert."""
        if key not in self.parked:
            self.groups[parked.group] += 1
        self.parked[key] = parked

    def unpark(self, key: bytes) -> None:
        """It is delivered, or otherwise settled."""
        parked = self.parked.pop(key, None)
        if parked is not None:
            self.groups[parked.group] -= 1
            if not self.groups[parked.group]:
                del self.groups[parked.group]

    def learn(self, other: Memory) -> None:
        """Take over what was read of more partitions."""
        for alert_id, revision in other.told.items():
            self.tell(alert_id, revision)
        for key, parked in other.parked.items():
            self.park(key, parked)

    def clear(self) -> None:
        """Partitions change hands."""
        self.told.clear()
        self.parked.clear()
        self.groups.clear()


async def read_receipts(
    settings: Settings, memory: Memory, partitions: Iterable[int], since: int
) -> dict[str, Receipt]:
    """Read the receipts of a destination since a time into `memory`; return the last of each alert."""
    found: dict[str, Receipt] = {}
    prefix = f"{memory.destination}|".encode()
    async for record in look_back(settings, RECEIPTS, partitions, since):
        if record.value is None or not (record.key or b"").startswith(prefix):
            continue
        receipt = _receipt(record.value)
        found[receipt.alert_id] = receipt
        if receipt.state != "parked":
            memory.tell(receipt.alert_id, receipt.revision)
    return found


async def read_parked(settings: Settings, memory: Memory, partitions: Iterable[int]) -> None:
    """Read what is parked for a destination into `memory`."""
    prefix = f"{memory.destination}|".encode()
    async for record in look_back(settings, PARKED, partitions):
        key = record.key or b""
        if not key.startswith(prefix):
            continue
        if record.value is None:
            memory.unpark(key)
        else:
            memory.park(key, _parked(record.value))


async def read_open(
    settings: Settings, partitions: Iterable[int], since: int, receipts: Mapping[str, Receipt]
) -> dict[str, Alert]:
    """Return the alerts that were open when their receipt was written, by id, in the revision that the receipt is of.

    Args:
        settings: how the brokers are reached.
        partitions: of `alerts`.
        since: append time, milliseconds.
        receipts: the last of each alert; later revisions come in turn.
    """
    found: dict[str, Alert] = {}
    async for record in look_back(settings, ALERTS, partitions, since):
        receipt = receipts.get((record.key or b"").decode("utf-8", "replace"))
        if record.value is None or receipt is None:
            continue
        try:
            alert = ALERT.decode(record.value)
        except BadRecordError:
            continue  # put away when it was read first
        if alert.revision > receipt.revision:
            continue
        if alert.status in _OPEN:
            found[alert.alert_id] = alert
        else:
            found.pop(alert.alert_id, None)
    return found

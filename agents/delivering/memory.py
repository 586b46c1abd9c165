"""What a destination's runner knows of before: what was told, what is parked, what is open. Read on assignment."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec

from agents.delivering.looking_back import look_back
from agents.delivering.storing import ParkedAlert
from agents.settings import Settings
from schemas.alert import Alert
from schemas.codec import ALERT
from schemas.errors import BadRecordError
from schemas.receipt import Receipt
from schemas.topic import DAY_MS
from schemas.topics import ALERTS, PARKED, RECEIPTS

log = logging.getLogger(__name__)

TOLD_MAX: Final = 50_000
"""Alerts of which the last revision told is remembered, some 10 MB, and how far reading may go past what is not done:
so whatever a kill makes be read again is known."""

_receipt: Final = msgspec.json.Decoder(Receipt).decode
_parked: Final = msgspec.json.Decoder(ParkedAlert).decode
_OPEN: Final = ("open", "amended")


def horizon(auto_resolve_after: int) -> int:
    """Return how far back something may still be open, milliseconds: the keeper resolves what is older.

    Twice, and a day more: the keeper itself may have been down.
    """
    return 2 * auto_resolve_after + DAY_MS


class Mark(NamedTuple):
    """What is remembered of a parked alert: the alert itself stands in the topic."""

    partition: int
    offset: int
    revision: int
    group: str


@dataclass(slots=True)
class Memory:
    """Of one destination."""

    told: OrderedDict[str, int] = field(default_factory=OrderedDict)
    """By alert, the last revision that was taken, or has a receipt other than `parked`."""
    parked: dict[bytes, Mark] = field(default_factory=dict)

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

    def clear(self) -> None:
        """Partitions change hands."""
        self.told.clear()
        self.parked.clear()


def mark_of(parked: ParkedAlert) -> Mark:
    """Return what is remembered of a parked alert."""
    return Mark(parked.partition, parked.offset, parked.alert.revision, parked.group)


async def read_receipts(
    settings: Settings, destination: str, read: Mapping[int, int], since: int, *, grouped: bool
) -> dict[str, Receipt]:
    """Return the last receipt of each alert that matters: of what is read again, and where groups are told, of more.

    Args:
        settings: how the brokers are reached.
        destination: whose.
        read: by partition, the offset of `alerts` at which reading goes on.
        since: append time of receipts, milliseconds.
        grouped: also those of alerts before that offset which may be open.
    """
    found: dict[str, Receipt] = {}
    prefix = f"{destination}|".encode()
    async for record in look_back(settings, RECEIPTS, read, since):
        if record.value is None or not (record.key or b"").startswith(prefix):
            continue
        try:
            receipt = _receipt(record.value)
        except msgspec.MsgspecError:
            log.warning("%s/%d/%d is no receipt: left out", RECEIPTS, record.partition, record.offset)
            continue
        if receipt.offset >= read[record.partition] or (grouped and receipt.state != "not_routed"):
            found[receipt.alert_id] = receipt
    return found


async def read_parked(settings: Settings, destination: str, partitions: Iterable[int]) -> dict[bytes, ParkedAlert]:
    """Return what is parked for a destination, by its key."""
    found: dict[bytes, ParkedAlert] = {}
    prefix = f"{destination}|".encode()
    async for record in look_back(settings, PARKED, partitions):
        key = record.key or b""
        if not key.startswith(prefix):
            continue
        if record.value is None:
            found.pop(key, None)
            continue
        try:
            found[key] = _parked(record.value)
        except msgspec.MsgspecError:
            log.warning("%s/%d/%d is no parked alert: left out", PARKED, record.partition, record.offset)
    return found


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

"""Evidence for offsets that a fetch skips on purpose: transaction markers and aborted records.

aiokafka drops both without a trace. What it walks through is watched here from inside its own iteration, so
the evidence is what the broker sent, and it is there before the record that reveals the hole.
"""

from collections import OrderedDict
from typing import Any

from agents.ledger import TP
from agents.transport.batch import Record

__all__ = ["SkippedRanges", "WatchedRecords"]


class SkippedRanges:
    """Ranges (first, last) that the log showed to hold no readable record, in offset order by partition.

    Written by the consumer's thread, read by the event loop: appending to and popping from a list is atomic,
    and an entry is a fact about the log that no rebalance or seek makes wrong; only a log that itself went back
    does, and then the partition is forgotten.
    """

    def __init__(self) -> None:
        self._ranges: dict[TP, list[tuple[int, int]]] = {}

    def add(self, tp: TP, first: int, last: int) -> None:
        """The broker showed first..last to be a marker or aborted."""
        ranges = self._ranges.setdefault(tp, [])
        while ranges and ranges[-1][0] >= first:
            ranges.pop()  # read again from further back: what follows will be shown again too
        ranges.append((first, last))

    def take_at(self, tp: TP, offset: int) -> int | None:
        """The last offset of the skipped range that covers `offset`, or None. Forgets what lies below it."""
        ranges = self._ranges.get(tp)
        while ranges:
            first, last = ranges[0]
            if first > offset:
                return None
            ranges.pop(0)
            if last >= offset:
                return last
        return None

    def forget(self, tp: TP) -> None:
        """The partition is read anew; what is skipped will be seen again."""
        self._ranges.pop(tp, None)


class _WatchedBatches:
    """Stands where aiokafka's `MemoryRecords` stood and notes each batch that its loop skipped."""

    def __init__(self, tp: TP, owner: Any, batches: Any, skipped: SkippedRanges) -> None:
        self._tp = tp
        self._owner = owner
        self._batches = batches
        self._skipped = skipped
        self._previous: Any = None

    def has_next(self) -> bool:
        previous, self._previous = self._previous, None
        # The loop is done with the previous batch, and its list of aborted producers is still as it was for
        # it.
        if previous is not None and (
            previous.is_control_batch
            or (previous.is_transactional and previous.producer_id in self._owner._aborted_producers)
        ):
            self._skipped.add(self._tp, previous.base_offset, previous.next_offset - 1)
        return bool(self._batches.has_next())

    def next_batch(self) -> Any:
        self._previous = self._batches.next_batch()
        return self._previous


class WatchedRecords(OrderedDict[Any, Any]):
    """Replaces the fetcher's table of fetched partitions, to watch each result that is put there.

    Its records are made ours too: see `Record`.
    """

    def __init__(self, skipped: SkippedRanges) -> None:
        super().__init__()
        self._skipped = skipped

    def __setitem__(self, tp: Any, result: Any) -> None:
        records = getattr(result, "_partition_records", None)  # absent where the result is an error
        if records is not None:
            records._records = _WatchedBatches((tp.topic, tp.partition), records, records._records, self._skipped)
            records._consumer_record = _record
        super().__setitem__(tp, result)


def _record(tp: Any, record: Any) -> Record:
    return Record(
        tp.topic,
        tp.partition,
        record.offset,
        record.timestamp,
        record.key,
        record.value,
        tuple(record.headers),
        record.timestamp_type,
    )

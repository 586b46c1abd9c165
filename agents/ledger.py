"""The prefix ledger: which offset may be committed, and what the log did not show.

Pure bookkeeping. It knows no broker, no framework and no clock (time is passed in), so that its one promise
can be property-tested: what it calls committable never exceeds the first offset delivered and not finished.

Kafka commits one number a partition: everything below is done. Work finishes out of order (a batch with
an event that waits for a directory row stays open while later ones finish), so the number is the end of the
*finished prefix* and nothing else. Faust's own count can pass unfinished work (faust issue #606).
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

__all__ = ["TP", "Hole", "HoleKind", "Ledger", "LedgerError", "Span"]

TP: TypeAlias = tuple[str, int]
"""(topic, partition). The named tuples of Kafka clients compare and hash equal to it."""


class LedgerError(AssertionError):
    """The order of deliveries was broken: a defect of the transport, so the process must not go on."""


class HoleKind(StrEnum):
    """Why offsets of a partition were never delivered."""

    CONTROL_OR_ABORTED = "control_or_aborted"
    """Transaction markers, and records of transactions that were aborted: the fetched batches show it."""
    LOST_BY_RETENTION = "lost_by_retention"
    """The broker deleted them before this group read them: its log starts behind them."""
    UNEXPLAINED = "unexplained"
    """Nothing seen accounts for them: an audit finding."""


@dataclass(frozen=True, slots=True)
class Hole:
    """Offsets first..last (both included) of one partition that were not delivered."""

    tp: TP
    first: int
    last: int
    kind: HoleKind

    def __len__(self) -> int:
        return self.last - self.first + 1


@dataclass(slots=True, eq=False)
class Span:
    """One delivered run of records: offsets first..last (both included), compared by identity.

    A run delivered again after a seek or a rebalance is another span; finishing the old one does nothing.
    """

    tp: TP
    first: int
    last: int
    finished: bool = False
    held: bool = False
    """Kept open on purpose, by an event that waits. Nobody waits for it at a rebalance or a stop."""
    dropped: bool = False
    """Given up: its partition was revoked or read anew. Whoever owns the partition reads it again."""

    @property
    def open(self) -> bool:
        """Whether it still keeps the commit back."""
        return not (self.finished or self.dropped)


@dataclass(slots=True)
class _Partition:
    """What is known of one partition since it was last positioned."""

    expected: int
    """The next offset that the log should show."""
    committable: int | None = None
    """End of the finished prefix plus one; None until something finished, unless the position is a fresh one."""
    spans: deque[Span] = field(default_factory=deque)
    moved_at: float = 0.0
    """When the head last became the head, in the caller's seconds."""


class Ledger:
    """Spans of every partition in the order of their delivery.

    Args:
        on_hole: called once for each hole as it is recorded.
    """

    def __init__(self, on_hole: Callable[[Hole], None] | None = None) -> None:
        self._partitions: dict[TP, _Partition] = {}
        self._on_hole = on_hole
        self.missing: dict[HoleKind, int] = dict.fromkeys(HoleKind, 0)
        """Offsets never delivered, by kind, since the process started."""

    def position(self, tp: TP, offset: int, *, fresh: bool = False) -> None:
        """Begin (again) at `offset`, the next one that the log should show; what was open is dropped.

        `fresh`: the group has committed nothing there, so the beginning itself is to be committed. Without it, what
        retention deletes before the first commit could not be told from what was never there.
        """
        self.drop([tp])
        self._partitions[tp] = _Partition(expected=offset, committable=offset if fresh else None)

    def deliver(self, tp: TP, first: int, last: int, *, now: float = 0.0) -> Span:
        """Record that first..last were handed on. Offsets skipped since then are an unexplained hole.

        Raises:
            LedgerError: the partition was never positioned, `first` was passed before, or the range is empty.
        """
        partition = self._partitions.get(tp)
        if partition is None:
            raise LedgerError(f"{tp}: {first}..{last} delivered before the partition was positioned")
        if first < partition.expected or last < first:
            raise LedgerError(f"{tp}: {first}..{last} delivered where {partition.expected} was expected next")
        if first > partition.expected:
            self.note_hole(tp, first - 1, HoleKind.UNEXPLAINED)
        span = Span(tp, first, last)
        if not partition.spans:
            partition.moved_at = now
        partition.spans.append(span)
        partition.expected = last + 1
        return span

    def note_hole(self, tp: TP, last: int, kind: HoleKind) -> None:
        """Record that the offsets from the expected one to `last` (included) will not be delivered.

        They need no work, so a finished prefix in front of them extends over them.

        Raises:
            LedgerError: the partition was never positioned, or nothing is missing up to `last`.
        """
        partition = self._partitions.get(tp)
        if partition is None or last < partition.expected:
            raise LedgerError(f"{tp}: no hole ends at {last}")
        hole = Hole(tp, partition.expected, last, kind)
        if partition.spans:
            # It waits its turn behind the open spans.
            partition.spans.append(Span(tp, hole.first, hole.last, finished=True))
        else:
            partition.committable = last + 1
        partition.expected = last + 1
        self.count_hole(hole)

    def count_hole(self, hole: Hole) -> None:
        """Count and report a hole that needs no place in the order: within a span, or before the start."""
        self.missing[hole.kind] += len(hole)
        if self._on_hole is not None:
            self._on_hole(hole)

    def finish(self, span: Span, *, now: float = 0.0) -> bool:
        """Everything in `span` is done. False where it already was, or where the span has been dropped."""
        if not span.open:
            return False
        span.finished = True
        partition = self._partitions[span.tp]
        spans = partition.spans
        moved = False
        while spans and spans[0].finished:
            partition.committable = spans.popleft().last + 1
            moved = True
        if moved:
            partition.moved_at = now
        return True

    def committable(self, tp: TP) -> int | None:
        """The offset to commit (the first not done), or None where nothing finished since positioning."""
        partition = self._partitions.get(tp)
        return None if partition is None else partition.committable

    def expected(self, tp: TP) -> int | None:
        """The next offset that the log should show, or None for a partition that is not held."""
        partition = self._partitions.get(tp)
        return None if partition is None else partition.expected

    def drop(self, tps: Iterable[TP]) -> None:
        """Give up everything open on these partitions: they were revoked, or are about to be read anew."""
        for tp in tps:
            partition = self._partitions.pop(tp, None)
            if partition is not None:
                for span in partition.spans:
                    span.dropped = True

    def partitions(self) -> list[TP]:
        """The partitions held."""
        return list(self._partitions)

    def head(self, tp: TP) -> Span | None:
        """The span that keeps the commit back, or None where nothing is open."""
        partition = self._partitions.get(tp)
        return partition.spans[0] if partition is not None and partition.spans else None

    def head_age(self, tp: TP, now: float) -> float | None:
        """Seconds since the head became the head, or None where nothing is open."""
        partition = self._partitions.get(tp)
        if partition is None or not partition.spans:
            return None
        return now - partition.moved_at

    def open_spans(self, tp: TP) -> int:
        """How many spans, finished or not, stand behind the committable offset."""
        partition = self._partitions.get(tp)
        return 0 if partition is None else len(partition.spans)

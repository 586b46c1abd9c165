"""The evidence for skipped offsets stays in order however the log is read."""

from agents.ledger import TP
from agents.transport.holes import SkippedRanges

P: TP = ("access.events", 0)


def test_ranges_are_found_by_any_offset_in_them_and_forgotten_behind() -> None:
    skipped = SkippedRanges()
    skipped.add(P, 5, 9)
    skipped.add(P, 20, 20)
    assert skipped.take_at(P, 4) is None
    assert skipped.take_at(P, 7) == 9
    assert skipped.take_at(P, 7) is None
    assert skipped.take_at(P, 20) == 20
    assert skipped.take_at(("other", 0), 0) is None


def test_reading_again_from_further_back_starts_over_from_there() -> None:
    skipped = SkippedRanges()
    skipped.add(P, 20, 20)
    skipped.add(P, 60, 60)
    skipped.add(P, 5, 5)
    assert skipped.take_at(P, 5) == 5
    skipped.add(P, 20, 20)
    assert skipped.take_at(P, 20) == 20


def test_a_partition_that_is_left_leaves_nothing() -> None:
    skipped = SkippedRanges()
    skipped.add(P, 5, 5)
    skipped.forget(P)
    assert skipped.take_at(P, 5) is None

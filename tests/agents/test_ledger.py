"""The ledger against a model that keeps every offset in a set."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from agents.ledger import TP, Hole, HoleKind, Ledger, LedgerError, Span

P: TP = ("access.events", 0)
PARTITIONS: list[TP] = [("access.events", 0), ("access.events", 1), ("access.raw.ocsf", 0)]


class Model(RuleBasedStateMachine):
    """Deliveries, holes, finishes in any order, drops and redeliveries, against sets of single offsets."""

    def __init__(self) -> None:
        super().__init__()
        self.holes: list[Hole] = []
        self.ledger = Ledger(self.holes.append)
        self.start: dict[TP, int] = {}
        self.next: dict[TP, int] = {}
        self.open: dict[TP, set[int]] = {}
        self.spans: list[Span] = []
        self.missing = 0

    @rule(tp=st.sampled_from(PARTITIONS), offset=st.integers(0, 50))
    def position(self, tp: TP, offset: int) -> None:
        self.ledger.position(tp, offset)
        self.start[tp] = self.next[tp] = offset
        self.open[tp] = set()

    @precondition(lambda self: self.next)
    @rule(data=st.data(), gap=st.sampled_from([0, 0, 0, 1, 3]), size=st.integers(1, 5))
    def deliver(self, data: st.DataObject, gap: int, size: int) -> None:
        tp = data.draw(st.sampled_from(sorted(self.next)))
        first = self.next[tp] + gap
        span = self.ledger.deliver(tp, first, first + size - 1)
        self.missing += gap
        self.open[tp] |= set(range(first, first + size))
        self.next[tp] = first + size
        self.spans.append(span)

    @precondition(lambda self: self.next)
    @rule(data=st.data(), size=st.integers(1, 3))
    def hole(self, data: st.DataObject, size: int) -> None:
        tp = data.draw(st.sampled_from(sorted(self.next)))
        self.next[tp] += size
        self.missing += size
        self.ledger.note_hole(tp, self.next[tp] - 1, HoleKind.CONTROL_OR_ABORTED)

    @precondition(lambda self: self.spans)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        span = data.draw(st.sampled_from(self.spans))
        was_open = span.open
        assert self.ledger.finish(span) is was_open
        if was_open:
            self.open[span.tp] -= set(range(span.first, span.last + 1))

    @precondition(lambda self: self.next)
    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        tp = data.draw(st.sampled_from(sorted(self.next)))
        self.ledger.drop([tp])
        for of in (self.start, self.next, self.open):
            of.pop(tp)

    @invariant()
    def commits_the_finished_prefix_and_nothing_else(self) -> None:
        for tp in PARTITIONS:
            committable = self.ledger.committable(tp)
            if tp not in self.next:
                assert committable is None
                continue
            first_open = min(self.open[tp], default=None)
            if committable is not None:
                assert self.start[tp] < committable <= self.next[tp]
                assert first_open is None or committable <= first_open
            if first_open is None and self.next[tp] > self.start[tp]:
                assert committable == self.next[tp], "nothing is open, so all of it is committable"

    @invariant()
    def accounts_for_every_missing_offset(self) -> None:
        assert sum(len(hole) for hole in self.holes) == self.missing == sum(self.ledger.missing.values())


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_out_of_order_finishes_wait_for_the_head() -> None:
    ledger = Ledger()
    ledger.position(P, 10)
    spans = [ledger.deliver(P, first, first + 9) for first in (10, 20, 30)]
    ledger.finish(spans[2])
    ledger.finish(spans[1])
    assert ledger.committable(P) is None
    ledger.finish(spans[0])
    assert ledger.committable(P) == 40


def test_a_redelivered_span_is_another_one() -> None:
    ledger = Ledger()
    ledger.position(P, 0)
    old = ledger.deliver(P, 0, 9)
    ledger.position(P, 0)
    ledger.deliver(P, 0, 9)
    assert not ledger.finish(old)
    assert ledger.committable(P) is None


def test_offsets_that_go_back_are_a_defect() -> None:
    ledger = Ledger()
    with pytest.raises(LedgerError, match="positioned"):
        ledger.deliver(P, 0, 0)
    ledger.position(P, 0)
    ledger.deliver(P, 0, 9)
    with pytest.raises(LedgerError, match="10 was expected"):
        ledger.deliver(P, 9, 12)


def test_the_head_ages_from_when_it_became_the_head() -> None:
    ledger = Ledger()
    ledger.position(P, 0)
    assert ledger.head_age(P, 5.0) is None
    first = ledger.deliver(P, 0, 9, now=1.0)
    second = ledger.deliver(P, 10, 19, now=2.0)
    ledger.finish(second, now=3.0)
    assert ledger.head_age(P, 5.0) == 4.0
    third = ledger.deliver(P, 20, 29, now=6.0)
    ledger.finish(first, now=7.0)
    assert ledger.head(P) is third
    assert ledger.head_age(P, 8.0) == 1.0


def test_a_skipped_range_is_an_unexplained_hole_with_its_range() -> None:
    holes: list[Hole] = []
    ledger = Ledger(holes.append)
    ledger.position(P, 0)
    ledger.deliver(P, 3, 4)
    assert holes == [Hole(P, 0, 2, HoleKind.UNEXPLAINED)]
    assert ledger.missing[HoleKind.UNEXPLAINED] == 3


def test_a_fresh_position_is_committed_and_one_that_was_committed_is_not() -> None:
    ledger = Ledger()
    ledger.position(P, 7, fresh=True)
    assert ledger.committable(P) == 7
    ledger.position(P, 7)
    assert ledger.committable(P) is None

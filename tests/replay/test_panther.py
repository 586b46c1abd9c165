"""The rule tests of Panther: each has a reason, and the document says what ours says of it today."""

from __future__ import annotations

import pytest

from tests.replay.panther import JUDGED, Case, cases, difference, kinds, notes, readable, verdict
from tests.replay.report import DOCUMENT, written

OURS = [case for case in cases() if kinds().get(case.rule) == JUDGED]


def test_all_of_them_are_there_and_each_rule_stands_under_one_kind_with_a_reason() -> None:
    assert len(cases()) == 424
    placed = [rule for kind in notes()["kinds"] for rule in notes()[kind]]
    assert sorted(placed) == sorted({case.rule for case in cases()})
    assert all(notes()[kind][rule].strip() for rule, kind in kinds().items())


@pytest.mark.parametrize("rule", sorted({case.rule for case in cases()} - {case.rule for case in OURS}))
def test_what_is_called_unreadable_is_no_access_to_any_source(rule: str) -> None:
    assert not any(readable(case.event) for case in cases() if case.rule == rule)


@pytest.mark.parametrize("case", OURS, ids=lambda case: f"{case.rule}: {case.name}")
def test_where_exactly_one_of_us_speaks_somebody_has_written_why(case: Case) -> None:
    said = verdict(case)
    assert not said.said.startswith("dead letter")
    difference(case, said)


def test_no_reason_is_left_of_a_difference_that_is_none_any_more() -> None:
    differing = {f"{case.rule}: {case.name}" for case in OURS if bool(verdict(case).findings) != case.expected}
    assert set(notes()["differs"]) == differing


def test_the_document_is_as_the_records_give_it() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert written(text) == text, "run `python -m tests.replay` and commit what it writes"

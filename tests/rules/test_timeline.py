"""A history answers as a naive reading of its rows does, whatever the order in which they came."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from rules.knowledge import Knowledge
from rules.timeline import ALWAYS, NEVER, Timeline, Version
from schemas.codec import parse_row_key, row_key
from schemas.directory import DatasetRow, DutyRow, EmployeeRow, LocationRow, RoleRow, Row, SubjectRow, WorkloadRow

END = 24
"""Times in these tests: small, so that rows meet in every way."""


def _role(valid_from: int, recorded_at: int, valid_until: int | None, name: str) -> RoleRow:
    until = UNSET if valid_until is None else valid_until
    return RoleRow(
        employee_id="e", role="r", valid_from=valid_from, recorded_at=recorded_at, valid_until=until, granted_by=name
    )


@st.composite
def _rows(draw: st.DrawFn) -> RoleRow:
    since = draw(st.integers(0, END))
    until = draw(st.none() | st.integers(since, END + 2))
    return _role(since, draw(st.integers(0, 3)), until, draw(st.sampled_from(["a", "b"])))


Step = tuple[bool, RoleRow]
"""(a row or a tombstone, the row or the one whose key the tombstone carries)."""
histories = st.lists(st.tuples(st.booleans(), _rows()), max_size=14)


def _naive(rows: Iterable[RoleRow], moment: int) -> RoleRow | None:
    """The row that holds, read off the definition: of those begun, the last begun, of these the last recorded."""
    begun = [row for row in rows if row.valid_from <= moment]
    if not begun:
        return None
    last = max(begun, key=lambda row: (row.valid_from, row.recorded_at))
    return last if last.valid_until is UNSET or moment < last.valid_until else None


def _left(steps: Iterable[Step]) -> list[RoleRow]:
    """The rows that stand after all steps: the last message of each key."""
    left: dict[bytes, RoleRow | None] = {}
    for add, row in steps:
        left[row_key(row)] = row if add else None
    return [row for row in left.values() if row is not None]


def _applied(steps: Iterable[Step]) -> Timeline[RoleRow]:
    timeline: Timeline[RoleRow] = Timeline()
    for add, row in steps:
        assert isinstance(row.recorded_at, int)
        timeline = timeline.with_row(row) if add else timeline.without(row.valid_from, row.recorded_at)
    return timeline


@given(histories)
@settings(max_examples=50)
def test_the_answer_is_the_naive_one_everywhere(steps: list[Step]) -> None:
    timeline = _applied(steps)
    left = _left(steps)
    assert len(timeline) == len(left)
    for moment in range(-1, END + 4):
        assert timeline.at(moment).row == _naive(left, moment)


@given(histories)
@settings(max_examples=50)
def test_the_answer_is_the_same_on_its_whole_interval(steps: list[Step]) -> None:
    """And for a row nobody can be told apart beyond it: where it ends, another answer or nothing begins."""
    timeline = _applied(steps)
    for moment in range(-1, END + 4):
        version = timeline.at(moment)
        assert version.since <= moment < version.until
        first, last = max(version.since, -2), min(version.until, END + 5) - 1
        for other in {first, last, (first + last) // 2}:
            assert timeline.at(other) == version
        if version.row is not None:
            assert version.since == version.row.valid_from
            assert version.until == NEVER or timeline.at(version.until) != version


@given(histories, st.randoms(use_true_random=False))
@settings(max_examples=40)
def test_neither_order_nor_compaction_changes_a_history(steps: list[Step], random: Any) -> None:
    left = _left(steps)
    random.shuffle(left)
    assert _applied((True, row) for row in left).rows == _applied(steps).rows


@given(histories)
@settings(max_examples=40)
def test_spans_are_the_versions_in_order(steps: list[Step]) -> None:
    timeline = _applied(steps)
    spans = timeline.spans()
    assert all(a.until <= b.since for a, b in pairwise(spans))
    for moment in range(-1, END + 4):
        held = [span.row for span in spans if span.since <= moment < span.until]
        row = timeline.at(moment).row
        assert held == ([] if row is None else [row])


@given(histories, _rows())
@settings(max_examples=40)
def test_what_changes_nothing_gives_the_same_history(steps: list[Step], row: RoleRow) -> None:
    timeline = _applied(steps)
    rows = timeline.rows
    assert all(timeline.with_row(known) is timeline for known in rows)
    if all((known.valid_from, known.recorded_at) != (row.valid_from, row.recorded_at) for known in rows):
        assert timeline.without(row.valid_from, row.recorded_at) is timeline  # type: ignore[arg-type]  # it is an int
        assert timeline.with_row(row).rows != rows
    assert timeline.rows is rows


def test_a_tombstone_for_a_correction_brings_the_former_row_back() -> None:
    first, correction = _role(5, 1, None, "a"), _role(5, 2, None, "b")
    both = Timeline((first,)).with_row(correction)
    assert both.at(5).row is correction
    assert both.without(5, 2).at(5) == Version(first, 5, NEVER)
    assert both.without(5, 2).without(5, 1).at(5) == Version(None, ALWAYS, NEVER)


# The same for everything the directories say.

_ROWS: list[type[Row]] = [EmployeeRow, LocationRow, RoleRow, DatasetRow, DutyRow, SubjectRow, WorkloadRow]


def _any_row(kind: type[Row], who: str, what: int, valid_from: int, recorded_at: int) -> Row:
    times: dict[str, Any] = {"valid_from": valid_from, "recorded_at": recorded_at}
    made: dict[type[Row], Row] = {
        EmployeeRow: EmployeeRow(employee_id=who, status=("active", "leave")[what], **times),
        LocationRow: LocationRow(employee_id=who, country="IE", evidence=("badge", "vpn")[what], **times),
        RoleRow: RoleRow(employee_id=who, role="ab"[what], **times),
        DatasetRow: DatasetRow(
            dataset_id=who, subject_region="EEA", sensitivity=("public", "restricted")[what], **times
        ),
        DutyRow: DutyRow(employee_id=who, duty="ab"[what], **times),
        SubjectRow: SubjectRow(subject_id=who, watched=bool(what), **times),
        WorkloadRow: WorkloadRow(principal_id=who, networks=(("10.0.0.0/8",), ())[what], **times),
    }
    return made[kind]


messages = st.lists(
    st.tuples(
        st.booleans(),
        st.builds(
            _any_row,
            st.sampled_from(_ROWS),
            st.sampled_from(["e-1", "e-2"]),
            st.integers(0, 1),
            st.integers(0, 3),
            st.integers(0, 2),
        ),
    ),
    max_size=25,
)


def _known(steps: Iterable[tuple[bool, Row]]) -> Knowledge:
    knowledge = Knowledge()
    for add, row in steps:
        if add:
            knowledge.apply(row)
        else:
            knowledge.withdraw(row.topic, parse_row_key(row_key(row)))
    return knowledge


def _picture(knowledge: Knowledge) -> dict[str, Any]:
    """Everything known, in plain values; people without rows are as good as absent."""

    def plain(timelines: Any) -> dict[str, Any]:
        return {name: timeline.rows for name, timeline in sorted((timelines or {}).items())}

    return {
        "datasets": plain(knowledge.datasets),
        "subjects": plain(knowledge.subjects),
        "people": {
            name: (
                person.employment and person.employment.rows,
                person.workload and person.workload.rows,
                plain(person.locations),
                plain(person.roles),
                plain(person.duties),
            )
            for name, person in sorted(knowledge.people.items())
            if person.has_rows
        },
        "rows": {topic: number for topic, number in sorted(knowledge.rows.items()) if number},
    }


@given(messages, st.randoms(use_true_random=False))
@settings(max_examples=40)
def test_compacted_directories_say_the_same(steps: list[tuple[bool, Row]], random: Any) -> None:
    """Only the latest message of each key, in any order, gives the same knowledge as the whole history."""
    latest = {(row.topic, row_key(row)): (add, row) for add, row in steps}
    compacted = list(latest.values())
    random.shuffle(compacted)
    assert _picture(_known(compacted)) == _picture(_known(steps))


def test_a_row_that_is_known_already_changes_nothing() -> None:
    knowledge = Knowledge()
    row = _any_row(RoleRow, "e-1", 0, 1, 1)
    knowledge.apply(row)
    person, changed = knowledge.people["e-1"], knowledge.changed
    person.meaning = "a meaning"
    knowledge.apply(msgspec.structs.replace(row))
    knowledge.withdraw(RoleRow.topic, parse_row_key(b"e-1|other|1|1"))
    assert (knowledge.changed, person.meaning) == (changed, "a meaning")
    knowledge.apply(msgspec.structs.replace(row, granted_by="e-2"))
    assert (knowledge.changed, person.meaning) == (changed + 1, None)


def test_the_memory_of_strangers_is_bounded_and_goes_with_them_when_they_become_known() -> None:
    knowledge = Knowledge()
    stranger = knowledge.find("e-1")
    stranger.recent = {1: 1}
    knowledge.apply(_any_row(EmployeeRow, "e-1", 0, 1, 1))
    assert knowledge.find("e-1") is stranger
    assert stranger.recent == {1: 1}

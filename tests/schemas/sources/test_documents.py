"""Every form of a batch gives its records; a broken one does not take its neighbours with it."""

from __future__ import annotations

import json
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import REASONS, BadRecordError
from schemas.sources import documents as module
from schemas.sources.documents import RECORD_MAX, WHOLE_MAX, documents

A, B, C = {"a": 1}, {"b": 'é ] } , [ { " \\'}, {"c": [{"d": None}, "x"]}


def read(data: bytes) -> list[Any]:
    """Records, and the reasons in place of those that cannot be read."""
    return [each.reason if isinstance(each, BadRecordError) else each for each in documents(data)]


def dumps(value: Any) -> bytes:
    return json.dumps(value).encode()


FORMS: dict[str, Callable[[list[Any]], bytes]] = {
    "delivered": lambda rows: dumps({"Records": rows}),
    "delivered, indented": lambda rows: json.dumps({"Records": rows}, indent=2).encode(),
    "array": dumps,
    "array, indented": lambda rows: json.dumps(rows, indent="\t").encode(),
    "one a line": lambda rows: b"\n".join(map(dumps, rows)),
    "one a line, Windows": lambda rows: b"\r\n".join(map(dumps, rows)) + b"\r\n",
    "blank lines": lambda rows: b"\n\n \n".join(map(dumps, rows)) + b"\n\n",
    "one after the other": lambda rows: b"".join(map(dumps, rows)),
    "indented, one after the other": lambda rows: b"\n".join(json.dumps(row, indent=1).encode() for row in rows),
    "a batch a line": lambda rows: b"\n".join(dumps({"Records": [row]}) for row in rows),
    "batches one after the other": lambda rows: b"".join(dumps({"Records": [row]}) for row in rows),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("streamed", [False, True])
def test_every_form_gives_its_records_in_order(form: str, streamed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if streamed:  # as if each were too long to be parsed at once
        monkeypatch.setattr(module, "WHOLE_MAX", 0)
        monkeypatch.setattr(module, "_STEP", 7)
    assert read(FORMS[form]([A, B, C])) == [A, B, C]


@pytest.mark.parametrize("data", [b"[]", b'{"Records": []}', b'{"Records":[ ]}\n'])
def test_an_empty_batch_holds_nothing(data: bytes) -> None:
    assert read(data) == []


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", ["not_json"]),
        (b" \n\t ", ["not_json"]),
        (b"hello", ["not_json"]),
        (b"\0", ["not_json"]),
        (b'{"a": 1', ["not_json"]),
        (b'{"a": NaN}', ["not_json"]),
        (b'{"a": -Infinity}', ["not_json"]),
        (b'{"a": 01}', ["not_json"]),
        (b'{"a": "\0"}', ["not_json"]),
        (b'{"a": "\xff"}', ["not_utf8"]),
        (b'{"a": "\xed\xa0\x80"}', ["not_utf8"]),
        (b'{"a": ' + b"9" * 5_000 + b"0.}", ["not_json"]),
        (b'{"a": 1, "a": 2}', ["duplicate_key"]),
        (b'{"x": {"a": 1, "\\u0061": 2}}', ["duplicate_key"]),
        (b'{"Records": [{"a": 1, "a": 1}, {"b": 2}]}', ["duplicate_key", {"b": 2}]),
        (b'[{"a": 1}, {"a": 1,, "b": 2}, {"c": 3}]', [{"a": 1}, "not_json", {"c": 3}]),
        (b'[{"a": 1}, {"a": "\xff"}, {"c": 3}]', [{"a": 1}, "not_utf8", {"c": 3}]),
        (b'[{"a": 1}, nothing, {"c": 3}]', [{"a": 1}, "not_json", {"c": 3}]),
        (b'{"a": 1}\nwhat is this\n{"c": 3}', [{"a": 1}, "not_json", {"c": 3}]),
        (b'what is this\n{"a": 1}\n{"c": 3}', ["not_json", {"a": 1}, {"c": 3}]),
        (b'{"a": 1}\n{"a": \n{"c": 3}', [{"a": 1}, "not_json", {"c": 3}]),
        (b"[" * 100_000, ["nested_too_deep"]),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, ["nested_too_deep"]),
        (b"[" + b"[" * 100_000 + b"]" * 100_000 + b',{"c":3}]', ["nested_too_deep", {"c": 3}]),
        (b'"Records"', ["Records"]),
        (b"null", [None]),
        (b"7", [7]),
        (b'{"Records": null}', [{"Records": None}]),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_cannot_be_read_has_its_reason_and_its_neighbours_stand(data: bytes, found: list[Any]) -> None:
    assert read(data) == found


@pytest.mark.slow
def test_a_long_message_is_read_in_windows_at_bounded_memory() -> None:
    row = {"key": "x" * 2_000, "list": [{"n": n} for n in range(20)]}
    data = b'{"Records": [' + b",".join([dumps(row)] * 3_400) + b"]}"
    assert len(data) > 7 * WHOLE_MAX
    tracemalloc.start()
    number = sum(1 for each in documents(data) if each == row)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert number == 3_400
    assert peak < 8 * 1024 * 1024, "some windows, not a tree of the whole"


def test_a_record_that_is_too_long_is_refused_and_the_next_stands() -> None:
    long = dumps({"a": "x" * (RECORD_MAX + 1)})
    assert read(b"[" + long + b"," + dumps(C) + b"]") in (["too_large"], [{"a": "x" * (RECORD_MAX + 1)}, C])
    assert read(b'{"a": "' + b"x" * (3 * RECORD_MAX)) == ["too_large"]


@pytest.mark.parametrize(
    "data",
    [
        b'{"a": "' + b'\\"' * 700_000,
        b'{"a": ' + b'"' * 600_001,
        b"[" * 1_100_000,
        b'{"Records":[' * 100_000,
        b"[1" + b",," * 1_000_000 + b"]",
        b"9" * 4_000_000,
        b" " * 4_000_000 + b"x",
        b"{\n" * 600_000,
        b"\\" * 1_000_000,
    ],
    ids=lambda data: repr(data[:12]),
)
@pytest.mark.slow
def test_hostile_texts_cost_their_length(data: bytes) -> None:
    began = time.perf_counter()
    assert len(read(data)) < 3
    assert time.perf_counter() - began < 3


@settings(max_examples=60)
@given(st.binary(max_size=200), st.integers(0, 60))
def test_nothing_but_records_and_their_errors_comes_out(noise: bytes, at: int) -> None:
    data = dumps({"Records": [A, B, C]})
    for each in documents(data[:at] + noise + data[at:]):
        assert not isinstance(each, BadRecordError) or each.reason in REASONS


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
RECORDS = st.lists(
    st.dictionaries(st.text(max_size=3).filter(lambda key: key != "Records"), JSON, max_size=4), max_size=5
)


@settings(max_examples=30)
@given(RECORDS, st.sampled_from(sorted(FORMS)))
def test_any_records_survive_any_form(rows: list[dict[str, Any]], form: str) -> None:
    if rows:
        assert read(FORMS[form](rows)) == rows

"""The table of bad input, for every source: a reason each, never another exception."""

from __future__ import annotations

import gzip
import json

import pytest

from schemas.sources import SOURCES
from schemas.sources.expand import MAX_RAW
from tests.schemas.records import EVENT
from tests.schemas.sources.trail import ACTIVITY, NOTHING, RECORD, translated

GOOD = {name: json.dumps(row).encode() for name, row in
        {"native": EVENT, "cloudtrail": RECORD, "ocsf": ACTIVITY}.items()}  # fmt: skip

BAD: dict[str, tuple[bytes | None, set[str]]] = {
    "null value": (None, {"null_value"}),
    "empty": (b"", {"not_json"}),
    "white space": (b" \n", {"not_json"}),
    "not JSON": (b"hello", {"not_json"}),
    "a NUL": (b"\0", {"not_json"}),
    "null": (b"null", {"wrong_type"}),
    "a number": (b"7", {"wrong_type"}),
    "a text": (b'"x"', {"wrong_type"}),
    "an empty object": (b"{}", {"untranslatable", "missing_field"}),
    "another object": (b'{"hello": "world"}', {"untranslatable", "missing_field"}),
    "invalid UTF-8": (b'{"a": "\xff\xfe"}', {"not_utf8"}),
    "a nesting bomb": (b'{"a":' * 10_000, {"nested_too_deep"}),
    "a closed nesting bomb": (b"[" * 20_000 + b"]" * 20_000, {"nested_too_deep"}),
    "a huge number": (b'{"a": ' + b"9" * 10_000 + b"}", {"not_json", "wrong_type", "missing_field"}),
    "NaN": (b'{"a": NaN}', {"not_json"}),
    "too long": (b"x" * (MAX_RAW + 1), {"too_large"}),
    "a byte order mark alone": (b"\xef\xbb\xbf", {"not_json"}),
}
GZIPPED = {
    "a bomb": (gzip.compress(b"\0" * (4 * 1024 * 1024)), {"too_large"}),
    "cut off": (gzip.compress(b"{}")[:-1], {"not_compressed_right"}),
    "not gzip": (b"\x1f\x8bhello", {"not_compressed_right"}),
}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("what", BAD)
def test_each_kind_of_bad_input_has_its_reason(source: str, what: str) -> None:
    raw, reasons = BAD[what]
    found = translated(raw, NOTHING, source)
    assert found
    for each in found:
        assert each.bad is not None
        assert each.bad.reason in reasons


@pytest.mark.parametrize("source", ["cloudtrail", "ocsf"])
@pytest.mark.parametrize("what", GZIPPED)
def test_gzip_that_does_not_expand_has_its_reason(source: str, what: str) -> None:
    raw, reasons = GZIPPED[what]
    (only,) = translated(raw, NOTHING, source)
    assert only.bad is not None
    assert only.bad.reason in reasons


@pytest.mark.parametrize("source", SOURCES)
def test_a_repeated_key_is_refused_wherever_it_is(source: str) -> None:
    good = GOOD[source]
    (only,) = translated(good, NOTHING, source)
    assert only.event is not None
    for raw in (good[:-1] + b"," + good[1:], good[:-1] + b', "x": {"a": 1, "a": 2}}'):
        (only,) = translated(raw, NOTHING, source)
        assert only.bad is not None
        assert only.bad.reason == "duplicate_key"


@pytest.mark.parametrize("source", ["cloudtrail", "ocsf"])
def test_bad_records_without_number_do_not_take_a_good_one_with_them(source: str) -> None:
    raw = b"[" + b",".join([b"{}"] * 5_000 + [GOOD[source]]) + b"]"
    *bad, good = translated(raw, NOTHING, source)
    assert len(bad) == 5_000
    assert all(each.bad is not None for each in bad)
    assert good.event is not None


@pytest.mark.parametrize("source", SOURCES)
def test_a_good_record_stays_good_whatever_else_is_in_it(source: str) -> None:
    row = json.loads(GOOD[source]) | {"x": {"deep": [[[[[1e300, -0.0, "é", "\u2028", None, True]]]]]}}
    for raw in (json.dumps(row), json.dumps(row, ensure_ascii=False), json.dumps(row, indent=3)):
        (only,) = translated(raw.encode(), NOTHING, source)
        assert only.event is not None


def test_the_deepest_record_that_can_be_read_breaks_nothing() -> None:
    """Without an id it has to be written again for its hash; what reads deeper than it writes must not break."""
    bare = {name: value for name, value in RECORD.items() if name != "eventID"}
    for depth in (100, 200, 250, 300, 500, 900, 990, 1_020, 1_100, 5_000):
        raw = json.dumps(bare)[:-1].encode() + b', "x": ' + b"[" * depth + b"]" * depth + b"}"
        (only,) = translated(raw)
        assert only.event is not None or (only.bad is not None and only.bad.reason == "nested_too_deep")

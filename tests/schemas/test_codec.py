"""Bytes in, typed records or one `BadRecordError` out; whatever the bytes are."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import codec as codec_module
from schemas.access import MAX_BYTES, MAX_SUBJECTS
from schemas.codec import ACCESS, ALERT, ALERT_MAX_BYTES, DIRECTORY, Codec, encode, parse_row_key, row_key
from schemas.codec import with_recorded_at as filled
from schemas.errors import REASONS, BadRecordError
from schemas.fields import COUNT_MAX, ID_MAX, TIME_MAX, iso
from tests.schemas.records import ALERT_RECORD, EVENT, ROWS

AT = 1_772_445_600_000


def event(**fields: Any) -> bytes:
    """An access with other fields; None leaves one out."""
    return orjson.dumps({name: value for name, value in {**EVENT, **fields}.items() if value is not None})


def row(topic: str, **fields: Any) -> bytes:
    return orjson.dumps({name: value for name, value in {**ROWS[topic], **fields}.items() if value is not None})


def refused(codec: Codec[Any], raw: bytes | None) -> BadRecordError:
    with pytest.raises(BadRecordError) as caught:
        codec.decode(raw)
    assert caught.value.reason in REASONS
    return caught.value


def tried(codec: Codec[Any], raw: bytes) -> tuple[Any, bytes] | BadRecordError:
    """What decoding gives; any other error escapes and fails the test."""
    try:
        return codec.decode_canonical(raw)
    except BadRecordError as error:
        return error


def spliced(raw: bytes, extra: bytes) -> bytes:
    """The object with more members, as written."""
    return raw[:-1] + b"," + extra + b"}"


BOMB = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
BAD: list[tuple[str, bytes | None, str]] = [
    ("no value", None, "null_value"),
    ("empty", b"", "not_json"),
    ("white space", b"  \n", "not_json"),
    ("text", b"hello", "not_json"),
    ("cut off", event()[:-1], "not_json"),
    ("two objects", event() + event(), "not_json"),
    ("a comma too many", event()[:-1] + b",}", "not_json"),
    ("single quotes", event().replace(b'"', b"'"), "not_json"),
    ("a byte order mark", b"\xef\xbb\xbf" + event(), "not_json"),
    ("UTF-16", event().decode().encode("utf-16"), "not_utf8"),
    ("NaN", spliced(event(), b'"record_count":NaN'), "not_json"),
    ("Infinity where nobody looks", spliced(event(), b'"x":-Infinity'), "not_json"),
    ("null", b"null", "wrong_type"),
    ("a number", b"7", "wrong_type"),
    ("a string", b'"event"', "wrong_type"),
    ("a list of events", b"[" + event() + b"]", "wrong_type"),
    ("an empty object", b"{}", "missing_field"),
    *((f"no {name}", event(**{name: None}), "missing_field") for name in EVENT if name != "ticket"),
    ("a service without its id", event(principal_type="service"), "missing_field"),
    ("an external without its id", event(principal_type="external", employee_id=None), "missing_field"),
    *((f"{name} is null", spliced(event(**{name: None}), f'"{name}":null'.encode()), "wrong_type") for name in EVENT),
    *((f"{name} is a list", event(**{name: ["x"]}), "wrong_type") for name in EVENT),
    *((f"{name} is an object", event(**{name: {}}), "wrong_type") for name in EVENT),
    *((f"{name} is empty", event(**{name: ""}), "wrong_type") for name in EVENT),
    ("an id that is too long", event(event_id="x" * (ID_MAX + 1)), "wrong_type"),
    ("an id that is a number", event(event_id=7), "wrong_type"),
    ("an action that is none", event(action="READ"), "wrong_type"),
    ("an outcome that is none", event(outcome="ok"), "wrong_type"),
    ("a principal that is none", event(principal_type="robot", principal_id="r"), "wrong_type"),
    ("a time before 1970", event(occurred_at=-1), "wrong_type"),
    ("a time after 9999", event(occurred_at=TIME_MAX + 1), "wrong_type"),
    ("a written time before 1970", event(occurred_at="1969-12-31T23:59:59.999Z"), "wrong_type"),
    ("before 1970 by its offset", event(occurred_at="1970-01-01T00:00:00+01:00"), "wrong_type"),
    ("after 9999 by its offset", event(occurred_at="9999-12-31T23:59:59-05:00"), "wrong_type"),
    ("a time without an offset", event(occurred_at="2026-03-02T10:00:00"), "wrong_type"),
    ("a time that is none", event(occurred_at="2026-02-30T10:00:00Z"), "wrong_type"),
    ("a time in tenths", event(occurred_at=1.5), "wrong_type"),
    ("true for a time", event(occurred_at=True), "wrong_type"),
    ("a negative count", event(record_count=-1), "wrong_type"),
    ("a count that not every reader keeps", event(bytes=COUNT_MAX + 1), "wrong_type"),
    ("half a record", event(record_count=0.5), "wrong_type"),
    ("a count in text", event(record_count="7"), "wrong_type"),
    ("a huge number", spliced(event(), b'"record_count":1e400'), "wrong_type"),
    ("thousands of digits", spliced(event(), b'"record_count":' + b"9" * 5000), "wrong_type"),
    ("thousands of digits where nobody looks", spliced(event(), b'"x":' + b"9" * 5000), "wrong_type"),
    ("a country that is none", event(device_country="ZZ"), "invalid_value"),
    ("a country of one letter", event(device_country="I"), "wrong_type"),
    ("a country by its name", event(device_country="Ireland"), "wrong_type"),
    ("too many subjects", event(subject_ids=["s"] * (MAX_SUBJECTS + 1)), "wrong_type"),
    ("a subject of no length", event(subject_ids=["s", ""]), "wrong_type"),
    ("too long", event(client="x" * 1024, pad="x" * MAX_BYTES), "too_large"),
    ("too long by white space", event() + b" " * MAX_BYTES, "too_large"),
    ("too long and not JSON", b"x" * (MAX_BYTES + 1), "too_large"),
    ("a raw NUL in a value", event().replace(b"users", b"us\0rs"), "not_json"),
    ("a raw NUL after the record", event() + b"\0", "not_json"),
    ("a NUL in a value", event(dataset_id="us\0ers"), "nul_byte"),
    ("a NUL in a list", event(subject_ids=["s", "\0"]), "nul_byte"),
    ("a NUL in a key", event(**{"x\0": 1}), "nul_byte"),
    ("a NUL in an unknown value", event(x="\0"), "nul_byte"),
    ("a NUL in lists of lists", event(x=[[["\0"]]]), "nul_byte"),
    ("a NUL in an object in a list", event(x=[{"y": {"z\0": 1}}]), "nul_byte"),
    ("invalid UTF-8 in a value", event().replace(b"users", b"us\xffrs"), "not_utf8"),
    ("invalid UTF-8 in an unknown value", spliced(event(), b'"x":"\xc3\x28"'), "not_utf8"),
    ("invalid UTF-8 in an unknown key", spliced(event(), b'"\xc0\x80":1'), "not_utf8"),
    ("a surrogate in UTF-8", spliced(event(), b'"x":"\xed\xa0\x80"'), "not_utf8"),
    ("half a surrogate pair", spliced(event(ticket=None), rb'"ticket":"\ud800"'), "not_json"),
    ("an unknown escape", spliced(event(ticket=None), rb'"ticket":"\x41"'), "not_json"),
    ("a bomb", BOMB[: MAX_BYTES // 2], "nested_too_deep"),
    ("a bomb of lists", b"[" * 60_000, "nested_too_deep"),
    ("a bomb in an unknown field", spliced(event(), b'"x":' + b"[" * 20_000 + b"]" * 20_000), "nested_too_deep"),
    ("a bomb that is too long", BOMB, "too_large"),
    ("a key twice", spliced(event(), b'"action":"export"'), "duplicate_key"),
    ("the same key with the same value", spliced(event(), b'"action":"read"'), "duplicate_key"),
    ("a key twice, once escaped", spliced(event(), rb'"\u0061ction":"export"'), "duplicate_key"),
    ("a key twice, in white space", spliced(event(), b' \n"action"\t:\r"export" '), "duplicate_key"),
    ("a key twice in an unknown object", event().replace(b"{", b'{"x":{"y":1,"y":1},', 1), "duplicate_key"),
    ("a key twice in objects in lists", spliced(event(), b'"x":[[{"y":1,"y":2}]]'), "duplicate_key"),
    ("an unknown key twice", spliced(event(), b'"x":1,"x":1'), "duplicate_key"),
]


@pytest.mark.parametrize(("raw", "reason"), [pytest.param(raw, reason, id=name) for name, raw, reason in BAD])
def test_what_is_wrong_with_a_record_is_named(raw: bytes | None, reason: str) -> None:
    assert refused(ACCESS, raw).reason == reason


ALL: dict[str, tuple[Codec[Any], dict[str, Any]]] = {
    "access": (ACCESS, EVENT),
    "alert": (ALERT, ALERT_RECORD),
    **{topic: (DIRECTORY[topic], ROWS[topic]) for topic in DIRECTORY},
}
every_codec = pytest.mark.parametrize(("codec", "content"), ALL.values(), ids=ALL.keys())


@every_codec
@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda _: None, "null_value"),
        (lambda raw: raw[:-1], "not_json"),
        (lambda raw: b"[" + raw + b"]", "wrong_type"),
        (lambda raw: spliced(raw, b'"x":"\xff"'), "not_utf8"),
        (lambda raw: spliced(raw, rb'"x":"\u0000"'), "nul_byte"),
        (lambda raw: spliced(raw, b'"x":1,"x":1'), "duplicate_key"),
        (lambda raw: raw + b" " * ALERT_MAX_BYTES, "too_large"),
        (lambda raw: spliced(raw, b'"x":' + b"[" * 20_000 + b"]" * 20_000), "nested_too_deep"),
    ],
)
def test_every_codec_refuses_alike(codec: Codec[Any], content: dict[str, Any], damage: Any, reason: str) -> None:
    assert refused(codec, damage(orjson.dumps(content))).reason == reason


@every_codec
def test_unknown_fields_are_ignored(codec: Codec[Any], content: dict[str, Any]) -> None:
    raw = orjson.dumps(content)
    more = orjson.dumps({"zz": {"a": [1, None, {"b": 1.5}]}, **content, "z": "é\\"})
    assert codec.decode_canonical(more) == codec.decode_canonical(raw)


@every_codec
def test_every_member_twice_is_seen(codec: Codec[Any], content: dict[str, Any]) -> None:
    for name, value in content.items():
        twice = spliced(orjson.dumps(content), orjson.dumps({name: value})[1:-1])
        assert refused(codec, twice).reason == "duplicate_key", name


TENTH = "2026-03-02T10:00:00.1Z"
GAPS: list[tuple[str, Codec[Any], dict[str, Any], str]] = [
    ("a fraction of a second", ACCESS, {**EVENT, "occurred_at": TENTH}, "ticket"),
    ("two fractions", DIRECTORY["directory.employees"],
     {**ROWS["directory.employees"], "valid_from": TENTH, "recorded_at": TENTH}, "team"),
    ("a default left out", DIRECTORY["directory.datasets"],
     {name: value for name, value in ROWS["directory.datasets"].items() if name != "canary"}, "owner"),
    ("an empty list left out", DIRECTORY["directory.workloads"],
     {name: value for name, value in ROWS["directory.workloads"].items() if name != "networks"}, "site"),
    ("two defaults left out", DIRECTORY["directory.subjects"],
     {name: value for name, value in ROWS["directory.subjects"].items() if name not in ("watched", "canary")},
     "employee_id"),
]  # fmt: skip


@pytest.mark.parametrize(("codec", "content", "field"), [pytest.param(*gap[1:], id=gap[0]) for gap in GAPS])
def test_a_repeated_key_cannot_hide_in_what_was_left_out(
    codec: Codec[Any], content: dict[str, Any], field: str
) -> None:
    """However long the repetition is: one of these lengths fills exactly what we write and the producer did not."""
    raw = orjson.dumps(content)
    codec.decode(raw)
    for length in range(len(field) + 6, len(field) + 40):
        extra = f'"{field}":"{"b" * (length - len(field) - 5)}"'.encode()
        for twice in (spliced(raw, extra), raw.replace(b"{", b"{" + extra + b",", 1)):
            assert refused(codec, twice).reason == "duplicate_key", length


@pytest.mark.parametrize("form", ["1e3", "1E+3", "1000.0", "10e2", "0.1e4", "01000", "+1000", "1_000", "1e", "0x3e8"])
def test_a_count_is_written_as_an_integer(form: str) -> None:
    """So equal counts are written alike; `1e3` beside 1000 would also make room for a repeated key."""
    refused(ACCESS, spliced(event(), f'"record_count":{form}'.encode()))


@pytest.mark.parametrize(
    "written",
    [
        "2026-03-02T10:00:00Z",
        "2026-03-02T10:00:00+00:00",
        "2026-03-02T10:00:00-00:00",
        "2026-03-02T10:00:00.000Z",
        "2026-03-02T10:00:00.000999Z",
        "2026-03-02T11:00:00+01:00",
        "2026-03-02T15:30:00+05:30",
        "2026-03-01T22:00:00-12:00",
        "2026-03-02t10:00:00z",
    ],
)
def test_a_time_is_the_same_in_every_form(written: str) -> None:
    got, canonical = ACCESS.decode_canonical(event(occurred_at=written))
    assert (got, canonical) == ACCESS.decode_canonical(event(occurred_at=AT))
    assert type(got.occurred_at) is int
    for topic, content in ROWS.items():
        fields = {"valid_from": written, "recorded_at": written, "valid_until": written}
        numbers = dict.fromkeys(fields, AT)
        expected = DIRECTORY[topic].decode_canonical(orjson.dumps({**content, **numbers}))
        assert DIRECTORY[topic].decode_canonical(orjson.dumps({**content, **fields})) == expected


def test_the_first_and_the_last_millisecond_are_times() -> None:
    for at in (0, TIME_MAX):
        assert ACCESS.decode(event(occurred_at=at)).occurred_at == at
        assert ACCESS.decode(event(occurred_at=iso(at))).occurred_at == at


@pytest.mark.parametrize(("alias", "code"), [("EL", "GR"), ("UK", "GB"), ("uk", "GB"), ("ie", "IE")])
def test_aliases_of_countries_are_read_everywhere(alias: str, code: str) -> None:
    assert ACCESS.decode_canonical(event(device_country=alias)) == ACCESS.decode_canonical(event(device_country=code))
    for topic, field in (
        ("directory.employees", "home_country"),
        ("directory.locations", "country"),
        ("directory.datasets", "site_country"),
        ("directory.copies", "site_country"),
        ("directory.datasets", "subject_region"),
    ):
        decode = DIRECTORY[topic].decode_canonical
        assert decode(row(topic, **{field: alias})) == decode(row(topic, **{field: code}))
        assert refused(DIRECTORY[topic], row(topic, **{field: "ZZ"})).reason == "invalid_value"


def test_a_row_that_ends_before_it_begins_contradicts_itself() -> None:
    for topic, content in ROWS.items():
        raw = orjson.dumps({**content, "valid_from": 10, "valid_until": 9})
        assert refused(DIRECTORY[topic], raw).reason == "contradiction"
        assert DIRECTORY[topic].decode(orjson.dumps({**content, "valid_from": 10, "valid_until": 10})).valid_until == 10


def test_a_workload_row_lists_networks() -> None:
    """The join asks them of every access: text that is no network would stop the worker."""
    raw = row("directory.workloads", networks=["10.0.0.0/8", "the office"])
    assert refused(DIRECTORY["directory.workloads"], raw).reason == "invalid_value"
    DIRECTORY["directory.workloads"].decode(row("directory.workloads", networks=["10.0.0.1", "10.0.0.1/8", "::1"]))


@given(st.randoms(use_true_random=False), st.sampled_from(sorted(ALL)), st.booleans())
@settings(max_examples=100, deadline=None)
def test_equal_content_gives_equal_canonical_bytes(random: Any, name: str, spaced: bool) -> None:
    codec, content = ALL[name]
    items = list(content.items())
    random.shuffle(items)
    separators = (" , ", " : ") if spaced else (",", ":")
    again = json.dumps(dict(items), separators=separators, ensure_ascii=random.random() < 0.5).encode()
    record, canonical = codec.decode_canonical(again)
    assert (record, canonical) == codec.decode_canonical(orjson.dumps(content))
    assert codec.decode_canonical(canonical) == (record, canonical)


def test_other_content_gives_other_canonical_bytes() -> None:
    for name, (codec, content) in ALL.items():
        _, canonical = codec.decode_canonical(orjson.dumps(content))
        for field, value in content.items():
            other: Any
            if isinstance(value, bool):
                other = not value
            elif isinstance(value, int):
                other = value + 1
            elif field in ("status", "action", "sensitivity", "evidence", "severity", "country", "home_country",
                           "site_country", "subject_region", "outcome", "principal_type", "copy_kind"):  # fmt: skip
                continue
            elif isinstance(value, str):
                other = value + "x"
            else:
                continue
            assert codec.decode_canonical(orjson.dumps({**content, field: other}))[1] != canonical, (name, field)


SECRET = "Zq7Secret"
"""What stands in every value of a fuzzed record and must stand in no error."""


def _secretive(value: Any) -> Any:
    if isinstance(value, str):
        return SECRET
    if isinstance(value, list):
        return [_secretive(item) for item in value] or [SECRET]
    if isinstance(value, dict):
        return {key: _secretive(item) for key, item in value.items()}
    return value


@every_codec
def test_an_error_never_quotes_a_value(codec: Codec[Any], content: dict[str, Any]) -> None:
    for name, value in content.items():
        for bad in (SECRET, SECRET * 200, [SECRET], {SECRET: SECRET}, 10**18, -1, 1.5, None, _secretive(value),
                    f"{SECRET} - at `$.x`", f"it's {SECRET}' - at '"):  # fmt: skip
            error = tried(codec, orjson.dumps({**content, name: bad}))
            if isinstance(error, BadRecordError):
                assert SECRET not in error.detail, name
                assert str(10**18) not in error.detail, name
                assert error.reason in REASONS, name


_TOKENS = [
    *(bytes([byte]) for byte in b'"\\{}[],:- \0\xff'),
    *(b"null", b"true", b"1e9", b"9" * 400, rb"\u0000", rb"\ud800", b'"action":"read",', b"\xed\xa0\x80"),
]


@st.composite
def mutated(draw: st.DrawFn) -> tuple[Codec[Any], bytes]:
    """A record with a few bytes replaced, removed, doubled or put in."""
    codec, content = ALL[draw(st.sampled_from(sorted(ALL)))]
    raw = orjson.dumps({name: _secretive(value) if draw(st.booleans()) else value for name, value in content.items()})
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(raw)))
        length = draw(st.integers(0, 12))
        kind = draw(st.sampled_from(["cut", "put", "double", "noise"]))
        part = raw[start : start + length]
        middle = {"cut": b"", "double": part + part, "put": draw(st.sampled_from(_TOKENS)),
                  "noise": draw(st.binary(max_size=6))}[kind]  # fmt: skip
        raw = raw[:start] + middle + raw[start + length :]
    return codec, raw


@given(mutated())
@settings(max_examples=250, deadline=None)
def test_only_bad_record_errors_escape(given_: tuple[Codec[Any], bytes]) -> None:
    codec, raw = given_
    got = tried(codec, raw)
    if isinstance(got, BadRecordError):
        assert got.reason in REASONS
        assert SECRET not in str(got)
    else:
        assert codec.decode_canonical(got[1]) == got
        assert json.loads(raw, object_pairs_hook=_pairs)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """What passes holds no key twice and no NUL, whichever reader looks."""
    assert len(dict(pairs)) == len(pairs)
    assert not any("\0" in key or (isinstance(value, str) and "\0" in value) for key, value in pairs)
    return dict(pairs)


def test_an_alert_as_we_write_it_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading with care takes ten times as long, in each destination's runner."""
    facts = {"team": "süd", "said": 'a "word" and a \\ and a tab\t', "parts": [1, 2.5, None, {"deep": True}]}
    alert = msgspec.structs.replace(ALERT.decode(orjson.dumps(ALERT_RECORD)), facts=facts)
    monkeypatch.setattr(codec_module, "_examine", lambda *_: pytest.fail("read a second time"))
    assert ALERT.decode(encode(alert)) == alert


@pytest.mark.parametrize("facts", [{"x": "a\0b"}, {"x\0": 1}, {"x": [["\0"]]}])
def test_a_nul_is_refused_also_in_bytes_that_are_as_we_write_them(facts: dict[str, Any]) -> None:
    alert = msgspec.structs.replace(ALERT.decode(orjson.dumps(ALERT_RECORD)), facts=facts)
    assert refused(ALERT, encode(alert)).reason == "nul_byte"


def test_an_alert_is_the_same_after_a_round_trip() -> None:
    alert = ALERT.decode(orjson.dumps(ALERT_RECORD))
    assert ALERT.decode(encode(alert)) == alert
    assert encode(ALERT.decode(encode(alert))) == encode(alert)
    assert b"\n" not in encode(alert)


@every_codec
def test_a_record_is_the_same_after_a_round_trip(codec: Codec[Any], content: dict[str, Any]) -> None:
    record = codec.decode(orjson.dumps(content))
    assert codec.decode(encode(record)) == record


def test_a_row_has_a_key_from_which_it_is_told() -> None:
    for topic, content in ROWS.items():
        decoded = DIRECTORY[topic].decode(orjson.dumps(content))
        key = parse_row_key(row_key(decoded))
        assert (key.subject, key.kind) == (decoded.subject, decoded.kind)
        assert (key.valid_from, key.recorded_at) == (decoded.valid_from, decoded.recorded_at)


def test_a_bar_in_an_identifier_does_not_break_its_key() -> None:
    decoded = DIRECTORY["directory.employees"].decode(row("directory.employees", employee_id="a|b||c"))
    assert parse_row_key(row_key(decoded)).subject == "a|b||c"


@pytest.mark.parametrize("key", [None, b"", b"e-1", b"a|b|c", b"a||x|1", b"a||1|", b"\xff||1|1", b"a||1.5|1"])
def test_a_key_that_names_no_row_is_refused(key: bytes | None) -> None:
    with pytest.raises(BadRecordError) as caught:
        parse_row_key(key)
    assert caught.value.reason == "bad_key"


def test_recorded_at_is_the_messages_time_where_the_row_has_none() -> None:
    bare = DIRECTORY["directory.employees"].decode(row("directory.employees", recorded_at=None))
    assert bare.recorded_at is msgspec.UNSET
    assert filled(bare, 77).recorded_at == 77
    assert filled(filled(bare, 77), 78).recorded_at == 77

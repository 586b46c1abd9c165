"""Syslog messages, read back by a parser that was written from the ABNF of RFC 5424 and knows nothing of the writer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.formats import cef, rfc5424
from schemas.alert import SEVERITIES
from tests.alerts.stream_alerts import AT, alert


@dataclass
class Parsed:
    """A SYSLOG-MSG."""

    priority: int
    header: list[str]
    """TIMESTAMP, HOSTNAME, APP-NAME, PROCID, MSGID."""
    data: list[tuple[str, list[tuple[str, str]]]]
    text: str


PRINTABLE = r"[\x21-\x7e]"
HEADER = re.compile(
    rf"<(\d{{1,3}})>1 (\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{1,6}}Z) "
    rf"({PRINTABLE}{{1,255}}) ({PRINTABLE}{{1,48}}) ({PRINTABLE}{{1,128}}) ({PRINTABLE}{{1,32}}) "
)
SD_NAME = re.compile(r'[^\x00-\x20\x7f-\uffff= \]"]{1,32}')


def parse(raw: bytes) -> Parsed:
    """Read one SYSLOG-MSG by the grammar of section 6; an AssertionError where it is none."""
    head = HEADER.match(raw[:1024].decode("latin-1"))
    assert head is not None, raw
    text = raw[head.end() :].decode("utf-8")  # strictly: structured data and MSG are UTF-8
    data, at = _data(text)
    assert text[at] == " ", text[at:]
    message = text[at + 1 :]
    assert message.startswith("\ufeff"), "MSG-UTF8 begins with the BOM"
    return Parsed(int(head[1]), [head[number] for number in range(2, 7)], data, message[1:])


def _data(text: str) -> tuple[list[tuple[str, list[tuple[str, str]]]], int]:
    found, at = [], 0
    assert text[0] == "["
    while text[at] == "[":
        name = SD_NAME.match(text, at + 1)
        assert name is not None
        at = name.end()
        parameters = []
        while text[at] == " ":
            key = SD_NAME.match(text, at + 1)
            assert key is not None
            at = key.end()
            assert text[at : at + 2] == '="'
            at += 2
            value = ""
            while text[at] != '"':
                assert text[at] != "]", "a bare ] in a value"
                if text[at] == "\\" and text[at + 1] in '"\\]':
                    at += 1
                value += text[at]
                at += 1
            parameters.append((key[0], value))
            at += 1
        assert text[at] == "]"
        at += 1
        found.append((name[0], parameters))
    return found, at


def deframe(stream: bytes) -> list[bytes]:
    """Read MSG-LEN SP SYSLOG-MSG until the end (RFC 5425, section 4.3)."""
    found = []
    while stream:
        length, _, rest = stream.partition(b" ")
        assert re.fullmatch(rb"[1-9]\d*", length)
        found.append(rest[: int(length)])
        assert len(found[-1]) == int(length)
        stream = rest[int(length) :]
    return found


def made(of: Any, **more: Any) -> bytes:
    given_: dict[str, Any] = {
        "at": AT,
        "host": "host.example",
        "process": "77",
        "version": "0.1.0",
        "enterprise": 32473,
        "room": 8192,
        "body": lambda _: of.explanation,
    }
    return rfc5424.message(of, **(given_ | more))


def test_a_message_as_the_rfc_has_it() -> None:
    got = parse(made(alert(5, revision=2)))
    assert got.priority == 13 * 8 + 3
    assert got.header == ["2026-09-21T14:13:20.000Z", "host.example", "cloverwatch", "77", "place.outside"]
    assert [name for name, _ in got.data] == ["cloverwatch@32473", "origin"]
    own = dict(got.data[0][1])
    assert own["alertId"] == alert(5).alert_id
    assert own["revision"] == "2"
    assert own["placeClass"] == "third_country"
    assert own["country"] == "BR"
    assert dict(got.data[1][1]) == {"software": "cloverwatch", "swVersion": "0.1.0", "enterpriseId": "32473"}
    assert got.text == alert(5).explanation


@pytest.mark.parametrize(("severity", "number"), list(zip(SEVERITIES, (6, 5, 4, 3, 2), strict=True)))
def test_severity_goes_with_the_alert_until_it_is_over(severity: str, number: int) -> None:
    assert parse(made(alert(severity=severity))).priority == 104 + number
    assert parse(made(alert(severity=severity, status="resolved"))).priority == 104 + 5


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=400)
ID = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=120)


def one_line(text: str) -> str:
    return re.sub("[\x00-\x1f\x7f-\x9f\u2028\u2029]", " ", text)


@given(ID, ID, TEXT, TEXT, st.sampled_from([2048, 8192]))
def test_whatever_the_text_a_parser_reads_it_back(key: str, rule: str, text: str, host: str, room: int) -> None:
    raw = made(alert(dedup_key=key, rule_id=rule, explanation=text, dataset_id=key), host=host, room=room)
    assert len(raw) <= room
    got = parse(raw)
    own = dict(got.data[0][1])
    assert own["alertId"] == alert().alert_id
    assert own.get("dedupKey", one_line(key)) == one_line(key)
    assert own.get("rule", one_line(rule)) == one_line(rule)
    if got.text != one_line(text):
        assert len(raw) > room - 8
        assert got.text.endswith("…")
        assert one_line(text).startswith(got.text[:-1])


@given(st.text(st.sampled_from('aä東😀"]\\\n'), min_size=5, max_size=15), st.integers(2048, 2100))
def test_a_long_text_is_cut_between_characters_and_fills_the_room(text: str, room: int) -> None:
    raw = made(alert(explanation=text * 500), room=room)
    assert room - 4 < len(raw) <= room
    assert parse(raw).text.endswith("…")


def test_identity_stays_when_all_else_is_too_long() -> None:
    raw = made(alert(dedup_key="ü" * 256, rule_id="]" * 256, dataset_id="東" * 256, person="x" * 256), room=2048)
    got = parse(raw)
    assert len(raw) <= 2048
    assert [key for key, _ in got.data[0][1]][:3] == ["alertId", "revision", "status"]
    assert got.header[-1] == "]" * 32


def test_an_identity_that_does_not_fit_is_an_error_and_not_a_cut_one() -> None:
    with pytest.raises(rfc5424.TooLongError):
        made(alert(alert_id="😀" * 256), room=600)


def test_lone_surrogates_are_no_reason_to_fail() -> None:
    assert parse(made(alert(explanation="a\ud800b", dedup_key="k\udfff"))).text == "a?b"


def test_frames_are_counted_in_octets() -> None:
    messages = [made(alert(number, explanation="ü" * number)) for number in range(1, 30)]
    assert deframe(b"".join(rfc5424.frame(each) for each in messages)) == messages


def header_of(line: str) -> tuple[list[str], dict[str, str]]:
    """Read a CEF line as its standard says: seven fields behind unescaped bars, then keys and values."""
    fields: list[str] = []
    at = 0
    while len(fields) < 7:
        field = ""
        while line[at] != "|":
            if line[at] == "\\":
                assert line[at + 1] in "\\|"
                at += 1
            field += line[at]
            at += 1
        fields.append(field)
        at += 1
    keys = list(re.finditer(r"(?:^| )([A-Za-z0-9]+)(?<!\\)=", line[at:]))
    found = {}
    for number, key in enumerate(keys):
        end = keys[number + 1].start() if number + 1 < len(keys) else None
        value = line[at:][key.end() : end]
        assert not re.search(r"(?<!\\)(?:\\\\)*=", value)
        found[key[1]] = re.sub(r"\\(.)", lambda escaped: {"n": "\n", "r": "\r"}.get(escaped[1], escaped[1]), value)
    return fields, found


def test_a_cef_line() -> None:
    fields, found = header_of(cef.event(alert(9, title="a|b\\c"), version="0.1.0", host="h"))
    assert fields == ["CEF:0", "Cloverwatch", "cloverwatch", "0.1.0", "place.outside", "a|b\\c", "8"]
    assert found["externalId"] == alert(9).alert_id
    assert found["cn1"] == "0"
    assert found["cn1Label"] == "revision"
    assert found["rt"] == str(AT)
    assert found["suser"] == "e1:abcdefghijklmnopqrstuvwx"
    assert found["cs4"] == "BR"
    assert found["msg"] == alert(9).explanation


@given(TEXT, TEXT)
def test_cef_escapes_are_read_back(title: str, text: str) -> None:
    line = cef.event(alert(title=title, explanation=text), version="0.1.0", host="h")
    assert "\n" not in line
    assert "\r" not in line
    fields, found = header_of(line)
    assert fields[5] == one_line(title)
    # A text that looks like ` key=` keeps its escape, so that no parser can take it for one.
    assert found["msg"] == re.sub("[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]", " ", text)


@given(st.text(st.sampled_from("a=\\\n|ä😀"), min_size=5, max_size=20), st.integers(600, 2000))
def test_a_cef_line_fits_the_room_and_is_not_cut_inside_an_escape(part: str, room: int) -> None:
    text = part * 60
    line = cef.event(alert(explanation=text), version="0.1.0", host="h", room=room)
    assert len(line.encode()) <= room
    _, found = header_of(line)
    assert found["externalId"] == alert().alert_id
    if "msg" in found and found["msg"] != text[:1023]:
        assert found["msg"].endswith("…")
        assert text.startswith(found["msg"][:-1])


def test_a_cef_line_has_severities_of_each_of_its_ranges() -> None:
    got = [header_of(cef.event(alert(severity=each), version="1", host="h"))[0][6] for each in SEVERITIES]
    assert got == ["1", "3", "5", "8", "10"]

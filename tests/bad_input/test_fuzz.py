"""Any bytes at all: what is wrong comes out as one of our two errors, with one of our reasons."""

from __future__ import annotations

import contextlib
import gzip
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agents.files import Line, Reading, event_lines, load_directory, translated_lines
from rules.cases import DAY, T
from schemas.codec import ALERT, DIRECTORY, encode, parse_row_key, row_key
from schemas.deadletter import PREFIX, DeadLetter
from schemas.errors import REASONS, BadRecordError, ConfigurationError
from schemas.sources import SOURCES
from schemas.sources.base import SourceMapping
from schemas.topics import DIRECTORY_TOPICS
from tests.rules.streams import access, complete, dataset, line, session
from tests.schemas.records import ALERT_RECORD, ROWS

NAMES = ["reason", "detail", "topic", "partition", "offset", "timestamp", "index", "null", "other"]
_headers = st.lists(
    st.tuples(
        st.sampled_from([PREFIX + name for name in NAMES] + ["own", "cloverwatch", ""]),
        st.binary(max_size=8) | st.sampled_from([b"1", b"-1", b"not_json", b"9" * 5_000, b"1_0", "٣".encode(), b" 1 "]),
    ),
    max_size=12,
)


@given(_headers, st.none() | st.binary(max_size=9), st.none() | st.binary(max_size=9))
@settings(max_examples=60, deadline=None)
def test_headers_of_a_dead_letter(headers: list[tuple[str, bytes]], key: bytes | None, value: bytes | None) -> None:
    try:
        letter = DeadLetter.from_message(key, value, headers)
    except BadRecordError as error:
        assert error.reason in REASONS  # noqa: PT017 - whichever it is
        return
    assert letter.reason in REASONS
    assert DeadLetter.from_message(key, value, letter.to_headers()) == letter


@given(st.none() | st.binary(max_size=30) | st.text(max_size=30).map(str.encode)
       | st.lists(st.sampled_from([b"|", b"e-1", b"1", b"-1", b"1_0", b"+1", b" 1", b"01", b"\xff", "٣".encode()]),
                  max_size=8).map(b"".join))  # fmt: skip
@example(b"e-1||1_0|1")
@example(b"e-1||1|+1")
@example(b"e-1|| 1|1")
@example(b"e-1||01|1")
@example("e-1||٣|1".encode())
@example(b"|||||1|1")
@settings(max_examples=60, deadline=None)
def test_keys_of_directory_messages(key: bytes | None) -> None:
    """A key that is read is the key that a row has: no two ways to write one."""
    try:
        found = parse_row_key(key)
    except BadRecordError as error:
        assert error.reason == "bad_key"  # noqa: PT017 - whichever it is
        return
    assert f"{found.subject}|{found.kind}|{found.valid_from}|{found.recorded_at}".encode() == key


@st.composite
def _damaged(draw: st.DrawFn, content: dict[str, Any]) -> bytes:
    """A record in which a value, a byte or a few are other ones."""
    values = st.sampled_from(
        [None, 0, -1, 10**30, 1.5, True, "", "\0", "é" * 300, [], {}, [None], {"a": 1}, "2026-01-01"]
    )
    fields = draw(st.lists(st.tuples(st.sampled_from(sorted(content)), values), max_size=2))
    raw = orjson.dumps({**content, **{name: min(value, 2**63) if type(value) is int else value
                                      for name, value in fields}})  # fmt: skip
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(raw)))
        raw = raw[:at] + draw(st.binary(max_size=3)) + raw[at + draw(st.integers(0, 5)) :]
    return raw


_events = st.lists(_damaged(access(client="c", source_ip="10.0.0.1", subject_ids=["s"])), min_size=1, max_size=6)


@given(_events)
@settings(max_examples=40, deadline=None)
def test_a_session_judges_or_puts_away_whatever_comes(values: list[bytes]) -> None:
    """Nothing escapes, nothing is counted twice or not at all, and every alert can be read."""
    made = session([*complete(), dataset()])
    batch = [Line(value, T, at, "access.events") for at, value in enumerate([*values, line(access(), 0).value])]
    haul = made.take(batch, T + DAY)
    assert haul.judged + haul.duplicates + len(haul.bad) == len(batch)
    assert sum(haul.tally.values()) == haul.judged == len(haul.delays)
    assert all(error.reason in REASONS for _, error in haul.bad)
    for alert in haul.alerts:
        assert ALERT.decode(encode(alert)) == alert
    for message in batch:
        made.remember(message)


_rows = st.sampled_from(sorted(DIRECTORY_TOPICS)).flatmap(
    lambda topic: st.tuples(st.just(topic), _damaged(ROWS[topic]))
)


@given(_rows)
@settings(max_examples=40, deadline=None)
def test_a_row_that_is_read_has_a_key_that_is_read(given_: tuple[str, bytes]) -> None:
    topic, raw = given_
    with contextlib.suppress(BadRecordError):
        row = DIRECTORY[topic].decode(raw)
        key = parse_row_key(row_key(row) if row.recorded_at else b"x||1|1")
        assert key.subject


@given(_damaged(ALERT_RECORD))
@settings(max_examples=40, deadline=None)
def test_an_alert_of_others_is_read_or_refused(raw: bytes) -> None:
    with contextlib.suppress(BadRecordError):
        alert = ALERT.decode(raw)
        assert ALERT.decode(encode(alert)) == alert


@given(st.lists(st.binary(max_size=20) | _damaged(access()), max_size=5), st.booleans())
@settings(max_examples=30, deadline=None)
def test_files_of_any_bytes(values: list[bytes], packed: bool) -> None:
    """Lines, directories and other systems' files: read, refused line by line, or refused as a file."""
    content = b"\n".join(values)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "employees.jsonl"
        path.write_bytes(gzip.compress(content)[: None if len(content) % 3 else -4] if packed else content)
        told: list[str] = []
        with contextlib.suppress(ConfigurationError):
            found = list(event_lines(path, Reading()))
            session([*complete(), dataset()], patient=False).take(found, T)
        with contextlib.suppress(ConfigurationError):
            directory = load_directory(Path(folder))
            assert all(error.reason in REASONS for _, _, error in directory.bad)
        for source in SOURCES.values():
            with contextlib.suppress(ConfigurationError):
                reading = Reading(told.append)
                for each in translated_lines(path, source, SourceMapping(), reading):
                    assert each.value
                assert set(reading.bad) <= REASONS.keys()


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES.keys())
def test_no_source_raises_for_no_message(source: Any) -> None:
    (found,) = source.translate(None, SourceMapping())
    assert found.bad.reason in REASONS

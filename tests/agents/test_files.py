"""Files in place of topics: lines, their times, directories, and what of them cannot be used."""

from __future__ import annotations

import gzip
from pathlib import Path

import orjson
import pytest

from agents import files
from agents.files import Reading, event_lines, lines, load_directory, messages, translated_lines
from rules.cases import DAY, T
from schemas.codec import ACCESS, encode
from schemas.errors import ConfigurationError
from schemas.fields import TIME_MAX, iso
from schemas.sources.base import SourceMapping
from schemas.sources.native import Native
from tests.rules.streams import access, badge, complete, dataset, employee, line


def put(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def raw(**fields: object) -> bytes:
    return line(access(**fields), 0, 0).value or b""


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", []),
        (b"a\nb\n", [b"a", b"b"]),
        (b"a\r\nb", [b"a", b"b"]),
        (b"\n\na\n", [b"", b"", b"a"]),
        (b"\x1f\n", [b"\x1f"]),
    ],
)
def test_lines_plain_and_packed(tmp_path: Path, content: bytes, expected: list[bytes], packed: bool) -> None:
    assert list(lines(put(tmp_path / "f", gzip.compress(content) if packed else content))) == expected


def test_files_packed_one_after_the_other_are_one(tmp_path: Path) -> None:
    path = put(tmp_path / "f.gz", gzip.compress(b"a\n") + gzip.compress(b"b\n"))
    assert list(lines(path)) == [b"a", b"b"]


def test_a_line_beyond_the_bound_is_cut_and_the_next_one_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "LINE_MAX", 10)
    path = put(tmp_path / "f", b"x" * 10 + b"\n" + b"y" * 35 + b"\n" + b"z" * 9 + b"\nend")
    assert list(lines(path)) == [b"x" * 10, b"y" * 10, b"z" * 9, b"end"]


@pytest.mark.parametrize("content", [b"\x1f\x8b", b"\x1f\x8bnot gzip at all", gzip.compress(b"a\n" * 99, mtime=0)[:-6]])
def test_what_does_not_unpack_says_so(tmp_path: Path, content: bytes) -> None:
    path = put(tmp_path / "f.gz", content)
    with pytest.raises(ConfigurationError, match=f"{path} cannot be read: "):
        list(lines(path))


def test_a_json_file_is_one_message_and_others_one_a_line(tmp_path: Path) -> None:
    content = b'{"Records": [\n1,\n2]}'
    assert list(messages(put(tmp_path / "a.json", content))) == [(1, content)]
    assert list(messages(put(tmp_path / "a.json.gz", b"as it is"))) == [(1, b"as it is")]
    assert list(messages(put(tmp_path / "a.jsonl", b"\n[1]\n \n[2]"))) == [(2, b"[1]"), (4, b"[2]")]


# Times.


def test_a_line_counts_as_received_at_the_latest_occurrence_so_far(tmp_path: Path) -> None:
    content = b"\n".join([
        raw(occurred_at=T),
        raw(occurred_at=iso(T + 5)),
        raw(occurred_at=T - DAY),
        b"not json",
        raw(occurred_at=T + 9, received_at=T + 70),
        raw(occurred_at=T + 1, received_at=iso(T + 71)),
        raw(occurred_at=T + 2),
    ])  # fmt: skip
    reading = Reading()
    found = list(event_lines(put(tmp_path / "e.jsonl", content), reading))
    assert [each.timestamp - T for each in found] == [0, 5, 5, 5, 70, 71, 9]
    assert [each.offset for each in found] == list(range(1, 8))
    # One clock over all files of a run.
    (more,) = event_lines(put(tmp_path / "f.jsonl", raw(occurred_at=T)), reading)
    assert more.timestamp == T + 9


@pytest.mark.parametrize(
    "received", ["1969-12-31T00:00:00Z", "9999-12-31T23:59:59-05:00", -5, TIME_MAX + 1, "noon", None, 1.5, [1]]
)
def test_a_time_of_receipt_that_no_record_can_have_is_none(tmp_path: Path, received: object) -> None:
    """It would stand in alerts that nobody could read again."""
    content = raw()[:-1] + b',"received_at":' + orjson.dumps(received) + b"}"
    (found,) = event_lines(put(tmp_path / "e.jsonl", content), Reading())
    assert found.timestamp == T


@pytest.mark.parametrize("occurred", [b"1e400", b'"1969-01-01T00:00:00Z"', b"-1", b"[" * 5_000, b'"\xff"', b"null"])
def test_a_time_of_occurrence_that_is_none_moves_no_clock(tmp_path: Path, occurred: bytes) -> None:
    content = raw() + b"\n" + b'{"occurred_at":' + occurred + b"}"
    found = list(event_lines(put(tmp_path / "e.jsonl", content), Reading()))
    assert [each.timestamp for each in found] == [T, T]


def test_records_of_others_become_lines_and_the_rest_is_told(tmp_path: Path) -> None:
    told: list[str] = []
    reading = Reading(told.append)
    path = put(tmp_path / "x.jsonl", raw() + b"\nnot json\n" + raw(occurred_at=T + 1, event_id="b"))
    found = list(translated_lines(path, Native(), SourceMapping(), reading))
    assert [ACCESS.decode(each.value).event_id for each in found] == ["ev-1", "b"]
    assert [(each.timestamp, each.offset) for each in found] == [(T, 1), (T + 1, 3)]
    assert dict(reading.bad) == {"not_json": 1}
    assert told[0].startswith(f"{path}:2 (record 0): not_json: ")


# Directories.


def folder_of(path: Path, *rows: object, packed: bool = False) -> Path:
    path.mkdir(exist_ok=True)
    by_name: dict[str, list[bytes]] = {}
    for row in rows:
        by_name.setdefault(row.topic.rsplit(".", 1)[1], []).append(encode(row) + b"\n")  # type: ignore[attr-defined, arg-type]  # rows
    for name, found in by_name.items():
        content = b"".join(found)
        put(path / f"{name}.jsonl{'.gz' if packed else ''}", gzip.compress(content) if packed else content)
    return path


def test_a_folder_is_read_in_any_order_and_hashed_by_its_lines(tmp_path: Path) -> None:
    rows = [*complete(), dataset(), employee(status="leave", valid_from=T)]
    plain = load_directory(folder_of(tmp_path / "a", *rows))
    packed = load_directory(folder_of(tmp_path / "b", *rows, packed=True))
    turned = load_directory(folder_of(tmp_path / "c", *reversed(rows)))
    assert plain.hashes == packed.hashes
    assert plain.digest == packed.digest
    assert turned.digest != plain.digest, "another file"
    for found in (plain, packed, turned):
        assert found.bad == []
        employment = found.knowledge.people["e-1"].employment
        assert employment is not None
        assert [row.status for row in employment.rows] == ["active", "leave"]
    assert load_directory(tmp_path / "a", T).digest != plain.digest, "what was believed when is part of it"


def test_what_was_recorded_later_is_left_out(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "a", badge(recorded_at=T), badge("IN", recorded_at=T + 1))
    late = load_directory(path, T).knowledge.people["e-1"].locations["badge"]
    assert [row.country for row in late.rows] == ["IE"]
    # Without a time of its own a row counts as recorded when it became true.
    bare = orjson.dumps({"employee_id": "e-1", "status": "active", "valid_from": T + 1})
    put(path / "employees.jsonl", bare)
    assert load_directory(path, T).knowledge.people["e-1"].employment is None
    assert load_directory(path, T + 1).knowledge.people["e-1"].employment is not None


def test_rows_that_cannot_be_used_are_told_with_file_and_line(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "a", *complete())
    with (path / "roles.jsonl").open("ab") as file:
        file.write(b'\n{"employee_id":"e-1"}\n')
    found = load_directory(path)
    ((name, number, error),) = found.bad
    assert (name, number, error.reason) == (str(path / "roles.jsonl"), 3, "missing_field")
    assert found.knowledge.people["e-1"].roles.keys() == {"reader"}


def test_a_folder_without_directories_is_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is no folder"):
        load_directory(tmp_path / "none")
    put(tmp_path / "employees.json", b"[]")
    with pytest.raises(ConfigurationError, match="holds none of the directory files"):
        load_directory(tmp_path)

"""Many records out of one message: `{"Records": [...]}`, an array, one a line, or one after the other.

What is short is parsed at once. What is long is read in windows, so that a message of 64 MiB does not become a tree
of objects ten times as big. A record that is no JSON yields one error, and the others go on.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

import orjson

from schemas.errors import BadRecordError

WHOLE_MAX: Final = 1024 * 1024
"""Bytes parsed at once: the tree of objects is then some 20 MiB at worst."""

RECORD_MAX: Final = 1024 * 1024
"""Characters of one record. CloudTrail's are at most 256 KiB, its longest kind 1 MiB."""

_STEP: Final = 256 * 1024
"""Bytes by which the window grows."""

_ENVELOPE: Final = re.compile(r'\s*(?:\{\s*"Records"\s*:\s*)?\[')
_SPACE: Final = re.compile(r"[\s,]*")
_TOKEN: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[{}\[\]]', re.DOTALL)
"""A string or a bracket. A string that does not end is one token too, or each quote in it would be tried as a
beginning: quadratic in the length of the text."""

_WORD: Final = re.compile(r".[^,\n{\[\]]*", re.DOTALL)

LOOK_AHEAD: Final = 8
"""Lines that are tried to tell one record a line from other forms: the first may be the broken one."""


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadRecordError("duplicate_key", "the same key twice in one object")
    return found


_CAREFUL: Final = json.JSONDecoder(parse_constant=_no_constant, object_pairs_hook=_without_repeats)
_SCAN: Final = _CAREFUL.raw_decode

Document = Any
"""A parsed record, or the `BadRecordError` in its place."""


def documents(data: bytes) -> Iterator[Document]:
    """Yield the records in `data` in order; in place of one that cannot be read, its `BadRecordError`.

    A `BadRecordError` (`not_json`, `not_utf8`, `nested_too_deep`, `duplicate_key`, `too_large`) stands for one record,
    or for everything behind it where the text is so broken that the next record cannot be found. Never raises.
    """
    if not data or data.isspace():
        yield BadRecordError("not_json", "the message is empty")
        return
    parsed = _parse(data) if len(data) <= WHOLE_MAX else None
    if parsed is not None:
        yield from _split(parsed[0])
        return
    if any(map(_is_record, islice(_lines(data), LOOK_AHEAD))):
        for line in _lines(data):
            yield from _line(line)
    else:
        yield from _stream(data)


def _parse(data: bytes) -> tuple[Any] | None:
    """Return what is JSON without a repeated key, else None: `_stream` then says what is wrong, and with which record.

    What is written as we would write it has no repeated key; only what is not is read a second time, with care.
    """
    try:
        value = orjson.loads(data)
        if orjson.dumps(value) != data:
            _CAREFUL.decode(data.decode())
    except (ValueError, TypeError, RecursionError, BadRecordError):  # a JSONDecodeError is a ValueError
        return None
    return (value,)


def _is_record(line: bytes) -> bool:
    """Whether a line is a record by itself: a line of a record that is written over many lines is not, nor is `{}`."""
    parsed = _parse(line) if len(line) <= WHOLE_MAX and line[:1] in b"{[" else None
    return parsed is not None and bool(parsed[0])


def _split(value: Any) -> Iterator[Document]:
    records = value.get("Records") if isinstance(value, dict) else value
    if isinstance(records, list):
        yield from records
    else:
        yield value


def _lines(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        end = data.find(b"\n", at)
        end = len(data) if end < 0 else end
        if line := data[at:end].strip():
            yield line
        at = end + 1


def _line(line: bytes) -> Iterator[Document]:
    parsed = _parse(line) if len(line) <= WHOLE_MAX else None
    if parsed is not None:
        yield from _split(parsed[0])
    elif line[:1] in b"{[":
        yield from _stream(line)
    else:
        yield BadRecordError("not_json", "a line that is no record")


class _Window:
    """The part of a long text that is looked at. Bytes that are no UTF-8 are kept as surrogates, and found later."""

    def __init__(self, data: bytes) -> None:
        self.text = ""
        self.at = 0
        self._data = memoryview(data)
        self._read = 0
        self._decode = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode

    def grow(self) -> bool:
        """Drop what was read, add a step; False where there is no more."""
        if self._read >= len(self._data):
            return False
        piece = bytes(self._data[self._read : self._read + _STEP])
        self._read += _STEP
        self.text = self.text[self.at :] + self._decode(piece, self._read >= len(self._data))
        self.at = 0
        return True

    def skip_space(self) -> bool:
        """Go to the next character that says something; False where there is none."""
        while True:
            found = _SPACE.match(self.text, self.at)
            self.at = found.end() if found else self.at
            if self.at < len(self.text):
                return True
            if not self.grow():
                return False


def _stream(data: bytes) -> Iterator[Document]:
    window = _Window(data)
    inside = False
    while window.skip_space():
        if inside and window.text[window.at] == "]":
            window.at += 1
            inside = False
            _leave(window)
            continue
        if not inside and (opening := _ENVELOPE.match(window.text, window.at)):
            window.at = opening.end()
            inside = True
            continue
        record = _next(window, inside=inside)
        yield from _split(record) if not inside and isinstance(record, dict) else (record,)
        if isinstance(record, BadRecordError) and window.at < 0:
            return


def _leave(window: _Window) -> None:
    """Go past the brace that closes an envelope. Further keys of it would hold no records; none are known."""
    if window.skip_space() and window.text[window.at] == "}":
        window.at += 1


def _next(window: _Window, *, inside: bool) -> Document:
    """Return the record at the window's place and go behind it; `window.at` is negative where there is no behind."""
    while True:
        try:
            value, end = _SCAN(window.text, window.at)
        except RecursionError:
            bad = BadRecordError("nested_too_deep", "nested deeper than any record is")
        except ValueError as error:
            bad = BadRecordError("not_json", getattr(error, "msg", None) or "a number that is none")
        except BadRecordError as error:
            bad = error
        else:
            if end == len(window.text) and window.grow():  # a number may go on in the next step
                continue
            segment = window.text[window.at : end]
            window.at = end
            return value if _is_text(segment) else BadRecordError("not_utf8", "bytes that are no UTF-8")
        if len(window.text) - window.at <= RECORD_MAX and window.grow():
            continue
        return _give_up(window, bad, inside=inside)


def _give_up(window: _Window, bad: BadRecordError, *, inside: bool) -> BadRecordError:
    """Go behind a record that cannot be read, by its brackets, or by the next comma of the array around it."""
    if window.text[window.at] not in "{[":
        word = _WORD.match(window.text, window.at)
        window.at = word.end() if word and inside else -1
        return bad
    depth = 0
    for token in _TOKEN.finditer(window.text, window.at):
        mark = token.group()
        depth += (mark in "{[") - (mark in "}]")
        if depth == 0 and mark in "}]":
            window.at = token.end()
            return bad
    long = len(window.text) - window.at > RECORD_MAX
    window.at = -1
    return BadRecordError("too_large", f"a record of more than {RECORD_MAX} characters") if long else bad


def _is_text(segment: str) -> bool:
    if segment.isascii():
        return True
    try:
        segment.encode()
    except UnicodeEncodeError:
        return False
    return True

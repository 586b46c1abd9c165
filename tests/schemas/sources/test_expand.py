"""Gzip in every honest form expands; bombs and broken ones are refused at bounded memory and time."""

from __future__ import annotations

import gzip
import random
import time
import tracemalloc
import zlib
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import BadRecordError
from schemas.sources.expand import MAX_EXPANDED, MAX_MEMBERS, MAX_RATIO, MAX_RAW, RATIO_FROM, expand

TEXT = b'{"Records": []}' * 1_000
NOISE = random.Random(7).randbytes(200_000)


def reason(raw: bytes | None) -> str:
    with pytest.raises(BadRecordError) as caught:
        expand(raw)
    return caught.value.reason


@pytest.mark.parametrize(
    ("raw", "data"),
    [
        (b"", b""),
        (b"plain", b"plain"),
        (b"\x1f", b"\x1f"),
        (gzip.compress(TEXT, mtime=0), TEXT),
        (gzip.compress(b"", mtime=0), b""),
        (gzip.compress(NOISE, mtime=0), NOISE),
        (gzip.compress(b"a", mtime=0) + gzip.compress(b"b", mtime=0), b"ab"),
        (
            gzip.compress(NOISE, mtime=0) + gzip.compress(TEXT, mtime=0) + gzip.compress(NOISE, mtime=0),
            NOISE + TEXT + NOISE,
        ),
        (gzip.compress(TEXT, mtime=0) + b"\0" * 512, TEXT),
        (gzip.compress(b"a", mtime=0) + b"\0" * 200_000, b"a"),
        (gzip.compress(b"x" * RATIO_FROM, mtime=0), b"x" * RATIO_FROM),
        (gzip.compress(b"a", mtime=0) * MAX_MEMBERS, b"a" * MAX_MEMBERS),
    ],
    ids=lambda data: f"{len(data)}:{data[:8]!r}",
)
def test_what_is_honest_is_expanded(raw: bytes, data: bytes) -> None:
    assert expand(raw) == data


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (None, "null_value"),
        (b"x" * (MAX_RAW + 1), "too_large"),
        (b"\x1f\x8b", "not_compressed_right"),
        (b"\x1f\x8bhello", "not_compressed_right"),
        (gzip.compress(TEXT)[:-1], "not_compressed_right"),
        (gzip.compress(TEXT)[:20], "not_compressed_right"),
        (gzip.compress(TEXT)[:-8] + b"\0" * 8, "not_compressed_right"),
        (gzip.compress(TEXT) + b"garbage", "not_compressed_right"),
        (gzip.compress(b"a") * (MAX_MEMBERS + 1), "too_large"),
        (gzip.compress(b"\0" * (RATIO_FROM + 1)), "too_large"),
        (gzip.compress(b"\0" * (MAX_EXPANDED + 1), 1), "too_large"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{len(value or b'')}",
)
def test_what_is_not_is_refused_with_its_reason(raw: bytes | None, why: str) -> None:
    assert reason(raw) == why


@pytest.mark.slow
def test_a_bomb_is_refused_at_bounded_memory_and_time() -> None:
    """8 MiB that expand to 8 GiB."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = b"\0" * (1024 * 1024)
    head = deflate.compress(zeros) + deflate.flush(zlib.Z_FULL_FLUSH)
    body = deflate.compress(zeros) + deflate.flush(zlib.Z_FULL_FLUSH)
    bomb = head + body * ((MAX_RAW - len(head)) // len(body))
    assert len(bomb) > 0.9 * MAX_RAW
    tracemalloc.start()
    began = time.perf_counter()
    assert reason(bomb) == "too_large"
    spent = time.perf_counter() - began
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * MAX_EXPANDED
    assert spent < 5


def test_an_audit_log_that_repeats_itself_a_hundred_times_is_no_bomb() -> None:
    rows = b"\n".join(b'{"eventID":"%d","pad":"%s"}' % (n, random.Random(n).randbytes(100).hex().encode())
                      for n in range(100))  # fmt: skip
    raw = gzip.compress(rows * 100)
    assert len(rows) * 100 / len(raw) < MAX_RATIO
    assert expand(raw) == rows * 100


@settings(max_examples=60)
@given(st.binary(max_size=300), st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=4))
def test_broken_bytes_are_refused_or_expanded_and_nothing_else(data: bytes, changes: list[tuple[int, int]]) -> None:
    raw = bytearray(gzip.compress(data))
    for at, value in changes:
        raw[at % len(raw)] = value
    with suppress(BadRecordError):
        expand(bytes(raw))

"""A dead letter carries the raw bytes and comes back as it was sent."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.deadletter import DETAIL_MAX, PREFIX, DeadLetter
from schemas.errors import REASONS, BadRecordError

texts = st.text(st.characters(blacklist_categories=["Cs"]), max_size=50)
letters = st.builds(
    DeadLetter,
    reason=st.sampled_from(sorted(REASONS)),
    detail=texts,
    topic=texts,
    partition=st.integers(0, 2**31),
    offset=st.integers(0, 2**62),
    timestamp=st.integers(-1, 2**50),
    index=st.none() | st.integers(0, 10**6),
    key=st.none() | st.binary(max_size=20),
    value=st.none() | st.binary(max_size=50),
    headers=st.lists(st.tuples(texts.map("own-{}".format), st.binary(max_size=9)), max_size=3).map(tuple),
)


@given(letters)
def test_what_went_in_comes_out(letter: DeadLetter) -> None:
    assert DeadLetter.from_message(letter.key, letter.value or b"", letter.to_headers()) == letter


def _letter() -> DeadLetter:
    return DeadLetter(
        reason="not_json", detail="d", topic="t", partition=1, offset=2, timestamp=3, key=b"k", value=b"v"
    )


@pytest.mark.parametrize("name", ["reason", "detail", "topic", "partition", "offset", "timestamp"])
def test_a_message_without_one_of_our_headers_is_none_of_ours(name: str) -> None:
    headers = [pair for pair in _letter().to_headers() if pair[0] != PREFIX + name]
    with pytest.raises(BadRecordError, match=name) as caught:
        DeadLetter.from_message(b"k", b"v", headers)
    assert caught.value.reason in REASONS


@pytest.mark.parametrize("name", ["partition", "offset", "timestamp"])
def test_a_header_that_is_no_number_is_not_quoted(name: str) -> None:
    headers = [(key, b"Zq7Secret" if key == PREFIX + name else text) for key, text in _letter().to_headers()]
    with pytest.raises(BadRecordError) as caught:
        DeadLetter.from_message(b"k", b"v", headers)
    assert "Zq7Secret" not in str(caught.value)


def test_a_reason_that_nobody_knows_stays_bounded() -> None:
    headers = [(key, b"new" if key == PREFIX + "reason" else text) for key, text in _letter().to_headers()]
    assert DeadLetter.from_message(b"k", b"v", headers).reason in REASONS


def test_a_long_detail_is_cut_so_that_the_message_fits() -> None:
    long = msgspec.structs.replace(_letter(), detail="é" * 100_000)
    assert len(DeadLetter.from_message(b"k", b"v", long.to_headers()).detail) == DETAIL_MAX

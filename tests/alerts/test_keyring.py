"""The keys of pseudonyms: epochs and their overlap, the file and what is refused in it."""

from __future__ import annotations

import hmac
import re
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.keyring import KeyRing, as_json, fresh, parse, rotated, thing_of, token_of
from schemas.errors import ConfigurationError
from tests.alerts.pseudonymous import DAY, START, key, ring

moments = st.integers(min_value=0, max_value=START + 4000 * DAY)


def test_a_file_is_read_as_it_was_written() -> None:
    made = rotated(fresh(START), START + 90 * DAY)
    assert parse(as_json(made), "keys") == made
    assert [epoch.name for epoch in made.epochs] == ["p1", "p2"]


def test_every_key_is_new() -> None:
    one, other = fresh(START), fresh(START)
    keys = [*(each.key for each in (*one.epochs, *other.epochs)), one.ids, one.wrap, other.ids, other.wrap]
    assert len(set(keys)) == len(keys) == 6
    assert all(len(each) == 32 for each in keys)


def test_rotation_changes_nothing_but_the_epochs() -> None:
    before = fresh(START)
    after = rotated(before, START + 1)
    assert (after.ids, after.wrap, after.overlap, after.epochs[:1]) == (
        before.ids, before.wrap, before.overlap, before.epochs
    )  # fmt: skip
    with pytest.raises(ConfigurationError, match="later than"):
        rotated(after, START + 1)


@given(moments)
def test_an_epoch_lasts_until_the_next_and_overlaps_with_the_one_before(at: int) -> None:
    keys = ring(START, START + 100 * DAY, START + 200 * DAY)
    number = 0 if at < START + 100 * DAY else 1 if at < START + 200 * DAY else 2
    assert keys.at(at) == keys.epochs[number]
    former = number and at < keys.epochs[number].since + 35 * DAY
    assert keys.before(at) == (keys.epochs[number - 1] if former else None)


def test_tokens_need_both_keys_and_tell_people_and_epochs_apart() -> None:
    keys = ring(START, START + DAY)
    first, second = keys.epochs
    made = [
        token_of(first, key("a"), "e-1"),
        token_of(second, key("a"), "e-1"),
        token_of(first, key("b"), "e-1"),
        token_of(first, key("a"), "e-2"),
        thing_of(first, key("a"), "session_id", "s"),
        thing_of(first, key("a"), "service_account", "s"),
    ]
    assert len(set(made)) == len(made)
    assert all(re.fullmatch(r"p[12]:[a-z2-7]{24}", each) for each in made[:4])
    assert made[0] == token_of(first, key("a"), "e-1")


def test_ids_are_hmac_sha_256_and_outlive_epochs() -> None:
    one, other = ring(START), ring(START, START + DAY)
    assert one.keyed("alert", "x") == hmac.new(key("ids"), b"alert|x", "sha256").hexdigest()[:32]
    assert one.keyed("alert", "x") == other.keyed("alert", "x") != one.keyed("incident", "x")
    assert one.person_name("e-1") == hmac.new(key("ids"), b"person|e-1", "sha256").hexdigest()


def test_keys_do_not_show_themselves() -> None:
    keys = ring()
    said = repr(keys) + str(keys)
    for each in (keys.ids, keys.wrap, keys.epochs[0].key):
        assert repr(each) not in said


WRONG: dict[str, tuple[Any, str]] = {
    "version": (2, "version: 2; allowed: 1"),
    "ids": ("c2hvcnQ=", "ids: no key; allowed: 32 bytes in base64"),
    "wrap": ("@@@@", "wrap: no key"),
    "epochs": ([], "length >= 1"),
    "overlap": ("a month", "overlap: 'a month'"),
    "more": (1, "unknown field `more`"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named(name: str) -> None:
    value, said = WRONG[name]
    with pytest.raises(ConfigurationError, match=re.escape(said)) as found:
        parse(_with(ring(), **{name: value}), "the file")
    assert str(found.value).startswith("the file: ")


def test_epochs_that_cannot_be_told_apart_are_refused() -> None:
    good = orjson.loads(as_json(ring(START, START + DAY)))
    for name, value, said in (
        ("name", "p1", "each name once"),
        ("name", "P-2", "in lower case"),
        ("from", good["epochs"][0]["from"], "later than the one before"),
        ("key", good["epochs"][0]["key"], "the same key stands twice"),
    ):
        epochs = [good["epochs"][0], {**good["epochs"][1], name: value}]
        with pytest.raises(ConfigurationError, match=said):
            parse(_with(ring(), epochs=epochs), "keys")


def test_no_error_quotes_a_key() -> None:
    secret = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"
    for content in (_with(ring(), ids=secret), _with(ring(), ids=[secret]), b'{"ids": "' + secret.encode() + b'"'):
        with pytest.raises(ConfigurationError) as found:
            parse(content, "keys")
        assert secret not in str(found.value)


def _with(keys: KeyRing, **changed: Any) -> bytes:
    return orjson.dumps({**orjson.loads(as_json(keys)), **changed})

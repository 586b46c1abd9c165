"""What is read from requests: bodies, batches with their defaults, headers of proxies, pages."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.gateway.answers import header_text
from agents.gateway.paging import page_of
from agents.gateway.reading import DEPTH_MAX, batch, body, evaluation, from_headers
from agents.gateway.refusal import Refusal
from rules.gateway.search import Found

NESTED = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(max_size=4), NESTED, max_size=4))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_unambiguous_is_read_as_it_is(value: dict[str, Any]) -> None:
    assert body(msgspec.json.encode(value)) == value


@given(st.binary(max_size=40) | st.text(max_size=40).map(str.encode))
def test_whatever_comes_is_an_object_or_refused(raw: bytes) -> None:
    found: object = None
    with suppress(Refusal):  # of nothing else
        found = body(raw)
    assert found is None or isinstance(found, dict)


def test_how_deep_a_body_may_be() -> None:
    inside = b'{"a": ' + b"[" * (DEPTH_MAX - 2) + b"1" + b"]" * (DEPTH_MAX - 2) + b"}"
    assert body(inside)
    with pytest.raises(Refusal):
        body(inside.replace(b"1", b"[1]"))


def test_a_repeated_key_is_refused_however_deep_it_is() -> None:
    for raw in (b'{"a": 1, "a": 1}', b'{"a": [{"b": 1, "\\u0062": 2}]}'):
        with pytest.raises(Refusal, match="same key"):
            body(raw)


@pytest.mark.parametrize(
    ("own", "default", "whole"),
    [
        ({"id": "a"}, {"type": "t", "id": "b", "properties": {"p": 1}}, {"id": "a", "type": "t"}),
        ({}, {"type": "t", "id": "b", "properties": {"p": 1}}, {"type": "t", "id": "b"}),
        (None, {"type": "t", "id": "b", "properties": {"p": 1}}, {"type": "t", "id": "b", "properties": {"p": 1}}),
        ({"type": "u", "id": "a"}, {"type": "t"}, {"type": "u", "id": "a"}),
        ("wrong", {"type": "t"}, "wrong"),
    ],
)
def test_an_entity_replaces_its_default_but_for_what_it_must_have(own: Any, default: Any, whole: Any) -> None:
    """Scenario, 3.2.7: properties are never mixed of two entities."""
    asked = {"resource": default, "evaluations": [{} if own is None else {"resource": own}]}
    ((found,), semantic) = batch(asked, 1)
    assert (found["resource"], semantic) == (whole, "execute_all")


@pytest.mark.parametrize(
    "asked",
    [{"evaluations": {}}, {"evaluations": [{}], "subject": "s"}, {"evaluations": [{}], "options": []},
     {"evaluations": [{}], "options": {"evaluations_semantic": ["execute_all"]}}],
)  # fmt: skip
def test_a_batch_that_is_wrong_as_a_whole_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(Refusal) as caught:
        batch(asked, 1)
    assert caught.value.status == 400


def test_an_error_names_the_field_and_quotes_no_value() -> None:
    with pytest.raises(Refusal, match=r"subject\.id") as caught:
        evaluation({"subject": {"type": "user", "id": ["e-1042"]}, "action": {"name": "x"}, "resource": {}})
    assert "e-1042" not in caught.value.text


HEADERS = {"X-Cloverwatch-Subject": "e-1", "X-Cloverwatch-Dataset": "users", "X-Cloverwatch-Method": "DELETE"}


def test_a_proxy_says_who_does_what() -> None:
    more = {f"X-Cloverwatch-{name}": name.lower() for name in ("Ip", "Session", "Purpose", "Ticket", "Destination")}
    asked = from_headers({**HEADERS, **more})
    assert (asked.subject.type, asked.subject.id, asked.action.name) == ("employee", "e-1", "delete")
    assert (asked.resource.type, asked.resource.id) == ("dataset", "users")
    assert asked.context == {
        "ip": "ip", "session_id": "session", "purpose": "purpose", "ticket": "ticket", "destination": "destination",
    }  # fmt: skip
    assert from_headers({**HEADERS, "X-Cloverwatch-Action": "export"}).action.name == "export"


@pytest.mark.parametrize("method", ["", "get", "OPTIONS", "TRACE", "CONNECT", "PROPFIND"])
def test_a_method_without_an_action_is_refused(method: str) -> None:
    with pytest.raises(Refusal, match="allowed"):
        from_headers({**HEADERS, "X-Cloverwatch-Method": method})


@pytest.mark.parametrize("value", ["", "\udcff", "a\x00b", "x" * 257])
def test_a_subject_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(Refusal):
        from_headers({**HEADERS, "X-Cloverwatch-Subject": value})


@given(st.text())
def test_no_text_breaks_out_of_a_header(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    value = header_text(text)
    assert value.isascii()
    assert value.isprintable()


QUESTION = {"subject": {"type": "user"}, "action": {"name": "read"}, "resource": {"type": "record", "id": "r"}}


def test_a_page_goes_on_where_the_one_before_stopped() -> None:
    page = page_of("subject", {**QUESTION, "page": {"limit": 2}}, 10)
    assert (page.after, page.limit) == ("", 2)
    response = page.response(Found([{"type": "user", "id": "b"}], cut=True, last="c"))
    token = response["page"]["next_token"]
    following = page_of("subject", {**QUESTION, "page": {"token": token}}, 10)
    assert (following.after, following.limit) == ("c", 2)
    nothing = following.response(Found([], cut=True))
    assert page_of("subject", {**QUESTION, "page": {"token": nothing["page"]["next_token"]}}, 10).after == "c"
    assert following.response(Found([], last="z"))["page"] == {"next_token": "", "count": 0}


def test_a_limit_is_at_most_ours() -> None:
    assert page_of("subject", QUESTION, 10).limit == 10
    assert page_of("subject", {**QUESTION, "page": {"limit": 11}}, 10).limit == 10
    assert page_of("subject", {**QUESTION, "page": {"limit": 0}}, 10).limit == 0


def test_a_token_fits_the_question_it_was_given_for() -> None:
    page = page_of("subject", QUESTION, 10)
    token = page.response(Found([], cut=True, last="c"))["page"]["next_token"]
    others: list[tuple[str, dict[str, Any]]] = [
        ("resource", QUESTION),
        ("subject", {**QUESTION, "action": {"name": "write"}}),
        ("subject", {**QUESTION, "context": {"ip": "192.0.2.1"}}),
    ]
    for kind, question in others:
        with pytest.raises(Refusal, match="another search"):
            page_of(kind, {**question, "page": {"token": token}}, 10)
    reordered = dict(reversed(QUESTION.items()))
    assert page_of("subject", {**reordered, "page": {"token": token}}, 10).after == "c"


@pytest.mark.parametrize(
    "page",
    [[], {"limit": -1}, {"limit": 1.5}, {"limit": True}, {"limit": "1"}, {"token": 1}, {"token": "x"}, {"token": "ä"}],
)
def test_a_page_that_is_none_is_refused(page: Any) -> None:
    with pytest.raises(Refusal, match="page"):
        page_of("subject", {**QUESTION, "page": page}, 10)


KEYS = st.sampled_from(["a", "b", "ab"])
PIECES = st.recursive(
    st.sampled_from(["1", "null", '""', '"a"', '"{"', '"é"', r'"\""', r'"\u0061"', "1e400", "12345678901234567890123"]),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda each: f"[{', '.join(each)}]")
        | st.lists(st.tuples(KEYS, inner), max_size=3).map(
            lambda pairs: "{" + ",".join(f'"{key}": {value}' for key, value in pairs) + "}"
        )
    ),
    max_leaves=12,
)


@given(st.lists(st.tuples(KEYS, PIECES), max_size=3))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_counting_marks_finds_what_the_careful_reading_finds(pairs: list[tuple[str, str]]) -> None:
    """A body with keys that stand twice, anywhere: the oracle is the standard library with a hook."""
    raw = ("{" + ",".join(f'"{key}":{value}' for key, value in pairs) + "}").encode()
    repeats = False

    def look(some: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal repeats
        repeats = repeats or len(dict(some)) != len(some)
        return dict(some)

    whole = json.loads(raw, object_pairs_hook=look)
    said, found = "", None
    try:
        found = body(raw)
    except Refusal as refused:
        said = refused.text
    if found is None:
        assert repeats or "not a JSON document" in said
    else:
        assert not repeats
        assert found.keys() == whole.keys()

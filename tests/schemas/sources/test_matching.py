"""The policy's globs: the first that matches wins, captures are filled in, and no name takes long."""

from __future__ import annotations

import re
import time
from fnmatch import translate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import ConfigurationError
from schemas.sources.base import Pattern, SourceMapping
from schemas.sources.matching import LONGEST_REMEMBERED, REMEMBERED_MAX, Matcher, matchers


def matcher(*pairs: tuple[str, str], fold: bool = False) -> Matcher:
    return Matcher([Pattern(match=a, to=b) for a, b in pairs], fold=fold)


@pytest.mark.parametrize(
    ("match", "to", "name", "found"),
    [
        ("a", "x", "a", "x"),
        ("a", "x", "A", None),
        ("a", "x", "ab", None),
        ("a*", "x", "a", "x"),
        ("*", "{1}", "whole", "whole"),
        ("arn:aws:s3:::*/*", "{1}", "arn:aws:s3:::b/k/l", "b"),
        ("arn:aws:s3:::*/*", "{2}", "arn:aws:s3:::b/k/l", "k/l"),
        ("*-*-*", "{3}.{1}", "a-b-c-d", "c-d.a"),
        ("e-????", "{1}{2}{3}{4}", "e-1234", "1234"),
        ("e-????", "x", "e-123", None),
        ("**", "{1}{2}", "ab", "ab"),
        ("a.c", "x", "abc", None),
        ("[a]", "x", "[a]", "x"),
        ("a*", "x{1}", "a\nb", "x\nb"),
        ("*a", "x", "aaa", "x"),
        ("a*b*b", "x", "ab", None),
        ("*ab?*", "{2}{3}", "abab1", "a" + "b1"),
        ("u-*", "{1}", "u-", None),
    ],
)
def test_a_glob_matches_the_whole_name_and_fills_in_what_it_matched(
    match: str, to: str, name: str, found: str | None
) -> None:
    assert matcher((match, to)).find(name) == found


def test_identities_are_compared_in_lower_case_on_both_sides() -> None:
    both = matcher(("arn:*:user/ALICE", "e-1"), fold=True)
    assert both.find("ARN:aws:iam::1:user/Alice") == "e-1"


def test_an_earlier_pattern_wins_even_on_a_later_name() -> None:
    both = matcher(("second", "2"), ("first", "1"))
    assert both.find("first", "second") == "2"
    assert both.find("", "first") == "1"
    assert both.find("") is None
    assert both.find() is None


def test_names_that_only_look_alike_together_are_told_apart() -> None:
    """`a\\nb`, `c` and `a`, `b\\nc` are two questions: an answer of one is not remembered for the other."""
    both = matcher(("b\nc", "x"))
    assert both.find("a\nb", "c") is None
    assert both.find("a", "b\nc") == "x"


def test_what_is_remembered_is_bounded() -> None:
    both = matcher(("*", "x"))
    for at in range(REMEMBERED_MAX + 10):
        both.find(str(at))
    assert len(both._remembered) <= REMEMBERED_MAX
    before = len(both._remembered)
    assert both.find("x" * (LONGEST_REMEMBERED + 1)) == "x"
    assert len(both._remembered) == before


@pytest.mark.parametrize(
    ("match", "to"), [("", "x"), ("a", ""), ("a", "{1}"), ("a*", "{2}"), ("*", "{0}"), ("?", "{999}")]
)
def test_a_pattern_that_asks_for_what_it_has_not_is_refused(match: str, to: str) -> None:
    with pytest.raises(ConfigurationError):
        matchers(SourceMapping(datasets=(Pattern(match=match, to=to),)))


def test_the_same_mapping_is_compiled_once() -> None:
    one = SourceMapping(datasets=(Pattern(match="a", to="b"),))
    other = SourceMapping(datasets=(Pattern(match="a", to="b"),))
    assert matchers(one) is matchers(one) is matchers(other)
    assert matchers(SourceMapping()) is not matchers(one)


def test_many_wildcards_over_a_long_name_cost_its_length() -> None:
    hostile = matcher(("*a*a*a*a*a*a*a*a*b", "x"))
    began = time.perf_counter()
    assert hostile.find("a" * 200_000) is None
    assert time.perf_counter() - began < 2


@settings(max_examples=150)
@given(st.text("ab*?", min_size=1, max_size=8), st.text("ab", max_size=8))
def test_it_matches_what_a_shells_glob_matches(glob: str, name: str) -> None:
    if name:
        assert (matcher((glob, "x")).find(name) == "x") == (re.match(translate(glob), name) is not None)

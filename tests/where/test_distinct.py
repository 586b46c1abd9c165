"""Counting distinct data subjects: exact while few, within the stated bounds beyond, whatever the order."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.where.distinct import EXACT_MAX, Distinct, together
from rules.where.sheet import Estimate


def counted(*tokens: str) -> Distinct:
    found = Distinct()
    for token in tokens:
        found.add((token,))
    return found


@given(st.lists(st.lists(st.sampled_from([f"s-{n}" for n in range(300)]), max_size=40), max_size=12))
def test_few_are_counted_exactly_apart_and_together(groups: list[list[str]]) -> None:
    parts = [counted(*group) for group in groups]
    for part, group in zip(parts, groups, strict=True):
        many = len(set(group))
        assert part.estimate() == Estimate(many, many, many, exact=True)
    many = len({token for group in groups for token in group})
    assert together(parts) == Estimate(many, many, many, exact=True)


def test_the_last_exact_number_is_the_limit() -> None:
    tokens = [f"s-{number}" for number in range(EXACT_MAX + 1)]
    assert counted(*tokens[:-1], *tokens[:-1]).estimate() == Estimate(EXACT_MAX, EXACT_MAX, EXACT_MAX, exact=True)
    beyond = counted(*tokens).estimate()
    assert not beyond.exact
    assert beyond.low <= EXACT_MAX + 1 <= beyond.high


def test_the_true_number_lies_between_the_bounds_as_often_as_is_said() -> None:
    """Of 150 sets of five sizes at least 90 % are within; 95.4 % are expected, 3.3 standard deviations more."""
    within, errors = 0, []
    for seed in range(150):
        size = (3_000, 10_000, 20_000, 40_000, 60_000)[seed % 5]
        prefix = f"{random.Random(seed).getrandbits(64):x}-"
        found = Distinct()
        for start in range(0, size, 500):
            found.add(f"{prefix}{number}" for number in range(start, start + 500))
        estimate = found.estimate()
        within += estimate.low <= size <= estimate.high
        errors.append((estimate.count - size) / size)
        assert estimate.high - estimate.low <= 0.04 * size
    assert within >= 0.9 * len(errors), within
    assert max(map(abs, errors)) < 0.035  # four standard errors
    assert abs(sum(errors) / len(errors)) < 0.003  # no bias: 150 errors of 0.8 % have a mean within 0.07 %


def test_neither_the_order_nor_repetition_changes_an_estimate() -> None:
    tokens = [f"s-{number}" for number in range(5_000)]
    first = counted(*tokens).estimate()
    random.Random(5).shuffle(tokens)
    assert counted(*tokens, *tokens[:1_000]).estimate() == first
    parts = [counted(*tokens[start : start + 250]) for start in range(0, 5_000, 250)]
    assert all(part.estimate().exact for part in parts)
    assert together(parts) == first
    assert together([*parts, counted(*tokens[:3_000])]) == first


@pytest.mark.parametrize("sizes", [(3_000, 3_000), (400, 900), (900, 5_000), (0, 2_000)])
def test_what_is_in_two_groups_is_once_in_their_total(sizes: tuple[int, int]) -> None:
    """Half of the smaller one's tokens are in the other too."""
    small, large = sizes
    one = counted(*(f"s-{number}" for number in range(small)))
    two = counted(*(f"s-{number}" for number in range(small // 2, small // 2 + large)))
    whole = counted(*(f"s-{number}" for number in range(max(small, small // 2 + large))))
    assert together((one, two)).count == whole.estimate().count

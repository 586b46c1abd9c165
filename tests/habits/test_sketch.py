"""Counters and filters of bounded size keep to the errors that they promise."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.habits.sketch import DAY_BITS, MOST, bit_of, bloom_of, distinct, mark


def test_marks_are_the_same_in_every_process() -> None:
    code = "from rules.habits.sketch import mark; print(mark('s-1'))"
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            check=True,
            env={"PYTHONHASHSEED": seed},
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert said == {f"{mark('s-1')}\n"}


@pytest.mark.parametrize("number", [0, 1, 10, 100, 1000, 3000])
def test_different_things_are_counted_to_a_tenth(number: int) -> None:
    bits = 0
    for each in range(number):
        bits |= bit_of(mark(f"s-{each}"))
    assert distinct(bits) == pytest.approx(number, rel=0.1, abs=1)


def test_a_full_counter_says_at_least_so_many() -> None:
    assert distinct((1 << DAY_BITS) - 1) == MOST


@given(st.lists(st.text(max_size=8), max_size=60))
def test_what_was_put_into_a_filter_is_in_it(things: list[str]) -> None:
    bits = 0
    for thing in things:
        bits |= bloom_of(mark(thing))
    assert all(bits & bloom_of(mark(thing)) == bloom_of(mark(thing)) for thing in things)


def test_fifty_datasets_hide_few_new_ones() -> None:
    bits = 0
    for each in range(50):
        bits |= bloom_of(mark(f"known-{each}"))
    hidden = sum(bits & bloom_of(mark(f"new-{each}")) == bloom_of(mark(f"new-{each}")) for each in range(5000))
    assert hidden / 5000 < 0.025

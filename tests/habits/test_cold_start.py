"""Somebody of whom nothing is known yet: nothing is told for that alone, and much is told by how it is done."""

from __future__ import annotations

from typing import Any

import pytest

from rules.habits.habit import Habit
from rules.habits.pace import named_by
from rules.habits.saved import restore, save
from rules.habits.signal import Signal
from tests.habits.world import DAY, HOUR, MONDAY, Life

TEN = MONDAY + 10 * HOUR
TOOLS: dict[str, Any] = {"automation": ("* Terraform/*", "backup/?.*")}


def newcomer(**thresholds: Any) -> Life:
    life = Life(**thresholds)
    life.hire()
    return life


def last(life: Life) -> Signal:
    return life.told[-1].signals[0][1]


# Denials.


@pytest.mark.parametrize(
    ("number", "apart", "things", "told"),
    [
        (12, 40_000, 1, False),  # somebody whose permissions are not there yet
        (14, 30_000, 2, False),
        (20, 25_000, 1, True),
        (9, 100, 1, False),  # a page that was opened twice
        (10, 100, 1, True),  # a program
        (9, 30_000, 99, False),  # somebody looks for what they may see
        (10, 30_000, 99, True),  # and goes on
        (5, 100, 99, True),  # a program that goes from one thing to the next
        (4, 100, 99, False),
    ],
)
def test_denials_of_a_newcomer(number: int, apart: int, things: int, told: bool) -> None:
    life = newcomer()
    for at in range(number):
        life.does(TEN + at * apart, outcome="denied", dataset_id=f"x-{at % things}")
    assert (life.rules() == {"behaviour.denied_burst"}) is told


def test_the_order_within_a_second_does_not_matter() -> None:
    """Logs deliver a burst in any order: the first record may be the last of it."""
    life = newcomer()
    for at in (5_000, 5_000, 4_000, 4_000, 3_000, 3_000, 2_000, 2_000, 1_000, 0):
        life.does(TEN + at, outcome="denied")
    assert last(life).facts == {"swept": False, "fast": True}


def test_peers_say_how_many_denials_are_many_of_a_newcomer() -> None:
    life = Life()
    for number in range(6):
        life.hire(f"e-{number}")
        for day in range(20):
            for at in range(4):
                start = MONDAY + day * DAY + 10 * HOUR + number * HOUR // 8
                life.does(start + at * HOUR, f"e-{number}", outcome="denied")
    assert not life.told
    life.hire("e-new")
    start = MONDAY + 22 * DAY + 10 * HOUR
    for at in range(11):
        life.does(start + at * 100, "e-new", outcome="denied", dataset_id=f"x-{at}")
    assert not life.told  # four a day are usual here
    for at in range(11, 16):
        life.does(start + at * 100, "e-new", outcome="denied", dataset_id=f"x-{at}")
    assert life.rules() == {"behaviour.denied_burst"}


def test_what_succeeds_in_between_hides_no_burst() -> None:
    life = newcomer()
    for at in range(8):
        life.does(TEN + at * 200, outcome="denied", dataset_id=f"x-{at}")
        life.does(TEN + at * 200 + 100)
    assert life.rules() == {"behaviour.denied_burst"}
    assert "one thing after another, faster than by hand" in last(life).sentence


def test_a_door_that_opened_amends_what_was_told_of_those_that_held() -> None:
    life = newcomer()
    for at in range(6):
        life.does(TEN + at * 100, outcome="denied", dataset_id=f"x-{at}")
    life.does(TEN + 700, dataset_id="x-7")
    assert [told.revision for told in life.told] == [0, 1]
    assert last(life).sentence.endswith("then let through")


def test_own_work_after_a_refusal_elsewhere_is_no_door() -> None:
    life = newcomer()
    for at in range(8):
        life.does(TEN + at * 20_000, outcome="denied", dataset_id="closed")
    life.does(TEN + 200_000)
    assert not life.told
    life.does(TEN + 210_000, outcome="denied", dataset_id="closed")
    life.does(TEN + 220_000, dataset_id="closed")  # the permission came: known, and too weak to be told alone
    assert not life.told


def test_a_burst_is_over_after_its_window() -> None:
    life = newcomer()
    for at in range(30):
        life.does(TEN + at * 60_000, outcome="denied", dataset_id=f"x-{at}")
    assert life.rules() == {"behaviour.denied_burst"}
    other = newcomer()
    for at in range(30):
        other.does(TEN + at * 90_000, outcome="denied", dataset_id=f"x-{at}")
    assert not other.told
    other.does(TEN + 60 * 90_000)
    assert other.habits["e-1"].denied == 0


# Reads.


def reads(life: Life, number: int, apart: int = 100, start: int = TEN, **fields: Any) -> None:
    for at in range(number):
        life.does(start + at * apart, **{"client": "unheard-of/1.0", **fields})


def test_pages_of_everything_by_an_unknown_tool() -> None:
    life = newcomer(**TOOLS)
    reads(life, 5, record_count=20)
    assert life.rules() == {"behaviour.machine_pace"}
    assert last(life).facts == {"calls": 3, "client": "unheard-of/1.0"}
    assert "up to 60 records by 3 reads in a row" in last(life).sentence


@pytest.mark.parametrize(
    ("number", "apart", "fields"),
    [
        (200, 100, {"client": "HashiCorp Terraform/1.1.2 (x)"}),
        (200, 100, {"client": "backup/2.1"}),
        (200, 1_500, {}),  # quick, and by hand
        (49, 100, {}),
        (2, 100, {"record_count": 1_000}),  # no pace yet
        (200, 100, {"action": "list"}),
        (200, 100, {"action": "decrypt"}),
        (200, 100, {"outcome": "error"}),
    ],
)
def test_reads_of_a_newcomer_that_are_told_nothing_of(number: int, apart: int, fields: dict[str, Any]) -> None:
    life = newcomer(**TOOLS)
    reads(life, number, apart, **fields)
    assert not life.told


def test_a_record_that_does_not_name_its_tool_says_nothing_of_it() -> None:
    life = newcomer(**TOOLS)
    for at in range(200):
        life.does(TEN + at * 100)
    assert not life.told


def test_a_policy_that_names_no_automation_knows_no_unknown_tool() -> None:
    life = newcomer()
    reads(life, 500)
    assert not life.told
    assert life.habits["e-1"].pace is None


def test_who_has_a_history_is_judged_by_it() -> None:
    life = newcomer(**TOOLS)
    day = life.works(30, records=30)
    reads(life, 100, start=MONDAY + day * DAY + 10 * HOUR)
    assert not life.told
    assert life.habits["e-1"].settled
    assert life.habits["e-1"].pace is None


def test_peers_speak_before_the_pace_does() -> None:
    life = Life(**TOOLS)
    for number in range(8):
        life.hire(f"e-{number}")
        life.works(25, f"e-{number}", records=20)
    life.hire("e-new")
    reads(life, 60, start=MONDAY + 42 * DAY + 10 * HOUR, who="e-new")
    assert not life.told


def test_automation_in_between_neither_counts_nor_ends_it() -> None:
    life = newcomer(**TOOLS)
    for at in range(5):
        reads(life, 20, 1, TEN + at * 200, client="x Terraform/1")
        reads(life, 1, 1, TEN + at * 200 + 100, record_count=20)
    assert last(life).facts["calls"] == 3


def test_it_is_looked_at_again_by_quarters_and_amended_by_floors() -> None:
    life = newcomer(**TOOLS)
    reads(life, 1_000, 10)
    assert len(life.told) < 14
    assert life.told[-1].revision == len(life.told) - 1


@pytest.mark.parametrize(
    ("client", "named"),
    [("APN/1.0 HashiCorp/1.0 Terraform/1.1.2 (+https)", True), ("Terraform/1", False), ("terraform/1", False),
     ("backup/2.4", True), ("backup/22.4", False), ("", False), ("a\n Terraform/1\nb", True)],
)  # fmt: skip
def test_globs_name_a_whole_client_as_it_is_written(client: str, named: bool) -> None:
    assert named_by(TOOLS["automation"])(client) is named


def test_the_new_fields_are_saved_and_an_older_state_lacks_them() -> None:
    life = newcomer(**TOOLS)
    reads(life, 5, record_count=20)
    for at in range(70):
        life.does(TEN + 5_000 + at, outcome="denied", dataset_id=f"x-{at}")
    habit = life.habits["e-1"]
    assert restore(save(habit)) == habit
    assert Habit().pace is None

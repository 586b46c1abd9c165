"""What is remembered of somebody, through hours, days and months."""

from __future__ import annotations

import msgspec
import pytest
from msgspec import UNSET

from rules.habits.habit import MEASURES, Habit, Measure
from rules.habits.history import DAYS, code, value
from rules.habits.limits import own_limit
from rules.habits.saved import VERSION, StateVersionError, restore, save
from rules.habits.thresholds import Behaviour
from tests.habits.world import DAY, HOUR, MONDAY, Life


@pytest.fixture
def life() -> Life:
    life = Life()
    life.hire()
    return life


@pytest.mark.parametrize("amount", [0, 1, 2, 10, 12_345, 10**9, 10**12])
def test_a_code_stands_for_its_amount_to_an_eighth(amount: int) -> None:
    assert value(code(amount)) == pytest.approx(amount, rel=0.12, abs=0.5)


def test_a_quiet_life_is_told_nothing_of(life: Life) -> None:
    life.works(60)
    assert life.told == []
    assert life.habits["e-1"].active_days == DAYS


def test_sums_of_the_day_and_the_most_of_an_hour(life: Life) -> None:
    for hour, records in ((9, 5), (9, 7), (10, 3)):
        life.does(MONDAY + hour * HOUR, record_count=records, bytes=100)
    habit = life.habits["e-1"]
    sums = habit.sums()
    assert sums[Measure.RECORDS] == 15
    assert sums[Measure.HOUR_RECORDS] == 12
    assert sums[Measure.BYTES] == 300
    assert sums[Measure.ACCESSES] == 3


def test_a_late_event_of_the_day_counts_in_the_day_and_one_of_another_day_in_nothing(life: Life) -> None:
    life.does(MONDAY + DAY + 12 * HOUR, record_count=1)
    life.does(MONDAY + DAY + 9 * HOUR, record_count=10)
    life.does(MONDAY + 9 * HOUR, record_count=100)
    habit = life.habits["e-1"]
    assert (habit.records, habit.hour_records) == (11, 1)
    assert habit.seen_at == MONDAY + DAY + 12 * HOUR


def test_an_access_without_numbers_is_one_record(life: Life) -> None:
    life.does(MONDAY + 9 * HOUR)
    assert life.habits["e-1"].records == 1


def test_denied_accesses_reach_nothing(life: Life) -> None:
    life.does(MONDAY + 9 * HOUR, outcome="denied", record_count=50)
    habit = life.habits["e-1"]
    assert (habit.records, habit.denials, habit.accesses) == (0, 1, 0)


def test_a_raised_baseline_is_no_baseline(life: Life) -> None:
    """Five in a hundred more every working day: after a year it would be five hundred thousand times as much."""
    life.works(30, records=20)
    before = own_limit(life.habits["e-1"], Measure.RECORDS, Behaviour())
    assert before is not None
    records, told = 20.0, 0
    day = 42
    for _ in range(60):
        records *= 1.05
        life.works(1, first=day, records=round(records))
        day += 1 if day % 7 < 4 else 3
        told = len(life.told)
        if told:
            break
    assert life.rules() & {"behaviour.volume", "behaviour.low_and_slow"}
    after = own_limit(life.habits["e-1"], Measure.RECORDS, Behaviour())
    assert after is not None
    assert after.usual_amount < 2.0 * before.usual_amount


def test_other_work_begins_another_habit(life: Life) -> None:
    after = life.works(30)
    life.row("employees", employee_id="e-1", status="active", team="billing", home_country="IE",
             time_zone="Europe/Dublin", valid_from=MONDAY + after * DAY)  # fmt: skip
    life.works(8, first=after, records=500)
    assert "behaviour.volume" not in life.rules()
    assert life.habits["e-1"].active_days < 10


def test_a_habit_is_saved_and_restored_whole(life: Life) -> None:
    life.works(25)
    life.does(MONDAY + 40 * DAY, subject_ids=("s-1",), service_account="svc", ticket=UNSET)
    habit = life.habits["e-1"]
    assert restore(save(habit)) == habit
    assert restore(save(Habit())) == Habit()


def test_it_does_not_matter_when_a_habit_was_restored() -> None:
    """Saved and restored after every day, it says the same of the next ones."""
    one, other = Life(), Life()
    for life in (one, other):
        life.hire()
    day = 0
    for _ in range(30):
        one.works(1, first=day)
        day = other.works(1, first=day)
        other.habits["e-1"] = restore(save(other.habits["e-1"]))
    assert one.habits["e-1"] == other.habits["e-1"]


def test_a_state_of_an_older_program_is_read(life: Life) -> None:
    """Fields are added at the end: what an older program saved lacks the last ones."""
    life.works(3)
    version, fields = msgspec.msgpack.decode(save(life.habits["e-1"]))
    restored = restore(msgspec.msgpack.encode([version, fields[:-2]]))
    assert restored.days == life.habits["e-1"].days


@pytest.mark.parametrize(
    "saved", [b"", b"nonsense", msgspec.msgpack.encode([VERSION + 1, []]), msgspec.msgpack.encode([VERSION, ["x"]])]
)
def test_a_state_that_nobody_knows_is_refused_with_a_sentence(saved: bytes) -> None:
    with pytest.raises(StateVersionError, match="state: "):
        restore(saved)


def test_a_habit_is_small(life: Life) -> None:
    life.works(60)
    assert len(save(life.habits["e-1"])) <= 1024
    assert len(life.habits["e-1"].days) == DAYS * MEASURES

"""What would make a rule speak: the sentence and the rule agree, to the step."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from msgspec import UNSET

from rules.behaviour import BEHAVIOUR_IDS
from rules.habits.habit import Habit
from rules.habits.history import code, least
from rules.habits.outlook import OUTLOOKS, View
from rules.habits.sketch import about, bloom_of, mark
from rules.habits.thresholds import Behaviour
from tests.habits.world import DAY, HOUR, MONDAY, Life

NEXT = MONDAY + 49 * DAY
TO = Behaviour()


def lived() -> Life:
    life = Life()
    life.hire()
    life.works(30)
    return life


def records(life: Life, number: int) -> None:
    life.does(NEXT + 10 * HOUR, record_count=number)


def datasets(life: Life, number: int) -> None:
    for each in range(number):
        life.does(NEXT + 10 * HOUR + each * 60_000, dataset_id=f"other-{each}")


def nights(life: Life, number: int) -> None:
    for each in range(number):
        life.does(NEXT + 3 * HOUR + each * 60_000)


def in_a_row(life: Life, number: int) -> None:
    for each in range(number):
        uneven = 250_000 * (each % 2)  # neither at an even pace nor in order
        life.does(NEXT + 10 * HOUR + each * 300_000 + uneven, subject_ids=(f"s-{each}x",))


def visits(life: Life, number: int) -> None:
    for each in range(number):
        life.does(NEXT + each * DAY + 10 * HOUR, subject_ids=("s-ex",), ticket=UNSET)


def accounts(life: Life, number: int) -> None:
    for each in range(number):
        life.does(NEXT + 10 * HOUR + each * 60_000, service_account=f"svc-{each}")


def denials(life: Life, number: int) -> None:
    for each in range(number):
        life.does(NEXT + 10 * HOUR + each * 1_000, outcome="denied")


@pytest.mark.parametrize(
    ("rule", "number", "does"),
    [
        ("volume", r"from ([\d,]+) records a day", records),
        ("first_of_kind", r"from ([\d,]+) datasets", datasets),
        ("off_hours", r"from ([\d,]+) accesses out of their hours", nights),
        ("enumeration", r"from ([\d,]+) data subjects in a row", in_a_row),
        ("snooping", r"from ([\d,]+) days within two weeks", visits),
        ("split_accounts", r"from ([\d,]+) service accounts", accounts),
        ("denied_burst", r"from ([\d,]+) denials", denials),
    ],
)
def test_a_rule_speaks_from_where_its_sentence_says(rule: str, number: str, does: Callable[[Life, int], None]) -> None:
    life = lived()
    can_speak, sentence = OUTLOOKS[f"behaviour.{rule}"](View(life.habits["e-1"], TO))
    assert can_speak
    found = re.match(number, sentence)
    assert found is not None, sentence
    wanted = int(found.group(1).replace(",", ""))
    does(life, wanted - 1)
    assert f"behaviour.{rule}" not in life.rules()
    life = lived()
    does(life, wanted + (0 if does is records else wanted // 4 + 1))
    assert f"behaviour.{rule}" in life.rules()


def test_denials_and_then_a_success() -> None:
    to = Behaviour(floor_denied=7)
    sentence = OUTLOOKS["behaviour.denied_burst"](View(Habit(), to)).sentence
    assert "from 28 denials within ten minutes on, or 20 and then a success" in sentence
    for number in (19, 20):
        life = Life(floor_denied=7)
        life.hire()
        for each in range(number):
            life.does(NEXT + 10 * HOUR + each * 20_000, outcome="denied")
        life.does(NEXT + 10 * HOUR + 590_000)
        assert ("behaviour.denied_burst" in life.rules()) is (number == 20)


def test_every_rule_has_an_outlook_for_everybody() -> None:
    assert OUTLOOKS.keys() == BEHAVIOUR_IDS
    for habit in (Habit(), lived().habits["e-1"]):
        for look in OUTLOOKS.values():
            assert look(View(habit, TO)).sentence


def test_why_a_rule_is_silent() -> None:
    young = View(Habit(), TO)
    for rule in ("volume", "first_of_kind", "off_hours", "new_country", "low_and_slow"):
        assert OUTLOOKS[f"behaviour.{rule}"](young) == (False, "too little history: 0 of 10 active days")
    assert OUTLOOKS["behaviour.peer_volume"](young).sentence.startswith("no peers are known here: fewer than 5")
    old = lived().habits["e-1"]
    on_call = View(old, TO, duties=frozenset({"on_call"}))
    assert OUTLOOKS["behaviour.off_hours"](on_call) == (False, "on call: work at any hour is explained")
    moved = Habit(group_day=old.day - 3, day=old.day, days=old.days)
    assert OUTLOOKS["behaviour.first_of_kind"](View(moved, TO)) == (False, "3 of 10 days in this team and role")


def test_countries_that_are_known_and_announced() -> None:
    view = View(lived().habits["e-1"], TO, announced=frozenset({"FR", "IE"}))
    assert OUTLOOKS["behaviour.new_country"](view).sentence == (
        "from any country but Ireland that nothing announced; announced: France, Ireland"
    )


def test_where_the_peers_end() -> None:
    life = Life()
    for number in range(8):
        life.hire(f"e-{number}")
        life.works(25, f"e-{number}")
    life.hire("e-new")
    life.works(3, "e-new", first=36)
    habit = life.habits["e-new"]
    view = View(habit, TO, life.peers.of(habit.group, MONDAY + 42 * DAY + 10 * HOUR, TO.peers_least))
    found = re.match(r"from ([\d,]+) records a day", OUTLOOKS["behaviour.peer_volume"](view).sentence)
    assert found is not None
    wanted = int(found.group(1).replace(",", ""))
    life.does(MONDAY + 42 * DAY + 10 * HOUR, "e-new", record_count=wanted - 1)
    assert not life.told
    life.does(MONDAY + 43 * DAY + 10 * HOUR, "e-new", record_count=wanted)
    assert "behaviour.peer_volume" in life.rules()


@pytest.mark.parametrize("coded", [0.0, 0.2, 1.0, 20.5, 48.0, 100.3, 249.0, 255.0])
def test_the_least_amount_of_a_code(coded: float) -> None:
    found = least(coded)
    assert code(found) >= coded
    assert found == 0 or code(found - 1) < coded


def test_no_amount_is_beyond_the_greatest_code() -> None:
    assert code(least(300.0)) == 255


@pytest.mark.parametrize("number", [0, 1, 10, 50])
def test_how_many_datasets_a_filter_holds(number: int) -> None:
    bits = 0
    for each in range(number):
        bits |= bloom_of(mark(f"dataset-{each}"))
    assert about(bits) == pytest.approx(number, abs=1 + number // 10)

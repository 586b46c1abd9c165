"""Each behaviour rule on a life that is usual until it is not, and on the look-alikes that must stay quiet."""

from __future__ import annotations

import pytest
from msgspec import UNSET

from rules.behaviour import RULES
from rules.habits.anomalies import COMPOSITE
from rules.habits.habit import Measure
from rules.habits.history import value
from rules.habits.limits import own_limit
from rules.habits.saved import restore, save
from rules.habits.signal import Signal
from rules.habits.thresholds import Behaviour
from tests.habits.world import DAY, HOUR, MONDAY, Life


@pytest.fixture
def life() -> Life:
    """Six weeks of ordinary work are behind."""
    life = Life()
    life.hire()
    assert life.works(30) < 49
    assert not life.told
    return life


NEXT = MONDAY + 49 * DAY
"""A Monday after them."""


def signal(life: Life, rule: str) -> Signal:
    """Return the last signal of a rule."""
    return [found for told in life.told for each, found in told.signals if each.id == rule][-1]


def test_every_rule_has_a_name_and_reasons() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule.id.startswith("behaviour.")
        assert all((rule.title, rule.why, rule.example, rule.tune))


def test_far_more_records_than_usual_in_an_hour(life: Life) -> None:
    told = life.does(NEXT + 10 * HOUR, record_count=5_000)
    assert told is not None
    assert told.revision == 0
    found = signal(life, "behaviour.volume")
    assert found.score > 1
    assert found.history_days == 30
    assert "5,000 records" in found.seen


def test_twice_a_usual_day_is_none(life: Life) -> None:
    for hour in (9, 11, 13, 15):
        life.does(NEXT + hour * HOUR, record_count=40)
    assert not life.told


def test_somebody_new_is_told_by_what_the_peers_do_and_not_for_being_new() -> None:
    life = Life()
    for number in range(8):
        life.hire(f"e-{number}")
        life.works(25, f"e-{number}")
    life.hire("e-new")
    life.works(3, "e-new", first=36)
    assert not life.told
    life.does(MONDAY + 42 * DAY + 10 * HOUR, "e-new", record_count=5_000)
    assert life.rules() == {"behaviour.peer_volume"}
    assert signal(life, "behaviour.peer_volume").facts["peers"] == 8


def test_somebody_new_without_peers_is_not_told_of() -> None:
    life = Life()
    life.hire()
    life.does(MONDAY + 10 * HOUR, record_count=100_000)
    assert not life.told


def test_many_datasets_never_touched_before(life: Life) -> None:
    for number in range(8):
        life.does(NEXT + 10 * HOUR + number * 60_000, dataset_id=f"other-{number}")
    assert life.rules() == {"behaviour.first_of_kind"}


def test_one_new_dataset_is_work(life: Life) -> None:
    life.does(NEXT + 10 * HOUR, dataset_id="other-1")
    assert not life.told


def test_the_middle_of_the_night(life: Life) -> None:
    for minute in range(8):
        life.does(NEXT + 3 * HOUR + minute * 60_000)
    assert life.rules() == {"behaviour.off_hours"}


def test_a_night_on_call_is_work(life: Life) -> None:
    life.row("duties", employee_id="e-1", duty="on_call", valid_from=NEXT - DAY, valid_until=NEXT + 7 * DAY)
    for minute in range(8):
        life.does(NEXT + 3 * HOUR + minute * 60_000)
    assert not life.told


def test_daylight_saving_makes_nobody_early() -> None:
    """Clocks in Ireland change on 29 March 2026: nine o'clock is an hour earlier in UTC from then on."""
    life = Life()
    life.hire()
    life.works(19)
    for day in range(28, 40):
        if day % 7 < 5:
            for number in range(12):
                life.does(MONDAY + day * DAY + 8 * HOUR + number * 30 * 60_000)
    assert not life.told


def test_two_places_at_once(life: Life) -> None:
    life.does(NEXT + 10 * HOUR)
    life.does(NEXT + 10 * HOUR + 40 * 60_000, country="IN")
    assert "behaviour.impossible_travel" in life.rules()
    assert signal(life, "behaviour.impossible_travel").facts["distance_km"] > 5_000


def test_a_late_event_is_a_journey_back_and_no_other(life: Life) -> None:
    """An event from home that comes late, after one from abroad a day later: nobody travelled fast."""
    life.row("locations", employee_id="e-1", country="IN", evidence="travel", valid_from=NEXT - DAY)
    life.does(NEXT + 9 * HOUR)
    life.does(NEXT + DAY + 9 * HOUR, country="IN")
    life.does(NEXT + 8 * HOUR)
    assert not life.told


def test_a_shared_exit_that_says_nothing_of_a_place_moves_nobody(life: Life) -> None:
    life.does(NEXT + 10 * HOUR, country="IE", address=None)
    life.does(NEXT + 10 * HOUR + 60_000, country=None, address=None)
    assert not life.told


def test_devices_are_compared_with_devices(life: Life) -> None:
    """The office's line leaves in another country: its address says so all the time."""
    for minute in range(30):
        life.does(NEXT + 10 * HOUR + minute * 60_000, address="IE")
    assert not life.told


def test_a_country_never_seen_before_and_announced_journeys(life: Life) -> None:
    life.does(NEXT + 10 * HOUR, country="FR")
    assert life.rules() == {"behaviour.new_country"}
    other = Life()
    other.hire()
    other.works(30)
    other.row("locations", employee_id="e-1", country="FR", evidence="travel", valid_from=NEXT)
    other.does(NEXT + 10 * HOUR, country="FR")
    assert not other.told


def test_coming_home_after_long_is_no_new_country() -> None:
    life = Life()
    life.hire()
    life.works(80)
    life.row("locations", employee_id="e-1", country="FR", evidence="travel", valid_from=0)
    life.does(MONDAY + 120 * DAY, country="FR")
    life.does(MONDAY + 121 * DAY, country="IE")
    assert not life.told


@pytest.mark.parametrize("ordered", [True, False])
def test_one_data_subject_after_another(life: Life, ordered: bool) -> None:
    for number in range(60):
        token = f"s-{70_000 + number}" if ordered else f"s-{number * 7919 % 99_991}"
        life.does(NEXT + 10 * HOUR + number * 2_000, subject_ids=(token,), record_count=1)
    found = signal(life, "behaviour.enumeration")
    assert found.facts == {"ordered": ordered, "even_pace": True}


def test_case_work_comes_back_to_the_same_few(life: Life) -> None:
    for number in range(60):
        life.does(NEXT + 10 * HOUR + number * 120_000, subject_ids=(f"s-{number // 4}",), record_count=1)
    assert "behaviour.enumeration" not in life.rules()


def test_the_same_person_again_and_again_without_a_ticket(life: Life) -> None:
    for day in (0, 1, 2, 3, 4):
        life.does(NEXT + day * DAY + 10 * HOUR, subject_ids=("s-ex",), ticket=UNSET)
    assert life.rules() == {"behaviour.snooping"}
    assert "5 days" not in signal(life, "behaviour.snooping").seen  # told on the fourth already


def test_the_same_person_again_and_again_with_tickets(life: Life) -> None:
    for day in (0, 1, 2, 3, 4):
        life.does(NEXT + day * DAY + 10 * HOUR, subject_ids=("s-ex",))
    assert not life.told


@pytest.mark.parametrize(
    ("row", "whom"),
    [({"employee_id": "e-1"}, "themselves"), ({"employee_id": "e-2"}, "a colleague"), ({"watched": True}, "watched")],
)
def test_oneself_a_colleague_and_the_watched(life: Life, row: dict[str, object], whom: str) -> None:
    life.row("subjects", subject_id="s-staff", **row)
    told = life.does(NEXT + 10 * HOUR, subject_ids=("s-staff",), ticket=UNSET)
    assert told is not None
    assert whom in told.signals[0][1].sentence
    assert "s-staff" not in told.signals[0][1].sentence


def test_an_account_awakes_and_one_that_was_on_leave(life: Life) -> None:
    life.does(NEXT + 60 * DAY + 10 * HOUR)
    assert "behaviour.dormant" in life.rules()
    other = Life()
    other.hire()
    other.works(30)
    job = {"team": "support", "home_country": "IE", "time_zone": "Europe/Dublin", "employee_id": "e-1"}
    other.row("employees", **job, status="leave", valid_from=NEXT)
    other.row("employees", **job, status="active", valid_from=NEXT + 59 * DAY)
    other.does(NEXT + 60 * DAY + 10 * HOUR)
    assert not other.told


def test_a_little_more_every_day(life: Life) -> None:
    for day in range(49, 87):
        if day % 7 < 5:
            life.works(1, first=day, accesses=22, records=5)
    assert "behaviour.low_and_slow" in life.rules()
    assert "behaviour.volume" not in life.rules()


def test_many_denials(life: Life) -> None:
    for minute in range(9):
        life.does(NEXT + 10 * HOUR + minute * 20_000, outcome="denied", dataset_id=f"x-{minute}")
    assert life.rules() == {"behaviour.denied_burst"}


def test_denials_and_then_a_success(life: Life) -> None:
    for minute in range(4):
        life.does(NEXT + 10 * HOUR + minute * 20_000, outcome="denied")
    life.does(NEXT + 10 * HOUR + 200_000)
    assert not life.told  # four tries: a forgotten permission
    for minute in range(8):
        life.does(NEXT + 11 * HOUR + minute * 20_000, outcome="denied")
    told = life.does(NEXT + 11 * HOUR + 200_000)
    assert told is not None or "behaviour.denied_burst" in life.rules()


def test_several_service_accounts(life: Life) -> None:
    for number in range(5):
        life.does(NEXT + 10 * HOUR + number * 60_000, service_account=f"svc-{number}")
    assert life.rules() == {"behaviour.split_accounts"}


def test_a_canary_by_dataset_and_by_data_subject(life: Life) -> None:
    assert life.does(NEXT + 10 * HOUR, dataset_id="canary") is not None
    life.row("subjects", subject_id="s-bird", canary=True)
    other = life.does(NEXT + 5 * DAY, subject_ids=("s-bird",))
    assert other is not None
    assert life.rules() >= {"behaviour.canary"}


def test_weak_signals_of_three_rules_are_strong_together() -> None:
    life = Life(composite=1.8)
    life.hire()
    life.works(30)
    life.does(NEXT + 10 * HOUR, record_count=150)
    for number in range(3):
        life.does(NEXT + 10 * HOUR + number * 60_000, dataset_id=f"new-{number}")
    for minute in range(4):
        life.does(NEXT + 11 * HOUR + minute * 20_000, outcome="denied")
    for number in range(3):
        life.does(NEXT + 12 * HOUR + number * 60_000, service_account=f"svc-{number}")
    assert COMPOSITE in life.rules()
    assert [told.revision for told in life.told] == [0, 1]  # a fourth rule joined
    assert signal(life, COMPOSITE).facts["parts"].keys() >= {"behaviour.denied_burst", "behaviour.split_accounts"}


# Episodes.


def test_a_continuing_anomaly_amends_its_alert(life: Life) -> None:
    first = life.does(NEXT + 10 * HOUR, record_count=2_000)
    same = life.does(NEXT + 10 * HOUR + 60_000, record_count=10)
    more = life.does(NEXT + 10 * HOUR + 120_000, record_count=200_000)
    assert first is not None
    assert same is None
    assert more is not None
    assert (more.since, more.revision) == (first.since, 1)


def test_after_the_cool_down_it_is_another_one(life: Life) -> None:
    first = life.does(NEXT + 10 * HOUR, record_count=5_000)
    later = life.does(NEXT + 3 * DAY + 10 * HOUR, record_count=5_000)
    assert first is not None
    assert later is not None
    assert later.revision == 0
    assert later.since != first.since


# Whoever means to become usual.


def test_who_takes_a_little_more_each_day_does_not_become_usual() -> None:
    """Just below the limit of the day, every day: told within weeks, far below twenty times the first usual."""
    life = Life()
    life.hire()
    first = life.works(30)
    usual = life.habits["e-1"].of(Measure.RECORDS)
    start = value(max(usual))
    day, amount = first, start
    while not life.told and day < first + 200:
        if day % 7 < 5:
            amount *= 1.05
            life.does(MONDAY + day * DAY + 10 * HOUR, record_count=round(amount))
            life.does(MONDAY + day * DAY + 14 * HOUR, record_count=1)
        day += 1
    assert life.told
    assert amount < 6 * start


def test_idle_days_between_heavy_ones_do_not_hide_them() -> None:
    """From the eleventh day on, each other day just below the limit of the day, and hardly anything in between."""
    life = Life()
    life.hire()
    day = life.works(10)
    turns = 0
    while not life.told and turns < 60:
        if day % 7 < 5:
            life.does(MONDAY + day * DAY + 9 * HOUR, record_count=1)
            limit = own_limit(life.habits["e-1"], Measure.RECORDS, Behaviour())
            assert limit is not None
            many = int(0.9 * value(limit.limit)) if turns % 2 else 10
            life.does(MONDAY + day * DAY + 10 * HOUR, record_count=many)
            turns += 1
        day += 1
    assert life.told
    assert max(life.habits["e-1"].records, 1) < 20 * 60, "not twenty times a usual day of some sixty"


def test_a_role_that_comes_and_goes_keeps_nobody_unknown() -> None:
    life = Life()
    for number in range(7):
        life.hire(f"e-{number}")
        life.works(40, f"e-{number}")
    for week in range(4):
        since = MONDAY + (63 + week * 7) * DAY
        life.row("roles", employee_id="e-1", role=f"jit-{week}", valid_from=since, valid_until=since + 7 * DAY)
    for day in range(63, 91):
        if day % 7 < 5:
            for number in range(8):
                life.does(MONDAY + day * DAY + (9 + number) * HOUR, record_count=5_000)
    assert life.rules() >= {"behaviour.peer_volume"}


def test_an_anomaly_that_never_ends_is_told_every_week(life: Life) -> None:
    for half_day in range(42):
        life.does(NEXT + half_day * DAY // 2, dataset_id="canary")
    assert len({told.since for told in life.told}) >= 3


def test_sums_beyond_64_bits_are_saved(life: Life) -> None:
    for number in range(3_000):
        life.does(NEXT + 10 * HOUR + number, record_count=2**53 - 1, bytes=2**53 - 1)
    assert restore(save(life.habits["e-1"])).records == life.habits["e-1"].records

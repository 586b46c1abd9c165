"""The evaluation: its simulator repeats itself, its figures come from what was found, its baselines keep their rate."""

from __future__ import annotations

from collections import Counter

import pytest

from benchmarks.evaluation.baselines import NEVER, Day, Measure, Tuned, detect, lives_of
from benchmarks.evaluation.engine import Across, judge
from benchmarks.evaluation.scoring import SETTLE, Case, Detection, interval, quantile, score
from benchmarks.evaluation.tuning import (
    REPORTING_SEEDS,
    TUNING_SEEDS,
    Tuner,
    TuningSeedError,
    reportable,
    sample,
)
from benchmarks.evaluation.worlds import FIRST_DAY, World, build
from demo.anomalies import STRENGTHS
from demo.planting import KINDS, Planter
from demo.population import DAY, Act, Population
from demo.usual import p95
from rules.behaviour import RULES
from rules.habits.thresholds import Behaviour
from rules.knowledge import Knowledge

SEED = 4
"""Neither for tuning nor for reports."""

PEOPLE, EACH = 170, 1


@pytest.fixture(scope="module")
def world() -> World:
    return build(SEED, PEOPLE, EACH)


def test_an_interval_of_a_share() -> None:
    assert interval(0, 0) == (0.0, 1.0)
    low, high = interval(95, 100)
    assert 0.88 < low < 0.95 < high < 0.99


def test_a_quantile() -> None:
    assert quantile([], 0.5) is None
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert quantile([1.0, 2.0], 1.0) == 2.0


def _case(name: str = "w-1", since: int = 10 * DAY, until: int = 11 * DAY) -> Case:
    return Case("volume", "blatant", (name,), since, until)


def test_what_is_about_an_incident_is_credited_with_its_delay() -> None:
    found = score([_case()], [Detection("w-1", 10 * DAY + 500, ("volume", "composite"))], 0, 100.0)
    assert (found.outcomes[0].delay, found.outcomes[0].rules) == (500, ("composite", "volume"))
    assert found.true == Counter({"volume": 1})
    assert not found.false
    assert found.person_days == 100.0 - 3.0


@pytest.mark.parametrize("at", [10 * DAY - 1, 11 * DAY + SETTLE + 1])
def test_what_lies_outside_an_incident_is_false(at: int) -> None:
    found = score([_case()], [Detection("w-1", at, ("volume",))], 0, 1003.0)
    assert found.outcomes[0].delay is None
    assert found.false_rate == 1.0


def test_nothing_counts_before_the_start_and_more_of_an_alert_is_no_other_one() -> None:
    told = [Detection("w-2", 1, ("volume",)), Detection("w-2", 6, ("volume",)), Detection("w-2", 7, ("volume",), 1)]
    assert score([], told, 5, 10.0).false.total() == 1


def test_an_incident_of_several_people_is_found_by_any_of_them() -> None:
    case = Case("split_people", "subtle", ("w-1", "w-2"), 0, DAY)
    found = score([case], [Detection("w-2", 9, ("snooping",))], 0, 100.0)
    assert found.outcomes[0].delay == 9


def test_no_figures_come_from_seeds_that_were_tuned_on() -> None:
    assert not set(TUNING_SEEDS) & set(REPORTING_SEEDS)
    assert reportable(REPORTING_SEEDS) == REPORTING_SEEDS
    with pytest.raises(TuningSeedError):
        reportable((101, TUNING_SEEDS[0]))


def test_a_percentile_is_interpolated_and_never_nothing() -> None:
    assert p95([]) == 1.0
    assert p95([0.0, 10.0]) == 9.5


def test_a_day_is_summed_up() -> None:
    day = Day(0)
    for at, subject in ((9 * 3_600_000, "a"), (9 * 3_600_000 + 1, "b"), (21 * 3_600_000, "a")):
        day.add(Act(at, "w", "d", "read", subjects=(subject,), records=3, country="IE"))
    day.add(Act(22 * 3_600_000, "w", "canary-d0", "read", "denied", country="NO"))
    sums = {measure: day.sums[measure] for measure in Measure}
    assert (sums[Measure.RECORDS], sums[Measure.HOUR_RECORDS]) == (9, 6)
    assert (sums[Measure.SUBJECTS], sums[Measure.HOUR_SUBJECTS]) == (2, 2)
    assert (sums[Measure.OFF_HOURS], sums[Measure.DENIED], sums[Measure.COUNTRIES]) == (1, 1, 2)
    assert day.canary


def test_the_same_seed_gives_the_same_acts_and_another_seed_others() -> None:
    def life(seed: int) -> list[Act]:
        population = Population(seed, 12, 60)
        planter = Planter(population, FIRST_DAY)
        return [act for each in planter.plant(1) for act in each.acts] + list(population.acts(population.workers[3]))

    assert life(SEED) == life(SEED)
    assert life(SEED) != life(SEED + 1)


@pytest.mark.slow
def test_incidents_of_every_kind_and_strength_happen_to_different_people(world: World) -> None:
    planted = Counter((each.kind, each.strength) for each in world.incidents)
    assert {kind for kind, _ in planted} == set(KINDS)
    assert len(planted) >= len(KINDS) * len(STRENGTHS) - 3  # a small population has not always somebody fit
    people = [name for each in world.incidents if each.kind != "silence" for name in each.about]
    assert len(people) == len(set(people))
    away = {worker.name: worker.away for worker in world.population.workers}
    for each in world.incidents:
        assert each.kind == "silence" or (each.since - world.start) // DAY + FIRST_DAY not in away[each.about[0]]


@pytest.mark.slow
def test_the_rules_find_what_is_blatant(world: World) -> None:
    """What one small population can say; the figures are of `make evaluate`."""
    found = score(world.cases, judge(world.rows, world.acts).detections, world.start, world.person_days)
    certain = {"volume", "off_hours", "impossible_travel", "new_country", "enumeration", "snooping", "canary"}
    blatant = [each for each in found.outcomes if each.strength == "blatant" and each.kind in certain]
    assert len(blatant) == len(certain)
    assert sum(each.delay is not None for each in blatant) >= len(blatant) - 1


@pytest.mark.slow
def test_thresholds_that_nobody_reaches_find_nothing_of_volume(world: World) -> None:
    """The figures are found, not written: with other thresholds they are others."""
    blind = Behaviour(factor=1e6, peer_factor=1e6, floor_run=10**9, composite=99.0, drift=1e6)
    found = score(world.cases, judge(world.rows, world.acts, blind).detections, world.start, world.person_days)
    bulk = [each for each in found.outcomes if each.kind == "volume"]
    assert bulk
    assert not [each for each in bulk if "volume" in each.rules]


@pytest.mark.slow
@pytest.mark.parametrize("z_scores", [False, True])
def test_a_tuned_baseline_keeps_its_rate_where_it_was_tuned(world: World, *, z_scores: bool) -> None:
    lives, first = lives_of(world), world.start // DAY
    quiet = score(world.cases, [], world.start, world.person_days)
    tuned = Tuner(sample(lives, world.cases, first, quiet.person_days), z_scores=z_scores).at(2.0)
    found = score(world.cases, detect(lives, tuned, first), world.start, world.person_days)
    assert 0.5 < found.false_rate < 3.0  # days before an incident are an alert of their own in one way of counting
    assert any(each.delay is not None for each in found.outcomes if each.strength == "blatant")


def test_a_baseline_says_nothing_of_whom_it_does_not_know() -> None:
    population = Population(SEED, 3, 60)
    worker = population.workers[0]
    acts = [Act(DAY * day + 9 * 3_600_000, worker.name, "d", "read", records=10**6, country="IE") for day in range(3)]
    lives = lives_of(World(population, [], acts))
    assert not detect(lives, Tuned(z_scores=True, limits=(0.0,) * len(Measure), new_country=True), 0)
    assert all(score < 0 for score in NEVER)


def test_crowds_and_silences_are_judged_across_people() -> None:
    across = Across(Behaviour(), RULES, Knowledge())
    noon = 20_000 * DAY + 12 * 3_600_000
    visits = [Act(noon + at, f"w-{at}", "d", "read", subjects=("s-1",)) for at in range(6)]
    crowds = [found for act in visits for found in across.take(act)]
    assert [(found.about, found.rules) for found in crowds] == [("w-3", ("split_people",))]
    minutes = 21 * 24 * 60
    pulse = [Act(noon + at * 60_000, "w-1", "d", "read", gateway="gw-1") for at in range(minutes)]
    later = [Act(noon + (minutes + at) * 60_000, "w-2", "d", "read", gateway="gw-2") for at in range(90)]
    assert not [found for act in pulse for found in across.take(act)]
    silent = [found for act in later for found in across.take(act)]
    assert [(found.about, found.rules) for found in silent] == [("gw-1", ("silence",))]

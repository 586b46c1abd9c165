"""What one process does for one seed: its population is made up once, and everything that detects is run over it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Final, TypeVar

import msgspec

from benchmarks.evaluation.baselines import Tuned, detect, lives_of
from benchmarks.evaluation.engine import RULE_IDS, judge, thresholds, without
from benchmarks.evaluation.scoring import Detection, Score, score
from benchmarks.evaluation.tuning import Samples, sample
from benchmarks.evaluation.worlds import World, build
from demo.population import DAY

SENSITIVITIES: Final = (0.5, 0.7, 0.85, 1.0, 1.3, 1.8, 2.5)
"""How many times as far away thresholds are, for the curve."""

T = TypeVar("T")

EVERYTHING: Final = "all rules"


class Size(msgspec.Struct, frozen=True):
    """How large populations are."""

    people: int
    each: int
    """Incidents of each kind and strength in a population."""


class Reported(msgspec.Struct):
    """A reporting seed's figures."""

    seed: int
    events: int
    us: float
    ours: Score
    others: dict[str, Score]
    """By the name of a baseline."""


class Variants(msgspec.Struct):
    """A seed's figures without each rule, and as knobs are turned."""

    left_out: dict[str, Score]
    swept: dict[str, dict[float, Score]]
    """By the name of the way, and its knob."""


def tuning_seed(size: Size, seed: int) -> tuple[Score, Samples]:
    """Return what the rules do on a tuning seed, and the days to tune baselines by."""
    world = build(seed, size.people, size.each)
    ours = _score(world, judge(world.rows, world.acts).detections)
    return ours, sample(lives_of(world), world.cases, world.start // DAY, ours.person_days)


def reporting_seed(size: Size, baselines: Mapping[str, Tuned], seed: int) -> Reported:
    """Return what the rules and the baselines do on a seed."""
    world = build(seed, size.people, size.each)
    judged = judge(world.rows, world.acts)
    lives = lives_of(world)
    others = {name: _score(world, detect(lives, each, world.start // DAY)) for name, each in baselines.items()}
    return Reported(seed, judged.events, judged.us, _score(world, judged.detections), others)


def variants_seed(size: Size, baselines: Mapping[str, Mapping[float, Tuned]], seed: int) -> Variants:
    """Return what is found without each rule, and with every way's thresholds nearer and farther."""
    world = build(seed, size.people, size.each)
    whole = _score(world, judge(world.rows, world.acts).detections)
    left_out = {EVERYTHING: whole}
    for name in RULE_IDS:
        left_out[name] = _score(world, judge(world.rows, world.acts, rules=without(name)).detections)
    swept = {1.0: whole}
    for each in SENSITIVITIES:
        if each != 1.0:
            swept[each] = _score(world, judge(world.rows, world.acts, thresholds(each)).detections)
    lives = lives_of(world)
    others = {
        name: {rate: _score(world, detect(lives, each, world.start // DAY)) for rate, each in tuned.items()}
        for name, tuned in baselines.items()
    }
    return Variants(left_out, {"rules": swept, **others})


def over(processes: int, job: Callable[[int], T], seeds: Sequence[int]) -> list[T]:
    """Run a job for every seed, so many at a time, each in a process of its own."""
    if processes < 2 or len(seeds) < 2:
        return [job(seed) for seed in seeds]
    with ProcessPoolExecutor(processes, get_context("spawn"), max_tasks_per_child=1) as pool:
        return list(pool.map(job, seeds))


def _score(world: World, detections: Sequence[Detection]) -> Score:
    return score(world.cases, detections, world.start, world.person_days)

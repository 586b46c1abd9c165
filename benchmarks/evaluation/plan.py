"""What is run, and in which order: tuning seeds, reporting seeds, variants."""

from __future__ import annotations

import sys
import time
from functools import partial
from typing import Final

import msgspec

from benchmarks.evaluation import figures as say
from benchmarks.evaluation import gateways
from benchmarks.evaluation.baselines import Measure, Tuned
from benchmarks.evaluation.figures import Figures
from benchmarks.evaluation.jobs import Size, over, reporting_seed, tuning_seed, variants_seed
from benchmarks.evaluation.scoring import Score
from benchmarks.evaluation.tuning import REPORTING_SEEDS, TUNING_SEEDS, Samples, Tuner, reportable
from benchmarks.evaluation.worlds import DAYS, FIRST_DAY

RATES: Final = (0.1, 0.3, 1.0, 3.0, 10.0)
"""False alerts per 1,000 people and day to which baselines are tuned for the curve."""

VARIANT_SEEDS: Final = REPORTING_SEEDS[:2]
"""Populations in which rules are left out and thresholds moved: each is judged some twenty times."""


class Plan(msgspec.Struct, frozen=True):
    """How much is run."""

    size: Size
    variants: Size
    """Of the populations in which rules are left out; no people: none are."""
    tuning: tuple[int, ...] = TUNING_SEEDS
    reporting: tuple[int, ...] = REPORTING_SEEDS
    variant_seeds: tuple[int, ...] = VARIANT_SEEDS
    vault: tuple[int, int] = (20, 150)
    """Incidents of each kind in a vault behind gateways, and people who work there."""


PLANS: Final = {
    "full": Plan(Size(2000, 11), Size(500, 3)),
    "small": Plan(Size(300, 2), Size(200, 1), TUNING_SEEDS[:1], REPORTING_SEEDS[:1], REPORTING_SEEDS[:1], (3, 30)),
}
"""Full: 110 incidents of each kind and strength. Small: whether it runs, in some minutes."""


def evaluate(plan: Plan, processes: int) -> Figures:
    """Run everything; return the figures.

    Raises:
        TuningSeedError: a seed to report on is for tuning.
    """
    reportable((*plan.reporting, *plan.variant_seeds))
    tuned, turned, quiet = _tuned(plan, processes)
    _tell(f"{len(plan.tuning)} seeds to tune by: {quiet:.2f} false alerts per 1,000 people and day")
    reported = over(processes, partial(reporting_seed, plan.size, tuned), plan.reporting)
    ours = say.summed(each.ours for each in reported)
    others = {name: say.summed(each.others[name] for each in reported) for name in tuned}
    _tell(f"{len(reported)} seeds reported")
    left_out: dict[str, Score] = {}
    swept: dict[str, dict[float, Score]] = {}
    if plan.variants.people:
        runs = over(processes, partial(variants_seed, plan.variants, turned), plan.variant_seeds)
        left_out = {name: say.summed(each.left_out[name] for each in runs) for name in runs[0].left_out}
        swept = {
            way: {knob: say.summed(each.swept[way][knob] for each in runs) for knob in knobs}
            for way, knobs in runs[0].swept.items()
        }
        _tell(f"{len(runs)} seeds without each rule, and with thresholds moved")
    events = sum(each.events for each in reported)
    us = sum(each.us * each.events for each in reported) / max(1, events)
    vaults = gateways.summed(over(processes, partial(gateways.match_seed, *plan.vault), plan.reporting))
    _tell(f"{len(plan.reporting)} vaults behind gateways")
    return _figures(plan, plan.reporting, ours, others) | {
        "run": _run(plan, plan.reporting) | {"events": events, "us": us, "tuned_to_per_1000_days": quiet},
        "baselines": {name: _baseline(tuned[name], others[name].false_rate) for name in tuned},
        "trade_off": {way: say.trade_off(knobs) for way, knobs in swept.items()},
        "ablation": say.ablation(left_out) if left_out else {},
        "gateways": vaults,
    }


def matching(plan: Plan, processes: int) -> Figures:
    """Return the figures of the vaults behind gateways alone: they take a minute."""
    reportable(plan.reporting)
    return gateways.summed(over(processes, partial(gateways.match_seed, *plan.vault), plan.reporting))


def tuning(plan: Plan, processes: int) -> Figures:
    """Return the figures of the rules on the tuning seeds alone: to choose thresholds by, and never to be reported."""
    ours = say.summed(score for score, _ in over(processes, partial(tuning_seed, plan.size), plan.tuning))
    return _figures(plan, plan.tuning, ours, {})


def _figures(plan: Plan, seeds: tuple[int, ...], ours: Score, others: dict[str, Score]) -> Figures:
    return {
        "run": _run(plan, seeds),
        "kinds": say.kinds(ours, others),
        "overall": say.overall(ours, others),
        "alerts": say.alerts(ours),
        "baselines": {},
        "trade_off": {},
        "ablation": {},
        "missed": say.missed(ours),
        "falsely": ours.falsely,
    }


def _run(plan: Plan, seeds: tuple[int, ...]) -> Figures:
    return {
        "people": plan.size.people,
        "each": plan.size.each,
        "days": DAYS,
        "first_day": FIRST_DAY,
        "tuning_seeds": list(plan.tuning),
        "reporting_seeds": list(seeds),
        "variants": {"people": plan.variants.people, "seeds": list(plan.variant_seeds)},
        "events": None,
        "us": None,
        "tuned_to_per_1000_days": None,
    }


def _tuned(plan: Plan, processes: int) -> tuple[dict[str, Tuned], dict[str, dict[float, Tuned]], float]:
    """Return the baselines at the rules' rate of false alerts on the tuning seeds, at other rates, and that rate."""
    runs = over(processes, partial(tuning_seed, plan.size), plan.tuning)
    quiet = say.summed(score for score, _ in runs).false_rate
    samples = Samples([], [], 0.0)
    for _, each in runs:
        samples.add(each)
    tuners = {"fixed": Tuner(samples, z_scores=False), "z_scores": Tuner(samples, z_scores=True)}
    turned = {name: {rate: tuner.at(rate) for rate in RATES} for name, tuner in tuners.items()}
    return {name: tuner.at(quiet) for name, tuner in tuners.items()}, turned, quiet


def _baseline(tuned: Tuned, rate: float) -> Figures:
    limits = {measure.name.lower(): round(tuned.limits[measure], 3) for measure in Measure}
    return {"per_1000_days": rate, "limits": limits, "new_country": tuned.new_country}


def _tell(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)

"""`python -m benchmarks.evaluation`: populations, rules, baselines, and everything that is said of them."""

from __future__ import annotations

import argparse
import sys
import time
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
import orjson

from benchmarks.evaluation import figures as say
from benchmarks.evaluation.baselines import Measure, Tuned
from benchmarks.evaluation.figures import Figures
from benchmarks.evaluation.jobs import Size, over, reporting_seed, tuning_seed, variants_seed
from benchmarks.evaluation.report import text
from benchmarks.evaluation.scoring import Score
from benchmarks.evaluation.tuning import REPORTING_SEEDS, TUNING_SEEDS, Samples, Tuner, TuningSeedError, reportable
from benchmarks.evaluation.worlds import DAYS, FIRST_DAY

JSON: Final = Path("build/evaluation.json")

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


PLANS: Final = {
    "full": Plan(Size(2000, 11), Size(800, 4)),
    "small": Plan(Size(300, 2), Size(200, 1), TUNING_SEEDS[:1], REPORTING_SEEDS[:1], REPORTING_SEEDS[:1]),
}
"""Full: 110 incidents of each kind and strength. Small: whether it runs, in some minutes."""


def evaluate(plan: Plan, processes: int) -> Figures:
    """Run everything; return the figures."""
    seeds = reportable((*plan.reporting, *plan.variant_seeds))[: len(plan.reporting)]
    tuned, turned, quiet = _tuned(plan, processes)
    _tell(f"{len(plan.tuning)} seeds to tune by: {quiet:.2f} false alerts per 1,000 people and day")
    reported = over(processes, partial(reporting_seed, plan.size, tuned), seeds)
    ours = say.summed(each.ours for each in reported)
    others = {name: say.summed(each.others[name] for each in reported) for name in tuned}
    _tell(f"{len(seeds)} seeds reported")
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
    return {
        "run": {
            "people": plan.size.people,
            "days": DAYS,
            "first_day": FIRST_DAY,
            "tuning_seeds": list(plan.tuning),
            "reporting_seeds": list(seeds),
            "variants": {"people": plan.variants.people, "seeds": list(plan.variant_seeds)},
            "events": events,
            "us": sum(each.us * each.events for each in reported) / max(1, events),
            "tuned_to_per_1000_days": quiet,
        },
        "kinds": say.kinds(ours, others),
        "overall": say.overall(ours, others),
        "alerts": say.alerts(ours),
        "baselines": {name: _baseline(tuned[name], others[name].false_rate) for name in tuned},
        "trade_off": {way: say.trade_off(knobs) for way, knobs in swept.items()},
        "ablation": say.ablation(left_out) if left_out else {},
        "missed": say.missed(ours),
        "falsely": ours.falsely,
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


def main(arguments: list[str]) -> int:
    """Evaluate, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evaluation", description=__doc__)
    parser.add_argument("--size", choices=PLANS, default="full")
    parser.add_argument("--seeds", type=int, nargs="+", help=f"to report on, none of {TUNING_SEEDS}")
    parser.add_argument("--people", type=int)
    parser.add_argument("--each", type=int, help="incidents of each kind and strength in a population")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--no-variants", action="store_true", help="leave out the ablation and the curve of the rules")
    parser.add_argument("--docs", type=Path, help="folder for the page and its plots: docs/evaluation")
    parser.add_argument("--from-json", action="store_true", help=f"say again what {JSON} holds; nothing is run")
    given = parser.parse_args(arguments)
    plan = PLANS[given.size]
    size = Size(given.people or plan.size.people, given.each or plan.size.each)
    variants = Size(0, 0) if given.no_variants else plan.variants
    seeds = plan.reporting if given.seeds is None else tuple(given.seeds)
    if given.from_json:
        found: Figures = orjson.loads(JSON.read_bytes())
    else:
        try:
            found = evaluate(
                msgspec.structs.replace(plan, size=size, variants=variants, reporting=seeds), given.processes
            )
        except TuningSeedError as error:
            parser.error(str(error))
        JSON.parent.mkdir(exist_ok=True)
        JSON.write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2))
    print(text(found))
    if given.docs is not None:
        from benchmarks.evaluation.page import write

        write(given.docs, found)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`python -m benchmarks.evaluation`: populations, rules, baselines, and everything that is said of them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

import msgspec
import orjson

from benchmarks.evaluation import gateways
from benchmarks.evaluation.figures import Figures
from benchmarks.evaluation.jobs import Size
from benchmarks.evaluation.plan import PLANS, evaluate, matching, tuning
from benchmarks.evaluation.report import examples, text
from benchmarks.evaluation.tuning import TUNING_SEEDS, TuningSeedError

JSON: Final = Path("build/evaluation.json")


def main(arguments: list[str]) -> int:
    """Evaluate, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evaluation", description=__doc__)
    parser.add_argument("--size", choices=PLANS, default="full")
    parser.add_argument("--seeds", type=int, nargs="+", help=f"to report on, none of {TUNING_SEEDS}")
    parser.add_argument("--people", type=int)
    parser.add_argument("--each", type=int, help="incidents of each kind and strength in a population")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--variants", type=int, help="people for the ablation and the curve; 0 leaves both out")
    parser.add_argument("--docs", type=Path, help="folder for the page and its plots: docs/evaluation")
    parser.add_argument("--from-json", action="store_true", help=f"say again what {JSON} holds; nothing is run")
    parser.add_argument("--tuning", action="store_true", help="the rules on the tuning seeds; nothing is written")
    parser.add_argument(
        "--gateways", action="store_true", help=f"only the vaults behind gateways; with {JSON}, put into it"
    )
    parser.add_argument("--examples", action="store_true", help="show some of what was missed, and false alerts")
    given = parser.parse_args(arguments)
    plan = PLANS[given.size]
    plan = msgspec.structs.replace(
        plan,
        size=Size(given.people or plan.size.people, given.each or plan.size.each),
        variants=plan.variants if given.variants is None else Size(given.variants, max(1, given.variants // 200)),
        reporting=plan.reporting if given.seeds is None else tuple(given.seeds),
    )
    if given.gateways:
        return _gateways(matching(plan, given.processes))
    if given.tuning:
        found = tuning(plan, given.processes)
    elif given.from_json:
        found = orjson.loads(JSON.read_bytes())
    else:
        try:
            found = evaluate(plan, given.processes)
        except TuningSeedError as error:
            parser.error(str(error))
        shown = [each for each in arguments if each != "--examples"]
        found["run"]["command"] = " ".join(["python -m benchmarks.evaluation", *shown])
        JSON.parent.mkdir(exist_ok=True)
        JSON.write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2))
    print(text(found))
    if given.examples:
        print(examples(found))
    if given.docs is not None and not given.tuning:
        from benchmarks.evaluation.page import write

        write(given.docs, found)
    return 0


def _gateways(figures: Figures) -> int:
    """Print the figures of the vaults, and put them beside the others where those are there."""
    if JSON.is_file():
        JSON.write_bytes(
            orjson.dumps(orjson.loads(JSON.read_bytes()) | {"gateways": figures}, option=orjson.OPT_INDENT_2)
        )
    print("\n".join(gateways.lines(figures)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

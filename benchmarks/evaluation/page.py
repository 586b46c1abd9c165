"""The figures as a page that needs nothing but its pictures: `docs/evaluation/index.html`."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any, Final

from benchmarks.evaluation.figures import Figures
from benchmarks.evaluation.plots import draw
from benchmarks.evaluation.report import hours, reached, share, some

STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 76rem; margin: 2rem auto; padding: 0 1rem }
h1, h2 { line-height: 1.2 } h2 { margin-top: 2.2rem }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums }
th, td { padding: .18rem .6rem; text-align: right; border-bottom: 1px solid #e4e4e4 }
th { background: #f4f4f4 } .name { text-align: left } .first td { border-top: 2px solid #bbb }
.low { background: #fde8e4 } .none { color: #999 } img { max-width: 100% } figure { margin: 1rem 0 }
figcaption { color: #555; font-size: 13px } .wide { overflow-x: auto }
"""

CAPTIONS: Final = {
    "recall.png": "What was found of each kind and strength, beside two baselines tuned to as many false alerts.",
    "trade-off.png": "Recall as each way's thresholds are moved nearer or farther together; dotted: the goals.",
    "delay.png": "How long after an incident's first act its first alert came.",
    "ablation.png": "What each rule adds: recall lost, and false alerts saved, when it is left out.",
}


def write(folder: Path, figures: Figures) -> None:
    """Write the page and its pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    names = draw(folder, figures)
    (folder / "index.html").write_text("\n".join(_page(figures, names)) + "\n", encoding="utf-8")


def _page(figures: Figures, names: list[str]) -> Iterator[str]:
    run = figures["run"]
    yield "<!doctype html>"
    yield '<html lang="en"><head><meta charset="utf-8"><title>Evaluation of the behaviour rules</title>'
    yield f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>'
    yield "<h1>How well the behaviour rules tell incidents from life</h1>"
    yield (
        f"<p>{len(run['reporting_seeds'])} made-up populations of {run['people']:,} people over {run['days']} days, of "
        f"which the first {run['first_day']} are only learned from; {run['events']:,} accesses; seeds "
        f"{some(run['reporting_seeds'])}; thresholds were chosen by others, {some(run['tuning_seeds'])}. "
        "What the populations and the incidents are, and what the figures do not say, stands in "
        f'<a href="README.md">README.md</a>. Written by <code>{escape(run["command"])}</code>.</p>'
    )
    yield from _summary(figures)
    for name in names:
        yield f'<figure><img src="{name}" alt="{escape(CAPTIONS[name])}">'
        yield f"<figcaption>{escape(CAPTIONS[name])}</figcaption></figure>"
    yield from _kinds(figures)
    yield from _alerts(figures)
    yield from _baselines(figures)
    if "gateways" in figures:
        yield from _gateways(figures["gateways"])
    if figures["ablation"]:
        yield from _ablation(figures)
    yield "</body></html>"


def _gateways(figures: Figures) -> Iterator[str]:
    yield "<h2>Accesses against gateways' decisions</h2>"
    yield (
        f"<p>{figures['accesses']:,} accesses and {figures['decisions']:,} decisions of vaults behind gateways, out of "
        "order within the policy's <code>wait</code>. No threshold is tuned.</p>"
    )
    yield '<table><tr><th class="name">planted<th>found<th>planted<th>as what it is<th>false alerts</tr>'
    for kind, cell in figures["kinds"].items():
        yield _cells(kind, *(str(cell[name]) for name in ("found", "planted", "as_it", "false")))
    yield "</table>"


def _summary(figures: Figures) -> Iterator[str]:
    yield '<table><tr><th class="name">over all judged kinds<th>cloverwatch<th>goal<th><th>fixed<th>z-scores</tr>'
    for strength, cell in figures["overall"].items():
        goal = cell["goal"]
        verdict = "" if goal is None else reached(cell["recall"] >= goal)
        yield _cells(
            f"recall, {strength}", share(cell["recall"]), share(goal), verdict, share(cell["fixed"]),
            share(cell["z_scores"]),
        )  # fmt: skip
    alerts, others = figures["alerts"], figures["baselines"]
    yield _cells(
        "false alerts per 1,000 people and day",
        f"{alerts['per_1000_days']:.2f}",
        f"{alerts['goal']:.2f}",
        reached(alerts["per_1000_days"] <= alerts["goal"]),
        f"{others['fixed']['per_1000_days']:.2f}",
        f"{others['z_scores']['per_1000_days']:.2f}",
    )
    yield "</table>"


def _kinds(figures: Figures) -> Iterator[str]:
    yield "<h2>By kind and strength</h2>"
    yield (
        "<p>“Own rule”: found by a rule that is about this kind, not by any. “By chance”: how often a false alert "
        "would have fallen into the incident's time. Precision sets what was found against all false alerts of those "
        "rules, at this number of incidents.</p>"
    )
    yield '<div class="wide"><table><tr><th class="name">kind<th class="name">strength<th>found<th>planted<th>recall'
    yield "<th>95 % interval<th>own rule<th>by chance<th>precision<th>delay, median<th>90th percentile"
    yield "<th>fixed<th>z-scores</tr>"
    for kind, strengths in figures["kinds"].items():
        for number, (strength, cell) in enumerate(strengths.items()):
            yield f'<tr class="{"first" if not number else ""}"><td class="name">{kind}<td class="name">{strength}'
            yield _cell(cell) + "</tr>"
    yield "</table></div>"


def _cell(cell: dict[str, Any]) -> str:
    if cell["recall"] is None:
        return '<td class="none" colspan="11">none planted'
    own = share(cell["found_by_meant"] / cell["planted"]) if cell["judged"] else "no rule yet"
    values = (
        str(cell["found"]),
        str(cell["planted"]),
        share(cell["recall"]),
        f"{cell['low']:.2f} – {cell['high']:.2f}",
        own,
        f"{cell['by_chance']:.3f}",
        share(cell["precision"]) if cell["judged"] else "–",
        hours(cell["delay_median_h"]),
        hours(cell["delay_p90_h"]),
        share(cell["fixed"]),
        share(cell["z_scores"]),
    )
    return "".join(f"<td>{each}" for each in values)


def _alerts(figures: Figures) -> Iterator[str]:
    yield "<h2>Alerts by the rule that spoke loudest</h2>"
    yield '<table><tr><th class="name">rule<th>false<th>per 1,000 people and day<th>about incidents<th>precision</tr>'
    for rule, cell in figures["alerts"]["by_rule"].items():
        per = f"{cell['per_1000_days']:.3f}"
        yield _cells(rule, str(cell["false"]), per, str(cell["true"]), share(cell["precision"]))
    yield "</table>"


def _baselines(figures: Figures) -> Iterator[str]:
    yield "<h2>What the baselines were tuned to</h2>"
    target = figures["run"]["tuned_to_per_1000_days"]
    yield (
        f"<p>Both to {target:.2f} false alerts per 1,000 people and day on the tuning seeds, which is what the rules "
        "have there. A day's limits: amounts, and standard deviations above the mean of 30 days.</p>"
    )
    names = list(figures["baselines"]["fixed"]["limits"])
    yield '<table><tr><th class="name">limit<th>fixed<th>z-scores</tr>'
    for name in names:
        yield _cells(name, *(f"{figures['baselines'][way]['limits'][name]:,.1f}" for way in ("fixed", "z_scores")))
    countries = ("yes" if figures["baselines"][way]["new_country"] else "no" for way in ("fixed", "z_scores"))
    yield _cells("alerts on a new country", *countries)
    yield "</table>"


def _ablation(figures: Figures) -> Iterator[str]:
    size = figures["run"]["variants"]
    yield "<h2>Without a rule</h2>"
    yield f"<p>{size['people']:,} people, seeds {some(size['seeds'])}; every variant was run.</p>"
    yield '<table><tr><th class="name">rule left out<th>mean recall lost'
    yield "<th>false alerts saved per 1,000 people and day</tr>"
    for rule, cell in figures["ablation"].items():
        yield _cells(rule, f"{cell['mean_recall_lost']:.3f}", f"{cell['false_saved_per_1000_days']:.3f}")
    yield "</table>"


def _cells(name: str, *values: str) -> str:
    return f'<tr><td class="name">{escape(name)}' + "".join(f"<td>{escape(each)}" for each in values) + "</tr>"

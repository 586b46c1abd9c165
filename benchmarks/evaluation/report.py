"""The figures as text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.evaluation import gateways
from benchmarks.evaluation.figures import Figures


def text(figures: Figures) -> str:
    """Return everything to be printed."""
    return "\n".join(_lines(figures))


def _lines(figures: Figures) -> Iterator[str]:
    run, alerts = figures["run"], figures["alerts"]
    cost = "" if run["us"] is None else f"; {run['events']:,} events, {run['us']:.1f} µs each"
    yield (
        f"{run['people']:,} people, {run['days']} days, the first {run['first_day']} of them only learned from; "
        f"seeds {some(run['reporting_seeds'])}, tuned on {some(run['tuning_seeds'])}{cost}"
    )
    yield ""
    yield (
        f"{'kind':<19}{'strength':<9}{'found':>10}  {'recall':<18}{'own rule':>9}{'by chance':>10}{'precision':>10}"
        f"{'delay: median':>15}{'p90':>9}{'fixed':>8}{'z-score':>8}"
    )
    for kind, strengths in figures["kinds"].items():
        for strength, cell in strengths.items():
            yield _row(kind, strength, cell)
    yield ""
    for strength, cell in figures["overall"].items():
        goal = "" if cell["goal"] is None else f" (goal {cell['goal']}: {reached(cell['recall'] >= cell['goal'])})"
        yield f"all judged kinds, {strength}: recall {cell['recall']:.3f}{goal}{_beside(cell)}"
    rates = {way: cell["per_1000_days"] for way, cell in figures["baselines"].items()}
    yield (
        f"false alerts per 1,000 people and day: {alerts['per_1000_days']:.2f} (goal {alerts['goal']}: "
        f"{reached(alerts['per_1000_days'] <= alerts['goal'])}){_beside(rates)}"
    )
    for rule, cell in alerts["by_rule"].items():
        yield (
            f"  {rule:<20}{cell['per_1000_days']:>8.3f}  {cell['false']:>5} false, {cell['true']:>5} true, precision "
            f"{share(cell['precision'])}"
        )
    if "gateways" in figures:
        yield ""
        yield from gateways.lines(figures["gateways"])
    if figures["ablation"]:
        yield ""
        size = run["variants"]
        yield (
            f"without a rule ({size['people']:,} people, seeds {some(size['seeds'])}): recall lost, mean and by kind; "
            "false alerts saved per 1,000 people and day"
        )
        for rule, cell in figures["ablation"].items():
            lost = sorted(cell["recall_lost"].items(), key=lambda each: -each[1])
            named = ", ".join(f"{kind} {share:.2f}" for kind, share in lost if share > 0.005)
            yield (
                f"  {rule:<20}{cell['mean_recall_lost']:>7.3f}{cell['false_saved_per_1000_days']:>8.3f}  {named or '–'}"
            )


def _row(kind: str, strength: str, cell: dict[str, Any]) -> str:
    if cell["recall"] is None:
        return f"{kind:<19}{strength:<9}  none planted"
    recall = f"{cell['recall']:.2f} [{cell['low']:.2f} {cell['high']:.2f}]"
    own = share(cell["found_by_meant"] / cell["planted"]) if cell["judged"] else "no rule"
    precision = share(cell["precision"]) if cell["judged"] else "–"
    return (
        f"{kind:<19}{strength:<9}{cell['found']:>5}/{cell['planted']:<4}  {recall:<18}{own:>9}"
        f"{cell['by_chance']:>10.3f}{precision:>10}{hours(cell['delay_median_h']):>15}"
        f"{hours(cell['delay_p90_h']):>9}{share(cell.get('fixed')):>8}"
        f"{share(cell.get('z_scores')):>8}"
    )


def examples(figures: Figures) -> str:
    """Return some incidents that were missed, and some alerts about nothing."""
    lines = [f"missed {kind}: {', '.join(labels)}" for kind, labels in figures["missed"].items()]
    return "\n".join([*lines, *(f"false: {each}" for each in figures["falsely"])])


def _beside(cell: dict[str, Any]) -> str:
    """Return what the baselines have, where they were run."""
    if "fixed" not in cell:
        return ""
    return f"; fixed thresholds {cell['fixed']:.2f}, z-scores {cell['z_scores']:.2f}"


def reached(goal: bool) -> str:  # noqa: FBT001  # a word for it
    """Return whether a goal was reached, as a word."""
    return "reached" if goal else "missed"


def share(value: float | None) -> str:
    """Return a share, a dash where there is none."""
    return "–" if value is None else f"{value:.2f}"


def hours(value: float | None) -> str:
    """Return hours in the unit that suits them."""
    if value is None:
        return "–"
    if value < 1:
        return f"{value * 60:.0f} min"
    return f"{value:.1f} h" if value < 48 else f"{value / 24:.1f} d"


def some(seeds: list[int]) -> str:
    """Return seeds in few words."""
    if len(seeds) > 2 and seeds == list(range(seeds[0], seeds[-1] + 1)):
        return f"{seeds[0]}–{seeds[-1]}"
    return ", ".join(map(str, seeds))

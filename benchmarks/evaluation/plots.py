"""The figures as pictures (PNG)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import matplotlib as mpl

mpl.use("Agg")  # no display is needed

from matplotlib import pyplot as plt
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from benchmarks.evaluation.figures import FALSE_MOST, GOALS, Figures
from demo.anomalies import STRENGTHS

COLOURS: Final = {"blatant": "#1b4965", "moderate": "#2a9d8f", "subtle": "#e9a03b"}
WAYS: Final = {"rules": "cloverwatch", "fixed": "fixed thresholds", "z_scores": "z-scores per user"}
MARKS: Final = {"rules": "o", "fixed": "s", "z_scores": "^"}
WAY_COLOURS: Final = {"rules": "#1b4965", "fixed": "#b56576", "z_scores": "#8d99ae"}

DPI: Final = 110

TICKS: Final = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)


def draw(folder: Path, figures: Figures) -> list[str]:
    """Write the pictures; return their names."""
    mpl.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    names = ["recall.png", "delay.png"]
    _recall(folder / names[0], figures)
    _delay(folder / names[1], figures)
    if figures["trade_off"]:
        names.append("trade-off.png")
        _trade_off(folder / names[-1], figures)
    if figures["ablation"]:
        names.append("ablation.png")
        _ablation(folder / names[-1], figures)
    return names


def _recall(path: Path, figures: Figures) -> None:
    """By kind a row, by strength a column; the rules with their interval, the baselines as marks."""
    kinds = list(figures["kinds"])
    figure, axes = plt.subplots(1, len(STRENGTHS), figsize=(12, 0.34 * len(kinds) + 1.6), sharey=True)
    for axis, strength in zip(axes, STRENGTHS, strict=True):
        for row, kind in enumerate(kinds):
            cell = figures["kinds"][kind][strength]
            if cell["recall"] is None:
                continue
            colour = COLOURS[strength] if cell["judged"] else "#d0d0d0"
            reach = [[cell["recall"] - cell["low"]], [cell["high"] - cell["recall"]]]
            axis.barh(row, cell["recall"], height=0.62, color=colour, alpha=0.85, zorder=1)
            axis.errorbar(cell["recall"], row, xerr=reach, fmt="none", ecolor="#303030", elinewidth=1, capsize=2)
            for way in ("fixed", "z_scores"):
                axis.plot(
                    cell[way], row, MARKS[way], color=WAY_COLOURS[way], markeredgecolor="white", markersize=7, zorder=4
                )
        if strength in GOALS:
            axis.axvline(GOALS[strength], color="#303030", linestyle=":", linewidth=1)
        times = f"{STRENGTHS[strength]:.0f} times the 95th percentile"
        axis.set(xlim=(0, 1.04), xlabel="recall", title=f"{strength}: {times}")
        axis.set_yticks(range(len(kinds)), [kind.replace("_", " ") for kind in kinds])
    axes[0].invert_yaxis()
    marks = [
        Line2D([], [], linestyle="", marker=MARKS[way], color=WAY_COLOURS[way], label=WAYS[way], markersize=7)
        for way in ("fixed", "z_scores")
    ]
    bar = Rectangle((0, 0), 1, 1, color=COLOURS["blatant"], label="cloverwatch, with its 95 % interval")
    grey = Rectangle((0, 0), 1, 1, color="#d0d0d0", label="no rule is about it yet")
    dots = Line2D([], [], color="#303030", linestyle=":", label="goal")
    figure.legend(handles=[bar, *marks, grey, dots], loc="lower center", ncols=5, frameon=False)
    figure.tight_layout(rect=(0, 0.05, 1, 1))
    _save(figure, path)


def _trade_off(path: Path, figures: Figures) -> None:
    """Recall against the rate of false alerts, as each way's knob is turned."""
    figure, axes = plt.subplots(1, len(STRENGTHS), figsize=(12, 3.9), sharey=True)
    for axis, strength in zip(axes, STRENGTHS, strict=True):
        for way, points in figures["trade_off"].items():
            axis.plot(
                [max(0.02, point["per_1000_days"]) for point in points],
                [point[strength] for point in points],
                marker=MARKS[way],
                color=WAY_COLOURS[way],
                label=WAYS[way],
                linewidth=1.6,
            )
        axis.axvline(FALSE_MOST, color="#303030", linestyle=":", linewidth=1)
        if strength in GOALS:
            axis.axhline(GOALS[strength], color="#303030", linestyle=":", linewidth=1)
        axis.set(xscale="log", ylim=(0, 1.03), title=strength, xlabel="false alerts per 1,000 people and day")
        axis.minorticks_off()
        axis.set_xticks(TICKS, [f"{tick:g}" for tick in TICKS])
        axis.grid(visible=True, which="major", alpha=0.25)
    axes[0].set_ylabel("recall, mean over kinds")
    axes[-1].legend(frameon=False, loc="best")
    figure.tight_layout()
    _save(figure, path)


def _delay(path: Path, figures: Figures) -> None:
    """By kind, how long after its first act an incident was told: median, and 10th to 90th percentile."""
    kinds = [kind for kind, cells in figures["kinds"].items() if any(cell["found"] for cell in cells.values())]
    figure, axis = plt.subplots(figsize=(9, 0.42 * len(kinds) + 1.4))
    for shift, strength in zip((-0.24, 0.0, 0.24), STRENGTHS, strict=True):
        for row, kind in enumerate(kinds):
            delays = [max(1 / 120, each) for each in figures["kinds"][kind][strength]["delays_h"]]
            if not delays:
                continue
            low, middle, high = (delays[min(len(delays) - 1, int(part * len(delays)))] for part in (0.1, 0.5, 0.9))
            axis.plot([low, high], [row + shift] * 2, color=COLOURS[strength], linewidth=2.2, alpha=0.6)
            axis.plot(middle, row + shift, "o", color=COLOURS[strength], markersize=5)
    axis.set(xscale="log", xlabel="from the first act to the first alert: median, 10th to 90th percentile")
    axis.set_xticks(
        [1 / 60, 10 / 60, 1, 6, 24, 168, 672], ["1 min", "10 min", "1 h", "6 h", "1 day", "1 week", "4 weeks"]
    )
    axis.minorticks_off()
    axis.set_yticks(range(len(kinds)), [kind.replace("_", " ") for kind in kinds])
    axis.invert_yaxis()
    axis.grid(visible=True, axis="x", alpha=0.25)
    handles = [Line2D([], [], color=COLOURS[each], marker="o", label=each) for each in STRENGTHS]
    axis.legend(handles=handles, frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
    figure.tight_layout()
    _save(figure, path)


def _ablation(path: Path, figures: Figures) -> None:
    """Rules by kinds: how much recall is lost without the rule."""
    rules = list(figures["ablation"])
    kinds = [kind for kind in figures["kinds"] if kind in figures["ablation"][rules[0]]["recall_lost"]]
    lost = [[figures["ablation"][rule]["recall_lost"][kind] for kind in kinds] for rule in rules]
    figure, axis = plt.subplots(figsize=(0.55 * len(kinds) + 3.6, 0.36 * len(rules) + 2.4))
    image = axis.imshow(lost, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for row, line in enumerate(lost):
        for column, share in enumerate(line):
            if abs(share) >= 0.005:
                colour = "white" if share > 0.55 else "#303030"
                axis.text(column, row, f"{share:.2f}", ha="center", va="center", fontsize=7.5, color=colour)
    saved = [figures["ablation"][rule]["false_saved_per_1000_days"] for rule in rules]
    labels = [f"{rule.replace('_', ' ')}  ({saving:+.2f})" for rule, saving in zip(rules, saved, strict=True)]
    axis.set_yticks(range(len(rules)), labels)
    axis.set_xticks(range(len(kinds)), [kind.replace("_", " ") for kind in kinds], rotation=45, ha="right")
    axis.set_ylabel("without the rule (false alerts saved per 1,000 people and day)")
    axis.spines[:].set_visible(False)
    figure.colorbar(image, ax=axis, label="recall lost, all strengths", shrink=0.8, fraction=0.03, pad=0.02)
    figure.tight_layout()
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    """Write a picture; nothing of the day or the program is put into it."""
    figure.savefig(path, dpi=DPI, metadata={"Software": None})
    plt.close(figure)

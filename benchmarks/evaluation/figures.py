"""From scores to figures: everything that is printed, drawn and written, as one plain dictionary."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from benchmarks.evaluation.engine import RULE_IDS, meant
from benchmarks.evaluation.jobs import EVERYTHING
from benchmarks.evaluation.scoring import Outcome, Score, interval, quantile
from demo.anomalies import STRENGTHS
from demo.planting import KINDS
from demo.population import HOUR

GOALS: Final = {"blatant": 0.95, "moderate": 0.8}
"""Recall wanted over all kinds that are judged."""

FALSE_MOST: Final = 1.0
"""False alerts wanted at most, per 1,000 people and day."""

MISSED_MOST: Final = 12
"""Missed incidents of a kind and strength that are named."""

Figures = dict[str, Any]


def kinds(ours: Score, others: Mapping[str, Score]) -> Figures:
    """Return by kind and strength what was found, how soon, and what the baselines found of it."""
    mine = _grouped(ours.outcomes)
    theirs = {name: _grouped(each.outcomes) for name, each in others.items()}
    return {
        kind: {
            strength: _cell(kind, mine[kind, strength], ours)
            | {name: _recall(found[kind, strength]) for name, found in theirs.items()}
            for strength in STRENGTHS
        }
        for kind in KINDS
    }


def overall(ours: Score, others: Mapping[str, Score]) -> Figures:
    """Return by strength the recall over all kinds that are judged, each kind weighing the same."""
    return {
        strength: {
            "recall": _mean_recall(ours, strength),
            "goal": GOALS.get(strength),
            **{name: _mean_recall(each, strength) for name, each in others.items()},
        }
        for strength in STRENGTHS
    }


def alerts(ours: Score) -> Figures:
    """Return the false alerts by the rule that spoke loudest, and each rule's precision."""
    per = 1000 / ours.person_days if ours.person_days else 0.0
    return {
        "per_1000_days": ours.false_rate,
        "goal": FALSE_MOST,
        "person_days": round(ours.person_days),
        "by_rule": {
            rule: {
                "false": ours.false[rule],
                "per_1000_days": ours.false[rule] * per,
                "true": ours.true[rule],
                "precision": _share(ours.true[rule], ours.true[rule] + ours.false[rule]),
            }
            for rule in sorted({*RULE_IDS, *ours.false, *ours.true}, key=lambda name: (-ours.false[name], name))
        },
    }


def ablation(left_out: Mapping[str, Score]) -> Figures:
    """Return what is lost and saved without each rule: recall by kind over all strengths, and false alerts."""
    whole = left_out[EVERYTHING]
    base = _by_kind(whole)
    found: Figures = {}
    for name, each in left_out.items():
        if name == EVERYTHING:
            continue
        now = _by_kind(each)
        found[name] = {
            "recall_lost": {kind: base[kind] - now[kind] for kind in base},
            "mean_recall_lost": sum(base[kind] - now[kind] for kind in base) / max(1, len(base)),
            "false_saved_per_1000_days": whole.false_rate - each.false_rate,
        }
    return found


def trade_off(points: Mapping[float, Score]) -> list[Figures]:
    """Return for each setting of a knob the rate of false alerts and the recall, by strength, in order of the rate."""
    found = [
        {"knob": knob, "per_1000_days": each.false_rate, **{name: _mean_recall(each, name) for name in STRENGTHS}}
        for knob, each in points.items()
    ]
    return sorted(found, key=lambda point: (point["per_1000_days"], point["knob"]))


def summed(scores: Iterable[Score]) -> Score:
    """Return several populations' sums as one."""
    total = Score()
    for each in scores:
        total.add(each)
    return total


def missed(ours: Score) -> Figures:
    """Return some of the incidents that nothing was told of."""
    found: dict[str, list[str]] = defaultdict(list)
    for each in ours.outcomes:
        if each.delay is None and len(found[f"{each.kind}/{each.strength}"]) < MISSED_MOST:
            found[f"{each.kind}/{each.strength}"].append(each.label)
    return dict(found)


def _cell(kind: str, outcomes: Sequence[Outcome], ours: Score) -> Figures:
    found = [each for each in outcomes if each.delay is not None]
    delays = [each.delay / HOUR for each in found if each.delay is not None]
    low, high = interval(len(found), len(outcomes))
    rules = meant(kind)
    false = sum(ours.false[rule] for rule in rules)
    return {
        "judged": bool(rules),
        "planted": len(outcomes),
        "found": len(found),
        "recall": _recall(outcomes),
        "low": low,
        "high": high,
        "found_by_meant": sum(bool(set(rules) & set(each.rules)) for each in outcomes),
        "precision": _share(len(found), len(found) + false),
        "delay_median_h": quantile(delays, 0.5),
        "delay_p90_h": quantile(delays, 0.9),
        "delays_h": [round(each, 3) for each in sorted(delays)],
        "by_chance": min(1.0, ours.false_rate / 1000 * sum(each.days for each in outcomes) / max(1, len(outcomes))),
        "by": dict(Counter(rule for each in found for rule in each.rules).most_common()),
    }


def _grouped(outcomes: Iterable[Outcome]) -> dict[tuple[str, str], list[Outcome]]:
    found: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
    for each in outcomes:
        found[each.kind, each.strength].append(each)
    return found


def _recall(outcomes: Sequence[Outcome]) -> float | None:
    return _share(sum(each.delay is not None for each in outcomes), len(outcomes))


def _share(hits: int, of: int) -> float | None:
    return hits / of if of else None


def _mean_recall(found: Score, strength: str) -> float:
    """Return the mean over kinds that are judged, so that no kind weighs more for being planted more often."""
    grouped = _grouped(found.outcomes)
    recalls = [_recall(grouped[kind, strength]) for kind in KINDS if meant(kind)]
    known = [each for each in recalls if each is not None]
    return sum(known) / len(known) if known else 0.0


def _by_kind(found: Score) -> dict[str, float]:
    hits: Counter[str] = Counter()
    of: Counter[str] = Counter()
    for each in found.outcomes:
        of[each.kind] += 1
        hits[each.kind] += each.delay is not None
    return {kind: hits[kind] / of[kind] for kind in KINDS if of[kind]}

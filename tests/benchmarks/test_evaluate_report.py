"""The figures of an evaluation, and how they are said: text, pictures, a page."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest

from benchmarks.evaluation import figures as say
from benchmarks.evaluation.__main__ import main
from benchmarks.evaluation.engine import RULE_IDS, meant, thresholds
from benchmarks.evaluation.jobs import EVERYTHING
from benchmarks.evaluation.page import write
from benchmarks.evaluation.report import examples, hours, some, text
from benchmarks.evaluation.scoring import Outcome, Score
from demo.anomalies import STRENGTHS
from demo.planting import KINDS
from rules.habits.thresholds import Behaviour

PNG = b"\x89PNG"


def _score(found: int, of: int = 10, false: int = 9) -> Score:
    """So many of each kind and strength, and false alerts of one rule."""
    outcomes = [
        Outcome(kind, strength, f"{kind}/{strength}/w-{number}", 60_000 if number < found else None, ("volume",), 3.0)
        for kind in KINDS
        for strength in STRENGTHS
        for number in range(of)
    ]
    return Score(outcomes, Counter(volume=false), Counter(volume=1), 9_000.0)


@pytest.fixture
def figures() -> dict[str, Any]:
    ours, others = _score(8), {"fixed": _score(3), "z_scores": _score(4)}
    left_out = {EVERYTHING: ours} | {name: _score(7, false=0) for name in RULE_IDS}
    return {
        "run": {
            "people": 2000,
            "days": 90,
            "first_day": 45,
            "tuning_seeds": [1, 2, 3],
            "reporting_seeds": [101, 102, 103],
            "variants": {"people": 800, "seeds": [101]},
            "events": 1234,
            "us": 12.5,
            "tuned_to_per_1000_days": 1.0,
            "command": "python -m benchmarks.evaluation --size full",
        },
        "kinds": say.kinds(ours, others),
        "overall": say.overall(ours, others),
        "alerts": say.alerts(ours),
        "baselines": {name: {"per_1000_days": 1.0, "limits": {"records": 5.0}, "new_country": True} for name in others},
        "trade_off": {way: say.trade_off({1.0: _score(8), 2.0: _score(5, false=1)}) for way in ("rules", *others)},
        "ablation": say.ablation(left_out),
        "missed": say.missed(ours),
        "falsely": [],
    }


def test_figures_are_of_what_was_found(figures: dict[str, Any]) -> None:
    cell = figures["kinds"]["volume"]["moderate"]
    assert (cell["found"], cell["planted"], cell["recall"], cell["fixed"], cell["z_scores"]) == (8, 10, 0.8, 0.3, 0.4)
    assert cell["precision"] == 8 / 17
    assert cell["delay_median_h"] == pytest.approx(1 / 60)
    assert cell["by_chance"] == pytest.approx(0.003)
    assert figures["kinds"]["canary"]["moderate"]["found_by_meant"] == 0
    assert figures["overall"]["moderate"]["recall"] == pytest.approx(0.8)
    assert figures["alerts"]["per_1000_days"] == 1.0
    assert figures["alerts"]["by_rule"]["volume"]["precision"] == 0.1
    assert figures["ablation"]["volume"]["false_saved_per_1000_days"] == 1.0
    assert figures["ablation"]["volume"]["mean_recall_lost"] == pytest.approx(0.1)
    assert [point["knob"] for point in figures["trade_off"]["rules"]] == [2.0, 1.0]
    assert figures["missed"]["volume/subtle"] == ["volume/subtle/w-8", "volume/subtle/w-9"]
    assert orjson.loads(orjson.dumps(figures)) == figures


def test_a_kind_without_a_rule_is_said_to_have_none(figures: dict[str, Any]) -> None:
    for kind in KINDS:
        assert set(meant(kind)) <= set(RULE_IDS)
        assert figures["kinds"][kind]["blatant"]["judged"] == bool(meant(kind))


def test_the_text_names_goals_kinds_and_rules(figures: dict[str, Any]) -> None:
    said = text(figures)
    assert "all judged kinds, blatant: recall 0.800 (goal 0.95: missed)" in said
    assert "all judged kinds, moderate: recall 0.800 (goal 0.8: reached)" in said
    assert "seeds 101–103, tuned on 1–3" in said
    assert "z-scores 0.40" in said
    for name in (*KINDS, *RULE_IDS):
        assert name in said
    assert "missed volume/subtle: volume/subtle/w-8, volume/subtle/w-9" in examples(figures)


def test_the_rules_alone_are_said_without_baselines(figures: dict[str, Any]) -> None:
    alone = figures | {"kinds": say.kinds(_score(8), {}), "overall": say.overall(_score(8), {}), "baselines": {}}
    alone["run"] |= {"events": None, "us": None}
    assert "z-scores" not in text(alone)


def test_times_and_seeds_in_few_words() -> None:
    assert [hours(value) for value in (None, 0.5, 3.0, 72.0)] == ["–", "30 min", "3.0 h", "3.0 d"]
    assert (some([7]), some([1, 2]), some([1, 2, 3])) == ("7", "1, 2", "1–3")


@pytest.mark.slow
def test_the_page_needs_nothing_but_its_pictures(figures: dict[str, Any], tmp_path: Path) -> None:
    write(tmp_path, figures)
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    for name in ("recall.png", "delay.png", "trade-off.png", "ablation.png"):
        assert f'src="{name}"' in page
        assert (tmp_path / name).read_bytes().startswith(PNG)
    assert "http:" not in page
    assert "https:" not in page
    assert page.count("<table>") == page.count("</table>")


def test_thresholds_move_with_the_sensitivity() -> None:
    assert thresholds(1.0) == Behaviour()
    far = thresholds(2.0)
    assert (far.floor_records, far.drift, far.factor) == (400, 2 * Behaviour().drift, 2 * Behaviour().factor)


def test_the_command_refuses_a_seed_that_was_tuned_on(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--seeds", "101", "2"])
    assert "thresholds were chosen by seed 2" in capsys.readouterr().err

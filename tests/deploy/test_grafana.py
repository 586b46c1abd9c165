"""The dashboards: as they are generated, readable, and asking for what is exported."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.grafana.__main__ import FOLDER, SHEETS, files
from deploy.grafana.parts import COLUMNS, Panel, Query
from tests.deploy.exported import exported, unknown
from tests.deploy.promql import asked, filled, variables

BOARDS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}
EXPECTED = {"overview", "cross-border", "detection", "pipeline", "delivery", "gateway"}


def panels(board: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The panels that show something: rows do not."""
    yield from (panel for panel in board["panels"] if panel["type"] != "row")


def queries() -> Iterator[tuple[str, str, str]]:
    """(where, query as Grafana sends it, legend) of every target of every panel."""
    for name, board in BOARDS.items():
        for panel in panels(board):
            for target in panel["targets"]:
                yield f"{name}: {panel['title']}", filled(target["expr"]), target.get("legendFormat", "")


def test_the_committed_dashboards_are_as_they_are_generated() -> None:
    committed = {path.name: path.read_text(encoding="utf-8") for path in Path(FOLDER).iterdir()}
    assert committed == files(), "run `make dashboards` and commit what it writes"
    assert BOARDS.keys() == EXPECTED
    assert len({sheet.uid for sheet in SHEETS}) == len(SHEETS)


@pytest.mark.parametrize("name", BOARDS)
def test_every_panel_has_what_a_reader_needs(name: str) -> None:
    titles = set()
    for panel in panels(BOARDS[name]):
        defaults = panel["fieldConfig"]["defaults"]
        assert panel["title"]
        assert panel["title"] not in titles
        titles.add(panel["title"])
        assert panel["description"].endswith(".")
        assert defaults["unit"]
        assert defaults["thresholds"]["steps"][0]["value"] is None, "a colour below all others"
        values = [step["value"] for step in defaults["thresholds"]["steps"][1:]]
        assert values == sorted(values)
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert panel["options"], "Grafana reads them without looking whether they are there"
        assert panel["targets"]
        for target in panel["targets"]:
            assert target["datasource"] == panel["datasource"]
            many = panel["type"] != "stat"
            assert bool(target.get("legendFormat")) is many, "a line has a name, a number has its title"
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


@pytest.mark.parametrize("name", BOARDS)
def test_no_panel_covers_another(name: str) -> None:
    taken: set[tuple[int, int]] = set()
    ids = set()
    for panel in BOARDS[name]["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= COLUMNS
        cells = set(
            itertools.product(range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"]))
        )
        assert not cells & taken, panel["title"]
        taken |= cells
        ids.add(panel["id"])
    assert len(ids) == len(BOARDS[name]["panels"])


@pytest.mark.parametrize("name", BOARDS)
def test_the_variables_can_be_filled(name: str) -> None:
    found = {each["name"]: each for each in BOARDS[name]["templating"]["list"]}
    assert found["datasource"]["type"] == "datasource"
    assert found["datasource"]["query"] == "prometheus"
    for label in found.keys() - {"datasource"}:
        metric, asked_for = found[label]["query"]["query"].removeprefix("label_values(").removesuffix(")").split(", ")
        assert asked_for == label
        assert label in exported()[metric]
    text = json.dumps(BOARDS[name])
    for label in found:
        assert f"${label}" in text or f"${{{label}}}" in text, f"{label} is chosen and used nowhere"


def test_every_query_asks_for_what_is_exported() -> None:
    assert len(list(queries())) > 60
    for where, expr, legend in queries():
        assert unknown(expr) == [], where
        there = set().union(*(exported()[each.name] for each in asked(expr).selectors))
        assert variables(legend) <= there, f"{where}: a legend names a label that is not there"


def test_every_metric_of_every_program_is_on_some_dashboard_or_has_a_reason_not_to_be() -> None:
    """What nobody can look at need not be counted."""
    shown = {each.name for _, expr, _ in queries() for each in asked(expr).selectors}
    recorded = {each.name for each in recording_selectors()}
    names = {name for name in exported() if name.startswith("cloverwatch_")}
    names = {name.removesuffix("_bucket") for name in names if not name.endswith(("_count", "_sum", "_created"))}
    shown = {name.removesuffix("_bucket") for name in shown | recorded}
    unseen = {
        "cloverwatch_habit_known_events_total",  # repetitions, of habits: as cloverwatch_duplicates_total
        "cloverwatch_forgotten_habits",  # of unknown principals: their alerts say so
        "cloverwatch_late_peer_reports",  # a consequence of lag, which is shown
    }
    assert names - shown == unseen


def recording_selectors() -> Iterator[Any]:
    from tests.deploy.exported import rules

    for rule in rules("recording.yml"):
        yield from asked(rule["expr"]).selectors


@pytest.mark.parametrize(
    ("expr", "wrong"),
    [
        ("sum(cloverwatch_readyy)", "cloverwatch_readyy is exported by nothing"),
        ('cloverwatch_ready{topic="a"}', "cloverwatch_ready has no label topic"),
        ("sum by (topic) (cloverwatch_ready)", "nothing in it has the label topic"),
        (
            'max(cloverwatch_silent_sources) > on (reason) group_left () up{job="a"}',
            "nothing in it has the label reason",
        ),
    ],
)
def test_a_query_for_something_else_is_noticed(expr: str, wrong: str) -> None:
    assert unknown(expr) == [wrong]


def test_a_panel_nobody_could_read_cannot_be_made() -> None:
    for description, unit in (("", "s"), ("No full stop", "s"), ("A sentence.", "")):
        with pytest.raises(ValueError, match="a description that is a sentence, a unit"):
            Panel("number", "Title", description, unit, (Query("up"),), 4)

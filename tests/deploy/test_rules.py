"""The rules for Prometheus, the example for Alertmanager: checked by their own tools, with runbooks and cases."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from agents.cli import GROUPS
from tests.conftest import require
from tests.deploy.exported import PROMETHEUS, exported, rules, unknown
from tests.deploy.promql import asked, variables
from tests.deploy.test_deploy import run

ALERTMANAGER = Path("deploy/alertmanager/alertmanager.yml")
RUNBOOKS = Path("docs/runbooks")
SECTIONS = ("## What it means", "## How to look", "## How to mend it", "## When to wake somebody")
"""Of a runbook, in this order."""

PANEL = re.compile(r'"([A-Z][A-Za-z \',]+)"')
"""A name of a panel, in a runbook: quoted, with a capital. Other quotations are of logs."""

QUOTED = {
    "What to do when",
    "No ends of the directory topics from the broker",
    "The new policy is refused, the old one stays in force",
}
"""What is quoted and is no panel."""

ALERTS = rules("alerts.yml")
NAMES = sorted({rule["alert"] for rule in ALERTS})


def tool(name: str, package: str) -> str:
    found = shutil.which(name)
    require(None if found else f"{name} is not installed (Debian: {package})")
    return str(found)


def cases() -> dict[str, dict[str, Any]]:
    """The cases of alerts_test.yml by the alert that they are about."""
    tests = yaml.safe_load((PROMETHEUS / "alerts_test.yml").read_text(encoding="utf-8"))["tests"]
    found = {test["name"].split(":")[0]: test for test in tests}
    assert len(found) == len(tests)
    return found


def test_prometheus_accepts_its_configuration_and_rules(tmp_path: Path) -> None:
    promtool = tool("promtool", "prometheus")
    for path in PROMETHEUS.iterdir():
        text = path.read_text(encoding="utf-8").replace("/etc/prometheus/", "")  # where the container has it
        (tmp_path / path.name).write_text(text, encoding="utf-8")
    said = run(promtool, "check", "config", "prometheus.yml", cwd=tmp_path)
    assert f"{len(ALERTS)} rules found" in said
    assert f"{len(rules('recording.yml'))} rules found" in said


@pytest.mark.slow
def test_every_alert_fires_when_it_should_and_only_then() -> None:
    said = run(tool("promtool", "prometheus"), "test", "rules", "alerts_test.yml", cwd=PROMETHEUS)
    assert "SUCCESS" in said


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    found = cases()
    assert sorted(found) == NAMES
    for name, case in found.items():
        severities = {rule["labels"]["severity"] for rule in ALERTS if rule["alert"] == name}
        quiet, firing = case["promql_expr_test"]
        for each in (quiet, firing):
            assert each["expr"] == f'count by (severity) (ALERTS{{alertname="{name}",alertstate="firing"}})'
        assert quiet["exp_samples"] == [], name
        told = {re.search(r'severity="(\w+)"', sample["labels"])[1] for sample in firing["exp_samples"]}  # type: ignore[index]
        assert told == severities, f"{name}: each severity fires in the case"


def test_every_alert_says_what_it_is_and_what_to_do() -> None:
    for rule in ALERTS:
        name, said = rule["alert"], rule["annotations"]
        assert re.fullmatch(r"Cloverwatch([A-Z][a-z]+)+", name)
        assert rule["labels"] == {"severity": rule["labels"]["severity"]}
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert said.keys() == {"summary", "description", "runbook_url"}
        assert said["summary"].endswith(".")
        assert said["description"].endswith(".")
        assert said["runbook_url"] == f"docs/runbooks/{name}.md"
        query = asked(rule["expr"])
        there = set().union(*(exported().get(each.name, frozenset()) for each in query.selectors))
        named = variables(said["summary"] + said["description"])
        assert named <= there, f"{name} names a label that is not there"
        if re.match(r"(sum|max|min|count)\b", rule["expr"]) and named:
            assert named <= query.grouped, f"{name} names a label that its sum leaves out"


def test_every_rule_asks_for_what_is_exported() -> None:
    for rule in (*ALERTS, *rules("recording.yml")):
        assert unknown(rule["expr"]) == [], rule.get("alert", rule.get("record"))


def test_recorded_names_say_level_metric_and_operation() -> None:
    """Prometheus, "Recording rules", section "Naming"; each is used by a panel or another rule."""
    used = {each.name for rule in ALERTS for each in asked(rule["expr"]).selectors}
    boards = "".join(path.read_text(encoding="utf-8") for path in Path("deploy/grafana/dashboards").glob("*.json"))
    for rule in rules("recording.yml"):
        assert re.fullmatch(r"[a-z_]+:[a-z_]+:[a-z0-9_]+", rule["record"])
        assert rule["record"] in used or rule["record"] in boards, f"{rule['record']} is used nowhere"


@pytest.mark.parametrize("name", NAMES)
def test_every_alert_has_a_runbook(name: str) -> None:
    text = (RUNBOOKS / f"{name}.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {name}\n")
    places = [text.find(f"\n{section}\n") for section in SECTIONS]
    assert -1 not in places
    assert places == sorted(places)
    for section in re.split(r"\n## .*\n", text)[1:]:
        assert len(section.split()) >= 10, "a section says something"
    severities = {rule["labels"]["severity"] for rule in ALERTS if rule["alert"] == name}
    for severity in severities:
        assert f"`{severity}`" in text
    for rule in ALERTS:
        assert rule["alert"] != name or f"\n    {rule['expr']}" in text, "the condition as it is in the rules"
    boards = "".join(path.read_text(encoding="utf-8") for path in Path("deploy/grafana/dashboards").glob("*.json"))
    for panel in PANEL.findall(text):
        assert f'"title": "{panel}"' in boards or panel in QUOTED, f"there is no panel {panel!r}"
    known = {command.NAME for _, commands in GROUPS for command in commands}
    for command in re.findall(r"`cloverwatch ([a-z-]+)", text):
        if command.startswith("--"):
            continue
        assert command in known, f"there is no command {command}"
    for metric in re.findall(r"(?<![:\w])cloverwatch_[a-z_]+\b(?!:)", text):
        assert metric in exported() or f"{metric}_bucket" in exported(), f"{metric} is exported by nothing"
    for other in re.findall(r"\]\(([A-Za-z/.]+\.md)\)", text):
        assert (RUNBOOKS / other).resolve().is_file(), other


def test_no_runbook_is_about_an_alert_that_is_not() -> None:
    assert sorted(path.stem for path in RUNBOOKS.glob("*.md") if path.stem != "README") == NAMES
    index = (RUNBOOKS / "README.md").read_text(encoding="utf-8")
    for rule in ALERTS:
        assert f"[{rule['alert']}]({rule['alert']}.md)" in index


def test_alertmanager_accepts_the_example() -> None:
    run(tool("amtool", "prometheus-alertmanager"), "check-config", ALERTMANAGER)


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (["alertname=CloverwatchBehind", "severity=page"], "wake-somebody"),
        (["alertname=CloverwatchDeadLetters", "severity=ticket"], "by-day"),
        (["alertname=cloverwatch", "dedup_key=0123", "severity=critical"], "wake-somebody"),
        (["alertname=cloverwatch", "dedup_key=0123", "severity=high"], "wake-somebody"),
        (["alertname=cloverwatch", "dedup_key=0123", "severity=low"], "by-day"),
        (["alertname=somebody else's"], "by-day"),
    ],
)
def test_alerts_go_where_their_severity_says(labels: list[str], receiver: str) -> None:
    amtool = tool("amtool", "prometheus-alertmanager")
    said = run(amtool, "config", "routes", "test", f"--config.file={ALERTMANAGER}", *labels)
    assert said.strip() == receiver


def test_the_example_groups_by_incident_and_holds_back_only_what_there_is() -> None:
    config = yaml.safe_load(ALERTMANAGER.read_text(encoding="utf-8"))
    assert "dedup_key" in config["route"]["group_by"]
    for rule in config["inhibit_rules"]:
        for name in re.findall(r"Cloverwatch\w+", " ".join(rule["source_matchers"] + rule["target_matchers"])):
            assert name in NAMES

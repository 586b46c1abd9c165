"""The receivers of our own are as strict as what they stand for, and keep what they took."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.receivers.pagerduty import KEY, OTHER_KEY, applied, wrong
from tests.receivers.served import Journal, read_journal

EVENT: dict[str, Any] = {
    "routing_key": KEY,
    "event_action": "trigger",
    "dedup_key": "d",
    "payload": {"summary": "s", "source": "users", "severity": "critical"},
}


def event(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in {**EVENT, **fields}.items() if value is not None}


def payload(**fields: Any) -> dict[str, Any]:
    return event(payload={name: value for name, value in {**EVENT["payload"], **fields}.items() if value is not None})


def test_pagerduty_takes_the_example_of_its_documentation() -> None:
    example = event(
        payload={
            "summary": "Example alert on host1.example.com",
            "timestamp": "2015-07-17T08:42:58.315+0000",
            "source": "monitoringtool:cloudvendor:central-region-dc-01:852559987:cluster/api-stats-prod-003",
            "severity": "info",
            "component": "postgres",
            "group": "prod-datapipe",
            "class": "deploy",
            "custom_details": {"ping time": "1500ms", "load avg": 0.75},
        },
        images=[{"src": "https://www.example.com/logo.png", "href": "https://example.com/", "alt": "Example text"}],
        links=[{"href": "https://example.com/", "text": "Link text"}],
        client="Sample Monitoring Service",
        client_url="https://monitoring.example.com",
    )
    assert wrong(example) == []
    for action in ("acknowledge", "resolve"):
        assert wrong(event(event_action=action, payload=None)) == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "unrecognized"),
        (event(routing_key=None), "'routing_key'"),
        (event(routing_key="x"), "'routing_key'"),
        (event(routing_key="x" * 32), "Invalid routing key"),
        (event(event_action="close"), "'event_action'"),
        (event(dedup_key="d" * 256), "'dedup_key'"),
        (event(event_action="resolve", dedup_key=None), "'dedup_key' is missing"),
        (event(payload=None), "'payload' is missing"),
        (event(severity="critical"), "'severity' is not a field"),
        (event(links=[{"text": "no href"}]), "'links'"),
        (payload(summary=None), "'payload.summary' is missing"),
        (payload(summary="s" * 1025), "'payload.summary'"),
        (payload(source=""), "'payload.source' is missing"),
        (payload(severity="high"), "'payload.severity'"),
        (payload(timestamp="yesterday"), "'payload.timestamp'"),
        (payload(custom_details="text"), "'payload.custom_details'"),
        (payload(component=7), "'payload.component'"),
    ],
)
def test_pagerduty_refuses_what_its_documentation_does_not_allow(given: Any, said: str) -> None:
    assert any(said in each for each in wrong(given)), wrong(given)


def test_pagerduty_drops_what_comes_with_another_routing_key_or_for_nothing_open() -> None:
    resolve = {**event(event_action="resolve", payload=None), "routing_key": OTHER_KEY}
    (incident,) = applied([event(), resolve, event(event_action="acknowledge", dedup_key="other", payload=None)])
    assert incident.state == "triggered"


def test_pagerduty_opens_a_new_incident_after_a_resolution() -> None:
    resolve = event(event_action="resolve", payload=None)
    found = applied([event(), event(), resolve, event(event_action="acknowledge", payload=None), event()])
    assert [(each.state, len(each.events)) for each in found] == [("resolved", 2), ("triggered", 1)]


def test_a_journal_survives_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "j"
    Journal(path).add({"a": 1})
    with path.open("ab") as file:
        file.write(b'{"b": ')
    assert list(read_journal(path)) == [{"a": 1}]
    Journal(path).add({"c": 3})
    assert [json.loads(line) for line in path.read_bytes().splitlines()] == [{"a": 1}, {"c": 3}]

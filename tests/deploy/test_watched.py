"""A real Prometheus looks at the demo, and a real Alertmanager is told of what fires.

The demo is started as `make watch` starts it, with the configuration of deploy/: what the panels and the rules ask for
is there, and a record that cannot be used becomes an alert that Alertmanager holds.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from agents.settings import Settings
from agents.topic_reading import read_topic
from demo.enclave import can_play
from demo.watch import ALERTMANAGER, missing
from schemas.action import Action
from schemas.gateway_topics import GATEWAY_APPROVALS, GATEWAY_DECISIONS, POLICY_CHANGES, STATE_MATCHES
from schemas.topics import (
    ACCESS_EVENTS,
    ACCESS_VISITS,
    ACTIONS,
    ALERTS,
    BY_NAME,
    DEAD_LETTERS,
    DIRECTORY_TOPICS,
    STATE_HABITS,
)
from tests.brokers import embedded
from tests.conftest import require
from tests.deploy.exported import rules
from tests.deploy.promql import asked
from tests.deploy.test_grafana import queries

EVENTS = 20_000
"""Ordinary accesses of the demo's month: a ninth of the usual number, enough for every query."""

PATIENCE_S = 400.0
"""For the demo to be done, or for anything to come about. Usual is under a minute."""

POLL_S = 0.5
ENDS_WITHIN_S = 180
"""How long the demo may take to end all that it started: eight processes, one after the other, on a busy machine."""

SHOWN_S = 300
"""How far back a panel looks here: the whole run."""

SAID = {
    "broker": re.compile(r"broker at (\S+);"),
    "worker": re.compile(r"metrics of the worker: (http://127\.0\.0\.1:\d+)/metrics"),
    "delivery": re.compile(r"metrics of the delivery: (http://127\.0\.0\.1:\d+)/metrics"),
    "prometheus": re.compile(r"Prometheus: (http://127\.0\.0\.1:\d+) "),
    "alertmanager": re.compile(r"Alertmanager: (http://127\.0\.0\.1:\d+)"),
}
WORDS = re.compile(rb"[A-Za-z0-9_\-]+")
OF_GATEWAYS = {GATEWAY_DECISIONS, GATEWAY_APPROVALS, STATE_MATCHES, POLICY_CHANGES}
"""Whom was decided on, who asked and approved, and the people that the policy names (docs/topics.md)."""

IN_CLEAR = {ACCESS_EVENTS, *DIRECTORY_TOPICS, STATE_HABITS, ACCESS_VISITS, DEAD_LETTERS, *OF_GATEWAYS}
WITHOUT_SERIES = {"cloverwatch_audit_witness_failures_total"}
"""What the demo has no series of: no witness cosigns its log. tests/deploy/test_rules.py has the rules on it fire."""

STAYS = "it stays as it is until Ctrl-C"

pytestmark = [pytest.mark.broker, pytest.mark.timeout(900)]


@dataclass(frozen=True, slots=True)
class Watched:
    """The demo, done and still there, with the addresses that it printed."""

    process: subprocess.Popen[bytes]
    log: Path
    at: dict[str, str]

    def text(self) -> str:
        """What it printed, in one line: it breaks lines where a terminal would end."""
        return " ".join(self.log.read_text().split())

    def get(self, who: str, path: str, **parameters: str) -> Any:
        query = f"?{urllib.parse.urlencode(parameters)}" if parameters else ""
        with urllib.request.urlopen(f"{self.at[who]}{path}{query}", timeout=30) as answer:
            return json.load(answer)

    def metrics(self, who: str) -> bytes:
        """What a process exports."""
        with urllib.request.urlopen(f"{self.at[who]}/metrics", timeout=30) as answer:
            return bytes(answer.read())

    def series(self, expr: str) -> list[Any]:
        """What an instant query returns."""
        found: list[Any] = self.get("prometheus", "/api/v1/query", query=expr)["data"]["result"]
        return found

    def shown(self, expr: str) -> list[float]:
        """The values that a panel shows of the run: those that are numbers."""
        now = time.time()
        times = {"start": str(now - SHOWN_S), "end": str(now), "step": "1"}
        result = self.get("prometheus", "/api/v1/query_range", query=expr, **times)["data"]["result"]
        return [float(value) for each in result for _, value in each["values"] if not math.isnan(float(value))]


def until(what: str, condition: Any, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {PATIENCE_S:g} s: {what}\n{log.read_text()[-3000:]}"
        time.sleep(POLL_S)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    require(embedded.missing() or missing())
    require(None if can_play() else "Envoy has no binary for this platform: no gateway runs in the demo")
    alertmanager = any(shutil.which(name) for name in ALERTMANAGER)
    require(None if alertmanager else "alertmanager is not installed (Debian: prometheus-alertmanager)")
    log = tmp_path_factory.mktemp("watched") / "demo.log"
    start = "import sys; from agents.cli import main; sys.exit(main(sys.argv[1:]))"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-c", start, "demo", "--watch", "--events", str(EVENTS)],
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that nothing of it is left, whatever becomes of it
        )
    try:
        until("the demo is done", lambda: STAYS in log.read_text() or process.poll() is not None, log)
        text = log.read_text()
        assert process.poll() is None, text[-3000:]
        at = {who: found[1] for who, said in SAID.items() if (found := said.search(text))}
        assert at.keys() == SAID.keys(), "the demo prints every address"
        yield Watched(process, log, at)
    finally:
        process.send_signal(signal.SIGINT)  # as Ctrl-C: it ends what it started
        try:
            process.wait(ENDS_WITHIN_S)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def post(url: str, body: Any) -> None:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers, method="POST")
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 200


def test_prometheus_is_answered_by_what_the_demo_runs(watched: Watched) -> None:
    jobs = {each["metric"]["job"]: each["value"][1] for each in watched.series("up")}
    assert jobs == {f"cloverwatch-{name}": "1" for name in ("worker", "deliver", "gateway", "match", "audit")}


def test_the_pages_that_the_demo_names_are_there(watched: Watched) -> None:
    """Debian's Prometheus has them elsewhere than upstream's."""
    said = re.search(r"Prometheus: (\S+) \((\S+): rules; (\S+): queries; (\S+): whom", watched.text())
    assert said is not None
    for path in said.groups()[1:]:
        with urllib.request.urlopen(said[1] + path, timeout=30) as answer:
            assert answer.status == 200
            assert b"<html" in answer.read()


def test_every_query_of_every_panel_returns_data(watched: Watched) -> None:
    """A number that is one, at some time of the run."""
    assert watched.shown("cloverwatch_nothing") == [], "what is not there is not shown"
    pending = {(where, expr) for where, expr, _ in queries()}
    assert len(pending) > 50

    def all_shown() -> bool:
        for each in list(pending):
            if watched.shown(each[1]):
                pending.remove(each)
        return not pending

    try:
        until("every panel shows something", all_shown, watched.log)
    except AssertionError:
        pytest.fail("these show nothing:\n" + "\n".join(f"{where}: {expr}" for where, expr in sorted(pending)))


def test_every_rule_is_evaluated_and_what_it_asks_for_is_there(watched: Watched) -> None:
    """Each selector of each rule, without its range and offset, has series; each recorded rule has been recorded."""

    def evaluated() -> list[dict[str, Any]]:
        groups = watched.get("prometheus", "/api/v1/rules")["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    until("every rule is evaluated", lambda: all(rule["health"] != "unknown" for rule in evaluated()), watched.log)
    there = evaluated()
    written = [*rules("alerts.yml"), *rules("recording.yml")]
    assert sorted(rule["name"] for rule in there) == sorted(rule.get("alert") or rule["record"] for rule in written)
    assert [rule["lastError"] for rule in there if rule["health"] != "ok"] == []
    for rule in written:
        name = rule.get("alert") or rule["record"]
        for selector in asked(rule["expr"]).selectors:
            if selector.name in WITHOUT_SERIES:
                continue
            assert watched.series(f"count({selector.text})"), f"{name}: {selector.text} has no series"
    for rule in rules("recording.yml"):
        assert watched.shown(rule["record"]), f"{rule['record']} is not a number"


def test_no_alert_about_the_monitor_fires_over_a_healthy_demo(watched: Watched) -> None:
    """But that alerts are late, where this machine is slow: a month of accesses comes within seconds."""
    told = {each["metric"]["alertname"] for each in watched.series('ALERTS{alertstate="firing"}')}
    assert told - {"CloverwatchAlertsLate"} == set()


def test_what_the_demo_delivered_is_what_its_metrics_say(watched: Watched) -> None:
    """At least a receipt of each alert that the demo counted; none overdue or parked; its silence hides nothing."""
    found = re.search(r"delivered: ([\d,]+) of \1 alerts", watched.text())
    receipts = watched.series('sum by (destination) (cloverwatch_delivery_alerts_total{state!="parked"})')
    told = {each["metric"]["destination"]: float(each["value"][1]) for each in receipts}
    assert told.keys() == {"siem", "pager"}
    assert found is not None, "the demo says how many it delivered: all"
    assert min(told.values()) >= int(found[1].replace(",", "")) > 0
    for metric in ("overdue_alerts", "parked_alerts", "silenced_alerts", "policy_reload_failed"):
        assert [each["value"][1] for each in watched.series(f"sum(cloverwatch_delivery_{metric})")] == ["0"], metric


async def test_nothing_that_the_program_tells_names_anybody(watched: Watched) -> None:
    """All topics but those that judging needs in clear (docs/privacy.md), and both processes' metrics."""
    settings = Settings(broker=watched.at["broker"], replication_factor=1)
    naming: dict[str, int] = {}
    rows: list[Any] = []
    for topic in ("directory.employees", "directory.workloads"):
        await read_topic(settings, topic, rows.append)
    ids = {record.key.split(b"|")[0] for record in rows}
    assert len(ids) > 1_000
    for topic in BY_NAME:
        texts: list[bytes] = []

        def take(record: Any, texts: list[bytes] = texts) -> None:
            texts.extend(each for each in (record.key, record.value, *(value for _, value in record.headers)) if each)

        await read_topic(settings, topic, take)
        naming[topic] = sum(not ids.isdisjoint(WORDS.findall(text)) for text in texts)
    clear = {topic for topic, count in naming.items() if count}
    assert clear - IN_CLEAR == set()
    assert {ACCESS_EVENTS, "directory.employees", STATE_HABITS, ACCESS_VISITS} <= clear, "ids are found where they are"
    for who in ("worker", "delivery"):
        text = await asyncio.to_thread(watched.metrics, who)
        assert b"cloverwatch_" in text
        assert ids.isdisjoint(WORDS.findall(text)), who


def told_of(watched: Watched, name: str) -> list[Any]:
    """What Alertmanager has of an alert."""
    found: list[Any] = watched.get("alertmanager", "/api/v2/alerts", filter=f'alertname="{name}"')
    return found


async def write(watched: Watched, topic: str, value: bytes) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=watched.at["broker"])
    await producer.start()
    try:
        await producer.send_and_wait(topic, key=b"e-1", value=value)
    finally:
        await producer.stop()


async def test_alertmanager_is_told_of_a_record_that_cannot_be_used(watched: Watched) -> None:
    """From a bad record in the stream to the alert that a receiver would get: first nothing, then both are there."""

    assert told_of(watched, "CloverwatchDeadLetters") == []
    await write(watched, ACCESS_EVENTS, b"no access at all")
    until("Alertmanager has the alert", lambda: told_of(watched, "CloverwatchDeadLetters"), watched.log)
    (alert,) = told_of(watched, "CloverwatchDeadLetters")
    assert alert["labels"] == {
        "alertname": "CloverwatchDeadLetters",
        "monitor": "cloverwatch",
        "reason": "not_json",
        "severity": "ticket",
        "topic": ACCESS_EVENTS,
    }
    assert alert["status"]["state"] == "active"
    assert [receiver["name"] for receiver in alert["receivers"]] == ["by-day"]
    assert alert["annotations"]["runbook_url"] == "docs/runbooks/CloverwatchDeadLetters.md"
    assert re.fullmatch(r"\S+ records of access\.events could not be used: not_json\.", alert["annotations"]["summary"])


async def test_alertmanager_is_told_of_an_action_that_nobody_signed_and_of_an_alert_that_is_none(
    watched: Watched,
) -> None:
    """Each by its own alert, of the first one that comes."""
    names = ("CloverwatchActionsRefused", "CloverwatchDeliveryBadRecords")
    assert [told_of(watched, name) for name in names] == [[], []]
    action = Action(action_id="1", alert_id="2", kind="close", by="nobody", at=int(time.time() * 1000))
    await write(watched, ACTIONS, msgspec.json.encode(action))
    until("Alertmanager has the first", lambda: told_of(watched, names[0]), watched.log)
    assert told_of(watched, names[1]) == [], "an action is told of once"
    await write(watched, ALERTS, b"no alert at all")
    until("Alertmanager has the second", lambda: told_of(watched, names[1]), watched.log)
    (alert,) = told_of(watched, names[1])
    assert (alert["labels"]["topic"], alert["labels"]["reason"]) == (ALERTS, "not_json")
    assert alert["receivers"] == [{"name": "by-day"}]


def test_alertmanager_groups_by_incident_and_holds_back_what_follows(watched: Watched) -> None:
    """What cloverwatch tells of people's accesses, and what Prometheus says when there is no worker."""
    sent = [
        {"alertname": "a rule", "dedup_key": "incident-1", "severity": "high", "alert_id": "1"},
        {"alertname": "a rule", "dedup_key": "incident-1", "severity": "high", "alert_id": "2"},
        {"alertname": "a rule", "dedup_key": "incident-2", "severity": "low", "alert_id": "3"},
        {"alertname": "CloverwatchPartitionUnread", "severity": "page", "topic": ACCESS_EVENTS},
        {"alertname": "CloverwatchPolicyBroken", "severity": "page"},
        {"alertname": "CloverwatchWorkerAbsent", "severity": "page"},
    ]
    post(f"{watched.at['alertmanager']}/api/v2/alerts", [{"labels": labels} for labels in sent])

    def grouped() -> dict[tuple[str, str], int]:
        groups = watched.get("alertmanager", "/api/v2/alerts/groups", filter='alertname="a rule"')
        return {(each["labels"]["dedup_key"], each["receiver"]["name"]): len(each["alerts"]) for each in groups}

    expected = {("incident-1", "wake-somebody"): 2, ("incident-2", "by-day"): 1}
    until("one group an incident", lambda: grouped() == expected, watched.log)

    def held_back() -> set[str]:
        return {
            each["labels"]["alertname"]
            for each in watched.get("alertmanager", "/api/v2/alerts", filter='severity="page"')
            if each["status"]["inhibitedBy"]
        }

    until("what follows is held back", lambda: held_back() == {"CloverwatchPartitionUnread"}, watched.log)

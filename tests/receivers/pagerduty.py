"""PagerDuty's Events API v2 as documented: strict about what it takes, with the semantics of the key.

Sources: "Events API v2 Overview" (codes, 512 KB), "Send an Alert Event" (fields, lengths, de-duplication, actions).
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from demo.broker import free_port
from tests.receivers.served import Journal, Served, listen, read_journal

KEY = "0123456789abcdef0123456789abcdef"
OTHER_KEY = "fedcba9876543210fedcba9876543210"
KEYS = (KEY, OTHER_KEY)
SEVERITIES = {"critical", "error", "warning", "info"}
ACTIONS = {"trigger", "acknowledge", "resolve"}
FIELDS = {"routing_key", "event_action", "dedup_key", "payload", "images", "links", "client", "client_url"}
PAYLOAD = {"summary", "source", "severity", "timestamp", "component", "group", "class", "custom_details"}
MOST = 512 * 1024


@dataclass(slots=True)
class Incident:
    """One alert there, from its trigger to its resolution."""

    routing_key: str
    dedup_key: str
    state: str = "triggered"
    notified: int = 1
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def alert_ids(self) -> set[str]:
        return {
            each for event in self.events for each in event["payload"].get("custom_details", {}).get("alert_ids", [])
        }


def wrong(event: Any) -> list[str]:
    """Everything that the documentation does not allow."""
    if not isinstance(event, dict):
        return ["Event object format is unrecognized"]
    found = [f"'{name}' is not a field" for name in event.keys() - FIELDS]
    key, action, dedup = event.get("routing_key"), event.get("event_action"), event.get("dedup_key")
    if not isinstance(key, str) or len(key) != 32:
        found.append("Length of 'routing_key' is incorrect (should be 32 characters)")
    elif key not in KEYS:
        found.append("Invalid routing key")
    if action not in ACTIONS:
        found.append("'event_action' is not one of trigger, acknowledge, resolve")
    if dedup is not None and (not isinstance(dedup, str) or not 0 < len(dedup) <= 255):
        found.append("Length of 'dedup_key' is incorrect (should be at most 255 characters)")
    if dedup is None and action != "trigger":
        found.append("'dedup_key' is missing or blank")
    if action == "trigger":
        found += wrong_payload(event.get("payload"))
    for link in event.get("links", []):
        if not isinstance(link, dict) or urlsplit(str(link.get("href"))).scheme not in {"http", "https"}:
            found.append("'links' has an element without a valid 'href'")
    return found


def wrong_payload(payload: Any) -> list[str]:
    if not isinstance(payload, dict):
        return ["'payload' is missing or blank"]
    found = [f"'payload.{name}' is not a field" for name in payload.keys() - PAYLOAD]
    found += [
        f"'payload.{name}' is missing or blank"
        for name in ("summary", "source", "severity")
        if not isinstance(payload.get(name), str) or not payload[name]
    ]
    if len(str(payload.get("summary"))) > 1024:
        found.append("Length of 'payload.summary' is incorrect (should be at most 1024 characters)")
    if payload.get("severity") not in SEVERITIES:
        found.append("'payload.severity' is not one of critical, error, warning, info")
    found += [
        f"'payload.{name}' is not a string"
        for name in ("component", "group", "class")
        if not isinstance(payload.get(name, ""), str)
    ]
    if not isinstance(payload.get("custom_details", {}), dict):
        found.append("'payload.custom_details' is not an object")
    try:
        datetime.fromisoformat(payload.get("timestamp", "2026-01-01T00:00:00Z"))
    except (TypeError, ValueError):
        found.append("'payload.timestamp' is not ISO 8601")
    return found


def applied(events: list[dict[str, Any]]) -> list[Incident]:
    """The incidents that events lead to: updated by key and routing key, dropped where nothing is open."""
    incidents: list[Incident] = []
    for event in events:
        open_ones = [
            each
            for each in incidents
            if each.dedup_key == event["dedup_key"]
            and each.routing_key == event["routing_key"]
            and each.state != "resolved"
        ]
        match event["event_action"], open_ones:
            case "trigger", []:
                incidents.append(Incident(event["routing_key"], event["dedup_key"], events=[event]))
            case "trigger", [incident]:
                incident.events.append(event)
            case "acknowledge", [incident]:
                incident.state = "acknowledged"
            case "resolve", [incident]:
                incident.state = "resolved"
    return incidents


def application(journal: Journal) -> web.Application:
    """The API."""

    def refused(*errors: str) -> web.Response:
        said = {"status": "invalid event", "message": "Event object is invalid", "errors": list(errors)}
        return web.json_response(said, status=400)

    async def enqueue(request: web.Request) -> web.Response:
        raw = await request.read()
        if len(raw) > MOST:
            return refused("Event is larger than 512 KB")
        if request.content_type != "application/json":
            return refused("Content-Type is not application/json")
        try:
            event = json.loads(raw)
        except ValueError:
            return refused("JSON parse error")
        if errors := wrong(event):
            return refused(*errors)
        event.setdefault("dedup_key", f"generated-{len(list(journal.read()))}")
        journal.add(event)
        said = {"status": "success", "message": "Event processed", "dedup_key": event["dedup_key"]}
        return web.json_response(said, status=202)

    app = web.Application(client_max_size=4 * MOST)
    app.router.add_post("/v2/enqueue", enqueue)
    return app


class PagerDutyReceiver:
    """It, as a process of its own."""

    exact = True

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._journal = folder / "events.jsonl"
        self.port = free_port()
        command = Served.python("tests.receivers.pagerduty", str(self._journal), str(self.port))
        self._served = Served(self.port, command, folder / "log")

    @staticmethod
    def missing() -> str | None:
        return None

    def start(self) -> None:
        self._served.start()

    def kill(self) -> None:
        self._served.kill()

    def stop(self) -> None:
        self._served.stop()

    def policy(self, name: str) -> str:
        return (
            f'[destinations.{name}]\nkind = "pagerduty"\nurl = "http://127.0.0.1:{self.port}"\n'
            'routing_key = { env = "TEST_PAGERDUTY_KEY" }\n'
        )

    def environment(self) -> dict[str, str]:
        return {"TEST_PAGERDUTY_KEY": KEY}

    def incidents(self) -> list[Incident]:
        """What it made of the events."""
        return applied(list(read_journal(self._journal)))

    def received(self) -> Counter[str]:
        """Each alert once an incident that lists it: one that is in two of them was told twice."""
        return Counter(each for incident in self.incidents() for each in incident.alert_ids)


if __name__ == "__main__":
    listen(application(Journal(Path(sys.argv[1]))), int(sys.argv[2]))

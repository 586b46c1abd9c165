"""From a request to an alert: commands, a real worker, and what its verdicts make of it, at both brokers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from demo.broker import free_port
from demo.processes import running
from schemas.alert import Alert
from schemas.approval import Approval
from schemas.codec import ALERT
from schemas.topics import ALERTS, DEAD_LETTERS
from tests.approvals.office import SIGNERS, House, now_ms
from tests.cli.conftest import Run, run  # noqa: F401  # a fixture
from tests.cli.test_brokers import Tool, fresh  # noqa: F401  # a fixture
from tests.conftest import Broker

pytestmark = [pytest.mark.broker, pytest.mark.slow]

PATIENCE_S = 60.0

PROMISED_S = 1.0
"""Within which docs/approvals.md promises that a step counts: this long is waited, and not until it does."""


def until(what: str, condition: Callable[[], Any]) -> Any:
    """Return what the condition gives as soon as it is something."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {PATIENCE_S:g} s: {what}"
        time.sleep(0.05)
    return found


class Watched:
    """A house with a worker."""

    def __init__(self, house: House, port: int) -> None:
        self.house, self.port = house, port

    def get(self, path: str) -> str | None:
        try:
            with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return str(answer.read().decode())
        except OSError:
            return None

    def metric(self, start: str) -> float:
        """The sum of the series whose name begins so."""
        lines = (self.get("/metrics") or "").splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(start))

    def judged(self, event_id: str, **fields: Any) -> None:
        """Let anna reach the users, and return when that is judged."""
        before = self.metric("cloverwatch_events_judged_total")
        self.house.access(event_id, **fields)
        until("judged", lambda: self.metric("cloverwatch_events_judged_total") > before)

    def alerts(self) -> dict[str, Alert]:
        """By event id the alerts about accesses; those about approvals by their rule."""
        found = [ALERT.decode(record.value) for record in self.house.tool.content(ALERTS)]
        return {alert.rule_id if not alert.event else alert.event.event_id: alert for alert in found}


@pytest.fixture
def watched(run: Run, fresh: Broker, tmp_path: Path) -> Iterator[Watched]:  # noqa: F811
    house = House(Tool(run, fresh), tmp_path)
    port = free_port()
    settings = replace(house.settings, data_dir=tmp_path / "data", web_port=port, session_timeout_s=6.0)
    settings.data_dir.mkdir()
    with running("worker", settings):
        made = Watched(house, port)
        until("ready", lambda: made.get("/readyz"))
        yield made


def test_asked_approved_clean_withdrawn_and_told_again(watched: Watched) -> None:
    house = watched.house
    watched.judged("before")
    asked = house.asked("--ticket", "T-1")
    watched.judged("asked for")
    said = house("approve", asked, by="ben")
    assert said.code == 0, said.err
    assert f"{asked}: approved by ben" in said.out
    assert "approved by ben from IE" in said.out
    time.sleep(PROMISED_S)
    watched.judged("approved")
    watched.judged("under another ticket", ticket="T-2")
    assert watched.metric('cloverwatch_approved_findings_total{rule="place.third_country"}') == 1
    said = house("withdraw", asked, "--reason", "done", by="anna")
    assert said.code == 0, said.err
    time.sleep(PROMISED_S)
    watched.judged("withdrawn")
    assert set(until("alerts", watched.alerts)) >= {"before", "asked for", "under another ticket", "withdrawn"}
    assert "approved" not in watched.alerts()
    assert house.listed()[asked]["state"] == "withdrawn"


def test_break_glass_hides_nothing_is_told_at_once_and_reviewed_by_another(watched: Watched) -> None:
    house = watched.house
    taken = house.asked("--for", "30m", by="anna", step="break-glass")
    alert = until("told", lambda: watched.alerts().get("gateway.break_glass"))
    assert (alert.family, alert.severity, alert.person) == ("gateway", "high", "e-1")
    assert alert.facts["approval_id"] == taken
    assert "restore after incident" not in alert.explanation
    watched.judged("under glass")
    told = until("alert", lambda: watched.alerts().get("under glass"))
    assert told.facts["break_glass"] == taken
    assert house.listed()[taken]["to_review"]
    said = house("review", taken, "--reason", "my own", by="anna")
    assert (said.code, said.out) == (1, "")
    assert "'anna' is no approver" in said.err
    assert house("review", taken, "--reason", "looked at one access", by="ben").code == 0
    assert not house.listed()[taken]["to_review"]


def test_what_is_written_past_the_commands_counts_only_where_it_verifies(watched: Watched) -> None:
    house = watched.house
    asked = house.asked()
    (request,) = house.stored()
    forged = _approved(request, "anna")
    house.store(forged)
    until("put away", lambda: watched.metric('cloverwatch_dead_letters_total{reason="not_allowed"') == 1)
    watched.judged("forged")
    assert "forged" in until("alerts", watched.alerts)
    assert house.listed()[asked]["state"] == "requested"
    (letter,) = house.tool.content(DEAD_LETTERS)
    assert any(
        b"'anna' is the employee whom it is for" in value or b"no approver" in value for _, value in letter.headers
    )
    house.store(_approved(request, "ben"))
    time.sleep(PROMISED_S)
    watched.judged("right")
    assert "right" not in watched.alerts()


def _approved(request: Approval, by: str) -> Approval:
    from alerts.approvals import step

    return step(request, "approved", SIGNERS[by], now_ms(), place="IE")

"""Brokers go away amid decisions: what was answered as allowed is recorded, and the rest was denied."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agents.settings import Settings
from demo.broker import EmbeddedBroker
from schemas.decision import Decision
from tests.brokers import embedded
from tests.conftest import Broker, require
from tests.gateway.conftest import FIXTURE
from tests.gateway.running import Gateway, prepare, recorded, send, until
from tests.gateway.test_certification import EVALUATION, EVALUATIONS, RULE_1

pytestmark = pytest.mark.faults

ASKING = 4
"""Who ask at once, all the time."""


MORE = {"gateway_record_within_s": 0.3, "gateway_known_within_s": 600}
"""Settings by which little is waited for a record, and what is known does not grow old meanwhile."""

RECOVERS_S = 180.0
"""Seconds for a broker that was killed to read its log and elect leaders, and for everybody to notice."""


class Asker(threading.Thread):
    """Asks without a pause, singles and batches; keeps what it was answered, by decision id."""

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(daemon=True)
        self._gateway = gateway
        self.enough = threading.Event()
        self.answered: dict[str, bool] = {}
        self.unrecorded = 0

    def run(self) -> None:
        batch = {**RULE_1, "evaluations": [{}, {"subject": {"type": "user", "id": "bob"}}]}
        while not self.enough.is_set():
            for path, asked in ((EVALUATION, RULE_1), (EVALUATIONS, batch)):
                answered = self._gateway.ask(path, asked)
                assert answered.status == 200, answered.body
                for each in answered.json.get("evaluations", [answered.json]):
                    self._keep(each)

    def _keep(self, response: dict[str, Any]) -> None:
        context = response["context"]
        self.answered[context["decision_id"]] = response["decision"]
        self.unrecorded += any(reason.get("rule") == "gateway.unrecorded" for reason in context["reason_admin"])


@pytest.fixture
def prepared_kafka(own_kafka: Broker) -> Settings:
    settings = prepare(own_kafka.bootstrap)
    send(settings, *sorted((FIXTURE / "directories").glob("*.jsonl")))
    return settings


@pytest.mark.timeout(600)  # two minutes where a machine is its own
def test_every_allow_that_was_answered_is_on_the_topic(
    own_kafka: Broker, prepared_kafka: Settings, tmp_path: Path
) -> None:
    """The broker is killed twice amid decisions; what was denied for want of a record does not stand as allowed."""
    more = {"gateway_record_within_s": 0.5, "gateway_rate": 100_000, "replication_factor": 3}  # 3: idempotent
    with Gateway(prepared_kafka, tmp_path, FIXTURE / "policy.toml", more=more) as gateway:
        askers = [Asker(gateway) for _ in range(ASKING)]
        for each in askers:
            each.start()
        for _ in range(2):
            allowed, unrecorded = _allowed(askers), _unrecorded(askers)
            until(lambda before=allowed: _allowed(askers) > before + 50, "allows", RECOVERS_S)  # type: ignore[misc]
            own_kafka.server.stop(kill=True)
            until(lambda before=unrecorded: _unrecorded(askers) > before + 20, "denials without a record")  # type: ignore[misc]
            until(lambda: not gateway.ready(), "not ready")
            own_kafka.server.start()
            until(gateway.ready, "ready again, by itself", RECOVERS_S)
        allowed = _allowed(askers)
        until(lambda: _allowed(askers) > allowed + 50, "allows again", RECOVERS_S)
        for each in askers:
            each.enough.set()
        for each in askers:
            each.join(30)
            assert not each.is_alive()
        assert gateway.stop() == 0
    last: dict[str, Decision] = {each.decision_id: each for each in recorded(prepared_kafka)}
    answers = {name: allowed for asker in askers for name, allowed in asker.answered.items()}
    missing = [name for name, allowed in answers.items() if allowed and name not in last]
    assert missing == []
    otherwise = {name for name, one in last.items() if name in answers and (one.effect == "allow") != answers[name]}
    assert otherwise == set()
    assert sum(answers.values()) > 150


def _allowed(askers: list[Asker]) -> int:
    return sum(sum(list(each.answered.values())) for each in askers)


def _unrecorded(askers: list[Asker]) -> int:
    return sum(each.unrecorded for each in askers)


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[tuple[EmbeddedBroker, Settings]]:
    """A broker that a test may end, with the fixture's directories."""
    require(embedded.missing())
    with EmbeddedBroker() as broker:
        settings = prepare(broker.bootstrap)
        send(settings, *sorted((FIXTURE / "directories").glob("*.jsonl")))
        yield broker, settings


@pytest.mark.parametrize("unrecorded", ["deny", "allow"])
def test_the_policy_says_what_is_answered_without_a_record(
    mortal: tuple[EmbeddedBroker, Settings], tmp_path: Path, unrecorded: str
) -> None:
    broker, settings = mortal
    policy = tmp_path / "policy.toml"
    text = (FIXTURE / "policy.toml").read_text()
    policy.write_text(text.replace("[gateway]\n", f'[gateway]\nunrecorded = "{unrecorded}"\n'))
    with Gateway(settings, tmp_path, policy, more=MORE) as gateway:
        assert gateway.ask(EVALUATION, RULE_1).json["decision"] is True
        broker.stop()
        answered = gateway.ask(EVALUATION, RULE_1).json
        allowed = unrecorded == "allow"
        assert answered["decision"] is allowed
        assert answered["context"]["unrecorded"] is True
        if not allowed:
            assert "could not be recorded" in answered["context"]["reason_user"]
            assert answered["context"]["reason_admin"][-1]["rule"] == "gateway.unrecorded"
        assert gateway.metrics()[f'cloverwatch_gateway_unrecorded_decisions_total{{answered="{unrecorded}"}}'] == 1
        until(lambda: not gateway.ready(), "not ready")
        assert ("NOT recorded" in gateway.log.read_text()) is allowed


@pytest.mark.parametrize("stale", ["deny", "allow"])
def test_the_policy_says_what_is_answered_while_directories_are_not_read(
    mortal: tuple[EmbeddedBroker, Settings], tmp_path: Path, stale: str
) -> None:
    """A broker that is not reached is seen, though everything was read when it was."""
    broker, settings = mortal
    policy = tmp_path / "policy.toml"
    text = (FIXTURE / "policy.toml").read_text()
    policy.write_text(text.replace("[gateway]\n", f'[gateway]\nunrecorded = "allow"\nstale = "{stale}"\n'))
    with Gateway(settings, tmp_path, policy, more={**MORE, "gateway_known_within_s": 2}) as gateway:
        assert gateway.ask(EVALUATION, RULE_1).json["decision"] is True
        counted = f'cloverwatch_gateway_stale_decisions_total{{answered="{stale}"}}'
        assert gateway.metrics()[counted] == 0
        broker.stop()

        def asked() -> dict[str, Any]:
            found: dict[str, Any] = gateway.ask(EVALUATION, RULE_1).json
            return found

        until(lambda: "directory.roles" in gateway.why_not_ready(), "directories that may be old")
        until(lambda: "gateway.approvals" in gateway.why_not_ready(), "approvals that may be old")
        answered = asked()
        assert gateway.metrics()[counted] > 0
        assert answered["decision"] is (stale == "allow")
        said = [each for each in answered["context"]["reason_admin"] if each["rule"] == "gateway.stale"]
        if stale == "deny":
            assert "not up to date" in answered["context"]["reason_user"]
            assert "directory.roles was not known to be read to its end for" in said[0]["sentence"]
            assert "gateway.approvals was not known" in said[0]["sentence"]
        else:
            assert not said
            assert "may be OLD" in gateway.log.read_text()
        assert gateway.metrics()['cloverwatch_reference_age_seconds{topic="directory.roles"}'] > 2

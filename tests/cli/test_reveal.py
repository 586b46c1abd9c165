"""`cloverwatch reveal` against a broker: two officers, one identity, and everything that does not count."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agents.publisher import Publisher, partition_of
from agents.request_log import alert_about
from alerts.requests import signed
from alerts.sealing import seal
from alerts.signatures import Signer
from demo.broker import free_port
from rules.cases import POLICY
from schemas.codec import ALERT, encode
from schemas.request import Step
from schemas.topics import ALERTS, PRIVACY_IDENTITIES, PRIVACY_REQUESTS
from tests.alerts.test_people import signer
from tests.brokers.embedded import EmbeddedBroker, missing
from tests.cli.conftest import Run, Said
from tests.cli.test_brokers import PARTITIONS, Tool, fresh  # noqa: F401  # a fixture
from tests.conftest import Broker, require
from tests.schemas.records import ALERT_RECORD

TOKEN, PERSON = "p1:abcdefghijklmnopqrstuvwx", "e-0042-secret"
OFFICERS = ("anna", "ben", "cleo")


class Desk:
    """Officers with their keys and a policy, at one broker with an identity in it."""

    def __init__(self, tool: Tool, folder: Path) -> None:
        self.tool, self.folder = tool, folder
        self.public: dict[str, str] = {}
        lines = []
        for name in (*OFFICERS, "dora"):
            said = tool("keys", "new", name, "--out", folder / f"{name}.key")
            assert said.code == 0, said.err
            role = "officer" if name in OFFICERS else "analyst"
            lines.append(f'{said.out}roles = ["{role}"]\n')
            self.public[name] = said.out.split('"')[3]
        self.policy = folder / "policy.toml"
        self.policy.write_text(POLICY + "".join(lines))

    def __call__(self, step: str, *arguments: str, by: str | None = None, **settings: Any) -> Said:
        who = ["--by", by, "--key", str(self.folder / f"{by}.key")] if by else []
        return self.tool("reveal", step, *arguments, *who, policy=self.policy, **settings)

    def key(self, name: str) -> Signer:
        return Signer(name, msgspec.json.decode((self.folder / f"{name}.key").read_bytes())["seed"])

    def sealed(self, token: str = TOKEN, person: str = PERSON, officers: tuple[str, ...] = OFFICERS) -> bytes:
        return seal(person, token, {name: self.public[name] for name in officers})

    def put(self, topic: str, key: str, value: bytes | None) -> None:
        async def publish(publisher: Publisher) -> None:
            await (await publisher._send(topic, key=key.encode(), value=value, partition=0))

        self.tool.publish(publish)

    def asked(self, *more: str, by: str = "anna") -> str:
        said = self("request", "--token", TOKEN, "--reason", "exports at night", *more, by=by)
        assert said.code == 0, said.err
        return said.out.split(":")[0]

    def listed(self) -> dict[str, dict[str, Any]]:
        return {each["request"]: each for each in self("list", "--json", "--all").records}

    def everything(self) -> bytes:
        """All bytes of the topics that tell of requests."""
        records = [
            record for topic in (PRIVACY_REQUESTS, ALERTS, PRIVACY_IDENTITIES) for record in self.tool.content(topic)
        ]
        return b"\n".join((record.key or b"") + b" " + (record.value or b"") for record in records)


def _filled(run: Run, broker: Broker, folder: Path) -> Desk:
    tool = Tool(run, broker)
    said = tool("topics", "--create")
    assert said.code == 0, said.err
    made = Desk(tool, folder)
    made.put(PRIVACY_IDENTITIES, TOKEN, made.sealed())
    return made


@pytest.fixture
def desk(run: Run, tmp_path: Path) -> Iterator[Desk]:
    require(missing())
    with EmbeddedBroker() as server:
        yield _filled(run, Broker("embedded", server.bootstrap, server), tmp_path)


@pytest.fixture
def either(run: Run, fresh: Broker, tmp_path: Path) -> Desk:  # noqa: F811
    """At each of the two brokers: the time of the log is Kafka's to give."""
    return _filled(run, fresh, tmp_path)


@pytest.mark.broker
def test_two_officers_see_who_it_is_and_everybody_hears_of_it(either: Desk) -> None:
    desk = either
    said = desk("request", "--token", TOKEN, "--reason", "exports at night", "--ticket", "SEC-7", by="anna")
    assert said.code == 0, said.err
    request = said.out.split(":")[0]
    assert f"cloverwatch reveal approve {request}" in said.out
    said = desk("list")
    assert f"{request}  waiting until " in said.out
    assert f"requested by anna: {TOKEN}: exports at night, ticket SEC-7" in said.out
    said = desk("open", request, by="anna")
    assert (said.code, said.out) == (1, "")
    assert "nobody has approved it yet" in said.err
    said = desk("approve", request, by="ben")
    assert said.code == 0, said.err
    assert f"approved for anna: {TOKEN}, exports at night, ticket SEC-7" in said.out
    assert PERSON not in said.out + said.err
    assert PERSON.encode() not in desk.everything()
    said = desk("open", request, by="anna")
    assert (said.code, said.out) == (0, f"{TOKEN} is {PERSON}\n"), said.err
    again = desk("open", request, by="anna")
    assert (again.code, again.out) == (1, "")
    assert "it was opened, which is done once" in again.err
    assert PERSON.encode() not in desk.everything(), "nothing clear on any topic"
    told = desk.listed()[request]
    assert told["state"] == "opened"
    assert [(each["kind"], each["by"]) for each in told["answers"]] == [("approved", "ben"), ("opened", "anna")]
    assert desk("list").out == "", "what is over is shown with --all"
    records = desk.tool.content(ALERTS)
    alerts = {alert.rule_id: alert for alert in map(ALERT.decode, (record.value for record in records))}
    assert list(alerts) == ["privacy.identity_requested", "privacy.identity_approved", "privacy.identity_opened"]
    for alert in alerts.values():
        assert alert.family == "privacy"
        assert alert.person == TOKEN
        assert alert.facts["request_id"] == request
        assert "exports at night" not in encode(alert).decode(), "a reason is free text, and stays where it is"
    assert len({alert.dedup_key for alert in alerts.values()}) == 1
    for record in records:
        assert record.partition == partition_of(ALERT.decode(record.value).dedup_key, PARTITIONS)


@pytest.mark.broker
def test_nobody_goes_alone(desk: Desk) -> None:
    request = desk.asked("--expires", "24h")
    for by, step, words in (
        ("anna", "approve", "nobody approves what they ask for themselves"),
        ("dora", "approve", "'dora' is no officer of the policy"),
        ("dora", "open", "only 'anna' opens what they asked for"),
    ):
        said = desk(step, request, by=by)
        assert (said.code, said.out) == (1, ""), step
        assert words in said.err
    assert desk("approve", request, by="ben").code == 0
    said = desk("open", request, by="ben")
    assert (said.code, said.out) == (1, "")
    assert "only 'anna' opens" in said.err
    assert desk("deny", request, "--reason", "no grounds", by="cleo").code == 0
    said = desk("open", request, by="anna")
    assert (said.code, said.out) == (1, "")
    assert "it was denied" in said.err
    assert desk.listed()[request]["state"] == "denied"
    said = desk("request", "--token", TOKEN, "--reason", "curious", by="dora")
    assert said.code == 2
    assert "'dora' is no officer" in said.err
    said = desk("request", "--token", TOKEN, "--reason", " ", by="anna")
    assert said.code == 2
    assert "it has no reason" in said.err
    for life in ("25h", "0s", "soon"):
        said = desk("request", "--token", TOKEN, "--reason", "r", "--expires", life, by="anna")
        assert said.code == 2
        assert "--expires" in said.err


@pytest.mark.broker
def test_what_was_written_past_the_program_does_not_count(desk: Desk) -> None:
    """Whoever may write to the topic can put a record there: it is shown, and not honoured."""
    stranger = signer("anna", 77)
    forged = signed(
        Step(
            step_id="f", request_id="forged", kind="requested", by="anna", at=1, subject=TOKEN, reason="r", life=60_000
        ),
        stranger,
    )
    desk.put(PRIVACY_REQUESTS, "forged", msgspec.json.encode(forged))
    desk.put(PRIVACY_REQUESTS, "noise", b"\xff no json")
    desk.put(PRIVACY_REQUESTS, "another key", msgspec.json.encode(forged))
    listed = desk.listed()
    assert list(listed) == ["forged"]
    assert listed["forged"]["state"] == "invalid"
    assert "not signed with the key that the policy names for 'anna'" in listed["forged"]["invalid"]
    said = desk("approve", "forged", by="ben")
    assert (said.code, said.out) == (1, "")
    assert "it does not count: not signed" in said.err
    request = desk.asked()
    asked = msgspec.json.decode(desk.tool.content(PRIVACY_REQUESTS)[-1].value, type=Step)
    own = Step(step_id="o", request_id=request, kind="approved", by="ben", at=1, over=asked.digest(), box="AAAA")
    desk.put(PRIVACY_REQUESTS, request, msgspec.json.encode(signed(own, signer("ben", 78))))
    told = desk.listed()[request]
    assert told["state"] == "waiting"
    assert told["answers"] == []
    assert "not signed with the key that the policy names for 'ben'" in told["refused"][0]["why"]


@pytest.mark.broker
def test_a_request_expires_by_the_time_of_the_log(either: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the officer's own clock is an hour slow, and what they sign says so."""
    desk = either
    request = desk.asked("--expires", "1ms")
    monkeypatch.setattr("agents.request_log.now_ms", lambda: time.time_ns() // 1_000_000 - 3_600_000)
    said = desk("approve", request, by="ben")
    assert said.code == 1
    assert "does not count: the request expired on" in said.err
    told = desk.listed()[request]
    assert told["state"] == "expired"
    assert [each["kind"] for each in told["refused"]] == ["approved"]
    monkeypatch.setattr("agents.revealing.CLOCKS_MS", 0)  # this machine's clock is right in what follows
    assert "it has expired; ask again" in desk("approve", request, by="ben").err


@pytest.mark.broker
def test_by_an_alert_and_where_nothing_is_sealed(desk: Desk) -> None:
    for name, person in (("known", TOKEN), ("gone", "p1:gone"), ("nobody", None)):
        record = {**ALERT_RECORD, "alert_id": name, "person": person}
        alert = ALERT.decode(json.dumps({key: value for key, value in record.items() if value is not None}).encode())
        desk.put(ALERTS, name, encode(alert))
    said = desk("request", "--alert", "known", "--reason", "r", by="anna")
    assert said.code == 0, said.err
    assert TOKEN in said.out
    assert desk.listed()[said.out.split(":")[0]]["alert"] == "known"
    for name, words in (
        ("gone", "holds nothing under 'p1:gone'"),
        ("nobody", "is about nobody; give --token"),
        ("none", "holds no alert 'none'"),
    ):
        said = desk("request", "--alert", name, "--reason", "r", by="anna")
        assert (said.code, said.out) == (1, "")
        assert words in said.err
    request = desk.asked()
    assert desk("approve", request, by="ben").code == 0
    desk.put(PRIVACY_IDENTITIES, TOKEN, None)
    said = desk("open", request, by="anna")
    assert (said.code, said.out) == (1, "")
    assert "its person was erased" in said.err
    assert desk.listed()[request]["state"] == "approved", "nothing was opened, and nothing is said to have been"


@pytest.mark.broker
def test_an_envelope_that_was_moved_or_sealed_to_others_is_refused(desk: Desk) -> None:
    request = desk.asked()
    desk.put(PRIVACY_IDENTITIES, TOKEN, desk.sealed(token="p1:other", person="e-other"))
    said = desk("approve", request, by="ben")
    assert (said.code, said.out) == (1, "")
    assert "belongs to another pseudonym" in said.err
    desk.put(PRIVACY_IDENTITIES, TOKEN, desk.sealed(officers=("ben", "cleo")))
    said = desk("request", "--token", TOKEN, "--reason", "r", by="anna")
    assert said.code == 1
    assert "sealed to other officers than you" in said.err
    assert desk("approve", desk.asked(by="cleo"), by="ben").code == 0


def test_where_no_broker_answers_it_says_so(run: Run, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY)
    said = run("reveal", "list", policy=policy, broker=f"127.0.0.1:{free_port()}", start_timeout_s=0.1)
    assert (said.code, said.out) == (1, "")
    assert "no broker answers" in said.err
    said = run("reveal", "list")
    assert said.code == 2
    assert "policy: none is named" in said.err


def test_the_same_step_makes_the_same_alert() -> None:
    one = Step(step_id="1", request_id="r", kind="opened", by="anna", at=5, subject=TOKEN)
    assert alert_about(one, "v") == alert_about(one, "v")
    assert alert_about(one, "v").alert_id != alert_about(msgspec.structs.replace(one, step_id="2"), "v").alert_id

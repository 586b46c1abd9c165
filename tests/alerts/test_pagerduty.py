"""PagerDuty: the documented contract, from both sides."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from alerts.notice import Delivered, Failed, Notice, Refused
from alerts.pagerduty import KIND, PagerDutyConfig, actions_of, fingerprint
from alerts.pagerduty_event import EVENT_MAX, dedup_key, event_of
from alerts.secrets import SecretRef
from schemas.errors import ConfigurationError
from tests.alerts.scripted import Reply, serving
from tests.alerts.told import ACKED, CONTEXT, alert, commented, notice
from tests.receivers.pagerduty import KEY, OTHER_KEY, Incident, application, applied, wrong
from tests.receivers.served import Journal

NEW, OLD = SecretRef(env="NEW_KEY"), SecretRef(env="OLD_KEY")


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEW_KEY", KEY)
    monkeypatch.setenv("OLD_KEY", OTHER_KEY)


@asynccontextmanager
async def pagerduty(url: str, **fields: Any) -> AsyncIterator[Any]:
    config = PagerDutyConfig(**{"routing_key": NEW, "url": url, **fields})
    assert KIND.check(config) is None
    made = KIND.make(config, CONTEXT)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


class Api:
    """The contract in this process."""

    def __init__(self, folder: Path) -> None:
        self.journal = Journal(folder / "events.jsonl")
        self.url = ""

    @property
    def incidents(self) -> list[Incident]:
        return applied(list(self.journal.read()))


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    found = Api(tmp_path)
    runner = web.AppRunner(application(found.journal), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield found
    await runner.cleanup()


async def told(destination: Any, given: Notice) -> dict[str, str]:
    """What it answered, as the next notice of the key has it."""
    (outcome,) = await destination.send([given])
    assert isinstance(outcome, Delivered), outcome
    assert all(len(value) <= 512 for value in outcome.answer.values())
    return outcome.answer


async def test_an_incident_is_triggered_updated_acknowledged_and_resolved(api: Api) -> None:
    first, second = alert("a1"), alert("a2")
    async with pagerduty(api.url) as it:
        before = await told(it, notice(first))
        assert before == {
            "status": "202 success",
            "dedup_key": "d1",
            "action": "trigger",
            "routing": fingerprint(KEY),
        }
        before = await told(it, notice(second, before=before))
        (incident,) = api.incidents
        assert (incident.state, incident.alert_ids) == ("triggered", {"a1", "a2"})
        acked = notice(alert("a1", handled=ACKED), alert("a2", handled=ACKED), state="acknowledged", before=before)
        before = await told(it, acked)
        assert [each.state for each in api.incidents] == ["acknowledged"]
        await told(it, notice(alert("a1", status="resolved"), state="resolved", before=before))
    assert [each.state for each in api.incidents] == ["resolved"]
    assert [each["event_action"] for each in api.journal.read()] == ["trigger", "trigger", "acknowledge", "resolve"]


async def test_the_same_message_again_opens_nothing_new(api: Api) -> None:
    async with pagerduty(api.url) as it:
        for _ in range(3):
            await told(it, notice())
    assert len(api.incidents) == 1


async def test_after_a_resolution_a_trigger_opens_another_incident(api: Api) -> None:
    async with pagerduty(api.url) as it:
        before = await told(it, notice(alert("a1")))
        before = await told(it, notice(alert("a1", status="resolved"), state="resolved", before=before))
        before = await told(it, notice(alert("a2"), state="acknowledged", before=before))
    assert [each.state for each in api.incidents] == ["resolved", "acknowledged"]
    assert before["action"] == "acknowledge"


async def test_what_is_acknowledged_before_it_was_told_is_there_and_acknowledged(api: Api) -> None:
    async with pagerduty(api.url) as it:
        await told(it, notice(alert(handled=ACKED), state="acknowledged"))
    (incident,) = api.incidents
    assert (incident.state, incident.alert_ids) == ("acknowledged", {"a1"})


async def test_a_comment_reaches_an_incident_that_is_acknowledged(api: Api) -> None:
    async with pagerduty(api.url) as it:
        before = await told(it, notice(alert("a1")))
        acked = alert("a1", handled=ACKED)
        before = await told(it, notice(acked, state="acknowledged", before=before))
        await told(it, notice(commented(acked, "called the team"), state="acknowledged", before=before))
    (incident,) = api.incidents
    assert incident.state == "acknowledged"
    assert incident.events[-1]["payload"]["custom_details"]["Comment"] == "o.berg: called the team"
    assert incident.events[-1]["payload"]["custom_details"]["Acknowledged by"] == "o.berg"


def test_an_acknowledgement_with_an_alert_that_nobody_has_is_told_first() -> None:
    before = {"action": "trigger"}
    both = (alert("a1", handled=ACKED), alert("a2"))
    assert actions_of(notice(*both, state="acknowledged", before=before)) == ("trigger", "acknowledge")
    assert actions_of(notice(both[0], state="acknowledged", before=before)) == ("acknowledge",)


async def test_what_an_old_routing_key_opened_is_resolved_with_it(api: Api) -> None:
    """PagerDuty drops a resolution that comes with another key, and says 202 all the same."""
    async with pagerduty(api.url, routing_key=OLD) as it:
        before = await told(it, notice())
    done = alert(status="resolved")
    async with pagerduty(api.url, routing_key=NEW) as it:
        await told(it, notice(done, state="resolved", before=before))
    assert [each.state for each in api.incidents] == ["triggered"], "the receiver drops it, as documented"
    async with pagerduty(api.url, routing_key=NEW, former_routing_key=OLD) as it:
        updated = await told(it, notice(alert("a2"), before=before))
        assert updated["routing"] == fingerprint(OTHER_KEY)
        before = await told(it, notice(done, state="resolved", before=updated))
        assert [each.state for each in api.incidents] == ["resolved"]
        again = await told(it, notice(alert("a3"), before=before))
    assert again["routing"] == fingerprint(KEY), "a new incident is opened with the new key"


async def test_an_unknown_routing_key_is_refused_and_not_told(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEW_KEY", "x" * 32)
    async with pagerduty(api.url) as it:
        (outcome,) = await it.send([notice()])
    assert outcome == Refused("answered 400, about routing_key")


async def test_a_key_that_is_none_is_an_error_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEW_KEY", "short")
    made = KIND.make(PagerDutyConfig(routing_key=NEW), CONTEXT)
    with pytest.raises(ConfigurationError, match=r"destinations\.it\.routing_key: 5 characters; .* has 32") as caught:
        await made.start()
    assert "short" not in str(caught.value)


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (Reply(400, b"no json"), Refused("answered 400")),
        (Reply(400, b'{"message": "m", "errors": ["e", "f"]}'), Refused("answered 400")),
        (
            Reply(400, json.dumps({"errors": [f"bad key {KEY}"]}).encode()),
            Refused("answered 400"),
        ),
        (Reply(403), Failed("answered 403, which PagerDuty does not: what is on the way to it?")),
        (Reply(404), Failed("answered 404, which PagerDuty does not: what is on the way to it?")),
        (Reply(408), Failed("answered 408")),
        (Reply(413), Refused("answered 413")),
        (Reply(429), Failed("answered 429: too many events", 120.0)),
        (Reply(429, b'{"message": "slow down"}', {"Retry-After": "30"}), Failed("answered 429: too many events", 30.0)),
        (Reply(500), Failed("answered 500")),
        (Reply(502, b"<html>"), Failed("answered 502")),
        (Reply(503, headers={"Retry-After": "5"}), Failed("answered 503", 5.0)),
        (
            Reply(200, b"welcome to the hotel"),
            Failed("answered 200, which PagerDuty does not: what is on the way to it?"),
        ),
        (
            Reply(302, headers={"Location": "http://x"}),
            Failed("answered 302, which PagerDuty does not: what is on the way to it?"),
        ),
    ],
)
async def test_every_status(reply: Reply, outcome: Failed | Refused) -> None:
    async with serving(reply) as server, pagerduty(server.url) as it:
        assert list(await it.send([notice()])) == [outcome]
        assert [got.path for got in server.got] == ["/v2/enqueue"]


async def test_a_reset_and_silence_are_tried_again() -> None:
    async with serving(Reply(resets=True)) as server, pagerduty(server.url) as it:
        (outcome,) = await it.send([notice()])
        assert isinstance(outcome, Failed)
        assert KEY not in outcome.reason


async def test_an_acknowledgement_that_fails_half_way_is_told_whole_again(api: Api) -> None:
    async with serving(Reply(202, b"{}"), Reply(503)) as server, pagerduty(server.url) as it:
        (outcome,) = await it.send([notice(alert(handled=ACKED), state="acknowledged")])
        assert outcome == Failed("answered 503")
        assert [got.json["event_action"] for got in server.got] == ["trigger", "acknowledge"]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("critical", "critical"),
        ("high", "error"),
        ("medium", "warning"),
        ("low", "info"),
        ("informational", "info"),
    ],
)
def test_severities(ours: Any, theirs: str) -> None:
    event = json.loads(event_of(notice(severity=ours), "trigger", KEY, link=None, host="h"))
    assert event["payload"]["severity"] == theirs


def test_ten_thousand_alerts_fit_into_one_event_that_says_what_is_left_out() -> None:
    long = "Employee 2026-03:k7p2 read users " + "and more " * 500
    alerts = tuple(alert(f"{at:032x}", explanation=long, title=long) for at in range(10_000))
    raw = event_of(notice(*alerts, title=long), "trigger", KEY, link="https://c.example/{alert_id}", host="h")
    assert len(raw) <= EVENT_MAX
    event = json.loads(raw)
    assert wrong(event) == []
    details = event["payload"]["custom_details"]
    assert len(details["alert_ids"]) + details["alert_ids_left_out"] == 10_000
    assert event["links"] == [{"href": f"https://c.example/{0:032x}", "text": "The alert in cloverwatch"}]


def test_ids_of_many_bytes_are_left_out_until_it_fits() -> None:
    alerts = tuple(alert(f"{at:04}" + "\N{PILE OF POO}" * 250, explanation="é" * 1000) for at in range(1000))
    raw = event_of(notice(*alerts), "trigger", KEY, link=None, host="h")
    assert len(raw) <= EVENT_MAX
    details = json.loads(raw)["payload"]["custom_details"]
    assert details["alert_ids"]
    assert len(details["alert_ids"]) + details["alert_ids_left_out"] == 1000


def test_a_key_that_is_too_long_is_hashed_and_stays_the_same() -> None:
    assert dedup_key("k" * 255) == "k" * 255
    assert dedup_key("k" * 256) == dedup_key("k" * 256) != dedup_key("k" * 255 + "l")
    assert len(dedup_key("k" * 256)) == 64


def test_regions_and_what_a_policy_may_not_say() -> None:
    made: Any = KIND.make(PagerDutyConfig(routing_key=NEW, region="eu"), CONTEXT)
    assert made._url == "https://events.eu.pagerduty.com/v2/enqueue"
    made = KIND.make(PagerDutyConfig(routing_key=NEW), CONTEXT)
    assert made._url == "https://events.pagerduty.com/v2/enqueue"
    with_link = PagerDutyConfig(routing_key=NEW, link="https://c.example/{alert}")
    assert KIND.check(with_link) == "link: {alert} is not known; allowed: {alert_id}, {key}"
    assert "in clear" in str(KIND.check(PagerDutyConfig(routing_key=NEW, url="http://gateway.example")))
    with pytest.raises(msgspec.ValidationError, match="Invalid enum value 'apac'"):
        msgspec.convert({"routing_key": {"env": "X"}, "region": "apac"}, PagerDutyConfig)


def test_no_secret_is_in_what_is_shown() -> None:
    made = KIND.make(PagerDutyConfig(routing_key=NEW, former_routing_key=OLD), CONTEXT)
    assert KEY not in repr(made) + repr(made.__dict__)
    assert fingerprint(KEY) not in KEY

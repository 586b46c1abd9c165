"""Webhooks: signed, taken once, and what a status means."""

from __future__ import annotations

import base64
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from alerts.destination import Kind
from alerts.notice import Delivered, Failed, Outcome, Refused
from alerts.secrets import SecretRef
from alerts.signature import signed_headers
from alerts.webhook import EACH, KIND, WebhookConfig, payload
from schemas.errors import ConfigurationError
from tests.alerts.scripted import Got, Reply, serving
from tests.alerts.told import CONTEXT, alert, notice
from tests.receivers.webhook import OLD_SECRET, SECRET, verified

NEW, OLD = SecretRef(env="NEW_SECRET"), SecretRef(env="OLD_SECRET")


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEW_SECRET", SECRET)
    monkeypatch.setenv("OLD_SECRET", OLD_SECRET)


@asynccontextmanager
async def webhook(to: str, kind: Kind = KIND, **fields: Any) -> AsyncIterator[Any]:
    config = WebhookConfig(**{"url": to, "secrets": (NEW,), **fields})
    assert kind.check(config) is None
    made = kind.make(config, CONTEXT)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


def why(got: Got, secret: str = SECRET, now: float | None = None) -> str | None:
    return verified(secret, got.headers, got.body, time.time() if now is None else now)


def test_the_signature_is_that_of_the_specifications_libraries() -> None:
    """The vector of the reference implementations' tests (`test_sign_function`)."""
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signed_headers([key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_a_receiver_verifies_what_is_sent_and_refuses_what_was_changed() -> None:
    async with serving() as server, webhook(server.url) as it:
        (outcome,) = await it.send([notice()])
        (got,) = server.got
    assert outcome == Delivered({"status": "200", "message_id": notice().id})
    assert why(got) is None
    assert why(Got(got.path, got.headers, got.body + b" ")) == "no signature fits"
    assert why(got, OLD_SECRET) == "no signature fits"
    assert why(got, now=time.time() + 301) == "the timestamp is too far away"
    assert why(Got(got.path, {**got.headers, "webhook-id": "another"}, got.body)) == "no signature fits"


async def test_while_secrets_change_either_one_verifies() -> None:
    async with serving() as server, webhook(server.url, secrets=(NEW, OLD)) as it:
        await it.send([notice()])
        (got,) = server.got
    assert why(got, SECRET) is None
    assert why(got, OLD_SECRET) is None


async def test_a_secret_that_is_replaced_is_used_from_the_next_message_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as server, webhook(server.url) as it:
        monkeypatch.setenv("NEW_SECRET", OLD_SECRET)
        await it.send([notice()])
        assert why(server.got[0], OLD_SECRET) is None
        monkeypatch.delenv("NEW_SECRET")
        (outcome,) = await it.send([notice()])
    assert isinstance(outcome, Failed)
    assert "NEW_SECRET is empty or not there" in outcome.reason


async def test_a_message_that_is_sent_again_has_the_same_id() -> None:
    async with serving(Reply(503), Reply(200)) as server, webhook(server.url) as it:
        assert isinstance((await it.send([notice()]))[0], Failed)
        assert isinstance((await it.send([notice()]))[0], Delivered)
        first, second = server.got
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert why(second) is None


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (Reply(200), Delivered({"status": "200", "message_id": notice().id})),
        (Reply(299), Delivered({"status": "299", "message_id": notice().id})),
        (Reply(303), Failed("answered 303, which leads elsewhere: redirects are not followed")),
        (Reply(400, b"invalid_payload"), Refused("answered 400")),
        (Reply(401), Refused("answered 401")),
        (Reply(404), Refused("answered 404")),
        (Reply(408), Failed("answered 408")),
        (Reply(410), Refused("answered 410")),
        (Reply(425), Failed("answered 425")),
        (Reply(429, headers={"Retry-After": "9"}), Failed("answered 429", 9.0)),
        (Reply(500), Failed("answered 500")),
        (Reply(504, headers={"Retry-After": "1"}), Failed("answered 504", 1.0)),
    ],
)
async def test_every_status(reply: Reply, outcome: Outcome) -> None:
    async with serving(reply) as server, webhook(server.url) as it:
        assert list(await it.send([notice()])) == [outcome]


async def test_slack_says_why_in_a_word_and_nothing_else_of_a_body_is_told() -> None:
    for body, said in (
        (b"channel_is_archived", ": channel_is_archived"),
        (b"e_kowalska", ""),
        (b"Employee e-1 read users", ""),
    ):
        async with serving(Reply(410, body)) as server, webhook(server.url, shape="slack", secrets=()) as it:
            assert list(await it.send([notice()])) == [Refused(f"answered 410{said}")]


async def test_a_url_that_is_a_secret_is_read_and_never_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(Reply(resets=True)) as server:
        monkeypatch.setenv("HOOK", server.url + "/services/T0/B0/hidden")
        async with webhook(server.url, url=None, secret_url=SecretRef(env="HOOK"), shape="teams", secrets=()) as it:
            (outcome,) = await it.send([notice()])
            assert server.got[0].path == "/services/T0/B0/hidden"
    assert isinstance(outcome, Failed)
    assert "hidden" not in outcome.reason + repr(it.__dict__)


async def test_a_secret_url_in_clear_is_an_error_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK", "http://chat.example/hidden")
    made = KIND.make(WebhookConfig(secret_url=SecretRef(env="HOOK"), shape="slack"), CONTEXT)
    with pytest.raises(ConfigurationError, match=r"destinations\.it\.secret_url: http:// to chat\.example") as caught:
        await made.start()
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        ("whsec_not base64!", "is not whsec_ followed by base64"),
        ("whsec_" + base64.b64encode(b"x" * 23).decode(), "has 23 bytes; allowed: 24 to 64"),
        ("whsec_" + base64.b64encode(b"x" * 65).decode(), "has 65 bytes; allowed: 24 to 64"),
    ],
)
async def test_a_secret_that_is_none_is_an_error_at_the_start(
    secret: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEW_SECRET", secret)
    made = KIND.make(WebhookConfig(url="https://x.example", secrets=(NEW,)), CONTEXT)
    with pytest.raises(ConfigurationError, match=said) as caught:
        await made.start()
    assert secret not in str(caught.value)


def test_the_json_is_the_alerts_themselves() -> None:
    said = payload(notice(alert("a1"), alert("a2")))
    assert said["type"] == "cloverwatch.alerts.firing"
    assert said["timestamp"] == "2026-03-02T10:00:01.000Z"
    assert said["data"]["alert_ids"] == ("a1", "a2")
    assert [each.alert_id for each in said["data"]["alerts"]] == ["a1", "a2"]
    assert said["data"]["started_at"] == "2026-03-02T10:00:00.000Z"


def test_of_a_great_group_the_json_holds_some_alerts_and_the_ids_and_says_what_is_left_out() -> None:
    said = payload(notice(*(alert(f"a{at}") for at in range(6000))))["data"]
    assert (len(said["alerts"]), len(said["alert_ids"]), said["alert_ids_left_out"]) == (50, 5000, 1000)


async def test_each_alert_is_a_message_and_those_of_one_key_keep_their_order() -> None:
    notices = [notice(alert(f"a{at}", revision=at), key=f"k{at % 3}") for at in range(30)]
    async with serving() as server, webhook(server.url, EACH) as it:
        outcomes = await it.send(notices)
        got = [each.json["data"] for each in server.got]
    assert [outcome.answer["message_id"] for outcome in outcomes] == [each.id for each in notices]
    for key in ("k0", "k1", "k2"):
        told = [each["alert_ids"][0] for each in got if each["key"] == key]
        assert told == [each.alerts[0].alert_id for each in notices if each.key == key]


async def test_after_one_that_failed_later_ones_of_its_key_do_not_overtake_it() -> None:
    notices = [notice(alert("a1")), notice(alert("a2")), notice(alert("b1"), key="other")]
    async with serving(Reply(503)) as server, webhook(server.url, EACH) as it:
        outcomes = await it.send(notices)
        assert len(server.got) == 2
    assert [type(outcome) for outcome in outcomes] == [Failed, Failed, Failed]
    assert outcomes[1] == Failed("an earlier message of its key was not taken")


async def test_after_one_that_is_refused_the_next_goes_on() -> None:
    async with serving(Reply(400), Reply(200)) as server, webhook(server.url, EACH) as it:
        outcomes = await it.send([notice(alert("a1")), notice(alert("a2"))])
    assert [type(outcome) for outcome in outcomes] == [Refused, Delivered]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"url": None}, "one of url and secret_url"),
        ({"secret_url": NEW}, "one of url and secret_url"),
        ({"url": "http://x.example"}, "url: http:// to x.example would send alerts in clear"),
        ({"secrets": ()}, "secrets: shape 'json' is signed"),
        ({"secrets": (NEW, OLD, NEW)}, "secrets: 3; at most 2"),
        ({"template": "x"}, "template: to be given with shape"),
        ({"shape": "template"}, "template: to be given with shape"),
        ({"shape": "template", "template": '{"t": "$titel"}'}, "did you mean ${title}?"),
        ({"shape": "template", "template": '{"t": $title}'}, "no JSON once it is filled in"),
        ({"shape": "template", "template": "5 $"}, "a $ that begins no name"),
        ({"shape": "template", "template": "x", "content_type": "image/png"}, "'image/png' is not known"),
    ],
)
def test_what_a_policy_may_not_say(fields: dict[str, Any], said: str) -> None:
    config = WebhookConfig(**{"url": "https://x.example", "secrets": (NEW,), **fields})
    assert said in str(KIND.check(config))


async def test_values_of_a_template_stay_values() -> None:
    evil = 'a", "admin": true, "x": "\\\n${key}'
    template = '{"title": "${title}", "who": "$person", "price": "$$5"}'
    async with serving() as server, webhook(server.url, shape="template", template=template) as it:
        (outcome,) = await it.send([notice(title=evil)])
        (got,) = server.got
    assert isinstance(outcome, Delivered)
    assert got.json == {"title": evil, "who": "2026-03:k7p2", "price": "$5"}
    assert why(got) is None


@pytest.mark.parametrize(
    ("content_type", "template", "body"),
    [
        ("text/plain", "$title at $started", b"a & <b> at 2026-03-02T10:00:00.000Z"),
        ("application/xml", "<t>$title</t>", b"<t>a &amp; &lt;b&gt;</t>"),
        ("application/x-www-form-urlencoded", "t=$title&s=$severity", b"t=a+%26+%3Cb%3E&s=critical"),
    ],
)
async def test_values_are_escaped_as_the_content_type_asks(content_type: str, template: str, body: bytes) -> None:
    fields: dict[str, Any] = {"shape": "template", "template": template, "content_type": content_type}
    async with serving() as server, webhook(server.url, **fields) as it:
        await it.send([notice(title="a & <b>")])
        (got,) = server.got
    assert (got.body, got.headers["Content-Type"]) == (body, content_type)

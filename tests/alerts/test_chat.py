"""Slack and Teams: what a person sees, within what the programs take, and nothing in it that acts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from alerts.chat import slack, teams
from alerts.notice import Notice
from tests.alerts.told import ACKED, alert, commented, notice
from tests.schemas.records import ALERT_RECORD

LINK = "https://clover.example/alerts/{alert_id}?k={key}"
EVIL = "<!channel> *bold* <https://evil.example|press> & [press](https://evil.example) :boom: `x` @here"


def objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from objects(each)


def slack_is_right(message: dict[str, Any]) -> None:
    """What Block Kit's reference says of the blocks that are used."""
    assert len(message["blocks"]) <= 50
    for block in message["blocks"]:
        match block["type"]:
            case "header":
                assert 0 < len(block["text"]["text"]) <= 150
            case "section":
                assert ("text" in block) != ("fields" in block)
                if "fields" in block:
                    assert 0 < len(block["fields"]) <= 10
                    assert all(0 < len(each["text"]) <= 2000 for each in block["fields"])
                else:
                    assert 0 < len(block["text"]["text"]) <= 3000
            case "context":
                assert 0 < len(block["elements"]) <= 10
            case "actions":
                (button,) = block["elements"]
                assert button["type"] == "button"
                assert len(button["text"]["text"]) <= 75
                assert len(button["url"]) <= 3000
            case other:
                pytest.fail(f"a block of type {other}")


NOTICES = {
    "one": notice(),
    "many": notice(*(alert(f"a{at}") for at in range(1000))),
    "acknowledged": notice(commented(alert(handled=ACKED), "on it"), state="acknowledged"),
    "resolved": notice(alert(status="resolved"), state="resolved"),
    "test": notice(alert(test=True), test=True),
    "none": Notice(
        id="0" * 32, key="k", state="firing", alerts=(), firing=0, severity="low", title="t", started_at=0, at=0
    ),
    "long": notice(alert(explanation="&" * 5000, dataset_id="d" * 256, rule_id="r" * 256), title="&<>" * 400),
    "evil": notice(commented(alert(explanation=EVIL, dataset_id=EVIL, person=EVIL), EVIL), title=EVIL),
}


@pytest.mark.parametrize("name", NOTICES)
def test_slack_takes_it(name: str) -> None:
    message = slack(NOTICES[name], LINK)
    slack_is_right(message)
    assert 0 < len(message["text"]) <= 40_000


@pytest.mark.parametrize("name", NOTICES)
def test_teams_takes_it(name: str) -> None:
    message = teams(NOTICES[name], LINK)
    assert len(json.dumps(message).encode()) < 20_000, "of the 28 KB that Teams takes"
    (attachment,) = message["attachments"]
    assert message["type"] == "message"
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert attachment["content"]["type"] == "AdaptiveCard"
    runs = [each for each in objects(message) if each.get("type") == "TextRun"]
    assert runs
    assert all(each["text"] for each in runs)


def test_nothing_in_slack_is_interpreted() -> None:
    message = slack(NOTICES["evil"], LINK)
    texts = [each for each in objects(message["blocks"]) if "text" in each and isinstance(each["text"], str)]
    assert {each["type"] for each in texts} == {"plain_text"}
    assert all(each["emoji"] is False for each in texts)
    for text in [*(each["text"] for each in texts), message["text"]]:
        assert "<" not in text
        assert ">" not in text
    assert "&lt;!channel&gt;" in message["text"]
    assert message["mrkdwn"] is False
    assert message["unfurl_links"] is False


def test_a_text_that_is_cut_is_not_cut_within_an_entity() -> None:
    text = slack(NOTICES["long"], None)["blocks"][0]["text"]["text"]
    assert text.endswith("…")
    assert text[:-1].rsplit("&", 1)[1].endswith(";")


def test_nothing_in_teams_is_interpreted() -> None:
    """A `TextBlock`, a `FactSet` and a `summary` would read Markdown; a `TextRun` does not."""
    message = teams(NOTICES["evil"], LINK)
    types = {each["type"] for each in objects(message) if "type" in each}
    assert types == {"message", "AdaptiveCard", "Container", "RichTextBlock", "TextRun", "Action.OpenUrl"}
    assert "entities" not in json.dumps(message)


def test_the_link_is_that_of_the_policy_whatever_an_id_holds() -> None:
    message = teams(notice(alert("a/../b?c=d&e"), key="k 1"), LINK)
    (action,) = message["attachments"][0]["content"]["actions"]
    assert action["url"] == "https://clover.example/alerts/a%2F..%2Fb%3Fc%3Dd%26e?k=k%201"


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("one", "🔴 CRITICAL: Access from a third country"),
        ("acknowledged", "👤 ACKNOWLEDGED, critical: Access from a third country"),
        ("resolved", "🟢 RESOLVED: Access from a third country"),
        ("test", "🔴 TEST, CRITICAL: Access from a third country"),
    ],
)
def test_the_first_line_says_what_it_is(name: str, head: str) -> None:
    assert slack(NOTICES[name], None)["blocks"][0]["text"]["text"] == head
    assert teams(NOTICES[name], None)["attachments"][0]["content"]["body"][0]["items"][0]["inlines"][0]["text"] == head


def test_who_what_where_when_and_what_to_do_are_there() -> None:
    place = {
        **ALERT_RECORD["place"],
        "evidence": [
            {"kind": "device_claim", "country": "IN", "place_class": "third_country", "age_ms": 0, "stood": "believed"},
            {"kind": "badge", "country": "IE", "place_class": "inside", "age_ms": 90_000_000, "stood": "outranked"},
            {"kind": "source_ip", "country": None, "place_class": None, "age_ms": 0, "stood": "says_nothing"},
        ],
    }
    lead = alert("a1", action="read", outcome="success", place=place)
    said = json.dumps(slack(notice(lead, alert("a2", severity="low")), None))
    for part in (
        "Who: 2026-03:k7p2",
        "Data: users (restricted)",
        "Action: read, success",
        "From: India (third country)",
        "Evidence: device claim: India (believed); badge: Ireland, 1 day before (outranked)",
        "When: 02 Mar 2026 10:00 UTC",
        "Alerts: 2 alerts in this message, 2 open in all",
        "Rule: place.third_country",
        "To take it: cloverwatch alerts ack a1",
        "low: Employee",
    ):
        assert part in said

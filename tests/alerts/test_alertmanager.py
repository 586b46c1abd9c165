"""Alertmanager: labels that stay, what changes ends first, every replica is told."""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from alerts.alertmanager import ENDS_AFTER_S, IDS_MAX, KIND, AlertmanagerConfig, posted
from alerts.alertmanager_labels import kept, labels_of
from alerts.http import Auth
from alerts.notice import Delivered, Failed, Notice, Outcome, Refused
from alerts.secrets import SecretRef
from demo.broker import free_port
from tests.alerts.scripted import Reply, serving
from tests.alerts.told import ACKED, AT, CONTEXT, alert, notice

NOW = AT + 5000
CONFIG = AlertmanagerConfig(urls=("http://127.0.0.1:1",))
FIRST = {
    "alertname": "place.third_country",
    "severity": "critical",
    "family": "access",
    "place_class": "third_country",
    "sensitivity": "restricted",
    "dedup_key": "d1",
    "source": "cloverwatch",
}


@asynccontextmanager
async def alertmanager(urls: Sequence[str], **fields: Any) -> AsyncIterator[Any]:
    config = AlertmanagerConfig(urls=tuple(urls), **fields)
    assert KIND.check(config) is None
    made = KIND.make(config, CONTEXT)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


def answered(given: Notice) -> dict[str, str]:
    """What the next notice of the key gets as `before`: through JSON, as a receipt keeps it."""
    found: dict[str, str] = json.loads(json.dumps(kept(given, CONFIG.labels)))
    assert all(len(value) <= 512 for value in found.values())
    return found


def test_what_fires_is_told_with_bounded_labels_and_ends_unless_it_is_repeated() -> None:
    (told,) = posted(notice(), CONFIG, NOW)
    assert told["labels"] == FIRST
    assert (told["startsAt"], told["endsAt"]) == ("2026-03-02T10:00:00.000Z", "2026-03-02T10:05:05.000Z")
    assert KIND.again_every_s is not None
    assert 3 * KIND.again_every_s <= ENDS_AFTER_S
    assert told["annotations"]["summary"] == "CRITICAL: Access from a third country"
    assert told["annotations"]["alert_ids"] == "a1"
    assert "alert_ids_left_out" not in told["annotations"]


def test_no_label_names_a_person_or_an_alert() -> None:
    (told,) = posted(notice(alert("a1"), alert("a2", person="2026-03:zzzz")), CONFIG, NOW)
    said = json.dumps(told["labels"])
    assert not re.search(r"k7p2|zzzz|a1|a2|users", said)


def test_a_graver_severity_ends_the_old_labels_first() -> None:
    first = notice(alert("a1", severity="medium", rule_id="place.unknown"))
    second = notice(alert("a2"), before=answered(first))
    ended, fires = posted(second, CONFIG, NOW)
    assert ended["labels"] == {**FIRST, "severity": "medium", "alertname": "place.unknown"}
    assert (ended["startsAt"], ended["endsAt"]) == ("2026-03-02T10:00:00.000Z", "2026-03-02T10:00:05.000Z")
    assert fires["labels"] == FIRST
    assert fires["endsAt"] > ended["endsAt"]


def test_more_alerts_of_the_same_severity_change_no_label() -> None:
    before = answered(notice(alert("a1")))
    (told,) = posted(notice(alert("a2", rule_id="behaviour.volume", family="behaviour"), before=before), CONFIG, NOW)
    assert told["labels"] == FIRST
    assert told["annotations"]["alert_ids"] == "a2"


def test_labels_follow_the_alert_that_they_were_taken_from() -> None:
    before = answered(notice(alert("a1")))
    amended = alert("a1", revision=1, status="amended", sensitivity="secret")
    ended, fires = posted(notice(amended, before=before), CONFIG, NOW)
    assert (ended["labels"]["sensitivity"], fires["labels"]["sensitivity"]) == ("restricted", "secret")


def test_a_repetition_and_a_resolution_have_the_labels_that_fire() -> None:
    before = answered(notice(alert("a1")))
    other = alert("a9", severity="low", rule_id="x.y")
    for state, again in (("firing", True), ("resolved", False)):
        told = posted(notice(other, state=state, again=again, before=before), CONFIG, NOW)
        assert [each["labels"] for each in told] == [FIRST]


def test_a_resolution_ends_now_and_what_fires_after_it_begins_anew() -> None:
    before = answered(notice(alert("a1")))
    done = notice(alert("a1", status="resolved"), state="resolved", before=before)
    (told,) = posted(done, CONFIG, NOW)
    assert told["endsAt"] == "2026-03-02T10:00:05.000Z"
    assert answered(done) == {"state": "resolved"}
    again = notice(alert("a2", severity="high"), before=answered(done))
    (told,) = posted(again, CONFIG, NOW)
    assert told["labels"] == {**FIRST, "severity": "high"}


def test_a_severity_that_falls_with_no_alert_of_it_at_hand_changes_that_label_alone() -> None:
    before = answered(notice(alert("a1")))
    told = posted(notice(alert("a1", status="resolved"), severity="medium", firing=3, before=before), CONFIG, NOW)
    assert [each["labels"]["severity"] for each in told] == ["critical", "medium"]
    assert told[1]["labels"] == {**FIRST, "severity": "medium"}


def test_an_acknowledgement_is_an_annotation_and_no_other_alert() -> None:
    before = answered(notice(alert("a1")))
    (told,) = posted(notice(alert("a1", handled=ACKED), state="acknowledged", before=before), CONFIG, NOW)
    assert told["labels"] == FIRST
    assert told["annotations"]["acknowledged_by"] == "o.berg"


def test_ids_beyond_what_is_listed_are_counted() -> None:
    (told,) = posted(notice(*(alert(f"a{at}") for at in range(1000))), CONFIG, NOW)
    assert len(told["annotations"]["alert_ids"].split(",")) == IDS_MAX
    assert told["annotations"]["alert_ids_left_out"] == str(1000 - IDS_MAX)


def test_a_start_in_the_future_is_not_after_its_end() -> None:
    (told,) = posted(notice(state="resolved", started_at=NOW + 9000), CONFIG, NOW)
    assert told["startsAt"] == told["endsAt"]


def test_labels_of_the_policy_are_kept_and_ended_as_they_were_sent() -> None:
    old = AlertmanagerConfig(urls=CONFIG.urls, labels={"environment": "staging", "gone": "x"})
    new = AlertmanagerConfig(urls=CONFIG.urls, labels={"environment": "production"})
    before = kept(notice(), old.labels)
    ended, fires = posted(notice(alert("a2"), before=before), new, NOW)
    assert ended["labels"] == {**FIRST, "environment": "staging", "gone": "x"}
    assert fires["labels"] == {**FIRST, "environment": "production"}


def test_tests_and_digests_are_marked_so_that_routes_can_tell() -> None:
    assert labels_of(notice(test=True), {}).labels["test"] == "true"
    assert labels_of(notice(digest=True), {}).labels["digest"] == "true"
    assert "test" not in labels_of(notice(), {}).labels


async def test_every_replica_is_told_and_one_that_is_away_is_named() -> None:
    away = f"http://127.0.0.1:{free_port()}"
    async with serving() as one, serving(Reply(503)) as two, alertmanager([one.url, away, two.url + "/"]) as it:
        (outcome,) = await it.send([notice()])
        assert [got.path for got in (*one.got, *two.got)] == ["/api/v2/alerts"] * 2
    assert isinstance(outcome, Delivered)
    assert outcome.answer["replicas"] == "1 of 3"
    assert outcome.answer["status"] == "200"
    assert "cannot be reached: Connection refused" in outcome.answer["missed"]
    assert "answered 503" in outcome.answer["missed"]
    assert all(len(value) <= 512 for value in outcome.answer.values())


async def test_a_replica_that_is_silent_does_not_hold_back_the_others() -> None:
    async with serving() as one, serving(Reply(hangs=True)) as two, alertmanager([two.url, one.url]) as it:
        began = time.monotonic()
        (outcome,) = await it.send([notice()])
        assert time.monotonic() - began < 8, "less than the timeout of a request"
    assert isinstance(outcome, Delivered)
    assert "no answer within 1 s of another replica's" in outcome.answer["missed"]


@pytest.mark.parametrize(
    ("replies", "kind"),
    [
        ([Reply(400), Reply(400)], Refused),
        ([Reply(400), Reply(503)], Failed),
        ([Reply(429), Reply(500)], Failed),
        ([Reply(200), Reply(400)], Delivered),
        ([Reply(404), Reply(422)], Refused),
    ],
)
async def test_what_all_replicas_together_mean(replies: list[Reply], kind: type[Outcome]) -> None:
    async with serving(replies[0]) as one, serving(replies[1]) as two, alertmanager([one.url, two.url]) as it:
        (outcome,) = await it.send([notice()])
    assert isinstance(outcome, kind)


async def test_the_wait_that_is_asked_for_is_the_shortest_and_only_where_all_ask() -> None:
    slow, slower = Reply(429, headers={"Retry-After": "5"}), Reply(503, headers={"Retry-After": "60"})
    for replies, wait in (((slow, slower), 5.0), ((slow, Reply(500)), None)):
        async with serving(replies[0]) as one, serving(replies[1]) as two, alertmanager([one.url, two.url]) as it:
            (outcome,) = await it.send([notice()])
        assert isinstance(outcome, Failed)
        assert outcome.retry_after_s == wait


async def test_credentials_are_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "t0ken")
    async with serving() as one, alertmanager([one.url], auth=Auth(bearer=SecretRef(env="TOKEN"))) as it:
        await it.send([notice()])
        assert one.got[0].headers["Authorization"] == "Bearer t0ken"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"urls": ()}, "urls: at least one"),
        ({"urls": ("http://am.example:9093",)}, "urls: http:// to am.example would send alerts in clear"),
        ({"labels": {"severity": "x"}}, "'severity' is set by cloverwatch"),
        ({"labels": {"a-b": "x"}}, "'a-b' is no name of a label"),
        ({"labels": {"a": ""}}, "'a' is empty"),
        ({"labels": {"a": "x" * 400}}, "longer than 400"),
    ],
)
def test_what_a_policy_may_not_say(fields: dict[str, Any], said: str) -> None:
    assert said in str(KIND.check(AlertmanagerConfig(**{"urls": ("https://am.example:9093",), **fields})))


def test_an_alert_that_is_over_changes_no_label_of_a_group_that_fires() -> None:
    before = answered(notice(alert("a1")))
    over = alert("a1", revision=1, status="resolved", sensitivity="secret")
    (told,) = posted(notice(over, firing=2, before=before), CONFIG, NOW)
    assert told["labels"] == FIRST

"""Splunk's collector: what is delivered is indexed, whatever dies in between; every documented code has its outcome."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from alerts import hec
from alerts.destination import Context
from alerts.hec import KIND, Hec, HecConfig
from alerts.hec_answers import CODES, OF_THE_EVENT
from alerts.notice import Delivered, Failed, Refused
from alerts.secrets import SecretRef
from schemas.errors import ConfigurationError
from tests.alerts.ocsf_schema import complaints
from tests.alerts.samples import VARIETY, alert, notice, notices
from tests.alerts.sending import send_all
from tests.receivers.hec import TEXTS, TOKEN, VARIABLE, HecReceiver

pytestmark = pytest.mark.slow

HERE = Context(name="splunk", host="monitor-1", version="1.2.3")
TOKEN_REF = SecretRef(env=VARIABLE)


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HecReceiver]:
    """One for the module, with acknowledgement."""
    receiver = HecReceiver(tmp_path_factory.mktemp("hec"))
    receiver.start()
    yield receiver
    receiver.stop()


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, TOKEN)


@pytest.fixture
async def acked(collector: HecReceiver) -> AsyncIterator[Hec]:
    control(collector, acknowledge=True)
    made = Hec(HecConfig(url=collector.url, token=TOKEN_REF, acknowledge=True), HERE)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def plain(collector: HecReceiver) -> AsyncIterator[Hec]:
    control(collector, acknowledge=False)
    made = Hec(HecConfig(url=collector.url, token=TOKEN_REF, acknowledge=False), HERE)
    await made.start()
    yield made
    await made.stop()


def control(collector: HecReceiver, **what: Any) -> None:
    request = urllib.request.Request(collector.url + "/control", data=json.dumps(what).encode())
    urllib.request.urlopen(request, timeout=10).close()


def told(collector: HecReceiver) -> list[dict[str, Any]]:
    with urllib.request.urlopen(collector.url + "/control", timeout=10) as answer:
        found: list[dict[str, Any]] = json.load(answer)
    return found


async def test_delivered_is_indexed(acked: Hec, collector: HecReceiver) -> None:
    before = collector.received()
    [outcome] = await acked.send([notice(alert(1_000))])
    assert isinstance(outcome, Delivered)
    assert outcome.answer["ack_id"].isdigit()
    assert (collector.received() - before) == {alert(1_000).alert_id: 1}, "in the journal before it is delivered"


async def test_a_batch_is_one_request_with_one_acknowledgement(acked: Hec, collector: HecReceiver) -> None:
    control(collector)
    outcomes = await acked.send(notices([alert(2_000 + number) for number in range(100)]))
    assert len({outcome.answer["ack_id"] for outcome in outcomes if isinstance(outcome, Delivered)}) == 1
    events = [each for each in told(collector) if each["path"] == "event"]
    assert len(events) == 1
    assert events[0]["headers"]["Content-Encoding"] == "gzip"
    assert events[0]["bytes"] < 100 * 400, "an alert of 3 KB is packed"


async def test_an_event_is_a_finding_with_its_time_and_its_fields(acked: Hec, collector: HecReceiver) -> None:
    one = VARIETY["acknowledged"]
    await acked.send([notice(one)])
    event = collector.events()[-1]
    assert event["time"] == pytest.approx((one.occurred_at + 9_500) / 1000)
    assert (event["host"], event["source"], event["sourcetype"]) == ("monitor-1", "cloverwatch", "cloverwatch:ocsf")
    assert event["fields"] == {"alert_id": one.alert_id, "revision": 2}
    assert complaints(event["event"]) == []


@pytest.mark.parametrize(("form", "path"), [("ecs", ("event", "id")), ("alert", ("alert_id",))])
async def test_other_formats_and_an_index(collector: HecReceiver, form: Any, path: tuple[str, ...]) -> None:
    control(collector, acknowledge=True)
    config = HecConfig(
        url=collector.url, token=TOKEN_REF, acknowledge=True, format=form, index="security", sourcetype="ours"
    )
    made = Hec(config, HERE)
    await made.start()
    [outcome] = await made.send([notice(alert(3_000))])
    await made.stop()
    assert isinstance(outcome, Delivered)
    event = collector.events()[-1]
    assert (event["index"], event["sourcetype"]) == ("security", "ours")
    value = event["event"]
    for name in path:
        value = value[name]
    assert value == alert(3_000).alert_id


async def test_a_batch_that_is_too_long_is_cut(acked: Hec, collector: HecReceiver) -> None:
    control(collector)
    many = notices([alert(4_000 + number, explanation="x" * 8_000) for number in range(300)])
    outcomes = await acked.send(many)
    assert all(isinstance(outcome, Delivered) for outcome in outcomes)
    assert len([each for each in told(collector) if each["path"] == "event"]) > 2


async def test_a_receiver_that_takes_less_than_we_think_gets_halves(
    acked: Hec, collector: HecReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hec, "BODY_MAX", 100_000_000)
    before = collector.received()
    many = [alert(5_000 + number, explanation="x" * 8_000) for number in range(300)]
    assert all(isinstance(outcome, Delivered) for outcome in await acked.send(notices(many)))
    assert collector.received() - before == {one.alert_id: 1 for one in many}


async def test_what_is_too_long_by_itself_is_refused_alone(acked: Hec) -> None:
    long = alert(6_001, explanation="x" * 1_100_000)
    outcomes = await acked.send(notices([alert(6_000), long, alert(6_002)]))
    assert [type(outcome) for outcome in outcomes] == [Delivered, Refused, Delivered]


async def test_without_acknowledgement_a_200_counts(plain: Hec) -> None:
    assert await plain.send([notice(alert(7_000))]) == [Delivered({"status": "200", "code": "0"})]


async def test_an_acknowledgement_that_is_not_enabled_is_said(acked: Hec, collector: HecReceiver) -> None:
    control(collector, acknowledge=False)
    [outcome] = await acked.send([notice(alert(7_001))])
    assert isinstance(outcome, Failed)
    assert "enable indexer acknowledgement" in outcome.reason


ERRORS = sorted(code for code in TEXTS if code not in {0, 17, 24, 25})


def test_every_documented_code_is_known() -> None:
    assert sorted(CODES) == ERRORS


@pytest.mark.parametrize("code", ERRORS)
async def test_every_documented_code_is_a_failure_or_about_the_event(
    plain: Hec, collector: HecReceiver, code: int
) -> None:
    control(collector, codes=[code])
    [outcome] = await plain.send([notice(alert(8_000 + code))])
    assert isinstance(outcome, Refused if code in OF_THE_EVENT else Failed)
    assert f"code {code}," in outcome.reason
    if isinstance(outcome, Failed) and TEXTS[code][0] in {429, 503}:
        assert outcome.retry_after_s == 1.0
    assert isinstance((await plain.send([notice(alert(8_000 + code))]))[0], Delivered), "it is not remembered"


@pytest.mark.parametrize("code", [24, 25])
async def test_a_warning_is_a_success(plain: Hec, collector: HecReceiver, code: int) -> None:
    control(collector, codes=[code])
    assert await plain.send([notice(alert(8_100))]) == [Delivered({"status": "200", "code": str(code)})]


@pytest.mark.parametrize("code", [9, 18, 23, 26, 27])
async def test_a_busy_acknowledgement_is_asked_for_again(acked: Hec, collector: HecReceiver, code: int) -> None:
    control(collector, path="ack", codes=[code])
    [outcome] = await acked.send([notice(alert(8_200))])
    assert isinstance(outcome, Delivered)


@pytest.mark.parametrize("code", [1, 4, 10, 11, 14])
async def test_an_acknowledgement_that_is_refused_fails(acked: Hec, collector: HecReceiver, code: int) -> None:
    control(collector, path="ack", codes=[code])
    [outcome] = await acked.send([notice(alert(8_300))])
    assert isinstance(outcome, Failed)
    assert f"code {code}," in outcome.reason


async def test_one_bad_event_of_a_batch_is_refused_alone(
    acked: Hec, collector: HecReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The collector takes what was before it, and says which one it is."""
    monkeypatch.setattr(Hec, "_event", spoilt(acked._event, alert(9_002).alert_id))
    before = collector.received()
    outcomes = await acked.send(notices([alert(9_000 + number) for number in range(5)]))
    assert [type(outcome) for outcome in outcomes] == [Delivered, Delivered, Refused, Delivered, Delivered]
    there = collector.received() - before
    assert set(there) == {alert(9_000 + number).alert_id for number in (0, 1, 3, 4)}


def spoilt(event: Any, alert_id: str) -> Any:
    def make(_: Hec, one: Any) -> bytes:
        made: bytes = event(one)
        return b'{"fields":{}}' if one.alerts[0].alert_id == alert_id else made

    return make


@pytest.mark.parametrize(("said", "code"), [("wrong", 4), (TOKEN.upper() + "x", 4)])
async def test_a_wrong_token_fails_and_is_said_nowhere(
    plain: Hec, monkeypatch: pytest.MonkeyPatch, said: str, code: int
) -> None:
    monkeypatch.setenv(VARIABLE, said)
    [outcome] = await plain.send([notice(alert(10_000))])
    assert isinstance(outcome, Failed)
    assert f"code {code}," in outcome.reason
    assert said not in outcome.reason
    monkeypatch.setenv(VARIABLE, TOKEN)
    assert isinstance((await plain.send([notice(alert(10_000))]))[0], Delivered), "it is read again"


async def test_a_token_that_is_away_while_running_fails(plain: Hec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE)
    [outcome] = await plain.send([notice(alert(10_001))])
    assert isinstance(outcome, Failed)
    assert "destinations.splunk.token" in outcome.reason


async def test_a_token_that_is_away_at_the_start_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(ConfigurationError, match=r"destinations\.splunk\.token"):
        await Hec(HecConfig(url="https://splunk.example:8088", token=TOKEN_REF), HERE).start()


async def test_what_is_never_indexed_fails_within_the_limit(
    collector: HecReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    control(collector, acknowledge=True)
    context = Context(name="splunk", host="h", version="1", sleep=sleep)
    made = Hec(HecConfig(url=collector.url, token=TOKEN_REF, acknowledge=True), context)
    monkeypatch.setattr("alerts.hec.indexed", lambda *_: [])
    await made.start()
    [outcome] = await made.send([notice(alert(11_000))])
    await made.stop()
    assert isinstance(outcome, Failed)
    assert "not acknowledged within 60 s" in outcome.reason
    assert hec.ACK_LIMIT_S <= sum(slept) <= hec.ACK_LIMIT_S + hec.ACK_MOST_S
    assert slept == sorted(slept), "it asks less and less often"


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("https://splunk.example:8088", False),
        ("https://splunk.example:8088/", False),
        ("http://127.0.0.1:8088", False),
        ("http://splunk.example:8088", True),
        ("https://splunk.example/services/collector", True),
        ("splunk.example", True),
    ],
)
def test_the_url_is_checked(url: str, wrong: bool) -> None:
    assert (KIND.check(HecConfig(url=url, token=TOKEN_REF)) is not None) is wrong


@pytest.mark.faults
async def test_a_thousand_alerts_through_three_kills_are_all_indexed(tmp_path: Path) -> None:
    """Killed with events that it answered 200 for: before they were indexed, after that, and while nothing was sent."""
    receiver = HecReceiver(tmp_path / "hec")
    await asyncio.to_thread(receiver.start)
    restarting: list[asyncio.Task[None]] = []
    kill_after: list[float] = []
    """Seconds after an answer."""

    async def restart(after: float) -> None:
        await asyncio.sleep(after)
        receiver.kill()
        restarting.append(asyncio.create_task(asyncio.to_thread(receiver.start)))

    async def sleep(seconds: float) -> None:
        if kill_after:
            await restart(kill_after.pop())
        await asyncio.sleep(seconds)

    def between(number: int) -> None:
        if number in {3, 6}:
            kill_after.append({3: 0.0, 6: 0.5}[number])
        if number == 8:
            receiver.kill()
            restarting.append(asyncio.create_task(asyncio.to_thread(receiver.start)))

    made = Hec(
        HecConfig(url=receiver.url, token=TOKEN_REF, acknowledge=True),
        Context(name="splunk", host="h", version="1", sleep=sleep),
    )
    await made.start()
    try:
        sent = [alert(number) for number in range(1_000)]
        final = await send_all(made, notices(sent), batch=100, within=120, between=between)
        await asyncio.gather(*restarting)
        assert len(restarting) == 3
        assert all(isinstance(outcome, Delivered) and "ack_id" in outcome.answer for outcome in final)
        there = receiver.received()
        assert set(there) == {one.alert_id for one in sent}
        assert 1_000 < there.total() <= 1_100, "twice only the batch that was indexed and not yet acknowledged"
    finally:
        await made.stop()
        receiver.stop()

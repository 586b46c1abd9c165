"""OTLP, Kafka, files and the collector's syslog against the real thing, killed and brought back in the middle."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from agents.delivering.kafka_client import other_cluster
from alerts import file, kafka, otlp, syslog
from alerts.destination import Destination
from alerts.notice import Delivered, Failed
from tests.alerts.stream_alerts import AT, CONTEXT, alert, deliver_all, notice, until
from tests.conftest import require
from tests.receivers.collector import CollectorOtlp, CollectorSyslog
from tests.receivers.file import Folder
from tests.receivers.kafka import KafkaTopic

KINDS = {kind.name: kind for kind in (file.KIND, file.STDOUT, kafka.KIND, otlp.KIND, syslog.KIND)}


def destination(policy: str, **more: Any) -> Destination:
    """What the policy says, made."""
    table: dict[str, Any] = tomllib.loads(policy)["destinations"]["siem"] | more
    kind = KINDS[table.pop("kind")]
    config = msgspec.convert(table, kind.config)
    assert kind.check(config) is None
    return kind.make(config, replace(CONTEXT, kafka=other_cluster))


@pytest.fixture
def started(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[type[Any]], Any]:
    def start(of: type[Any]) -> Any:
        require(of.missing())
        receiver = of(tmp_path / of.__name__)
        request.addfinalizer(receiver.stop)
        receiver.start()
        return receiver

    return start


@pytest.mark.slow
async def test_the_collector_has_an_event_with_its_severity(started: Callable[[type[Any]], Any]) -> None:
    receiver: CollectorOtlp = started(CollectorOtlp)
    sender = destination(receiver.policy("siem"))
    await sender.start()
    try:
        (outcome,) = await sender.send([notice(alert(1, severity="critical", revision=2))])
        assert outcome == Delivered({"status": "200"})
        await until(lambda: receiver.received().total() == 1, 20)
    finally:
        await sender.stop()
    ((record, resource),) = receiver.records()
    assert resource["service.name"] == "cloverwatch"
    assert (record["severityNumber"], record["severityText"]) == (18, "critical")
    assert record["eventName"] == "cloverwatch.alert"
    assert record["timeUnixNano"] == str(AT * 1_000_000)
    assert "body" not in record or record["body"] == {}
    attributes = record["attributes"]
    assert attributes["cloverwatch.alert.revision"] == 2
    assert attributes["user.hash"] == "e1:abcdefghijklmnopqrstuvwx"
    assert attributes["geo.country.iso_code"] == "BR"
    assert attributes["security_rule.uuid"] == "place.outside"


@pytest.mark.slow
async def test_the_collector_parses_structured_data_exactly(started: Callable[[type[Any]], Any]) -> None:
    receiver: CollectorSyslog = started(CollectorSyslog)
    sender = destination(receiver.policy("siem"), enterprise=32473)
    told = alert(1, dedup_key='a "quoted" ] key \\ of München', explanation='Zürich → 東京, said "no"')
    await sender.start()
    try:
        (outcome,) = await sender.send([notice(told)])
        assert isinstance(outcome, Delivered)
        await until(lambda: receiver.received().total() == 1, 20)
    finally:
        await sender.stop()
    ((record, _),) = receiver.records()
    attributes = record["attributes"]
    assert attributes["structured_data"]["cloverwatch@32473"]["dedupKey"] == told.dedup_key
    assert attributes["structured_data"]["origin"]["software"] == "cloverwatch"
    assert attributes["message"] == f"\ufeff{told.title}: {told.explanation}"
    assert (attributes["facility"], attributes["priority"], attributes["msg_id"]) == (13, 107, "place.outside")


@pytest.mark.broker
@pytest.mark.slow
async def test_kafka_has_key_headers_and_value(started: Callable[[type[Any]], Any]) -> None:
    receiver: KafkaTopic = started(KafkaTopic)
    told = alert(1)
    for form in ("ocsf", "cloudevents", "alert"):
        sender = destination(receiver.policy("siem", form))
        await sender.start()
        (outcome,) = await sender.send([notice(told)])
        assert isinstance(outcome, Delivered), outcome
        assert set(outcome.answer) == {"partition", "offset"}
        await sender.stop()
    records = receiver.records()
    assert [record.key.decode() for record in records] == [told.alert_id] * 3
    finding, event, plain = records
    assert orjson.loads(finding.value)["class_uid"] == 2004
    assert dict(finding.headers) == {"content-type": b"application/json"}
    headers = dict(event.headers)
    assert headers["ce_specversion"] == b"1.0"
    assert headers["ce_id"].decode().startswith(told.alert_id)
    assert headers["content-type"] == b"application/json"
    assert orjson.loads(event.value)["class_uid"] == 2004
    assert msgspec.json.decode(plain.value, type=type(told)) == told


@pytest.mark.broker
@pytest.mark.faults
async def test_kafka_that_was_away_at_the_start_and_for_longer_than_a_send(
    started: Callable[[type[Any]], Any],
) -> None:
    receiver: KafkaTopic = started(KafkaTopic)
    receiver.kill()
    sender = destination(receiver.policy("siem"))
    await sender.start()
    try:
        (outcome,) = await sender.send([notice(alert(1))])
        assert isinstance(outcome, Failed)
        await asyncio.to_thread(receiver.start)
        await deliver_all(sender, [notice(alert(1))], batch=1, within=60)
        receiver.kill()
        outcomes = await sender.send([notice(alert(number)) for number in (2, 3)])
        assert all(isinstance(each, Failed) for each in outcomes)
        await asyncio.to_thread(receiver.start)
        await deliver_all(sender, [notice(alert(number)) for number in (2, 3)], batch=2, within=60)
    finally:
        await sender.stop()
    assert receiver.received() == {alert(number).alert_id: 1 for number in (1, 2, 3)}


@pytest.mark.parametrize("rotate", [Folder.rename, Folder.copy_and_truncate])
async def test_rotation_in_the_middle_loses_nothing(
    started: Callable[[type[Any]], Any], rotate: Callable[[Folder], None]
) -> None:
    receiver: Folder = started(Folder)
    sender = destination(receiver.policy("siem"))
    notices = [notice(alert(number)) for number in range(1000)]
    delivered = 0

    async def turn(done: int) -> None:
        nonlocal delivered
        delivered = done
        await asyncio.sleep(0)

    async def rotating() -> None:
        while delivered < 1000:
            before = delivered
            await asyncio.to_thread(rotate, receiver)
            while delivered < min(before + 150, 1000):
                await asyncio.sleep(0.001)

    await sender.start()
    other = asyncio.create_task(rotating())
    await deliver_all(sender, notices, batch=10, within=60, between=turn)
    await other
    await deliver_all(sender, [notice(alert(5000))], batch=1, within=10)
    await sender.stop()
    expected = {each.alerts[0].alert_id for each in notices} | {alert(5000).alert_id}
    assert set(receiver.received()) == expected
    assert len(list(receiver.folder.glob("alerts.jsonl.*"))) >= 5

"""What is sent as a CloudEvent is read by the project's own SDK, and says what the alert says."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

import msgspec
import orjson
import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary, to_binary
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from alerts.formats import ocsf
from alerts.formats.cloudevents import message
from schemas.alert import Alert
from schemas.fields import EPOCH
from tests.alerts.samples import AT, VARIETY, alert

Data = Literal["ocsf", "alert"]


def read(one: Alert, data: Data) -> CloudEvent:
    headers, value = message(one, data=data, now=AT, version="1")
    found = from_binary(KafkaMessage(dict(headers), None, value), JSONFormat())
    assert isinstance(found, CloudEvent)
    return found


@pytest.mark.parametrize("data", ["ocsf", "alert"])
@pytest.mark.parametrize("name", VARIETY)
def test_the_sdk_reads_and_writes_it_alike(name: str, data: Data) -> None:
    headers, value = message(VARIETY[name], data=data, now=AT, version="1")
    event = read(VARIETY[name], data)
    again = to_binary(CloudEvent(event.get_attributes(), value), JSONFormat())
    written = {key: text for key, text in headers if key != "ce_time"}
    assert {key: text for key, text in again.headers.items() if key != "ce_time"} == written
    assert again.key == VARIETY[name].alert_id


def test_its_attributes() -> None:
    event = read(alert(revision=2), "alert")
    assert event.get_specversion() == "1.0"
    assert event.get_id() == f"{alert().alert_id}:2"
    assert event.get_type() == "cloverwatch.alert"
    assert event.get_subject() == alert().alert_id
    assert event.get_time() == EPOCH + timedelta(milliseconds=AT + 250)
    assert event.get_datacontenttype() == "application/json"


def test_a_revision_is_an_event_of_its_own_and_one_sent_again_is_not() -> None:
    ids = [read(alert(revision=revision), "ocsf").get_id() for revision in (0, 0, 1)]
    assert ids[0] == ids[1] != ids[2]


def test_the_data_is_the_alert_or_the_finding() -> None:
    one = VARIETY["acknowledged"]
    _, value = message(one, data="alert", now=AT, version="1")
    assert msgspec.json.decode(value, type=Alert) == one
    _, value = message(one, data="ocsf", now=AT, version="1")
    assert orjson.loads(value) == ocsf.finding(one, now=AT, version="1")


def test_headers_say_nothing_of_people() -> None:
    headers, _ = message(alert(), data="ocsf", now=AT, version="1")
    assert not [text for _, text in headers if str(alert().person).encode() in text]

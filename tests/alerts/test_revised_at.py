"""A revision has a time of its own, and every format tells it: a search of the last hour sees what closed in it."""

from __future__ import annotations

import json

from msgspec import structs

from alerts.destination import Context
from alerts.formats import cef, cloudevents, ecs, ocsf, otlp
from alerts.hec import Hec, HecConfig
from alerts.life import resolved
from alerts.secrets import SecretRef
from alerts.straight import notice_of
from alerts.syslog import Syslog, SyslogConfig
from schemas.codec import ALERT, encode
from schemas.fields import iso
from tests.alerts.plans import alert

RAISED, ENDED = 1_700_000_000_000, 1_700_086_400_000
HERE = Context(name="there", host="h", version="1", kafka=None)
CLOSED = resolved(alert("a", at=RAISED), "its time is over", ENDED)


def test_it_is_read_as_it_was_written_and_absent_where_it_says_nothing() -> None:
    assert ALERT.decode(encode(CLOSED)) == CLOSED
    assert b"revised_at" not in encode(alert("a"))
    assert ocsf.revised_at(alert("a", at=RAISED)) == RAISED
    assert ocsf.revised_at(structs.replace(CLOSED, detected_at=ENDED + 1)) == ENDED + 1, "a later finding counts"


def test_ocsf_closes_when_it_closed() -> None:
    closed = ocsf.finding(CLOSED, now=ENDED + 5, version="1")
    assert closed["activity_name"] == "Close"
    assert (closed["time"], closed["finding_info"]["modified_time"]) == (ENDED, ENDED)
    assert ocsf.finding(alert("a", at=RAISED), now=ENDED, version="1")["time"] == RAISED


def test_ecs_has_both_times() -> None:
    document = ecs.document(CLOSED, now=ENDED + 5, version="1")
    assert document["@timestamp"] == iso(ENDED)
    assert document["event"]["created"] == iso(RAISED)


def test_cloudevents_otlp_and_cef() -> None:
    headers, _ = cloudevents.message(CLOSED, data="alert", now=ENDED + 5, version="1")
    assert dict(headers)["ce_time"].decode() == iso(ENDED)
    record = otlp.record(CLOSED, now=ENDED + 5)
    assert (record.time_unix_nano, record.observed_time_unix_nano) == (ENDED * 1_000_000, (ENDED + 5) * 1_000_000)
    assert f" rt={ENDED} " in cef.event(CLOSED, version="1", host="h")


def test_splunk_and_syslog() -> None:
    notice = notice_of("there", CLOSED, ENDED + 5)
    config = HecConfig(url="https://splunk.example:8088", token=SecretRef(env="T"))
    assert json.loads(Hec(config, HERE)._event(notice))["time"] == ENDED / 1000
    frame = Syslog(SyslogConfig(host="log.example"), HERE)._frame(CLOSED, notice)
    assert frame.split(b" ")[2].decode() == iso(ENDED)

"""Defects of formats and of the life of alerts (each test fails until it is mended)."""

from __future__ import annotations

import json

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsPartialSuccess, ExportLogsServiceResponse

from alerts.destination import Context
from alerts.formats import ocsf
from alerts.http import Answer
from alerts.life import resolved
from alerts.notice import Refused
from alerts.otlp import Otlp, OtlpConfig
from alerts.pagerduty import judged
from tests.alerts.plans import alert
from tests.alerts.samples import VARIETY

RAISED, ENDED = 1_700_000_000_000, 1_700_086_400_000


def test_a_close_is_not_dated_like_the_create() -> None:
    """DEFECT: a revision carries no time of its own: what ends by itself a day later has the time of its detection in
    OCSF `time` and `modified_time`, ECS `@timestamp` and HEC's `time`: a search of the last hour never sees it close."""
    closed = ocsf.finding(resolved(alert("a", at=RAISED), "its time is over", ENDED), now=ENDED, version="1")
    assert closed["activity_name"] == "Close"
    assert closed["time"] > RAISED


def test_a_session_is_no_endpoint() -> None:
    """DEFECT: `src_endpoint.uid` (the endpoint's id) holds the session's; OCSF has `actor.session.uid` for it."""
    for each in VARIETY.values():
        session = each.facts.get("session_id")
        for evidence in ocsf.finding(each, now=ENDED, version="1").get("evidences", ()):
            if session is not None and "src_endpoint" in evidence:
                assert evidence["src_endpoint"].get("uid") != session


def test_words_of_a_receiver_are_in_no_receipt() -> None:
    """DEFECT: where names are clear a receiver that quotes what it refuses puts them into receipts, parked records and
    the log (`bulk.py` leaves its receivers' words out for that reason)."""
    said = "invalid value of user.id: 'e-0042'"
    partial = ExportLogsPartialSuccess(rejected_log_records=1, error_message=said)
    body = ExportLogsServiceResponse(partial_success=partial).SerializeToString()
    otlp = Otlp(OtlpConfig(url="https://there.example:4318"), Context(name="there", host="h", version="1", kafka=None))
    refused = [otlp._outcome(Answer(200, body, None, False), 1)]
    refused.append(judged(Answer(400, json.dumps({"errors": [said]}).encode(), None, False), "k" * 32))
    assert all(isinstance(each, Refused) and "e-0042" not in each.reason for each in refused), refused

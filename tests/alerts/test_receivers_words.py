"""What receivers say is in no reason and no answer: they may quote what they were sent, and a clear name in it."""

from __future__ import annotations

import json

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsPartialSuccess, ExportLogsServiceResponse

from alerts.bulk import _outcomes
from alerts.destination import Context
from alerts.http import Answer
from alerts.notice import Delivered, Failed, Refused
from alerts.otlp import Otlp, OtlpConfig
from alerts.pagerduty_answers import judged
from alerts.trouble import place

PERSON = "e-0042"
SAID = f"invalid value of user.id: '{PERSON}'"


def answer(status: int, said: object) -> Answer:
    return Answer(status, json.dumps(said).encode(), None, False)


def test_otlp() -> None:
    partial = ExportLogsPartialSuccess(rejected_log_records=1, error_message=SAID)
    body = ExportLogsServiceResponse(partial_success=partial).SerializeToString()
    otlp = Otlp(OtlpConfig(url="https://there.example:4318"), Context(name="there", host="h", version="1", kafka=None))
    refused = otlp._outcome(Answer(200, body, None, False), 1)
    assert refused == Refused("there.example:4318: answered 200 and rejected it")


@pytest.mark.parametrize("status", [202, 400, 413, 429, 500])
def test_pagerduty(status: int) -> None:
    found = judged(answer(status, {"status": SAID, "message": SAID, "errors": [SAID], "dedup_key": SAID}), "ours")
    assert PERSON not in repr(found)


def test_pagerduty_names_the_fields_that_are_wrong() -> None:
    errors = [
        "'payload.severity' is invalid (must be one of 'critical')",
        f"'routing_key' is '{PERSON}'",
        "'e_kowalska'",
    ]
    assert judged(answer(400, {"errors": errors}), "ours") == Refused("answered 400, about routing_key, severity")
    told = judged(answer(202, {"status": "success", "dedup_key": "ours"}), "ours")
    assert told == Delivered({"status": "202 success", "dedup_key": "ours"})


@pytest.mark.parametrize("status", [200, 400, 429])
def test_bulk(status: int) -> None:
    error = {"type": PERSON, "reason": f"failed to parse field [{PERSON}] of type [long]: '{PERSON}'"}
    item = {"_id": "a", "status": status, "result": PERSON, "error": error}
    (found,) = _outcomes(answer(200, {"items": [{"index": item}]}), 1)
    assert isinstance(found, Delivered | Refused | Failed)
    assert PERSON not in repr(found)


def test_the_log_says_where_something_was_raised_and_not_what_it_says() -> None:
    try:
        raise ValueError(SAID)
    except ValueError as error:
        said = place(error)
    assert PERSON not in said
    assert said.startswith("ValueError at test_receivers_words.py:")

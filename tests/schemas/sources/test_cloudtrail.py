"""What of a CloudTrail record stands in the access: id, time, outcome, address, size, client."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from msgspec import UNSET

from schemas.sources._build import CLIENT_MAX
from tests.replay.slice import SETS, records
from tests.schemas.sources.trail import RECORD, event, refused, translated

AT = 1_772_445_600_000


def test_the_whole_of_a_usual_record() -> None:
    found = event({**RECORD, "additionalEventData": {"bytesTransferredOut": 89.0, "bytesTransferredIn": 0}})
    assert found.event_id == RECORD["eventID"]
    assert found.occurred_at == AT
    assert found.person == "alice"
    assert (found.action, found.result, found.dataset_id) == ("read", "success", "arn:aws:s3:::users")
    assert (found.source_ip, found.bytes, found.session_id) == ("192.0.2.7", 89, "AKIAEXAMPLE")
    assert found.client == "aws-cli/2.0"
    assert found.destination is found.record_count is found.service_account is UNSET


@pytest.mark.parametrize(
    ("said", "at"),
    [
        ("2026-03-02T10:00:00Z", AT),
        ("2026-03-02T10:00:00.000Z", AT),
        ("2026-03-02T10:00:00.7Z", AT + 700),
        ("2026-03-02T11:00:00+01:00", AT),
        ("2026-03-02T10:00:00", AT),
        ("2026-03-02 10:00:00.000000000", AT),
    ],
)
@pytest.mark.parametrize("field", ["eventTime", "@timestamp"])
def test_the_time_is_read_under_either_name(field: str, said: str, at: int) -> None:
    bare = {name: value for name, value in RECORD.items() if name != "eventTime"}
    assert event({**bare, field: said}).occurred_at == at


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (None, "untranslatable"),
        ("", "untranslatable"),
        (AT, "untranslatable"),
        ("yesterday", "invalid_value"),
        ("2026-02-30T10:00:00Z", "invalid_value"),
        ("1969-12-31T23:59:59Z", "invalid_value"),
        ("1970-01-01T00:00:00+01:00", "invalid_value"),
        ("9999-12-31T23:59:59-05:00", "invalid_value"),
        ("\ud800", "invalid_value"),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_a_time_that_is_none_is_refused(said: Any, reason: str) -> None:
    assert refused(json.dumps({**RECORD, "eventTime": said}).encode()).reason in {reason, "not_utf8", "not_json"}


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (None, "success"),
        ("", "success"),
        ("AccessDenied", "denied"),
        ("AccessDeniedException", "denied"),
        ("Client.UnauthorizedOperation", "denied"),
        ("UnauthorizedOperation", "denied"),
        ("NotAuthorized", "denied"),
        ("Forbidden", "denied"),
        ("NoSuchKey", "error"),
        ("TrailNotFoundException", "error"),
        ("ThrottlingException", "error"),
    ],
)
def test_the_outcome_is_told_by_the_errors_code(code: str | None, outcome: str) -> None:
    assert event({**RECORD, "errorCode": code}).outcome == outcome


def test_an_id_that_is_missing_or_too_long_is_made_of_the_record() -> None:
    bare = {name: value for name, value in RECORD.items() if name != "eventID"}
    made = event(bare).event_id
    assert made.startswith("ct-")
    assert event(dict(reversed(bare.items()))).event_id == made, "the order of keys is no content"
    assert event({**bare, "awsRegion": "eu-west-2"}).event_id != made
    assert event({**RECORD, "eventID": "x" * 200}).event_id.startswith("ct-")
    assert event({**RECORD, "eventID": 7}).event_id.startswith("ct-")


def test_a_long_client_is_cut_and_a_missing_one_is_absent() -> None:
    assert event({**RECORD, "userAgent": "x" * 5_000}).client == "x" * CLIENT_MAX
    assert event({**RECORD, "userAgent": None}).client is UNSET


@pytest.mark.parametrize("size", [-1, 0.5, 1e400, True, "89", None, [], 2**60])
def test_a_size_that_is_none_is_absent(size: Any) -> None:
    raw = json.dumps({**RECORD, "additionalEventData": {"bytesTransferredOut": size}}).replace("Infinity", "1e400")
    (found,) = translated(raw.encode())
    assert found.event is not None
    assert found.event.bytes is UNSET


@pytest.mark.parametrize("address", ["253.252.51.07", "redacted", "ec2.amazonaws.com", "AWS Internal", "", None, 7])
def test_what_is_no_address_is_left_out(address: Any) -> None:
    assert event({**RECORD, "sourceIPAddress": address}).source_ip is UNSET


def test_a_record_is_read_out_of_its_wrapping() -> None:
    wrapped = {"src": "somebody/data", "path": "a.json", "event": RECORD}
    assert event(wrapped) == event(RECORD)
    assert event({"version": "0", "detail-type": "AWS API Call via CloudTrail", "detail": RECORD}) == event(RECORD)
    assert refused({"event": "x"}).reason == "untranslatable"


@pytest.mark.parametrize("record", [{}, {"eventName": "GetObject"}, {"eventSource": "s3.amazonaws.com"}, {"a": 1}])
def test_what_is_no_record_of_cloudtrail_is_refused(record: dict[str, Any]) -> None:
    assert refused(record).reason == "untranslatable"


def test_a_bad_record_does_not_take_its_neighbours_with_it() -> None:
    rows = [RECORD, {"eventName": 7}, {**RECORD, "eventTime": "x"}, "text", None, RECORD]
    found = translated(gzip.compress(json.dumps({"Records": rows}).encode()))
    assert [each.index for each in found] == [0, 1, 2, 3, 4, 5]
    assert [each.bad.reason if each.bad else None for each in found] == [
        None, "untranslatable", "invalid_value", "wrong_type", "wrong_type", None,
    ]  # fmt: skip


def test_a_nul_in_what_is_kept_is_refused_and_elsewhere_it_is_nobodys() -> None:
    assert refused({**RECORD, "userAgent": "a\0b"}).reason == "nul_byte"
    assert refused({**RECORD, "requestParameters": {"bucketName": "a\0b"}}).reason == "nul_byte"
    assert event({**RECORD, "errorMessage": "a\0b"})


def test_no_error_quotes_the_record() -> None:
    for each in ({**RECORD, "eventTime": "Alice"}, {**RECORD, "userIdentity": {"type": "IAMUser"}}, ["Alice"]):
        assert "Alice" not in str(refused(each))


@pytest.mark.parametrize("name", SETS)
def test_every_real_record_is_an_access_or_is_counted(name: str) -> None:
    found = translated(json.dumps(records(name)).encode())
    assert not [each.bad for each in found if each.bad]
    assert {each.index for each in found} == set(range(len(records(name))))

"""Messages of many records: what is good in them is judged, what is bad is put away once for each reason."""

from __future__ import annotations

import gzip
import json

import pytest

from agents.watching import ORIGIN
from schemas.topics import ACCESS_EVENTS, RAW_CLOUDTRAIL
from tests.bad_input.worker import Heart

GOOD = {
    "eventID": "ct-1",
    "eventTime": "2026-03-01T12:00:00Z",
    "eventSource": "s3.amazonaws.com",
    "eventName": "GetObject",
    "eventType": "AwsApiCall",
    "eventCategory": "Data",
    "readOnly": True,
    "awsRegion": "eu-west-1",
    "recipientAccountId": "111122223333",
    "userIdentity": {"type": "IAMUser", "userName": "Ada", "arn": "arn:aws:iam::111122223333:user/Ada"},
    "requestParameters": {"bucketName": "eu-likes", "key": "a"},
}


def message(*records: object) -> bytes:
    return gzip.compress(json.dumps({"Records": records}).encode())


async def test_a_message_is_put_away_once_for_each_reason_and_its_good_records_are_accesses() -> None:
    raw = message(*[{}] * 3_000, GOOD, *[{**GOOD, "eventTime": "yesterday"}] * 2, 7)
    async with Heart().beating() as heart:
        tp = await heart.translate(RAW_CLOUDTRAIL, [raw], 0)
        accesses = [told for topic, told in heart.stored.messages if topic == ACCESS_EVENTS]
        assert [json.loads(told["value"])["event_id"] for told in accesses] == ["ct-1"]
        assert accesses[0]["headers"] == [(ORIGIN, f"{RAW_CLOUDTRAIL}/0/0/3000".encode())]
        letters = {letter.reason: letter for letter in heart.stored.letters}
        assert len(letters) == len(heart.stored.letters) == 3
        assert all(letter.value == raw for letter in letters.values())
        assert letters["untranslatable"].index == 0
        assert letters["untranslatable"].detail.endswith("(and 2999 more of its records)")
        assert letters["invalid_value"].index == 3001
        assert letters["wrong_type"].index == 3003
        count = {reason: heart.value("dead_letters_total", topic=RAW_CLOUDTRAIL, reason=reason) for reason in letters}
        assert count == {"untranslatable": 3_000, "invalid_value": 2, "wrong_type": 1}
        assert heart.ledger.committable(tp) == 1


@pytest.mark.slow
async def test_a_message_that_expands_beyond_the_bound_is_put_away_and_the_next_is_translated() -> None:
    bomb = gzip.compress(b"[" + b" " * (70 * 1024 * 1024) + b"]")
    async with Heart().beating() as heart:
        tp = await heart.translate(RAW_CLOUDTRAIL, [bomb, None, b"\x1f\x8bnothing", message(GOOD)], 0)
        assert [letter.reason for letter in heart.stored.letters] == ["too_large", "null_value", "not_compressed_right"]
        assert [letter.offset for letter in heart.stored.letters] == [0, 1, 2]
        assert [topic for topic, _ in heart.stored.messages].count(ACCESS_EVENTS) == 1
        assert heart.ledger.committable(tp) == 4

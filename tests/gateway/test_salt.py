"""The log's hash of a decision tells nobody whom it was about, though everything else of it can be guessed."""

from __future__ import annotations

import json
from hashlib import sha256
from itertools import product
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from agents.audit.writing.entries import entry_of
from agents.gateway.answers import refused_unrecorded
from agents.gateway.recording import stored
from schemas.codec import encode
from schemas.decision import SALT_DIGITS, Decision
from schemas.decision_codec import DECISION
from schemas.entry import ABOUT
from schemas.errors import BadRecordError
from schemas.gateway_topics import GATEWAY_DECISIONS
from schemas.places import PlaceClass

PEOPLE = [f"e-{number}" for number in range(200)]
DATASETS = ["users", "orders", "payments"]

ASKED = Decision(
    decision_id="5f0c", gateway_id="gw", effect="allow", decided_at=1_700_000_000_000, expires_at=1_700_000_900_000,
    person="e-117", dataset_id="payments", action="read", country="IN", place_class=PlaceClass.THIRD_COUNTRY,
    policy="p1", uses=1,
)  # fmt: skip


def logged(value: bytes) -> dict[str, Any]:
    """The entry of a record, as whoever holds the log reads it."""
    record = SimpleNamespace(value=value, offset=5, partition=2, timestamp=ASKED.decided_at)
    found: dict[str, Any] = json.loads(entry_of(GATEWAY_DECISIONS, record)[1])
    return found


def guessed(entry: dict[str, Any], **known: Any) -> list[tuple[str, str]]:
    """Who and what the entry is about, by trying; all that is not in the entry is guessed right, as are `known`."""
    tried = msgspec.structs.replace(ASKED, **known)
    return [
        (person, dataset)
        for person, dataset in product(PEOPLE, DATASETS)
        if sha256(encode(msgspec.structs.replace(tried, person=person, dataset_id=dataset))).hexdigest()
        == entry["sha256"]
    ]


def test_whom_an_entry_is_about_cannot_be_tried_out() -> None:
    value = stored(ASKED)
    entry = logged(value)
    assert guessed(entry) == []
    salt = DECISION.decode(value).salt
    assert salt.encode() not in json.dumps(entry).encode()
    assert "salt" not in ABOUT["decision"]
    assert guessed(entry, salt=salt) == [("e-117", "payments")]  # the trying itself works


def test_every_record_has_a_salt_of_its_own_and_is_the_decision_otherwise() -> None:
    values = [stored(ASKED) for _ in range(50)] + [stored(refused_unrecorded(DECISION.decode(stored(ASKED))))]
    salts = {DECISION.decode(value).salt for value in values}
    assert len(salts) == len(values)
    assert {len(bytes.fromhex(salt)) * 8 for salt in salts} == {128}
    assert msgspec.structs.replace(DECISION.decode(values[0]), salt="") == ASKED


def test_a_record_of_before_is_read_and_a_salt_that_is_none_is_not() -> None:
    value = json.loads(encode(ASKED))
    value.pop("salt", None)
    assert DECISION.decode(json.dumps(value).encode()) == ASKED
    with pytest.raises(BadRecordError, match="salt"):
        DECISION.decode(json.dumps({**value, "salt": "0" * (SALT_DIGITS + 1)}).encode())

"""CloudTrail and OCSF records to begin with, and what a source makes of them."""

from __future__ import annotations

from typing import Any, Final

import orjson

from schemas.access import AccessEvent
from schemas.codec import ACCESS, encode
from schemas.errors import REASONS, BadRecordError
from schemas.sources import SOURCES
from schemas.sources.base import Pattern, SourceMapping, Translated

ACCOUNT: Final = "111122223333"
OTHER: Final = "444455556666"

USER: Final[dict[str, Any]] = {
    "type": "IAMUser",
    "principalId": "AIDAEXAMPLE",
    "arn": f"arn:aws:iam::{ACCOUNT}:user/Alice",
    "accountId": ACCOUNT,
    "accessKeyId": "AKIAEXAMPLE",
    "userName": "Alice",
}
RECORD: Final[dict[str, Any]] = {
    "eventVersion": "1.09",
    "userIdentity": USER,
    "eventTime": "2026-03-02T10:00:00Z",
    "eventSource": "s3.amazonaws.com",
    "eventName": "GetObject",
    "awsRegion": "eu-west-1",
    "sourceIPAddress": "192.0.2.7",
    "userAgent": "[aws-cli/2.0]",
    "requestParameters": {"bucketName": "users", "key": "a/b.csv"},
    "responseElements": None,
    "eventID": "11111111-2222-3333-4444-555555555555",
    "eventType": "AwsApiCall",
    "recipientAccountId": ACCOUNT,
}
ACTIVITY: Final[dict[str, Any]] = {
    "class_uid": 6005,
    "category_uid": 6,
    "activity_id": 1,
    "type_uid": 600501,
    "time": 1_772_445_600_000,
    "severity_id": 1,
    "status_id": 1,
    "metadata": {"uid": "o-1", "version": "1.8.0", "product": {"name": "Lake", "vendor_name": "Acme", "version": "1"}},
    "actor": {"user": {"name": "Alice", "email_addr": "Alice@Example.eu", "type_id": 1}, "session": {"uid": "s-1"}},
    "src_endpoint": {"ip": "192.0.2.7"},
    "databucket": {"name": "users", "file": {"name": "b.csv", "path": "/a/b.csv"}},
}
NOTHING: Final = SourceMapping()


def call(service: str, name: str, params: Any = None, **fields: Any) -> dict[str, Any]:
    """A record of another call; None leaves a field out."""
    changed = {"eventSource": f"{service}.amazonaws.com", "eventName": name, "requestParameters": params, **fields}
    return {field: value for field, value in {**RECORD, **changed}.items() if value is not None}


def activity(**fields: Any) -> dict[str, Any]:
    """An OCSF record with other fields; None leaves one out."""
    return {field: value for field, value in {**ACTIVITY, **fields}.items() if value is not None}


def mapping(**lists: list[tuple[str, str]]) -> SourceMapping:
    """A mapping of these pairs of `match` and `to`."""
    return SourceMapping(**{name: tuple(Pattern(match=a, to=b) for a, b in pairs) for name, pairs in lists.items()})


def translated(raw: bytes | None, maps: SourceMapping = NOTHING, source: str = "cloudtrail") -> list[Translated]:
    """What a source makes of a message: held to what every source promises."""
    found = list(SOURCES[source].translate(raw, maps))
    for each in found:
        assert [each.event, each.bad, each.skipped].count(None) == 2, "exactly one of the three is set"
        if each.bad is not None:
            assert each.bad.reason in REASONS
        if each.event is not None:
            assert ACCESS.decode(encode(each.event)) == each.event, "an event is a native record"
    return found


def events(record: Any, maps: SourceMapping = NOTHING, source: str = "cloudtrail") -> list[AccessEvent]:
    """The events of a record that must be an access."""
    found = [each.event for each in translated(orjson.dumps(record), maps, source)]
    events = [event for event in found if event is not None]
    assert events
    assert len(events) == len(found), "all of it is accesses"
    return events


def event(record: Any, maps: SourceMapping = NOTHING, source: str = "cloudtrail") -> AccessEvent:
    """The one event of a record."""
    (only,) = events(record, maps, source)
    return only


def skipped(record: Any, maps: SourceMapping = NOTHING, source: str = "cloudtrail") -> str:
    """Why a record is no access."""
    (only,) = translated(orjson.dumps(record), maps, source)
    assert only.skipped is not None
    return only.skipped


def refused(record: Any, maps: SourceMapping = NOTHING, source: str = "cloudtrail") -> BadRecordError:
    """What is wrong with a record."""
    raw = record if isinstance(record, bytes) or record is None else orjson.dumps(record)
    (only,) = translated(raw, maps, source)
    assert only.bad is not None
    return only.bad

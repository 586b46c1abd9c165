"""OCSF: datastore and API activity become accesses; CloudTrail that travels as OCSF is judged as CloudTrail."""

from __future__ import annotations

import gzip
import json
from datetime import datetime
from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from schemas.access import AccessEvent
from schemas.fields import milliseconds
from schemas.sources.base import SourceMapping
from schemas.sources.ocsf import SKIPPED
from tests.replay.slice import SETS, records
from tests.schemas.sources import trail
from tests.schemas.sources.trail import ACCOUNT, ACTIVITY, NOTHING, OTHER, RECORD, activity, call, mapping

AT = 1_772_445_600_000


def event(record: Any, maps: SourceMapping = NOTHING) -> Any:
    return trail.event(record, maps, "ocsf")


def refused(record: Any) -> str:
    return trail.refused(record, NOTHING, "ocsf").reason


def api(operation: str, activity_id: int = 2, **fields: Any) -> dict[str, Any]:
    """An API activity of a product that is not AWS."""
    bare = {name: value for name, value in ACTIVITY.items() if name not in {"databucket", "type_uid"}}
    said = {"operation": operation, "service": {"name": "ledger"}}
    resources = [{"type": "ledger", "name": "customers"}]
    return {**bare, "class_uid": 6003, "activity_id": activity_id, "api": said, "resources": resources, **fields}


def test_the_whole_of_a_usual_record() -> None:
    found = event(activity(http_request={"user_agent": "curl/8"}, query_info={"bytes": 512}))
    assert found.event_id == "o-1"
    assert found.occurred_at == AT
    assert (found.person, found.principal) == ("alice@example.eu", "employee")
    assert (found.action, found.result, found.dataset_id) == ("read", "success", "bucket:users")
    assert (found.source_ip, found.session_id, found.client, found.bytes) == ("192.0.2.7", "s-1", "curl/8", 512)
    assert found.destination is found.device_country is found.service_account is UNSET


@pytest.mark.parametrize(
    ("activity_id", "action"),
    [(1, "read"), (2, "update"), (4, "query"), (5, "write"), (6, "create"), (7, "delete"), (8, "list"), (9, "update"),
     (10, "decrypt"), (0, "read"), (99, "read"), (12345, "read")],
)  # fmt: skip
def test_each_activity_of_a_datastore_is_an_action(activity_id: int, action: str) -> None:
    assert event(activity(activity_id=activity_id)).action == action
    assert event(activity(activity_id=None, type_uid=600_500 + activity_id % 100)).action


@pytest.mark.parametrize(
    ("name", "action"),
    [("Export", "export"), ("UNLOAD to file", "export"), ("Grant", "grant"), ("Share", "grant"), ("Backup", "read")],
)
def test_an_activity_that_has_no_number_is_told_by_its_name(name: str, action: str) -> None:
    assert event(activity(activity_id=99, activity_name=name)).action == action


@pytest.mark.parametrize(("activity_id", "action"), [(1, "create"), (2, "read"), (3, "update"), (4, "delete")])
def test_each_activity_of_an_api_is_an_action(activity_id: int, action: str) -> None:
    found = event(api("Whatever", activity_id))
    assert (found.action, found.dataset_id) == (action, "ledger:customers")


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (activity(class_uid=4001, type_uid=400101), "other_class"),
        (activity(class_uid=None, type_uid=300201), "other_class"),
        (activity(activity_id=3), "connection"),
        (api("Ping", resources=[]), "no_resource"),
        (api("Ping", resources=[{"type": "x"}]), "no_resource"),
    ],
    ids=["network", "authentication", "connect", "no resources", "a nameless resource"],
)
def test_what_is_no_access_is_counted_as_what_it_is(record: dict[str, Any], why: str) -> None:
    assert trail.skipped(record, NOTHING, "ocsf") == why
    assert why in SKIPPED


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({}, "untranslatable"),
        (activity(class_uid="6005", type_uid=None), "untranslatable"),
        (activity(databucket=None), "untranslatable"),
        (activity(databucket={"desc": "x"}), "untranslatable"),
        (activity(actor=None), "untranslatable"),
        (activity(actor={}), "untranslatable"),
        (activity(actor={"user": {"type_id": 1}}), "untranslatable"),
        (activity(time=None), "untranslatable"),
        (activity(time="2026-03-02T10:00:00Z"), "wrong_type"),
        (activity(time=-1), "wrong_type"),
        (activity(time=0.5), "wrong_type"),
        (activity(time=True), "wrong_type"),
        (activity(time=1_722_945_774_073_580), "invalid_value"),
        (activity(time=None, time_dt="yesterday"), "invalid_value"),
        (activity(time=None, time_dt="2026-03-02T10:00:00"), "invalid_value"),
        (activity(time=None, time_dt="1969-03-02T10:00:00Z"), "wrong_type"),
        ([7], "wrong_type"),
        (activity(databucket={"name": "a\0b"}), "nul_byte"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_lacks_what_an_access_needs_is_refused(record: Any, reason: str) -> None:
    assert refused(record) == reason


def test_the_time_may_be_written_out() -> None:
    assert event(activity(time=None, time_dt="2026-03-02T11:00:00.250+01:00")).occurred_at == AT + 250
    assert event(activity(time=float(AT))).occurred_at == AT


@pytest.mark.parametrize(
    ("store", "dataset"),
    [
        ({"databucket": {"name": "b"}}, "bucket:b"),
        ({"databucket": {"uid": "b-1"}}, "bucket:b-1"),
        ({"databucket": {"uid": "arn:aws:s3:::b", "name": "b"}}, "arn:aws:s3:::b"),
        ({"database": {"name": "crm"}}, "database:crm"),
        ({"table": {"name": "users"}}, "table:users"),
        ({"database": {"name": "crm"}, "table": {"name": "users"}}, "table:crm.users"),
        ({"table": {"uid": f"arn:aws:dynamodb:eu-west-1:{ACCOUNT}:table/t"}},
         f"arn:aws:dynamodb:eu-west-1:{ACCOUNT}:table/t"),
    ],
    ids=lambda value: str(value)[:60],
)  # fmt: skip
def test_each_kind_of_datastore_has_a_name(store: dict[str, Any], dataset: str) -> None:
    assert event(activity(**{"databucket": None, **store})).dataset_id == dataset


def test_the_policy_names_datasets_the_file_before_its_bucket() -> None:
    maps = mapping(datasets=[("bucket:users/a/*", "letters"), ("bucket:*", "other-{1}")])
    assert event(ACTIVITY, maps).dataset_id == "letters"
    assert event(activity(databucket={"name": "logs"}), maps).dataset_id == "other-logs"


ARN = f"arn:aws:iam::{ACCOUNT}:user/Bob"


@pytest.mark.parametrize(
    ("actor", "kind", "person"),
    [
        ({"user": {"name": "Alice"}}, "employee", "alice"),
        ({"user": {"uid": "U-7"}}, "employee", "u-7"),
        ({"user": {"name": "Alice", "uid": "U-7", "email_addr": "A@b.eu"}}, "employee", "a@b.eu"),
        ({"user": {"name": "Alice", "ldap_person": {"employee_uid": "E-1"}}}, "employee", "E-1"),
        ({"user": {"name": "root", "type_id": 2}}, "employee", "root"),
        ({"user": {"name": "backup", "type_id": 4}}, "service", "backup"),
        ({"user": {"name": "HOST$", "type_id": 3}}, "service", "HOST$"),
        ({"user": {"name": "Bob", "uid": ARN, "type": "IAMUser"}}, "employee", "bob"),
        ({"user": {"uid": f"arn:aws:sts::{ACCOUNT}:assumed-role/r/i-0317f6c6"}}, "workload",
         f"arn:aws:iam::{ACCOUNT}:role/r"),
        ({"session": {"issuer": "idp:robot"}}, "workload", "idp:robot"),
        ({"invoked_by": "athena.amazonaws.com"}, "service", "athena.amazonaws.com"),
        ({"app_name": "etl"}, "service", "etl"),
        ({"process": {"name": "pg_dump"}}, "service", "pg_dump"),
    ],
    ids=lambda value: str(value)[:60],
)  # fmt: skip
def test_each_kind_of_actor_is_named(actor: dict[str, Any], kind: str, person: str) -> None:
    found = event(activity(actor=actor))
    assert (found.principal, found.person) == (kind, person)


def test_the_policy_names_people_and_workloads() -> None:
    maps = mapping(employees=[("alice@example.eu", "e-1")], workloads=[("svc-*", "w-{1}")])
    assert event(ACTIVITY, maps).person == "e-1"
    found = event(activity(actor={"user": {"name": "SVC-etl", "email_addr": "alice@example.eu"}}), maps)
    assert (found.principal, found.person) == ("workload", "w-etl")


def test_who_called_on_a_persons_behalf_is_kept() -> None:
    actor = {**ACTIVITY["actor"], "invoked_by": "reports"}
    assert event(activity(actor=actor)).service_account == "reports"


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [
        ({}, "success"),
        ({"status_id": None}, "success"),
        ({"status_id": 0}, "success"),
        ({"status_id": 2}, "error"),
        ({"status_id": None, "status": "Failure"}, "error"),
        ({"status_id": 2, "http_response": {"code": 404}}, "error"),
        ({"status_id": 2, "http_response": {"code": 403}}, "denied"),
        ({"status_id": 2, "status_code": "AccessDenied"}, "denied"),
        ({"status_id": 2, "status_detail": "user is not authorized"}, "denied"),
        ({"status_id": 1, "action_id": 2}, "denied"),
        ({"status_id": 1, "action_id": 1}, "success"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_the_outcome_is_told_by_status_and_control(fields: dict[str, Any], outcome: str) -> None:
    assert event(activity(**fields)).outcome == outcome


@pytest.mark.parametrize(
    ("to", "maps", "destination"),
    [
        ({"hostname": "sftp.example.sg"}, NOTHING, "sftp.example.sg"),
        ({"hostname": "sftp.example.sg", "location": {"country": "SG"}}, NOTHING, "SG"),
        ({"hostname": "sftp.example.sg"}, mapping(accounts=[("*.example.sg", "sin-1")]), "sin-1"),
        ({"owner": {"account": {"uid": OTHER}}}, NOTHING, f"aws:{OTHER}"),
        ({"ip": "192.0.2.9", "location": {"country": "ZZ"}}, NOTHING, "192.0.2.9"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_an_export_goes_to_its_destination_and_a_read_to_none(
    to: dict[str, Any], maps: SourceMapping, destination: str
) -> None:
    assert event(activity(activity_id=99, activity_name="Export", dst_endpoint=to), maps).destination == destination
    assert event(activity(dst_endpoint=to), maps).destination is UNSET


def test_where_somebody_is_is_the_devices_word_and_no_ones_table_of_addresses() -> None:
    assert event(activity(device={"location": {"country": "UK"}})).device_country == "GB"
    assert event(activity(src_endpoint={"ip": "192.0.2.7", "location": {"country": "SG"}})).device_country is UNSET
    assert event(activity(device={"location": {"country": "Nowhere"}})).device_country is UNSET


def test_an_id_that_is_missing_is_made_of_the_record() -> None:
    made = event(activity(metadata=None)).event_id
    assert made.startswith("ocsf-")
    assert event(activity(metadata=None)).event_id == made
    assert event(activity(metadata=None, count=2)).event_id != made


@pytest.mark.parametrize(
    "raw",
    [
        json.dumps([ACTIVITY, activity(class_uid=4001), ACTIVITY]).encode(),
        b"\n".join(json.dumps(row).encode() for row in (ACTIVITY, activity(class_uid=4001), ACTIVITY)),
        gzip.compress(json.dumps([ACTIVITY, activity(class_uid=4001), ACTIVITY], indent=1).encode()),
    ],
)
def test_batches_come_as_arrays_or_lines_compressed_or_not(raw: bytes) -> None:
    found = trail.translated(raw, NOTHING, "ocsf")
    assert [each.skipped for each in found] == [None, "other_class", None]


def as_ocsf(record: dict[str, Any], *, flat: bool = False) -> dict[str, Any]:
    """A CloudTrail record as the public mapping puts it into OCSF 1.1; `flat`: parameters in `unmapped`."""
    who = record.get("userIdentity", {})
    context = who.get("sessionContext", {})
    name = record["eventName"]
    params = record.get("requestParameters") or {}
    unmapped = {"eventType": record.get("eventType"), "recipientAccountId": record.get("recipientAccountId")}
    if flat:
        unmapped |= {f"requestParameters.{key}": value for key, value in params.items()}
    at = datetime.fromisoformat(record.get("eventTime") or record["@timestamp"])
    return {
        "class_uid": 6003,
        "activity_id": 2 if record.get("readOnly") else 99,
        "time": milliseconds(at),
        "metadata": {"uid": record["eventID"], "product": {"name": "CloudTrail", "vendor_name": "AWS"}},
        "cloud": {"provider": "AWS", "region": record.get("awsRegion")},
        "api": {
            "operation": name,
            "service": {"name": record["eventSource"]},
            "request": {"uid": record.get("requestID"), **({} if flat else {"data": json.dumps(params)})},
            "response": {
                "error": record.get("errorCode"),
                "message": record.get("errorMessage"),
                "data": json.dumps(record.get("responseElements")),
            },
        },
        "actor": {
            "user": {
                "type": who.get("type"), "name": who.get("userName"), "uid": who.get("arn"),
                "uid_alt": who.get("principalId"), "account": {"uid": who.get("accountId")},
                "credential_uid": who.get("accessKeyId"),
            },
            "session": {"issuer": context.get("sessionIssuer", {}).get("arn")},
            "invoked_by": who.get("invokedBy"),
        },
        "src_endpoint": {"ip": record.get("sourceIPAddress")},
        "http_request": {"user_agent": record.get("userAgent")},
        "status_id": 2 if record.get("errorCode") else 1,
        "resources": [
            {"uid": each.get("ARN"), "type": each.get("type"), "owner": {"account": {"uid": each.get("accountId")}}}
            for each in record.get("resources") or ()
        ],
        "unmapped": unmapped,
    }  # fmt: skip


def sized(event: AccessEvent | None) -> AccessEvent | None:
    """Without the bytes, for which the public mapping has no place."""
    return event and msgspec.structs.replace(event, bytes=UNSET)


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("flat", [False, True])
def test_the_same_call_is_the_same_access_whichever_way_it_came(name: str, flat: bool) -> None:
    rows = records(name)[:: 4 if flat else 2]
    here = trail.translated(json.dumps(rows).encode())
    there = trail.translated(json.dumps([as_ocsf(row, flat=flat) for row in rows]).encode(), NOTHING, "ocsf")
    assert [each.skipped for each in there] == [each.skipped for each in here]
    assert [sized(each.event) for each in there] == [sized(each.event) for each in here]


def test_a_datastore_activity_of_aws_is_an_access_even_where_cloudtrails_table_does_not_know_the_call() -> None:
    record = {**as_ocsf(call("s3", "FrobnicateObject")), "class_uid": 6005, "activity_id": 1,
              "databucket": {"name": "users"}}  # fmt: skip
    assert event(record).dataset_id == "bucket:users"
    assert event({**as_ocsf(RECORD), "class_uid": 6005}).dataset_id == "arn:aws:s3:::users"


@pytest.mark.parametrize("data", ["{", "[]", "x" * 300_000, 7, None, ["x"], '"x"'])
def test_parameters_that_cannot_be_read_count_as_absent(data: Any) -> None:
    record = as_ocsf(RECORD)
    record["api"]["request"]["data"] = data
    assert event(record).dataset_id == "arn:aws:s3:::*"


def test_names_that_cross_in_flattened_parameters_break_nothing() -> None:
    record = as_ocsf(RECORD, flat=True)
    record["unmapped"] |= {"requestParameters.bucketName.x.y": "z", "requestParameters.": "z", "requestParameters": "z"}
    assert event(record)

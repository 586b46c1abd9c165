"""Which calls are accesses, to what, and to whom they open: the table, call by call."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import UNSET

from schemas.sources._cloudtrail_calls import CALLS, SKIPPED
from tests.schemas.sources.trail import ACCOUNT, OTHER, RECORD, call, event, events, mapping, skipped, translated

EU = f"eu-west-1:{ACCOUNT}"
SNAPSHOT = {"snapshotId": "snap-1"}


def adding(account: str) -> dict[str, Any]:
    return {**SNAPSHOT, "createVolumePermission": {"add": {"items": [{"userId": account}]}}}


READS: list[tuple[str, str, Any, str, str]] = [
    ("s3", "GetObject", {"bucketName": "b", "key": "k/x"}, "read", "arn:aws:s3:::b"),
    ("s3", "ListObjectsV2", {"bucketName": "b"}, "list", "arn:aws:s3:::b"),
    ("s3", "ListBuckets", None, "list", "arn:aws:s3:::*"),
    ("s3", "PutObject", {"bucketName": "b", "key": "k"}, "write", "arn:aws:s3:::b"),
    ("s3", "DeleteObjects", {"bucketName": "b"}, "delete", "arn:aws:s3:::b"),
    ("s3", "SelectObjectContent", {"bucketName": "b", "key": "k"}, "query", "arn:aws:s3:::b"),
    (
        "s3",
        "CopyObject",
        {"bucketName": "to", "key": "k", "x-amz-copy-source": "/from/a%20b"},
        "export",
        "arn:aws:s3:::from",
    ),
    ("s3", "DeleteBucketPolicy", {"bucketName": "b"}, "update", "arn:aws:s3:::b"),
    ("secretsmanager", "GetSecretValue", {"secretId": "s"}, "read", f"arn:aws:secretsmanager:{EU}:secret:s"),
    (
        "secretsmanager",
        "GetSecretValue",
        {"secretId": f"arn:aws:secretsmanager:{EU}:secret:s-1"},
        "read",
        f"arn:aws:secretsmanager:{EU}:secret:s-1",
    ),
    ("secretsmanager", "BatchGetSecretValue", {"filters": []}, "read", f"arn:aws:secretsmanager:{EU}:secret:*"),
    ("ssm", "GetParameter", {"name": "/a/b"}, "read", f"arn:aws:ssm:{EU}:parameter/a/b"),
    ("ssm", "GetParametersByPath", {"path": "/a"}, "read", f"arn:aws:ssm:{EU}:parameter/a"),
    (
        "kms",
        "Decrypt",
        {"encryptionContext": {"SecretARN": "arn:aws:secretsmanager:x:1:secret:s"}},
        "decrypt",
        "arn:aws:secretsmanager:x:1:secret:s",
    ),
    ("kms", "Decrypt", {"encryptionContext": {"aws:s3:arn": "arn:aws:s3:::b/k"}}, "decrypt", "arn:aws:s3:::b"),
    ("kms", "Decrypt", {"keyId": "k-1"}, "decrypt", f"arn:aws:kms:{EU}:key/k-1"),
    ("kms", "Decrypt", None, "decrypt", f"arn:aws:kms:{EU}:key/*"),
    ("dynamodb", "GetItem", {"tableName": "t"}, "read", f"arn:aws:dynamodb:{EU}:table/t"),
    ("dynamodb", "Scan", {"tableName": f"arn:aws:dynamodb:{EU}:table/t"}, "query", f"arn:aws:dynamodb:{EU}:table/t"),
    ("rds", "CreateDBSnapshot", {"dBInstanceIdentifier": "d"}, "create", f"arn:aws:rds:{EU}:db:d"),
    (
        "rds-data",
        "ExecuteStatement",
        {"resourceArn": f"arn:aws:rds:{EU}:cluster:c"},
        "query",
        f"arn:aws:rds:{EU}:cluster:c",
    ),
    (
        "rds",
        "ModifyDBInstance",
        {"dBInstanceIdentifier": "d", "publiclyAccessible": True},
        "update",
        f"arn:aws:rds:{EU}:db:d",
    ),
    (
        "athena",
        "StartQueryExecution",
        {"queryExecutionContext": {"database": "d"}},
        "query",
        f"arn:aws:glue:{EU}:database/d",
    ),
    ("athena", "StartQueryExecution", {"workGroup": "w"}, "query", f"arn:aws:athena:{EU}:workgroup/w"),
    ("ec2", "GetPasswordData", {"instanceId": "i-1"}, "read", f"arn:aws:ec2:{EU}:instance/i-1"),
    (
        "ec2",
        "DescribeInstanceAttribute",
        {"instanceId": "i-1", "attribute": "userData"},
        "read",
        f"arn:aws:ec2:{EU}:instance/i-1",
    ),
    ("ec2", "CreateSnapshot", {"volumeId": "vol-1"}, "create", f"arn:aws:ec2:{EU}:volume/vol-1"),
    (
        "ec2",
        "DeleteFlowLogs",
        {"DeleteFlowLogsRequest": {"FlowLogId": {"content": "fl-1", "tag": 1}}},
        "delete",
        f"arn:aws:ec2:{EU}:vpc-flow-log/fl-1",
    ),
    ("ebs", "GetSnapshotBlock", SNAPSHOT, "read", "arn:aws:ec2:eu-west-1::snapshot/snap-1"),
    ("logs", "GetLogEvents", {"logGroupName": "/g"}, "read", f"arn:aws:logs:{EU}:log-group:g"),
    ("cloudtrail", "StopLogging", {"name": "t"}, "update", f"arn:aws:cloudtrail:{EU}:trail/t"),
    (
        "cloudtrail",
        "DeleteTrail",
        {"name": f"arn:aws:cloudtrail:{EU}:trail/t"},
        "delete",
        f"arn:aws:cloudtrail:{EU}:trail/t",
    ),
    (
        "guardduty",
        "UpdateDetector",
        {"detectorId": "d", "enable": False},
        "update",
        f"arn:aws:guardduty:{EU}:detector/d",
    ),
    (
        "config",
        "StopConfigurationRecorder",
        {"configurationRecorderName": "default"},
        "update",
        f"arn:aws:config:{EU}:config-recorder/default",
    ),
    ("organizations", "LeaveOrganization", None, "update", f"arn:aws:organizations::{ACCOUNT}:organization/*"),
]


@pytest.mark.parametrize(("service", "name", "params", "action", "dataset"), READS, ids=lambda value: str(value)[:50])
def test_a_call_is_an_access_to_what_it_names(service: str, name: str, params: Any, action: str, dataset: str) -> None:
    found = event(call(service, name, params))
    assert (found.action, found.dataset_id) == (action, dataset)
    assert found.destination is UNSET


OPENS: list[tuple[str, str, Any, str]] = [
    ("ec2", "ModifySnapshotAttribute", adding(OTHER), f"aws:{OTHER}"),
    (
        "ec2",
        "ModifySnapshotAttribute",
        {**SNAPSHOT, "createVolumePermission": {"add": {"items": [{"group": "all"}]}}},
        "public",
    ),
    ("ec2", "ModifySnapshotAttribute", {**SNAPSHOT, "operationType": "add", "userId": OTHER}, f"aws:{OTHER}"),
    (
        "ec2",
        "ModifyImageAttribute",
        {"imageId": "ami-1", "launchPermission": {"add": {"items": [{"userId": OTHER}]}}},
        f"aws:{OTHER}",
    ),
    ("rds", "ModifyDBSnapshotAttribute", {"dBSnapshotIdentifier": "s", "valuesToAdd": [OTHER]}, f"aws:{OTHER}"),
    ("rds", "ModifyDBClusterSnapshotAttribute", {"dBClusterSnapshotIdentifier": "s", "valuesToAdd": ["all"]}, "public"),
    ("ssm", "ModifyDocumentPermission", {"name": "d", "accountIdsToAdd": [OTHER]}, f"aws:{OTHER}"),
    ("kms", "CreateGrant", {"keyId": "k", "granteePrincipal": f"arn:aws:iam::{OTHER}:root"}, f"aws:{OTHER}"),
    ("lambda", "AddPermission20150331v2", {"functionName": "f", "principal": "*"}, "public"),
    ("lambda", "AddPermission", {"functionName": "f", "principal": OTHER}, f"aws:{OTHER}"),
    (
        "ram",
        "CreateResourceShare",
        {"resourceArns": ["arn:aws:ec2:x:1:subnet/s"], "principals": [OTHER]},
        f"aws:{OTHER}",
    ),
    (
        "redshift",
        "AuthorizeSnapshotAccess",
        {"snapshotIdentifier": "s", "accountWithRestoreAccess": OTHER},
        f"aws:{OTHER}",
    ),
    ("sts", "AssumeRole", {"roleArn": f"arn:aws:iam::{OTHER}:role/r"}, f"aws:{OTHER}"),
    ("s3", "PutBucketAcl", {"bucketName": "b", "x-amz-acl": ["public-read"]}, "public"),
    (
        "s3",
        "PutBucketReplication",
        {"bucketName": "b", "ReplicationConfiguration": {"Rule": {"Destination": {"Account": OTHER}}}},
        f"aws:{OTHER}",
    ),
    (
        "dynamodb",
        "ExportTableToPointInTime",
        {"tableArn": f"arn:aws:dynamodb:{EU}:table/t", "s3BucketOwner": OTHER},
        f"aws:{OTHER}",
    ),
    (
        "iam",
        "CreateRole",
        {
            "roleName": "r",
            "assumeRolePolicyDocument": json.dumps({"Statement": {"Effect": "Allow", "Principal": {"AWS": OTHER}}}),
        },
        f"aws:{OTHER}",
    ),
]


@pytest.mark.parametrize(("service", "name", "params", "to"), OPENS, ids=lambda value: str(value)[:50])
def test_a_call_that_opens_data_says_to_whom(service: str, name: str, params: Any, to: str) -> None:
    found = event(call(service, name, params))
    assert found.destination == to
    assert found.action in {"grant", "export"}


@pytest.mark.parametrize(
    ("service", "name", "params", "why"),
    [
        ("ec2", "ModifySnapshotAttribute",
         {**SNAPSHOT, "createVolumePermission": {"remove": {"items": [{"userId": OTHER}]}}}, "control_call"),
        ("ec2", "ModifySnapshotAttribute", adding(ACCOUNT), "control_call"),
        ("rds", "ModifyDBSnapshotAttribute", {"dBSnapshotIdentifier": "s", "valuesToRemove": [OTHER]}, "control_call"),
        ("lambda", "AddPermission", {"functionName": "f", "principal": "s3.amazonaws.com"}, "control_call"),
        ("rds", "ModifyDBInstance", {"dBInstanceIdentifier": "d"}, "control_call"),
        ("guardduty", "UpdateDetector", {"detectorId": "d", "enable": True}, "control_call"),
        ("ec2", "DescribeInstanceAttribute", {"instanceId": "i", "attribute": "instanceType"}, "metadata_read"),
        ("ec2", "CreateVolume", {"size": "8"}, "control_call"),
        ("ec2", "RunInstances", {}, "control_call"),
        ("ec2", "DescribeInstances", {}, "metadata_read"),
        ("s3", "GetBucketAcl", {"bucketName": "b"}, "metadata_read"),
        ("s3", "PutBucketPublicAccessBlock", {"bucketName": "b", "PublicAccessBlockConfiguration":
            {"BlockPublicAcls": True, "BlockPublicPolicy": "true"}}, "control_call"),
        ("s3", "CopyObject", {"bucketName": "b", "key": "k", "x-amz-copy-source": "b/other"}, "control_call"),
        ("sts", "AssumeRole", {"roleArn": f"arn:aws:iam::{ACCOUNT}:role/r"}, "sign_in"),
        ("sts", "GetCallerIdentity", None, "metadata_read"),
        ("signin", "ConsoleLogin", None, "sign_in"),
        ("ssm", "StartSession", {"target": "i-1"}, "remote_shell"),
        ("ssm", "SendCommand", {}, "remote_shell"),
    ],
    ids=lambda value: str(value)[:50],
)  # fmt: skip
def test_what_is_no_access_is_counted_as_what_it_is(service: str, name: str, params: Any, why: str) -> None:
    assert skipped(call(service, name, params)) == why
    assert why in SKIPPED


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"eventType": "AwsServiceEvent"}, "service_event"),
        ({"eventType": "AwsConsoleSignIn"}, "sign_in"),
        ({"eventType": "AwsCloudTrailInsight"}, "other_event"),
        ({"eventSource": "s3.example.org"}, "metadata_read"),
        ({"eventName": "Frobnicate"}, "control_call"),
        ({"eventName": "Frobnicate", "readOnly": True}, "metadata_read"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_other_kinds_of_records_are_counted_as_what_they_are(fields: dict[str, Any], why: str) -> None:
    assert skipped({**RECORD, **fields}) == why


def test_a_service_that_takes_up_its_role_is_counted_as_that() -> None:
    identity = {"type": "AWSService", "invokedBy": "ec2.amazonaws.com"}
    assert skipped(call("sts", "AssumeRole", {"roleArn": f"arn:aws:iam::{ACCOUNT}:role/r"}, userIdentity=identity)) == (
        "service_call"
    )


def test_a_data_event_that_the_table_does_not_know_is_an_access_all_the_same() -> None:
    resources = [
        {"type": "AWS::S3::Object", "ARN": "arn:aws:s3:::b/k"},
        {"type": "AWS::S3::Bucket", "ARN": "arn:aws:s3:::b"},
    ]
    found = event({**RECORD, "eventName": "NewCall", "eventCategory": "Data", "readOnly": True, "resources": resources})
    assert (found.action, found.dataset_id) == ("read", "arn:aws:s3:::b")
    found = event({**RECORD, "eventName": "NewCall", "eventCategory": "Data"})
    assert (found.action, found.dataset_id) == ("write", "arn:aws:s3:::*")


def test_one_record_is_an_event_for_each_dataset_and_each_destination() -> None:
    record = call("ec2", "ModifySnapshotAttribute", {**SNAPSHOT, "createVolumePermission":
        {"add": {"items": [{"userId": OTHER}, {"userId": "999988887777"}, {"userId": OTHER}]}}})  # fmt: skip
    first, second = events(record)
    assert first.event_id == RECORD["eventID"]
    assert second.event_id.startswith(f"{RECORD['eventID']}#")
    assert [first.destination, second.destination] == [f"aws:{OTHER}", "aws:999988887777"]
    assert [each.event_id for each in events(record)] == [first.event_id, second.event_id], "the same each time"
    tables = call("dynamodb", "BatchGetItem", {"requestItems": {"one": {}, "two": {}}})
    assert [each.dataset_id.rpartition("/")[2] for each in events(tables)] == ["one", "two"]
    accounts = [{"userId": f"{n:012}"} for n in range(1, 1002)]
    many = call("ec2", "ModifySnapshotAttribute", {**SNAPSHOT, "createVolumePermission": {"add": {"items": accounts}}})
    (only,) = translated(json.dumps(many).encode())
    assert only.bad is not None
    assert only.bad.reason == "too_large"


def test_the_policy_names_datasets_and_accounts() -> None:
    maps = mapping(datasets=[("arn:aws:s3:::users/secret/*", "secrets"), ("arn:aws:s3:::*", "bucket-{1}")],
                   accounts=[(OTHER, "dub-1")])  # fmt: skip
    assert event(call("s3", "GetObject", {"bucketName": "users", "key": "secret/x"}), maps).dataset_id == "secrets"
    assert event(call("s3", "GetObject", {"bucketName": "users", "key": "x"}), maps).dataset_id == "bucket-users/x"
    assert event(call("rds", "ModifyDBSnapshotAttribute", {"dBSnapshotIdentifier": "s", "valuesToAdd": [OTHER]}),
                 maps).destination == "dub-1"  # fmt: skip


def test_a_refused_call_names_what_was_asked_for() -> None:
    record = call(
        "secretsmanager",
        "GetSecretValue",
        errorCode="AccessDeniedException",
        errorMessage=f"not authorized on resource: arn:aws:secretsmanager:{EU}:secret:s because no",
    )
    found = event(record)
    assert (found.outcome, found.dataset_id) == ("denied", f"arn:aws:secretsmanager:{EU}:secret:s")


ODD: tuple[Any, ...] = (
    None,
    7,
    "x",
    True,
    [],
    ["x"],
    [{}],
    {},
    {"items": "x"},
    {"items": [7]},
    {"": None},
    {"x": {"y": []}},
)


def test_no_parameter_of_another_type_breaks_a_call() -> None:
    fields = ("bucketName", "bucketPolicy", "policyDocument", "createVolumePermission", "valuesToAdd", "principal",
              "x-amz-acl", "x-amz-copy-source", "encryptionContext", "requestItems", "transactItems", "resource",
              "PublicAccessBlockConfiguration", "ReplicationConfiguration", "AccessControlPolicy", "roleArn",
              "DeleteFlowLogsRequest", "queryExecutionContext", "secretIdList", "assumeRolePolicyDocument")  # fmt: skip
    rows = [
        {**call(service, name, dict.fromkeys(fields, odd)), "resources": odd, "responseElements": odd}
        for service, name in CALLS
        for odd in ODD
    ]
    assert len({each.index for each in translated(json.dumps(rows).encode())}) == len(rows)


@pytest.mark.parametrize(
    ("service", "name", "params", "records"),
    [
        ("secretsmanager", "BatchGetSecretValue", {"filters": [{"key": "tag-key"}]}, 20),
        ("secretsmanager", "BatchGetSecretValue", {"filters": [{"key": "tag-key"}], "maxResults": 5}, 5),
        ("secretsmanager", "BatchGetSecretValue", {"filters": [], "maxResults": 9_000}, 20),
        ("secretsmanager", "BatchGetSecretValue", {"maxResults": "many"}, 20),
        ("secretsmanager", "BatchGetSecretValue", {"secretIdList": ["one"]}, UNSET),
        ("secretsmanager", "GetSecretValue", {"secretId": "one"}, UNSET),
        ("ssm", "GetParametersByPath", {"path": "/a"}, 10),
        ("ssm", "GetParametersByPath", {"path": "/a", "maxResults": 1}, UNSET),
    ],
)
def test_a_call_for_whatever_matches_counts_as_much_as_a_page_may_hold(
    service: str, name: str, params: dict[str, Any], records: Any
) -> None:
    assert event(call(service, name, params)).record_count == records


def test_a_call_that_failed_handed_out_no_page() -> None:
    record = call("secretsmanager", "BatchGetSecretValue", {"filters": []}, errorCode="AccessDeniedException")
    assert event(record).record_count is UNSET

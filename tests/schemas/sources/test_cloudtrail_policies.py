"""To whom a resource policy or an access control list opens: accounts, everyone, and nobody by a service's name."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from schemas.sources._cloudtrail_policies import MAX_POLICY, account_of, opened_to
from tests.schemas.sources.trail import ACCOUNT, OTHER, call, event, events

ALL = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"}


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def under(**condition: Any) -> dict[str, Any]:
    return policy({**ALL, "Condition": condition})


@pytest.mark.parametrize(
    ("document", "to"),
    [
        (policy(ALL), ["public"]),
        (policy({**ALL, "Principal": {"AWS": "*"}}), ["public"]),
        (policy({**ALL, "Principal": {"AWS": ["*", OTHER]}}), ["public"]),
        (policy({**ALL, "Principal": {"AWS": OTHER}}), [OTHER]),
        (policy({**ALL, "Principal": {"AWS": f"arn:aws:iam::{OTHER}:root"}}), [OTHER]),
        (policy({**ALL, "Principal": {"AWS": [f"arn:aws:iam::{OTHER}:role/r", OTHER]}}), [OTHER]),
        (policy({**ALL, "Principal": {"AWS": "AIDAEXAMPLE"}}), ["unknown"]),
        (policy({**ALL, "Principal": {"Service": "ec2.amazonaws.com"}}), []),
        (policy({**ALL, "Principal": {"Federated": "accounts.google.com"}}), ["federated:accounts.google.com"]),
        (policy({**ALL, "Principal": {"Federated": f"arn:aws:iam::{OTHER}:saml-provider/x"}}), [OTHER]),
        (policy({**ALL, "Principal": {"CanonicalUser": "abc"}}), ["canonical:abc"]),
        (policy({**ALL, "Effect": "Deny"}), []),
        (policy({"Effect": "Allow", "NotPrincipal": {"AWS": OTHER}}), ["public"]),
        ({"Statement": ALL}, ["public"]),
        (policy({**ALL, "Principal": {"AWS": OTHER}}, {**ALL, "Principal": {"AWS": "999988887777"}}),
         [OTHER, "999988887777"]),
        (under(StringEquals={"aws:SourceAccount": OTHER}), [OTHER]),
        (under(StringEquals={"AWS:PrincipalAccount": [OTHER]}), [OTHER]),
        (under(StringEquals={"aws:PrincipalOrgID": "o-1"}), []),
        (under(IpAddress={"aws:SourceIp": "192.0.2.0/24"}), []),
        (under(IpAddress={"aws:SourceIp": "0.0.0.0/0"}), ["public"]),
        (under(IpAddress={"aws:SourceIp": ["192.0.2.0/24", "::/0"]}), ["public"]),
        (under(StringLike={"aws:PrincipalArn": "*"}), ["public"]),
        (under(StringNotEquals={"aws:PrincipalOrgID": "o-1"}), ["public"]),
        (under(StringEqualsIfExists={"aws:PrincipalOrgID": "o-1"}), ["public"]),
        (under(Bool={"aws:SecureTransport": "true"}), ["public"]),
        (under(Bool={}), ["public"]),
        ({}, []),
        ("", ["unknown"]),
        ("{", ["unknown"]),
        ("[]", []),
        ({"Version": "x"}, ["unknown"]),
        (7, ["unknown"]),
        (None, []),
        ("x" * (MAX_POLICY + 1), ["unknown"]),
        ("[" * 5_000, ["unknown"]),
        ("\ud800", ["unknown"]),
    ],
    ids=lambda value: str(value)[:60].encode("ascii", "replace").decode(),
)  # fmt: skip
def test_a_policy_opens_to_whom_it_says(document: Any, to: list[str]) -> None:
    assert opened_to(document) == to


def test_a_policy_is_read_as_text_and_url_encoded_as_well() -> None:
    text = json.dumps(policy({**ALL, "Principal": {"AWS": OTHER}}), indent=1)
    assert opened_to(text) == opened_to(quote(text)) == [OTHER]


@pytest.mark.parametrize(
    ("principal", "account"),
    [
        ("*", "public"),
        ("all", "public"),
        (OTHER, OTHER),
        (f"arn:aws-cn:iam::{OTHER}:root", OTHER),
        ("arn:aws:iam::*:root", "public"),
        ("arn:aws:organizations::111122223333:organization/o-1", "111122223333"),
        ("arn:aws:s3:::b", "unknown"),
        ("arn:", "unknown"),
        ("whoever", "unknown"),
    ],
)
def test_a_principal_belongs_to_an_account(principal: str, account: str) -> None:
    assert account_of(principal) == account


def grant(grantee: dict[str, Any]) -> dict[str, Any]:
    grants = {"Grant": [{"Grantee": {"ID": "owner"}}, {"Grantee": grantee}]}
    return {"bucketName": "b", "AccessControlPolicy": {"Owner": {"ID": "owner"}, "AccessControlList": grants}}


@pytest.mark.parametrize(
    ("params", "to"),
    [
        ({"bucketName": "b", "x-amz-acl": "public-read-write"}, "public"),
        ({"bucketName": "b", "x-amz-acl": ["authenticated-read"]}, "public"),
        ({"bucketName": "b", "x-amz-grant-read": 'uri="http://acs.amazonaws.com/groups/global/AllUsers"'}, "public"),
        ({"bucketName": "b", "x-amz-grant-full-control": 'id="abc"'}, "canonical:abc"),
        (grant({"URI": "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"}), "public"),
        (grant({"ID": "stranger"}), "canonical:stranger"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_an_access_control_list_opens_to_whom_it_says(params: dict[str, Any], to: str) -> None:
    assert event(call("s3", "PutBucketAcl", params)).destination == to


@pytest.mark.parametrize(
    "params", [{"bucketName": "b", "x-amz-acl": "private"}, grant({"ID": "owner"})], ids=lambda value: str(value)[:60]
)
def test_an_access_control_list_that_opens_to_nobody_has_no_destination(params: dict[str, Any]) -> None:
    (only,) = events(call("s3", "PutBucketAcl", params))
    assert only.action == "grant"
    assert not isinstance(only.destination, str)


@pytest.mark.parametrize(
    ("service", "name", "field"),
    [
        ("s3", "PutBucketPolicy", "bucketPolicy"),
        ("kms", "PutKeyPolicy", "policy"),
        ("iam", "UpdateAssumeRolePolicy", "policyDocument"),
        ("secretsmanager", "PutResourcePolicy", "resourcePolicy"),
        ("ecr", "SetRepositoryPolicy", "policyText"),
        ("glue", "PutResourcePolicy", "policyInJson"),
    ],
)
def test_each_services_policy_is_read_and_its_own_account_is_nobody_new(service: str, name: str, field: str) -> None:
    def opening(account: str) -> dict[str, Any]:
        return call(service, name, {field: json.dumps(policy({**ALL, "Principal": {"AWS": account}}))})

    assert event(opening(OTHER)).destination == f"aws:{OTHER}"
    assert not isinstance(event(opening(ACCOUNT)).destination, str)

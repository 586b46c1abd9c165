"""Who acted, of each type of `userIdentity`: an employee only where a person acted."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from msgspec import UNSET

from schemas.sources.base import SourceMapping
from tests.replay.slice import SETS, records
from tests.schemas.sources.trail import (
    ACCOUNT,
    NOTHING,
    OTHER,
    RECORD,
    USER,
    event,
    events,
    mapping,
    refused,
    translated,
)

ROLE = f"arn:aws:iam::{ACCOUNT}:role/reports"
SSO_ROLE = f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Admin_0123456789abcdef"


def session(name: str, role: str = ROLE, **more: Any) -> dict[str, Any]:
    """An assumed role's identity."""
    short = role.rpartition("/")[2]
    context = {"sessionIssuer": {"type": "Role", "arn": role, "accountId": ACCOUNT, "userName": short}}
    return {
        "type": "AssumedRole",
        "principalId": f"AROAEXAMPLE:{name}",
        "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{short}/{name}",
        "accountId": ACCOUNT,
        "sessionContext": {**context, **more.pop("context", {})},
        **more,
    }


def who(identity: Any, maps: SourceMapping = NOTHING, **fields: Any) -> tuple[str, str]:
    found = event({**RECORD, "userIdentity": identity, **fields}, maps)
    return found.principal, found.person


@pytest.mark.parametrize(
    ("identity", "kind", "person"),
    [
        (USER, "employee", "alice"),
        ({"type": "IAMUser", "userName": "Bob", "principalId": "AIDA"}, "employee", "bob"),
        ({"arn": f"arn:aws:iam::{ACCOUNT}:user/dev/Bob"}, "employee", "bob"),
        ({"type": "Root", "arn": f"arn:aws:iam::{ACCOUNT}:root", "accountId": ACCOUNT}, "employee",
         f"arn:aws:iam::{ACCOUNT}:root"),
        ({"type": "Root", "accountId": ACCOUNT}, "employee", f"arn:aws:iam::{ACCOUNT}:root"),
        ({**USER, "accountId": OTHER, "arn": f"arn:aws:iam::{OTHER}:user/Eve"}, "external",
         f"arn:aws:iam::{OTHER}:user/Eve"),
        ({"type": "AWSService", "invokedBy": "ec2.amazonaws.com"}, "service", "ec2.amazonaws.com"),
        ({"type": "AWSService"}, "service", "aws"),
        ({"invokedBy": "secretsmanager.amazonaws.com"}, "service", "secretsmanager.amazonaws.com"),
        (session("i-0317f6c6b66ae9c40"), "workload", ROLE),
        (session("i-0317f6c6"), "workload", ROLE),
        (session("botocore-session-1688990565"), "workload", ROLE),
        (session("aws-go-sdk-1688990565286187801"), "workload", ROLE),
        (session("1688990565286187801"), "workload", ROLE),
        (session("nightly"), "workload", ROLE),
        (session("alice"), "workload", ROLE),
        (session("Alice@Example.eu"), "employee", "alice@example.eu"),
        (session("Alice", SSO_ROLE), "employee", "alice"),
        (session("anything", context={"sourceIdentity": "Alice"}), "employee", "alice"),
        (session("Alice@Example.eu", inScopeOf={"issuerType": "AWS::Lambda::Function"}), "workload", ROLE),
        (session("Alice@Example.eu", context={"ec2RoleDelivery": "2.0"}), "workload", ROLE),
        (session("me@example.eu", context={"webIdFederationData":
            {"federatedProvider": "arn:aws:iam::1:oidc-provider/token.actions.githubusercontent.com"}}),
         "workload", ROLE),
        (session("x", f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/rds.amazonaws.com/AWSServiceRoleForRDS",
                 invokedBy="rds.amazonaws.com"), "service", "rds.amazonaws.com"),
        ({"type": "AssumedRole", "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/AWSServiceRoleForRDS/SLRManagement",
          "accountId": ACCOUNT}, "service", f"arn:aws:iam::{ACCOUNT}:role/AWSServiceRoleForRDS"),
        ({"type": "AssumedRole", "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/reports/i-0317f6c6",
          "accountId": ACCOUNT}, "workload", ROLE),
        ({"type": "FederatedUser", "arn": f"arn:aws:sts::{ACCOUNT}:federated-user/anything", "accountId": ACCOUNT,
          "sessionContext": {"sessionIssuer": {"type": "IAMUser", "userName": "Alice"}}}, "employee", "alice"),
        ({"type": "FederatedUser", "arn": f"arn:aws:sts::{ACCOUNT}:federated-user/Carol", "accountId": ACCOUNT},
         "employee", "carol"),
        ({"type": "SAMLUser", "principalId": "abc:Alice@Example.eu", "userName": "Alice@Example.eu",
          "identityProvider": "abc"}, "employee", "alice@example.eu"),
        ({"type": "WebIdentityUser", "userName": "12345", "identityProvider": "accounts.google.com"}, "employee",
         "12345"),
        ({"type": "WebIdentityUser", "userName": "system:serviceaccount:prod:api",
          "identityProvider": "arn:aws:iam::1:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/X"}, "workload",
         "system:serviceaccount:prod:api"),
        ({"type": "IdentityCenterUser", "accountId": ACCOUNT, "onBehalfOf": {"userId": "U-1"}}, "employee", "u-1"),
        ({"type": "AWSAccount", "principalId": "AIDAX", "accountId": OTHER}, "external", f"aws:{OTHER}:AIDAX"),
        ({"type": "AWSAccount", "principalId": "", "accountId": "ANONYMOUS_PRINCIPAL"}, "external", "aws:anonymous"),
        ({"type": "Unknown", "principalId": "AIDAX", "accountId": ACCOUNT}, "external", f"aws:{ACCOUNT}:AIDAX"),
        ({"type": "Directory", "principalId": "x"}, "external", "aws:anonymous"),
    ],
    ids=lambda value: str(value)[:70],
)  # fmt: skip
def test_each_type_names_whoever_acted(identity: dict[str, Any], kind: str, person: str) -> None:
    assert who(identity) == (kind, person)


@pytest.mark.parametrize("identity", [None, {}, {"type": "IAMUser"}, {"type": "AssumedRole"}, {"type": 7}, [], "alice"])
def test_where_nobody_is_named_the_record_is_refused(identity: Any) -> None:
    assert refused({**RECORD, "userIdentity": identity}).reason == "untranslatable"


@pytest.mark.parametrize("name", ["Alice", "ALICE", "alice"])
def test_the_policy_names_people_whatever_the_case(name: str) -> None:
    maps = mapping(employees=[(f"arn:aws:iam::{ACCOUNT}:user/ALICE", "e-1")])
    assert who({**USER, "arn": f"arn:aws:iam::{ACCOUNT}:user/{name}"}, maps) == ("employee", "e-1")


def test_workloads_go_before_employees() -> None:
    maps = mapping(employees=[("*", "e-1")], workloads=[(ROLE, "reports")])
    assert who(session("alice"), maps) == ("workload", "reports")
    assert who(USER, maps) == ("employee", "e-1")


def test_a_session_name_that_anybody_may_choose_is_nobodys_word() -> None:
    """Whoever may assume the role can call the session as they like: the policy is not asked for such a name."""
    maps = mapping(employees=[("alice", "e-1")])
    assert who(session("alice"), maps) == ("workload", ROLE)
    assert who(session("alice", SSO_ROLE), maps) == ("employee", "e-1")
    assert who(session("x", context={"sourceIdentity": "Alice"}), maps) == ("employee", "e-1")


def test_what_was_used_on_a_persons_behalf_is_kept() -> None:
    assert event({**RECORD, "userIdentity": session("a@b.eu")}).service_account == ROLE
    assert event({**RECORD, "userIdentity": {**USER, "invokedBy": "athena.amazonaws.com"}}).service_account == (
        "athena.amazonaws.com"
    )
    assert event({**RECORD, "sourceIPAddress": "athena.amazonaws.com"}).service_account == "athena.amazonaws.com"
    assert event({**RECORD, "userIdentity": session("i-0317f6c6")}).service_account is UNSET
    assert event(RECORD).service_account is UNSET


def test_another_account_of_the_company_has_employees_too() -> None:
    identity = {**USER, "accountId": OTHER}
    assert who(identity)[0] == "external"
    assert who(identity, mapping(accounts=[(OTHER, "dub-1")])) == ("employee", "alice")


@pytest.mark.parametrize("name", SETS)
def test_no_service_and_no_machine_of_the_real_records_is_an_employee(name: str) -> None:
    import json

    kinds: Counter[str] = Counter()
    for record in records(name):
        for each in translated(json.dumps(record).encode()):
            if each.event is None:
                continue
            kinds[each.event.principal] += 1
            if each.event.principal == "employee":
                assert record["userIdentity"]["type"] in {"IAMUser", "Root"}
            else:
                assert record["userIdentity"].get("type") != "IAMUser"
    assert sum(kinds.values()) > 0


def test_a_long_identity_is_shortened_and_stays_apart() -> None:
    long = [{**RECORD, "userIdentity": {**USER, "userName": "x" * 5_000 + end}} for end in "ab"]
    first, second = (each.person for each in events(long))
    assert len(first) == len(second) == 256
    assert first != second

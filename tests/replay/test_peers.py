"""A peer's rule tests, read as records: what their rules for data access alert on is an access to us, and to what.

Their rules judge one record; ours judge the access with directory and policy. So only the translation is compared.
"""

from __future__ import annotations

import gzip
import json
from functools import cache
from typing import Any

import pytest

from schemas.sources import SOURCES
from schemas.sources.base import SourceMapping
from tests.replay.slice import DATA

NO_ACCESS = {
    "aws_cloudtrail_password_spraying.yml": "sign-ins: behaviour",
    "aws_cloudtrail_unsuccessful_mfa_attempt.yml": "sign-ins: behaviour",
    "brute_force_by_user.yml": "sign-ins: behaviour",
    "aws_root_activity.yml": "any call of the root account: ours looks at those that reach data",
    "aws_imds_credential_exfiltration.yml": "a call that reads settings",
    "aws_rds_iam_role_added.yml": "a database's own role",
    "aws_rds_security_group_ingress_authorized.yml": "a firewall's rule",
    "aws_s3_copy_object_cross_account_kms.yml": "a copy within a bucket under a foreign key: destruction, not a read",
    "aws_secretsmanager_retrieve_secrets_batch.yml": "the record names nobody",
    "aws_secretsmanager_retrieve_secrets_catchall.yml": "the record names nobody",
}
"""Rules of theirs whose records are no access to us, and why."""


@cache
def alerting() -> list[tuple[str, dict[str, Any]]]:
    """The CloudTrail records on which a rule of theirs alerts."""
    found = []
    with gzip.open(DATA / "panther-tests.jsonl.gz") as lines:
        for line in lines:
            test = json.loads(line)
            events = test["event"] if isinstance(test["event"], list) else [test["event"]]
            if test["expected"]:
                rule = test["path"].rpartition("/")[2]
                found += [(rule, each) for each in events if isinstance(each, dict) and "eventName" in each]
    return found


@pytest.mark.parametrize("rule", sorted({rule for rule, _ in alerting()}))
def test_what_a_peers_rule_alerts_on_is_an_access_or_is_known_not_to_be(rule: str) -> None:
    records = [record for name, record in alerting() if name == rule]
    found = list(SOURCES["cloudtrail"].translate(json.dumps(records).encode(), SourceMapping()))
    accesses = {each.index for each in found if each.event is not None}
    assert accesses == (set() if rule in NO_ACCESS else set(range(len(records))))

"""To whom a call shares, copies or opens, beyond what resource policies say. Each returns accounts and the like."""

from __future__ import annotations

from schemas.sources._cloudtrail_policies import EVERYONE, account_of, opened_to
from schemas.sources._cloudtrail_record import Record, arn_field, unique
from schemas.sources._json import table, tables, text, texts

_PUBLIC_ACLS = frozenset({"public-read", "public-read-write", "authenticated-read"})
_ALL_USERS = ("global/AllUsers", "global/AuthenticatedUsers")


def policy(record: Record) -> list[str]:
    """Whoever the policy in the call opens to, whatever the service calls that field."""
    for name in (
        "bucketPolicy",
        "policyDocument",
        "assumeRolePolicyDocument",
        "policy",
        "policyText",
        "resourcePolicy",
        "policyInJson",
    ):
        if document := record.params.get(name):
            return opened_to(document)
    return []


def snapshot(record: Record) -> list[str]:
    """EC2's `createVolumePermission` and `launchPermission`: what is added."""
    found = []
    for permission in ("createVolumePermission", "launchPermission"):
        for item in tables(table(record.params, permission, "add"), "items"):
            found += [account_of(user) for user in texts(item.get("userId"))]
            found += [
                account_of(arn) for arn in texts(item.get("organizationArn") or item.get("organizationalUnitArn"))
            ]
            found += [EVERYONE] if item.get("group") == "all" else []
    if text(record.params, "operationType").lower() == "add":
        found += [account_of(user) for user in texts(record.params.get("userId"))]
        found += [EVERYONE] if "all" in texts(record.params.get("group")) else []
    return found


def database_snapshot(record: Record) -> list[str]:
    """RDS's `valuesToAdd` of the attribute `restore`."""
    return [account_of(value) for value in texts(record.params.get("valuesToAdd"))]


def accounts(record: Record) -> list[str]:
    """Accounts or principals that stand in a field of their own (SSM, RAM, KMS, Redshift, Lambda, Lake Formation)."""
    params = record.params
    named = [
        *texts(params.get("accountIdsToAdd")),
        *texts(params.get("principals")),
        *texts(params.get("accountWithRestoreAccess")),
        *texts(params.get("consumerIdentifier")),
        *texts(params.get("granteePrincipal")),
        *texts(params.get("principal")),
        *texts(table(params, "principal").get("dataLakePrincipalIdentifier")),
    ]
    return [account_of(name) for name in named if not name.endswith((".amazonaws.com", ".amazonaws.com.cn"))]


def acl(record: Record) -> list[str]:
    """S3's access control lists: the canned one, the headers, the grants written out."""
    params = record.params
    found = [EVERYONE] if _PUBLIC_ACLS & set(texts(params.get("x-amz-acl"))) else []
    for name in ("read", "write", "read-acp", "write-acp", "full-control"):
        for grantee in texts(params.get(f"x-amz-grant-{name}")):
            found += [EVERYONE] if any(group in grantee for group in _ALL_USERS) else []
            ids = (part.partition("id=")[2].strip(' "') for part in grantee.split(","))
            found += [f"canonical:{canonical}" for canonical in ids if canonical]
    document = table(params, "AccessControlPolicy")
    owner = text(table(document, "Owner"), "ID")
    for grant in tables(table(document, "AccessControlList"), "Grant"):
        grantee_table = table(grant, "Grantee")
        uri, canonical = text(grantee_table, "URI"), text(grantee_table, "ID")
        found += [EVERYONE] if any(group in uri for group in _ALL_USERS) else []
        found += [f"canonical:{canonical}"] if canonical and canonical != owner else []
    return unique(found)


def replication(record: Record) -> list[str]:
    """The accounts that S3 replicates to; a destination without one is in the bucket's own account."""
    rules = tables(table(record.params, "ReplicationConfiguration"), "Rule")
    return [
        account_of(text(table(rule, "Destination"), "Account"))
        for rule in rules
        if table(rule, "Destination").get("Account")
    ]


def copied_to(record: Record) -> list[str]:
    """The account of the bucket that an object is copied to, where the record says whose it is."""
    bucket = text(record.params, "bucketName")
    for entry in tables(record.raw, "resources"):
        name = arn_field(text(entry, "ARN", "arn"), 5)
        if name == bucket and text(entry, "accountId"):
            return [text(entry, "accountId")]
    # Logs that hide names keep the order: the bucket copied to comes first.
    owners = [text(entry, "accountId") for entry in tables(record.raw, "resources") if "Bucket" in text(entry, "type")]
    return [owner for owner in owners if owner and owner != record.account][:1]


def across(record: Record) -> list[str]:
    """The account on the other side of `AssumeRole`: the role's, or the caller's where the role is ours."""
    caller = text(record.identity, "accountId") or arn_field(text(record.identity, "arn"), 4)
    role = arn_field(text(record.params, "roleArn"), 4)
    return [side for side in (role, caller) if side and record.account and side != record.account][:1]


def exported_to(record: Record) -> list[str]:
    """The account that owns the bucket of a DynamoDB export."""
    return [account_of(owner) for owner in texts(record.params.get("s3BucketOwner"))]

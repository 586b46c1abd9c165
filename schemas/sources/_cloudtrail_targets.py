"""Which data a call is about: candidates for a dataset, the most specific first.

The policy is asked about each in turn; what no pattern maps keeps the last, the thing that holds the data (a bucket,
a table), because a directory lists those and not every object in them. Where a record names nothing, `kind/*` or
`kind:*` of the account stands for all that the call could reach.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import unquote

from schemas.sources._cloudtrail_record import Record, arn_field, unique
from schemas.sources._json import table, tables, text, texts

Candidates = tuple[str, ...]
Targets = Callable[[Record], list[Candidates]]


def named(
    service: str, prefix: str, *fields: str, regional: bool = True, owned: bool = True, exact: bool = True
) -> Targets:
    """Targets that the call names in one of `fields`, by name or by ARN (a dot goes into a table).

    `exact`: ARNs under `resources` and in the response go first, being complete where a name is not.
    """

    def targets(record: Record) -> list[Candidates]:
        whole = [arn for arn in record.resources() if arn_field(arn, 2) == service] if exact else []
        if not whole:
            names = [name for field in fields for name in _names(record, field)]
            whole = [
                record.arn(service, f"{prefix}{name.removeprefix('/')}", regional=regional, owned=owned)
                if not name.startswith("arn:")
                else name
                for name in names
            ]
        if not whole:
            every = record.arn(service, f"{prefix}*", regional=regional, owned=owned)
            whole = record.refused() or [every]
        return [(arn,) for arn in unique(whole)]

    return targets


def _names(record: Record, field: str) -> list[str]:
    *path, last = field.split(".")
    if path and path[0] == "response":
        return texts(table(record.response, *path[1:]).get(last))
    found = table(record.params, *path).get(last)
    if isinstance(found, list | dict):
        inner = [text(item, "content", "snapshotId") for item in tables({"": found}, "")]
        return texts(found) + [name for name in inner if name]
    return texts(found)


def s3(record: Record) -> list[Candidates]:
    """An object and its bucket."""
    bucket = text(record.params, "bucketName")
    if not bucket:
        buckets = record.resources("AWS::S3::Bucket")
        objects = record.resources("AWS::S3::Object")
        if buckets or objects:
            return [(*objects[:1], (buckets or objects)[0])]
        return [tuple(record.refused()) or (_bucket(record, "*"),)]
    return [_object(record, bucket, text(record.params, "key"))]


def s3_source(record: Record) -> list[Candidates]:
    """What is copied: the object that `x-amz-copy-source` names, and its bucket."""
    source = unquote(text(record.params, "x-amz-copy-source")).lstrip("/")
    if source.startswith("arn:"):
        return [(source, source.split("/object/")[0])]
    bucket, _, key = source.partition("/")
    return [_object(record, bucket, key.split("?versionId=")[0])] if bucket else s3(record)


def _object(record: Record, bucket: str, key: str) -> Candidates:
    holder = _bucket(record, bucket)
    return (f"{holder}/{key}", holder) if key else (holder,)


def _bucket(record: Record, name: str) -> str:
    return record.arn("s3", name, regional=False, owned=False)


def decrypted(record: Record) -> list[Candidates]:
    """What was decrypted, where the encryption context says it (a secret, a parameter, an object), else the key."""
    context = table(record.params, "encryptionContext")
    named_there = text(context, "SecretARN", "PARAMETER_ARN", "aws:s3:arn")
    if not named_there and (name := text(context, "aws:dynamodb:tableName")):
        named_there = record.arn("dynamodb", f"table/{name}")
    if named_there.startswith("arn:aws:s3:::") and "/" in named_there:
        return [(named_there, named_there.split("/")[0])]
    return [(named_there,)] if named_there else key(record)


key = named("kms", "key/", "keyId")
"""The key of a KMS call."""


def tables_of(record: Record) -> list[Candidates]:
    """DynamoDB tables: by resource, by name, by the keys of a batch, by the items of a transaction."""
    found = [arn.split("/index/")[0] for arn in record.resources() if arn_field(arn, 2) == "dynamodb"]
    if not found:
        params = record.params
        names = texts(params.get("tableName")) + texts(params.get("tableArn")) + texts(params.get("sourceTableArn"))
        names += [name for name in table(params, "requestItems") if isinstance(name, str)]
        for item in tables(params, "transactItems"):
            names += [text(part, "tableName") for part in item.values() if isinstance(part, dict)]
        found = [record.arn("dynamodb", name if name.startswith("arn:") else f"table/{name}") for name in names if name]
    found = found or record.refused() or [record.arn("dynamodb", "table/*")]
    return [(arn,) for arn in unique(found)]


def athena(record: Record) -> list[Candidates]:
    """The database that a query runs in, else its work group."""
    context = table(record.params, "queryExecutionContext")
    group = text(record.params, "workGroup") or "*"
    if database := text(context, "database"):
        return [(record.arn("glue", f"database/{database}"),)]
    return [(record.arn("athena", f"workgroup/{group}"),)]


def role(record: Record) -> list[Candidates]:
    """An IAM role, by ARN or name."""
    return named("iam", "role/", "roleArn", "roleName", regional=False, exact=False)(record)

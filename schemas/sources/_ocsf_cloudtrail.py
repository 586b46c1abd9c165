"""CloudTrail that travels as OCSF (Amazon Security Lake and others): put back together, and judged as CloudTrail.

The OCSF record of a call keeps the call's name, but says nothing of whether it reaches data. So that the same call is
the same access whichever way it came, the parts of the CloudTrail record are taken from where the public mapping
(the OCSF examples' "CloudTrail Generic API Activity", 1.0 and 1.1) puts them.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from schemas.fields import iso
from schemas.sources._json import table, tables, text

DATA_MAX: Final = 256 * 1024
"""Characters of parameters that are parsed. A CloudTrail record as a whole is at most 256 KiB."""

_SERVICE: Final = ".amazonaws.com"
_PARAMETERS: Final = "requestParameters."
_RESPONSE: Final = "responseElements."


def is_cloudtrail(record: dict[str, Any]) -> bool:
    """Whether a record reports a call of an AWS service."""
    api = table(record, "api")
    return bool(text(api, "operation")) and _SERVICE in text(table(api, "service"), "name").lower()


def put_together(record: dict[str, Any], at: int) -> dict[str, Any]:
    """Return the CloudTrail record as far as OCSF keeps it; `at` is its time in milliseconds."""
    api, cloud, actor = table(record, "api"), table(record, "cloud"), table(record, "actor")
    unmapped, source = table(record, "unmapped"), table(record, "src_endpoint")
    failure = table(api, "response")
    code = text(table(record, "metadata"), "event_code")
    said = {
        "eventID": text(table(record, "metadata"), "uid"),
        "eventTime": iso(at),
        "eventSource": text(table(api, "service"), "name"),
        "eventName": text(api, "operation"),
        "eventType": text(unmapped, "eventType") or (code if code.startswith("Aws") else ""),
        "eventCategory": text(unmapped, "eventCategory"),
        "awsRegion": text(cloud, "region"),
        "recipientAccountId": text(unmapped, "recipientAccountId") or text(table(cloud, "account"), "uid"),
        "sourceIPAddress": text(source, "ip", "domain", "hostname", "svc_name"),
        "userAgent": text(table(record, "http_request"), "user_agent"),
        "errorCode": text(failure, "error") or ("failure" if record.get("status_id") == 2 else ""),
        "errorMessage": text(failure, "error_message", "message"),
        "readOnly": record.get("activity_id") == 2,
        "userIdentity": identity_of(actor),
        "requestParameters": _data(table(api, "request"), unmapped, _PARAMETERS),
        "responseElements": _data(failure, unmapped, _RESPONSE),
        "resources": [
            {"ARN": arn, "accountId": _owner(each), "type": text(each, "type")}
            for each in tables(record, "resources")
            if (arn := text(each, "uid")).startswith("arn:")
        ],
    }
    return {name: value for name, value in said.items() if value}


def identity_of(actor: dict[str, Any]) -> dict[str, Any]:
    """Return CloudTrail's `userIdentity` of an actor."""
    user, session = table(actor, "user"), table(actor, "session")
    uid = text(user, "uid")
    arn = uid if uid.startswith("arn:") else text(session, "uid_alt") or text(user, "uuid")
    issuer = text(session, "issuer")
    said: dict[str, Any] = {
        "type": text(user, "type"),
        "arn": arn if arn.startswith("arn:") else "",
        "principalId": text(user, "uid_alt") or ("" if uid.startswith("arn:") else uid),
        "accountId": text(table(user, "account"), "uid") or text(user, "account_uid"),
        "accessKeyId": text(user, "credential_uid") or text(session, "credential_uid"),
        "userName": text(user, "name"),
        "invokedBy": text(actor, "invoked_by", "app_name"),
        "identityProvider": text(table(actor, "idp"), "name"),
    }
    if issuer.startswith("arn:"):
        name = issuer.rpartition("/")[2]
        kind = "IAMUser" if ":user/" in issuer else "Role"
        said["sessionContext"] = {"sessionIssuer": {"arn": issuer, "type": kind, "userName": name}}
    return {name: value for name, value in said.items() if value}


def _owner(resource: dict[str, Any]) -> str:
    owner = table(resource, "owner")
    return text(table(owner, "account"), "uid") or text(owner, "account_uid") or text(resource, "account_uid")


def _data(said: dict[str, Any], unmapped: dict[str, Any], prefix: str) -> dict[str, Any]:
    """Return parameters: a table, its JSON text, or what was flattened into `unmapped` under dotted names."""
    data = said.get("data")
    if isinstance(data, str) and len(data) <= DATA_MAX:
        try:
            data = orjson.loads(data)
        except orjson.JSONDecodeError:
            data = None
    if isinstance(data, dict):
        return data
    found: dict[str, Any] = {}
    for name, value in unmapped.items():
        if name.startswith(prefix) and value:
            at = found
            *path, last = name.removeprefix(prefix).split(".")
            for part in path:
                inner = at.setdefault(part, {})
                at = inner if isinstance(inner, dict) else {}
            at[last] = value
    return found

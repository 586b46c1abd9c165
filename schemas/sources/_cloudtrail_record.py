"""One CloudTrail record as the rest of the translation reads it, and the ARNs it names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from schemas.sources._json import table, tables, text

_VERSIONED = re.compile(r"^([A-Za-z]+?)(?:20\d{6}(?:v\d+)?)?$")
"""Lambda writes the version of its interface behind the name: `GetFunction20150331v2`."""

_REFUSED = re.compile(r"on resource: (arn:[^\s\"]+)")
"""Where a refused call has no parameters, the sentence of the refusal names the resource."""

_ARN_PARTS = 6


class Record(NamedTuple):
    """The parts of a record that calls are told by. Strings are empty and tables are empty where they are absent."""

    raw: dict[str, Any]
    service: str
    """`s3` of `s3.amazonaws.com`, lower case; empty where the source is none of AWS."""
    name: str
    region: str
    account: str
    """The account that the record was delivered to."""
    partition: str
    params: dict[str, Any]
    response: dict[str, Any]
    identity: dict[str, Any]
    failed: bool

    def arn(self, service: str, resource: str, *, regional: bool = True, owned: bool = True) -> str:
        """Return the ARN of a resource of this record's account and region; what is one already stays."""
        if resource.startswith("arn:"):
            return resource
        region, account = self.region if regional else "", self.account if owned else ""
        return f"arn:{self.partition}:{service}:{region}:{account}:{resource}"

    def resources(self, *kinds: str) -> list[str]:
        """Return the ARNs under `resources` of these types, of every type where none is asked for."""
        return [
            arn
            for entry in tables(self.raw, "resources")
            if (arn := text(entry, "ARN", "arn")) and (not kinds or text(entry, "type") in kinds)
        ]

    def refused(self) -> list[str]:
        """Return the ARN that the error's sentence names."""
        return _REFUSED.findall(text(self.raw, "errorMessage"))[:1] if self.failed else []


def read_record(raw: dict[str, Any]) -> Record:
    """Return the parts of a record."""
    source = text(raw, "eventSource").lower()
    identity = table(raw, "userIdentity")
    name = _VERSIONED.match(text(raw, "eventName"))
    return Record(
        raw=raw,
        service=source.removesuffix(".cn").removesuffix(".amazonaws.com") if ".amazonaws.com" in source else "",
        name=name.group(1) if name else text(raw, "eventName"),
        region=text(raw, "awsRegion"),
        account=text(raw, "recipientAccountId") or text(identity, "accountId"),
        partition=arn_field(text(identity, "arn"), 1) or "aws",
        params=table(raw, "requestParameters"),
        response=table(raw, "responseElements"),
        identity=identity,
        failed=bool(text(raw, "errorCode")),
    )


def arn_field(arn: str, at: int) -> str:
    """Return a field of an ARN (1 partition, 2 service, 3 region, 4 account, 5 resource), empty where it is none."""
    parts = arn.split(":", _ARN_PARTS - 1)
    return parts[at] if len(parts) == _ARN_PARTS and parts[0] == "arn" else ""


def unique(names: Iterable[str]) -> list[str]:
    """Return names once each, in their order."""
    return list(dict.fromkeys(names))

"""To whom a resource policy opens something: accounts, everyone, federated and canonical identities."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import unquote

import orjson

from schemas.sources._cloudtrail_record import arn_field, unique
from schemas.sources._json import table, tables, texts

EVERYONE: Final = "public"
"""The destination of what is open to all, and to every AWS account at once."""

UNREADABLE: Final = "unknown"
"""The destination of a policy that is there and cannot be read: it may open to anybody."""

MAX_POLICY: Final = 256 * 1024
"""Characters of a policy. The longest that AWS accepts (of an organisation) has 20 KiB; a record has 256 KiB."""

_ACCOUNT_KEYS: Final = frozenset({"aws:sourceaccount", "aws:principalaccount", "aws:sourceowner", "kms:calleraccount"})
_NARROW_KEYS: Final = frozenset(
    {
        "aws:principalarn",
        "aws:principalorgid",
        "aws:principalorgpaths",
        "aws:sourcearn",
        "aws:sourceip",
        "aws:sourceorgid",
        "aws:sourcevpc",
        "aws:sourcevpce",
        "aws:userid",
        "s3:dataaccesspointaccount",
        "sts:externalid",
    }
)
"""Conditions that narrow `*` to somebody named, as AWS's own evaluation of "public" counts them."""


def opened_to(policy: Any) -> list[str]:
    """Return to whom a policy opens: account ids, `public`, `federated:…`, `canonical:…`, `unknown`.

    `policy` is the document as a table, as JSON text, or as URL-encoded JSON text. Services are nobody: what a service
    may do is bound to the resources of whoever uses it.
    """
    if isinstance(policy, str):
        try:
            if len(policy) > MAX_POLICY:
                return [UNREADABLE]
            policy = orjson.loads(unquote(policy) if policy.lstrip().startswith("%") else policy)
        except ValueError:
            return [UNREADABLE]
    if not isinstance(policy, dict) or "Statement" not in policy:
        return [UNREADABLE] if policy else []
    found: list[str] = []
    for statement in tables(policy, "Statement"):
        if statement.get("Effect") != "Allow":
            continue
        to = [EVERYONE] if "NotPrincipal" in statement else _principals(statement.get("Principal"))
        found += _narrowed(statement) if EVERYONE in to else to
    return unique(found)


def _principals(principal: Any) -> list[str]:
    if principal == "*":
        return [EVERYONE]
    if not isinstance(principal, dict):
        return []
    found = [account_of(name) for name in texts(principal.get("AWS"))]
    # A provider that is registered in an account belongs to that account; others are the world's.
    found += [arn_field(name, 4) or f"federated:{name}" for name in texts(principal.get("Federated"))]
    return found + [f"canonical:{name}" for name in texts(principal.get("CanonicalUser"))]


def account_of(principal: str) -> str:
    """Return the account of a principal of a policy or a share: an ARN, an account id, `*`, or an id of its own."""
    if principal in {"*", "all"}:
        return EVERYONE
    if principal.startswith("arn:"):
        account = arn_field(principal, 4)
        return EVERYONE if account == "*" else account or UNREADABLE
    return principal if principal.isdigit() else UNREADABLE


def _narrowed(statement: dict[str, Any]) -> list[str]:
    """Return to whom a statement for everyone opens under its conditions."""
    narrowed = False
    accounts: list[str] = []
    for operator in table(statement, "Condition"):
        if "not" in operator.lower() or operator.lower().endswith("ifexists"):
            continue
        for key, values in table(statement, "Condition", operator).items():
            wanted = [value for value in texts(values) if "*" not in value or len(value) > 1]
            if key.lower() in _ACCOUNT_KEYS:
                accounts += wanted
            elif key.lower() in _NARROW_KEYS and wanted and "0.0.0.0/0" not in wanted and "::/0" not in wanted:
                narrowed = True
    return accounts or ([] if narrowed else [EVERYONE])

"""Who acted, from `userIdentity` in each of its types.

An employee is named only where the record says that a person acted; what machines and services do is theirs. The
policy's word goes first: `workloads` is asked before `employees`, both by lower-cased names.
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from schemas.access import PrincipalType
from schemas.errors import BadRecordError
from schemas.sources._cloudtrail_record import Record, arn_field
from schemas.sources._json import table, text
from schemas.sources.matching import Matchers

_TYPES: Final = {"user/": "IAMUser", "assumed-role/": "AssumedRole", "federated-user/": "FederatedUser", "root": "Root"}
"""The type that an ARN's resource gives away, where the record does not say it."""

_MACHINE_SESSION: Final = re.compile(
    r"""i-[0-9a-f]{8,17}                       # an instance's credentials carry its id
      | (?:aws-go-sdk|aws-sdk-\w+|botocore-session|aws-cli|awscli-session|terraform)-?[\w.-]*\d{6,}[\w.-]*
      | \d{6,}                                 # what programs make up where nobody gave a name""",
    re.VERBOSE,
)
_MAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
_IDP_ROLES: Final = ("awsreservedsso_", "aws-reserved/sso.amazonaws.com")
_MACHINE_PROVIDERS: Final = ("oidc.eks.", "token.actions.githubusercontent.com", "gitlab", "app.terraform.io")


class Identity(NamedTuple):
    """Who acted. `id` is an employee's where `kind` is `employee`, else a principal's."""

    kind: PrincipalType
    id: str
    account: str
    """The account of whoever acted, empty where it is a service."""
    role: str = ""
    """The role's ARN, where a role was used."""


def identify(record: Record, maps: Matchers) -> Identity:
    """Return who acted.

    - `AWSService`, and no type but `invokedBy`: the service. A service-linked role: the service that invoked it.
    - `Root`: an employee only by the policy. Else its ARN stands as employee id, so that `employee.unknown` fires:
      nobody answers for what the root account does.
    - `IAMUser`: the policy's word, else the user's name in lower case.
    - `AssumedRole`: see `_of_role`.
    - `FederatedUser`: the policy's word, else the IAM user that asked for the token: the federated name is whatever
      that user wrote.
    - `SAMLUser`, `WebIdentityUser`, `IdentityCenterUser`: the policy's word, else the user's name; a web identity of a
      build system or a cluster is a workload.
    - `AWSAccount`, other accounts' users and anonymous ones: external.

    Raises:
        BadRecordError: `untranslatable`, where nobody is named.
    """
    who = record.identity
    arn = text(who, "arn")
    account = text(who, "accountId") or arn_field(arn, 4)
    invoked_by = text(who, "invokedBy")
    resource = arn_field(arn, 5)
    kind = text(who, "type") or next((name for start, name in _TYPES.items() if resource.startswith(start)), "")
    if kind == "AWSService" or (not kind and invoked_by):
        return Identity("service", invoked_by or "aws", "")
    if kind in {"AssumedRole", "Role"}:
        return _of_role(who, arn, account, invoked_by, maps)
    user = text(who, "userName") or resource.rpartition("/")[2]
    if kind == "Root":
        arn = arn or f"arn:{record.partition}:iam::{account}:root"
        return _named(maps, account, arn.lower(), arn)
    if kind == "IAMUser" and user:
        if _foreign(account, record, maps):
            return _named(maps, account, "", arn, kind="external", default=arn or f"aws:{account}:{user}")
        return _named(maps, account, user.lower(), arn, user)
    if kind == "FederatedUser":
        issuer = table(who, "sessionContext", "sessionIssuer")
        asked = text(issuer, "userName") if text(issuer, "type") == "IAMUser" else ""
        if name := asked or user or text(who, "principalId").partition(":")[2]:
            return _named(maps, account, name.lower(), arn, text(issuer, "arn"))
    if kind in {"SAMLUser", "WebIdentityUser", "IdentityCenterUser"}:
        name = user or text(table(who, "onBehalfOf"), "userId") or text(who, "principalId").rpartition(":")[2]
        provider = text(who, "identityProvider").lower()
        if name and any(part in provider for part in _MACHINE_PROVIDERS):
            return _named(maps, account, "", name, text(who, "principalId"), kind="workload", default=name)
        if name:
            return _named(maps, account, name.lower(), name, text(who, "principalId"))
    principal = text(who, "principalId")
    if kind and (account or arn or principal):
        anonymous = "anonymous" in account.lower() or not (account or arn)
        fallback = "aws:anonymous" if anonymous else ":".join(filter(None, ("aws", account, principal)))
        return _named(maps, account, "", arn, principal, kind="external", default=arn or fallback)
    raise BadRecordError("untranslatable", "`userIdentity` names nobody")


def _of_role(who: dict[str, Any], arn: str, account: str, invoked_by: str, maps: Matchers) -> Identity:
    """Return who used a role.

    A service-linked role is its service. The policy is asked with the session's and the role's ARN, and with the name
    of the session where whoever made it did not choose it (an identity provider's role, a source identity): anybody
    may call a session `alice`. Then: an instance's, function's or program's session is a workload, known by the role's
    ARN; a person's by the source identity, an identity provider's role or a name that is a mail address; the rest is
    a workload.
    """
    issuer = table(who, "sessionContext", "sessionIssuer")
    resource = arn_field(arn, 5)
    session = text(who, "principalId").partition(":")[2] or resource.rpartition("/")[2]
    issued = text(issuer, "arn")
    name = text(issuer, "userName") or resource.split("/")[1 if "/" in resource else 0]
    partition = arn_field(arn, 1) or "aws"
    role = issued or (f"arn:{partition}:iam::{account}:role/{name}" if name else "")
    if not role:
        raise BadRecordError("untranslatable", "`userIdentity` names no role")
    if name.startswith("AWSServiceRoleFor") or "/aws-service-role/" in role:
        return Identity("service", invoked_by or role, "", role)
    source = text(table(who, "sessionContext"), "sourceIdentity")
    provider = text(table(who, "sessionContext", "webIdFederationData"), "federatedProvider").lower()
    by_provider = any(part in role.lower() or part in name.lower() for part in _IDP_ROLES)
    chosen_for_it = session if by_provider else ""
    if found := maps.workloads.find(arn, role):
        return Identity("workload", found, account, role)
    if found := maps.employees.find(source, arn, chosen_for_it):
        return Identity("employee", found, account, role)
    machine = (
        _MACHINE_SESSION.fullmatch(session.lower())
        or "inScopeOf" in who
        or "ec2RoleDelivery" in table(who, "sessionContext")
        or any(part in provider for part in _MACHINE_PROVIDERS)
    )
    if source:
        return Identity("employee", source.lower(), account, role)
    if session and not machine and (by_provider or _MAIL.fullmatch(session)):
        return Identity("employee", session.lower(), account, role)
    return Identity("workload", role, account, role)


def _named(
    maps: Matchers, account: str, employee: str, *names: str, kind: PrincipalType = "employee", default: str = ""
) -> Identity:
    """Return the policy's word on these names, else `employee`, or `default` of another kind."""
    if found := maps.workloads.find(*names):
        return Identity("workload", found, account)
    if found := maps.employees.find(*names):
        return Identity("employee", found, account)
    return Identity(kind, employee or default, account)


def _foreign(account: str, record: Record, maps: Matchers) -> bool:
    """Whether a user belongs to an account that is neither the record's nor one that the policy knows."""
    return bool(account and record.account and account != record.account and maps.accounts.find(account) is None)

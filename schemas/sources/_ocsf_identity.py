"""Who acted, from OCSF's `actor`: the user, else the session, else the program or service."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from schemas.access import PrincipalType
from schemas.errors import BadRecordError
from schemas.sources._cloudtrail_identity import identify
from schemas.sources._cloudtrail_record import read_record
from schemas.sources._json import table, text, whole
from schemas.sources._ocsf_cloudtrail import identity_of
from schemas.sources.matching import Matchers

_MACHINES: Final = frozenset({3, 4})
"""`user.type_id`: System and Service (since 1.4); 1 is a user, 2 an administrator."""


class Actor(NamedTuple):
    """Who acted: an employee, or a principal of another kind, and the account used on an employee's behalf."""

    kind: PrincipalType
    id: str
    behind: str = ""


def actor_of(record: dict[str, Any], maps: Matchers) -> Actor:
    """Return who acted.

    The policy goes first, `workloads` before `employees`; it is asked for the user's employee number, id, address,
    name and alternate id, then for the session's. A user whose id is an AWS ARN is read as CloudTrail's. Else: a user
    of the type system or service is a service; any other is an employee, by the employee number, the address, the name
    or the id, in lower case. Without a user: the session's issuer is a workload, a program or service is a service.

    Raises:
        BadRecordError: `untranslatable`, where nobody is named.
    """
    actor = table(record, "actor")
    user, session = table(actor, "user"), table(actor, "session")
    number = text(table(user, "ldap_person"), "employee_uid")
    names = [number, *(text(user, name) for name in ("uid", "email_addr", "name", "uid_alt"))]
    names += [text(session, name) for name in ("uid_alt", "issuer")]
    program = text(actor, "invoked_by", "app_name", "app_uid")
    process = text(table(actor, "process"), "name") or text(table(actor, "process", "file"), "name")
    if found := maps.workloads.find(*names, program):
        return Actor("workload", found)
    if found := maps.employees.find(*names):
        return Actor("employee", found, text(actor, "invoked_by"))
    if text(user, "uid").startswith("arn:aws"):
        who = identify(read_record({"userIdentity": identity_of(actor)}), maps)
        return Actor(who.kind, who.id, who.role if who.kind == "employee" else "")
    named = number or next((name for name in (text(user, "email_addr"), text(user, "name")) if name), "")
    named = named or text(user, "uid", "uid_alt")
    if named and whole(user.get("type_id")) in _MACHINES:
        return Actor("service", named)
    if named:
        return Actor("employee", number or named.lower(), text(actor, "invoked_by"))
    if issuer := text(session, "issuer", "uid_alt"):
        return Actor("workload", issuer)
    if program or process:
        return Actor("service", program or process)
    raise BadRecordError("untranslatable", "`actor` names nobody")

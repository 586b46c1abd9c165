"""People who act on alerts: their public keys and what they may do, from `[people.NAME]` of the policy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from alerts.signatures import BadKeyError, public_key
from schemas.fields import ID_MAX
from schemas.toml_file import Path, TomlFile

PersonRole = Literal["analyst", "officer", "approver"]
"""`analyst`: acknowledges, comments, closes. `officer`: two of them together open a sealed identity. `approver`: lets
others reach, for a time, data that is closed to them (`docs/approvals.md`)."""

OFFICERS_MIN: Final = 2
"""Below two nobody could approve what the other asks for."""

OFFICERS_MAX: Final = 8
"""An envelope holds a box for every ordered pair of officers: 56 of 160 bytes at eight (`alerts/sealing.py`)."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


class Person(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[people.NAME]`."""

    key: str
    """Ed25519 public key, base64 (44 characters), as `cloverwatch keys new` prints it."""
    roles: tuple[PersonRole, ...]
    """Empty only of somebody with an `employee`, who asks for approvals and does nothing else."""
    employee: Annotated[str, Meta(min_length=1, max_length=ID_MAX)] | None = None
    """The employee who they are, as the directories know them. Needed to ask for an approval and to give one: it says
    whether it is their own, and where they are."""


def read_people(file: TomlFile, data: Mapping[str, Any]) -> Mapping[str, Person]:
    """Return the people of a policy by name; `data` is the whole of the file.

    Raises:
        ConfigurationError: a key is none, or is that of two people (one of them could approve what the other asks
            for), or an employee that of two; a role is unknown; an approver is no employee; there is one officer, or
            more than eight. Names file, line, key, value and what is allowed.
    """
    section = data.get("people", {})
    if not isinstance(section, dict):
        raise file.fail(("people",), f"{section!r} is not a table; write [people.NAME]")
    people: dict[str, Person] = {}
    owner: dict[bytes, str] = {}
    employed: dict[str, str] = {}
    for name, value in section.items():
        path: Path = ("people", name)
        if not is_name(name):
            raise file.fail(
                path, f"{name!r} is no name; allowed: 1 to 64 letters, digits, '.', '_', '@' and '-', no sign first"
            )
        person = file.read(path, value, Person)
        try:
            raw = bytes(public_key(person.key))
        except BadKeyError as error:
            raise file.fail((*path, "key"), f"{person.key!r}: {error}") from None
        if raw in owner:
            raise file.fail((*path, "key"), f"is the key of {owner[raw]!r} too; each needs a key of their own")
        owner[raw] = name
        if len(set(person.roles)) != len(person.roles) or not (person.roles or person.employee):
            raise file.fail(
                (*path, "roles"),
                f"{list(person.roles)!r}; allowed: analyst, officer, approver, each once; none only beside `employee`",
            )
        if person.employee is None:
            if "approver" in person.roles:
                raise file.fail(
                    (*path, "employee"),
                    "required of an approver, and not there: it says whether what they approve is their own",
                )
        elif person.employee in employed:
            raise file.fail(
                (*path, "employee"),
                f"is the employee of {employed[person.employee]!r} too; one could approve what the other asks for",
            )
        else:
            employed[person.employee] = name
        people[name] = person
    officers = [name for name, person in people.items() if "officer" in person.roles]
    if officers and not OFFICERS_MIN <= len(officers) <= OFFICERS_MAX:
        raise file.fail(
            ("people", officers[-1], "roles"),
            f"{len(officers)} officers ({', '.join(officers)}); allowed: none, or {OFFICERS_MIN} to {OFFICERS_MAX}, "
            "since two together open an identity",
        )
    return people


def is_name(name: str) -> bool:
    """Whether somebody may be called so: letters, digits and `._@-`, as in logins and addresses of mail."""
    return _NAME.fullmatch(name) is not None


def officers_of(people: Mapping[str, Person]) -> Mapping[str, str]:
    """Return the officers' public keys, base64, by name."""
    return {name: person.key for name, person in people.items() if "officer" in person.roles}

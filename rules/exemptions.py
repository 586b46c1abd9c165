"""Exemptions: findings that somebody answers for, until a date. They are hidden and stay counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from schemas.fields import milliseconds
from schemas.toml_file import Path, TomlFile, country, nearest


class _Exemption(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    id: str
    rules: tuple[str, ...]
    employees: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    owner: str
    reason: str
    from_: datetime | None = None
    until: datetime


@dataclass(frozen=True, slots=True)
class Exemption:
    """A finding that somebody answers for, until a date. Every condition that is given must hold."""

    id: str
    rules: frozenset[str]
    employees: frozenset[str]
    datasets: tuple[str, ...]
    roles: frozenset[str]
    countries: frozenset[str]
    owner: str
    reason: str
    since: int
    until: int

    def covers_behaviour(self, rule_id: str, person: str, at: int, country: str | None) -> bool:
        """Whether it hides a signal about somebody's behaviour, which is about no single dataset and no role."""
        return (
            rule_id in self.rules
            and self.since <= at < self.until
            and (not self.employees or person in self.employees)
            and (not self.countries or country in self.countries)
            and not self.datasets
            and not self.roles
        )


def read_exemptions(
    file: TomlFile, tables: Sequence[Any], rule_ids: frozenset[str], roles: frozenset[str]
) -> tuple[Exemption, ...]:
    """Return the exemptions of a policy that knows these rules and roles.

    Raises:
        ConfigurationError: one does not name who answers for it, until when, or what it is from.
    """
    found: dict[str, Exemption] = {}
    for at, value in enumerate(tables):
        path: Path = ("exemptions", at)
        given = file.read(path, value, _Exemption)
        for rule_id in given.rules:
            if rule_id not in rule_ids:
                raise file.fail((*path, "rules"), f"{rule_id!r}: no such rule; {nearest(rule_id, list(rule_ids))}")
            if rule_id.startswith("behaviour.") and (given.datasets or given.roles or rule_id == "behaviour.silence"):
                why = "is about no single dataset or role: name employees or countries"
                if rule_id == "behaviour.silence":
                    why = "is about nobody who could be exempted: set its thresholds, or enabled = false"
                raise file.fail((*path, "rules"), f"{rule_id!r} {why}")
        for role in given.roles:
            if role not in roles:
                raise file.fail((*path, "roles"), f"{role!r}: no such role; {nearest(role, list(roles))}")
        for text, key in ((given.id, "id"), (given.owner, "owner"), (given.reason, "reason")):
            if not text.strip():
                raise file.fail((*path, key), f"{text!r}: somebody answers for an exemption: it cannot be empty")
        if not given.rules:
            raise file.fail((*path, "rules"), "an exemption names the rules it is from")
        for time, key in ((given.from_, "from"), (given.until, "until")):
            if time is not None and time.tzinfo is None:
                message = f"{time.isoformat()}: a time with an offset is needed, as in 2026-12-31T00:00:00Z"
                raise file.fail((*path, key), message)
        since = milliseconds(given.from_) if given.from_ else 0
        if since >= milliseconds(given.until):
            raise file.fail((*path, "until"), f"{given.until.isoformat()} is not after `from`")
        if given.id in found:
            raise file.fail((*path, "id"), f"{given.id!r} is there twice")
        found[given.id] = Exemption(
            id=given.id,
            rules=frozenset(given.rules),
            employees=frozenset(given.employees),
            datasets=given.datasets,
            roles=frozenset(given.roles),
            countries=frozenset(country(file, (*path, "countries"), c) for c in given.countries),
            owner=given.owner,
            reason=given.reason,
            since=since,
            until=milliseconds(given.until),
        )
    return tuple(found.values())

"""What types cannot say of a destination's keys: secrets, texts that no system call takes, names that match nothing."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import msgspec

from alerts.destination import Kind
from alerts.http import Auth
from alerts.plan import DestinationPlan
from alerts.secrets import SecretRef
from schemas.toml_file import Path, TomlFile, nearest, shown


def check_texts(file: TomlFile, path: Path, value: Any) -> None:
    """Refuse a NUL in any text at `path` or below.

    Raises:
        ConfigurationError: there is one: paths, names of variables and hosts end at it.
    """
    if isinstance(value, str) and "\0" in value:
        raise file.fail(path, f"{shown(value)}: holds a NUL, which no path, name or address can")
    if isinstance(value, dict):
        for key, each in value.items():
            check_texts(file, (*path, key), each)
    elif isinstance(value, list):
        for at, each in enumerate(value):
            check_texts(file, (*path, at), each)


def check_config(file: TomlFile, path: Path, config: msgspec.Struct, kind: Kind) -> None:
    """Refuse a destination's own keys where its kind does, or where one of its secrets is none or two.

    Raises:
        ConfigurationError: it names the key.
    """
    for where, each in _secret(config, path):
        if wrong := each.wrong():
            raise file.fail(where, wrong)
    if wrong := kind.check(config):
        # A check begins with the key that it is about, where there is one.
        key, found, message = wrong.partition(": ")
        if found and key in {field.encode_name for field in msgspec.structs.fields(kind.config)}:
            raise file.fail((*path, key), message)
        raise file.fail(path, wrong)


def _secret(value: Any, path: Path) -> Iterator[tuple[Path, SecretRef | Auth]]:
    """Yield what leads to a secret at `path` or below."""
    if isinstance(value, SecretRef | Auth):
        yield path, value
    if isinstance(value, msgspec.Struct):
        for field in msgspec.structs.fields(value):
            yield from _secret(getattr(value, field.name), (*path, field.encode_name))
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from _secret(each, (*path, key))
    elif isinstance(value, tuple | list):
        for at, each in enumerate(value):
            yield from _secret(each, (*path, at))


def check_alone(file: TomlFile, destinations: Mapping[str, DestinationPlan]) -> None:
    """Refuse two destinations of one kind that would get into each other's way.

    Raises:
        ConfigurationError: it names the later one's key, and the earlier one.
    """
    owners: dict[tuple[str, str], str] = {}
    for name, each in destinations.items():
        if each.kind.alone is None:
            continue
        value = os.path.normpath(getattr(each.config, each.kind.alone))
        owner = owners.setdefault((each.kind.name, value), name)
        if owner != name:
            path = ("destinations", name, each.kind.alone)
            raise file.fail(path, f"{shown(value)}: is that of {owner!r} too; each destination has its own")


class Known(NamedTuple):
    """What routes and silences may name; None: nobody says which there are, and every name passes."""

    families: Collection[str] | None = None
    rule_ids: Collection[str] | None = None

    def check(self, file: TomlFile, path: Path, families: Collection[str], patterns: Collection[str]) -> None:
        """Refuse a family that no alert has, and a pattern that fits the id of no rule: nothing would ever match.

        Raises:
            ConfigurationError: it names the nearest one.
        """
        if self.families is not None:
            for family in families:
                if family not in self.families:
                    message = f"{shown(family)}: no alert is of that family; {nearest(family, list(self.families))}"
                    raise file.fail((*path, "family"), message)
        if self.rule_ids is not None:
            for pattern in patterns:
                if not any(fnmatchcase(rule_id, pattern) for rule_id in self.rule_ids):
                    groups = {f"{rule_id.partition('.')[0]}.*" for rule_id in self.rule_ids}
                    message = f"{shown(pattern)}: fits no rule; {nearest(pattern, [*self.rule_ids, *groups])}"
                    raise file.fail((*path, "rules"), message)

"""Who is told, as the policy says it: its text to a checked `Plan`. `docs/policy.md` is the reference."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from alerts.checking import Known, check_alone, check_config, check_texts
from alerts.destination import Kind
from alerts.people import read_people
from alerts.plan import DestinationPlan, GroupBy, Match, Plan, Route, Silence
from schemas.alert import Severity
from schemas.fields import milliseconds
from schemas.places import PlaceClass
from schemas.toml_file import Path, TomlFile, duration, nearest, shown

_DAY: Final = 86_400_000

SILENCE_MAX: Final = 30 * _DAY
"""A silence lasts no longer: who needs more looks at it again once a month, or changes a rule or a route."""

RATE_DEFAULT: Final = 60
"""Notices a minute to a pager whose part of the policy does not say: one a second is more than anybody reads, and
within what pagers' interfaces take."""

RATE_MAX: Final = 100_000
"""Notices a minute: beyond it is no limit, and the window that counts them takes memory."""

AUTO_RESOLVE_MIN: Final = 60_000
"""Milliseconds: an alert that resolved by itself sooner would be over before anybody has read it; at 0 every one is."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_RATE: Final = re.compile(r" *([0-9]{1,9}) *(?:/ *(?:m|min|minute) *)?")
_GROUPED: Final = ("group_by", "group_wait", "group_interval", "rate_limit")


class _Common(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keys of every destination."""

    kind: str
    names: str = "pseudonyms"
    deadline: str | None = None
    retry_for: str | None = None
    group_by: tuple[GroupBy, ...] = ("dedup_key",)
    group_wait: str = "0s"
    group_interval: str = "5m"
    rate_limit: int | str | None = None


class _Matching(msgspec.Struct, frozen=True, kw_only=True):
    rules: tuple[str, ...] = ()
    place_class: tuple[PlaceClass, ...] = ()
    team: tuple[str, ...] = ()
    family: tuple[str, ...] = ()
    dataset: tuple[str, ...] = ()


class _Route(_Matching, frozen=True, kw_only=True, forbid_unknown_fields=True):
    severity: Severity | None = None
    to: tuple[str, ...]
    final: bool = False


class _Silence(_Matching, frozen=True, kw_only=True, forbid_unknown_fields=True):
    id: str
    owner: str
    reason: str
    since: datetime | None = None
    until: datetime
    up_to: Severity | None = None
    to: tuple[str, ...] = ()


def read_plan(
    text: str,
    name: str,
    kinds: Mapping[str, Kind],
    now: int | None = None,
    *,
    families: Collection[str] | None = None,
    rule_ids: Collection[str] | None = None,
) -> Plan:
    """Return who is told, from the policy in `text`.

    Args:
        text: the whole policy; what is not about delivery is left to `rules/policy.py`.
        name: what errors call the file.
        kinds: the kinds of destinations that there are.
        now: milliseconds since 1970, from which a silence without `since` is measured; None: it is not.
        families: the families of alerts that there are, which routes and silences may name; None: any.
        rule_ids: the ids of rules that there are, which a pattern must fit one of; None: any.

    Raises:
        ConfigurationError: it names file, line, key, value and what is allowed.
    """
    file = TomlFile(text, name)
    destinations = {
        each: _destination(file, each, value, kinds) for each, value in _table(file, "destinations").items()
    }
    check_alone(file, destinations)
    people = read_people(file, file.data)
    names = Known(families, rule_ids)
    return Plan(
        version=hashlib.sha256(text.encode()).hexdigest()[:16],
        destinations=destinations,
        routes=tuple(_route(file, at, value, destinations, names) for at, value in enumerate(_tables(file, "routes"))),
        silences=_silences(file, destinations, names, now),
        analysts={each: person.key for each, person in people.items() if "analyst" in person.roles},
        auto_resolve_after=_duration(
            file,
            ("thresholds", "auto_resolve_after"),
            _table(file, "thresholds").get("auto_resolve_after", "24h"),
            least=AUTO_RESOLVE_MIN,
            why=", or alerts would be over before anybody has read them",
        ),
    )


def _destination(file: TomlFile, name: str, value: Any, kinds: Mapping[str, Kind]) -> DestinationPlan:
    path: Path = ("destinations", name)
    if not _NAME.fullmatch(name):
        raise file.fail(path, f"{name!r}: a name is 1 to 64 letters, digits, `_`, `.` or `-`, a letter or digit first")
    if not isinstance(value, dict):
        raise file.fail(path, f"{shown(value)} is not a table")
    if "kind" not in value:
        raise file.fail((*path, "kind"), f"required, and not there; {nearest('', list(kinds))}")
    kind = kinds.get(value["kind"]) if isinstance(value["kind"], str) else None
    if kind is None:
        message = f"{shown(value['kind'])}: no such kind; {nearest(shown(value['kind']), list(kinds))}"
        raise file.fail((*path, "kind"), message)
    common = [field.encode_name for field in msgspec.structs.fields(_Common)]
    own = [field.encode_name for field in msgspec.structs.fields(kind.config)]
    if not kind.grouped:
        for key in _GROUPED:
            if key in value and key not in own:
                message = f"{shown(value[key])}: {kind.name} is told of every alert by itself; allowed: to leave it out"
                raise file.fail((*path, key), message)
        common = [key for key in common if key not in _GROUPED]
    file.check_names(path, value, [*common, *own])
    check_texts(file, path, value)
    given = file.read(path, {key: each for key, each in value.items() if key in common}, _Common)
    if given.names not in {"pseudonyms", "clear"}:
        raise file.fail((*path, "names"), f"{given.names!r} is not allowed; {nearest(given.names, _NAMES)}")
    config = file.read(path, {key: each for key, each in value.items() if key not in common}, kind.config)
    check_config(file, path, config, kind)
    if not given.group_by:
        raise file.fail((*path, "group_by"), 'an empty list: at least one; ["dedup_key"] is the default')
    plan = DestinationPlan(
        name=name,
        kind=kind,
        config=config,
        names="clear" if given.names == "clear" else "pseudonyms",
        deadline=_duration(file, (*path, "deadline"), given.deadline or ("1m" if kind.grouped else "5m"), least=1_000),
        retry_for=_duration(file, (*path, "retry_for"), given.retry_for or ("15m" if kind.grouped else "1h")),
        group_by=tuple(dict.fromkeys(given.group_by)),
        group_wait=_duration(file, (*path, "group_wait"), given.group_wait),
        group_interval=_duration(file, (*path, "group_interval"), given.group_interval, least=1_000),
        rate_limit=_rate(file, (*path, "rate_limit"), given.rate_limit, kind),
    )
    if kind.grouped and plan.group_wait >= plan.deadline:
        message = f"{given.group_wait!r}: less than the deadline ({plan.deadline} ms), or every first page is overdue"
        raise file.fail((*path, "group_wait"), message)
    return plan


_NAMES: Final = ["pseudonyms", "clear"]


def _rate(file: TomlFile, path: Path, value: int | str | None, kind: Kind) -> int | None:
    if not kind.grouped or value == "none":
        return None
    if value is None:
        return None if kind.again_every_s is not None else RATE_DEFAULT
    found = _RATE.fullmatch(value if isinstance(value, str) else shown(value))
    if found is None or not 1 <= int(found.group(1)) <= RATE_MAX:
        message = f'{shown(value)}: notices a minute, 1 to {RATE_MAX}, as in 60 or "60/m"; or "none"'
        raise file.fail(path, message)
    return int(found.group(1))


def _route(file: TomlFile, at: int, value: Any, destinations: Mapping[str, DestinationPlan], names: Known) -> Route:
    path: Path = ("routes", at)
    given = file.read(path, value, _Route)
    names.check(file, path, given.family, given.rules)
    _named(file, (*path, "to"), given.to, destinations)
    if not given.to:
        raise file.fail(
            (*path, "to"), "an empty list: a route leads somewhere; [[silences]] hold back what is not told"
        )
    return Route(match=_match(given, severity=given.severity), to=given.to, final=given.final)


def _match(given: _Matching, *, severity: Severity | None = None, up_to: Severity | None = None) -> Match:
    return Match(
        severity=severity,
        up_to=up_to,
        rules=given.rules,
        place_classes=tuple(each.value for each in given.place_class),
        teams=given.team,
        families=given.family,
        datasets=given.dataset,
    )


def _silences(
    file: TomlFile, destinations: Mapping[str, DestinationPlan], names: Known, now: int | None
) -> tuple[Silence, ...]:
    found: dict[str, Silence] = {}
    for at, value in enumerate(_tables(file, "silences")):
        path: Path = ("silences", at)
        if isinstance(value, dict) and "severity" in value:
            message = f"{shown(value['severity'])}: a silence names the gravest that it holds back; allowed: up_to"
            raise file.fail((*path, "severity"), message)
        given = file.read(path, value, _Silence)
        names.check(file, path, given.family, given.rules)
        for text, key in ((given.id, "id"), (given.owner, "owner"), (given.reason, "reason")):
            if not text.strip():
                raise file.fail((*path, key), f"{text!r}: somebody answers for a silence: it cannot be empty")
        if not _NAME.fullmatch(given.id):
            raise file.fail((*path, "id"), f"{given.id!r}: 1 to 64 letters, digits, `_`, `.` or `-`")
        for time, key in ((given.since, "since"), (given.until, "until")):
            if time is not None and time.tzinfo is None:
                message = f"{shown(time)}: a time with an offset is needed, as in 2026-12-31T00:00:00Z"
                raise file.fail((*path, key), message)
        _named(file, (*path, "to"), given.to, destinations)
        since, until = milliseconds(given.since) if given.since else 0, milliseconds(given.until)
        if since >= until:
            raise file.fail((*path, "until"), f"{shown(given.until)} is not after `since`")
        begins = since if given.since else now
        if begins is not None and until - begins > SILENCE_MAX:
            which = "`since`" if given.since else "now"
            message = f"{shown(given.until)}: at most {SILENCE_MAX // _DAY} days after {which}: a silence expires"
            raise file.fail((*path, "until"), message)
        if "privacy" in given.family:
            raise file.fail((*path, "family"), "'privacy': who looked at whom is told, whatever a policy says")
        if given.id in found:
            raise file.fail((*path, "id"), f"{given.id!r} is there twice")
        found[given.id] = Silence(
            id=given.id,
            owner=given.owner,
            reason=given.reason,
            since=since,
            until=until,
            match=_match(given, up_to=given.up_to),
            to=given.to,
        )
    return tuple(found.values())


def _named(file: TomlFile, path: Path, names: tuple[str, ...], destinations: Mapping[str, DestinationPlan]) -> None:
    for name in names:
        if name not in destinations:
            raise file.fail(path, f"{name!r}: no such destination; {nearest(name, list(destinations))}")


def _table(file: TomlFile, name: str) -> dict[str, Any]:
    value = file.data.get(name, {})
    if not isinstance(value, dict):
        raise file.fail((name,), f"{shown(value)} is not a table")
    return value


def _tables(file: TomlFile, name: str) -> list[Any]:
    value = file.data.get(name, [])
    if not isinstance(value, list):
        raise file.fail((name,), f"{shown(value)} is not an array of tables; write [[{name}]]")
    return value


def _duration(file: TomlFile, path: Path, value: Any, *, least: int = 0, why: str = "") -> int:
    try:
        found = duration(value if isinstance(value, str) else shown(value))
    except ValueError as error:
        raise file.fail(path, str(error)) from None
    if found < least:
        raise file.fail(path, f"{shown(value)}: at least {least} ms{why}")
    return found

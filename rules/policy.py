"""The policy: one TOML file that says what is allowed, and how severe what is not.

Reading it checks everything that can be checked; what comes out is frozen. Its version is a hash of the file's bytes
and stands on every alert. `docs/policy.md` is the reference.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from fnmatch import fnmatchcase
from typing import Any, Final, Literal, TypeVar

import msgspec
from msgspec.structs import replace

from rules.exemptions import Exemption, read_exemptions
from rules.gateway.section import GatewayPolicy, read_gateway
from rules.habits.thresholds import Behaviour
from rules.jurisdictions import Perimeter
from rules.networks import NetworkEntry, NetworkMap, RangeKind, shipped_map
from schemas.access import Action
from schemas.alert import Severity
from schemas.directory import Sensitivity
from schemas.errors import ConfigurationError
from schemas.places import PlaceClass
from schemas.sources import SOURCES
from schemas.sources.base import SourceMapping
from schemas.sources.matching import matchers
from schemas.toml_file import Path, TomlFile, country, duration, nearest, shown

VERSION: Final = 1
"""The format of the file. A later program reads older formats; an unknown one is refused."""

_DAY_MS: Final = 86_400_000

MAX_AGE_MS: Final[Mapping[str, int | None]] = {
    "device": _DAY_MS,
    "badge": 30 * _DAY_MS,
    "travel": None,
    "contract": None,
    "vpn": _DAY_MS,
}
"""How long a location row stands as evidence, by kind; None: until it ends. From `semantics.md`; a VPN session's row
that nobody ended is given a working day."""


class Thresholds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Durations, written `10s`, `5m`, `24h`, `30d`."""

    facts_grace: str = "10s"
    """How long an event waits for a directory row that is not there at all."""
    clock_ahead: str = "5m"
    """An event later than its append time by more than this says that a producer's clock is wrong."""
    late: str = "35d"
    """An event older than this is judged and counted as late: history may not reach so far."""
    dedup_window: str = "1d"
    """Alerts of one person, dataset and family within one such window share a `dedup_key`."""
    auto_resolve_after: str = "24h"
    """When an alert resolves by itself, counted from the last that came to it."""


class Site(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A data centre or another place that holds data."""

    country: str
    retires: date | None = None
    """The day by which nothing is to be left there; None: it stays."""


class Entity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A legal entity that employs people."""

    country: str
    establishment: Literal["eu", "separate"] = "separate"
    """`eu`: the controller's own entity, whose staff are no importer wherever they travel."""
    frameworks: tuple[str, ...] = ()
    instruments: tuple[Literal["scc", "bcr", "art49"], ...] = ()


class Purpose(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A purpose for which data may be used."""

    ticket: bool = False
    ticket_pattern: str = ".+"


class Permission(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sensitivities and actions that a role may combine."""

    sensitivity: tuple[Sensitivity, ...]
    actions: tuple[Action, ...]
    datasets: tuple[str, ...] = ("*",)


class Role(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a role may do, for which purposes and from which classes of place."""

    may: tuple[Permission, ...] = ()
    purposes: tuple[str, ...] = ()
    """Empty: no purpose is asked for."""
    places: tuple[PlaceClass, ...] = tuple(PlaceClass)
    default: bool = False
    """Held by every employee without a row."""

    def allows(self, sensitivity: Sensitivity, action: Action, dataset_id: str) -> bool:
        """Whether the role may do this to such a dataset."""
        return any(
            sensitivity in may.sensitivity
            and action in may.actions
            and any(fnmatchcase(dataset_id, pattern) for pattern in may.datasets)
            for may in self.may
        )


class _Network(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    cidr: str
    kind: RangeKind
    country: str | None = None
    label: str = ""


class RuleSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the policy says of one rule; what it leaves out stays as the rule ships."""

    enabled: bool = True
    severity: Severity | Literal["matrix"] | None = None
    sensitivities: tuple[Sensitivity, ...] | None = None
    shadow: bool = False
    """What it finds goes to a topic of its own and changes no alert."""


P = TypeVar("P", Site, Entity)

_RULE_DEFAULT: Final = RuleSettings()


@dataclass(frozen=True, slots=True, eq=False)
class Policy:
    """A checked policy. Times and durations are integer milliseconds."""

    version: str
    """First 16 hex digits of the SHA-256 of the file's bytes."""
    perimeter: Perimeter
    regime: str
    sites: Mapping[str, Site]
    entities: Mapping[str, Entity]
    purposes: Mapping[str, Purpose]
    roles: Mapping[str, Role]
    networks: NetworkMap
    max_age: Mapping[str, int | None]
    facts_grace: int
    clock_ahead: int
    late: int
    dedup_window: int
    auto_resolve_after: int
    matrix: Mapping[Sensitivity, Mapping[PlaceClass, Severity]]
    rules: Mapping[str, RuleSettings]
    exemptions: tuple[Exemption, ...]
    sources: Mapping[str, SourceMapping]
    behaviour: Behaviour | None
    """None: the file has no `[behaviour]`, and behaviour is not judged."""
    cool_down: int
    ticket_patterns: Mapping[str, re.Pattern[str]] = field(repr=False)
    shadowed: frozenset[str] = frozenset()
    """Ids of the rules in shadow."""
    gateway: GatewayPolicy | None = None
    """None: the file has no `[gateway]`; no decisions are made, and accesses are not matched with any."""

    def settings(self, rule_id: str) -> RuleSettings:
        """Return what the policy says of a rule."""
        return self.rules.get(rule_id, _RULE_DEFAULT)

    def severity(self, sensitivity: Sensitivity, place_class: PlaceClass) -> Severity:
        """Return the matrix's severity of reaching such data from such a place."""
        return self.matrix[sensitivity][place_class]

    @property
    def default_roles(self) -> tuple[str, ...]:
        """Roles that every employee holds."""
        return tuple(name for name, role in self.roles.items() if role.default)


DELIVERY_SECTIONS: Final = ["destinations", "routes", "silences", "people"]
"""Who is told, and who may act: read by `alerts/reading.py`, not here."""

_SECTIONS: Final = [
    "version",
    "perimeter",
    "sites",
    "entities",
    "purposes",
    "roles",
    "networks",
    "evidence",
    "thresholds",
    "severity",
    "rules",
    "exemptions",
    "sources",
    "behaviour",
    "gateway",
    *DELIVERY_SECTIONS,
]

FRAMEWORKS: Final = ["CH-DPF", "DPF", "PIPEDA", "UK-DPF"]
"""Certifications under which a conditional adequacy decision holds for an entity (`rules/transfer.py`)."""


def _row(*levels: Severity) -> Mapping[PlaceClass, Severity]:
    return dict(zip(PlaceClass, levels, strict=True))


MATRIX: Final[Mapping[Sensitivity, Mapping[PlaceClass, Severity]]] = {
    "restricted": _row("medium", "medium", "high", "critical", "critical"),
    "allowable": _row("low", "low", "medium", "high", "high"),
    "pseudonymised": _row("informational", "informational", "low", "low", "low"),
    "public": _row("informational", "informational", "informational", "informational", "informational"),
}
"""The shipped severities: the more sensitive and the farther out, the worse."""


def parse(text: str, name: str, rule_ids: frozenset[str]) -> Policy:
    """Return the policy in `text`; `name` is what errors call the file, `rule_ids` the rules that there are.

    Raises:
        ConfigurationError: it names file, line, key, value and what is allowed.
    """
    file = TomlFile(text, name)
    data = file.data
    file.check_names((), data, _SECTIONS)
    if type(data.get("version")) is not int or data["version"] != VERSION:
        raise file.fail(("version",), f"{shown(data.get('version'))}: this program reads version {VERSION}")
    perimeter = _table(file, data, ("perimeter",))
    file.check_names(("perimeter",), perimeter, ["countries", "regime"])
    countries = perimeter.get("countries")
    if not isinstance(countries, list) or not countries or not all(isinstance(code, str) for code in countries):
        raise file.fail(("perimeter", "countries"), "a list of countries or groups is required")
    try:
        inside = Perimeter.of(countries)
    except ConfigurationError as error:
        raise file.fail(("perimeter", "countries"), str(error)) from None
    thresholds = file.read(("thresholds",), data.get("thresholds", {}), Thresholds)
    purposes = _named(file, data, "purposes", Purpose)
    roles = _named(file, data, "roles", Role)
    for role_name, role in roles.items():
        for purpose in role.purposes:
            if purpose not in purposes:
                message = f"purpose {purpose!r} is not defined; {nearest(purpose, list(purposes))}"
                raise file.fail(("roles", role_name, "purposes"), message)
    entities = _placed(file, "entities", _named(file, data, "entities", Entity))
    for entity_name, entity in entities.items():
        for framework in entity.frameworks:
            if framework not in FRAMEWORKS:
                raise file.fail(
                    ("entities", entity_name, "frameworks"),
                    f"{framework!r}; {nearest(framework, FRAMEWORKS)}",
                )
    sites = _placed(file, "sites", _named(file, data, "sites", Site))
    for rule_id in _table(file, data, ("rules",)):
        if rule_id not in rule_ids:
            hint = f'an id is written in quotes, as in [rules."{min(rule_ids)}"]; ' if "." not in rule_id else ""
            raise file.fail(("rules", rule_id), f"no such rule; {hint}{nearest(rule_id, list(rule_ids))}")
    rules: dict[str, RuleSettings] = _named(file, data, "rules", RuleSettings)
    for rule_id, given in rules.items():
        if given.shadow and not given.enabled:
            raise file.fail(
                ("rules", rule_id, "shadow"), "true: a rule that is off casts none; allowed: enabled = true"
            )
    behaviour = None if "behaviour" not in data else file.read(("behaviour",), data["behaviour"], Behaviour)
    return Policy(
        version=hashlib.sha256(text.encode()).hexdigest()[:16],
        perimeter=inside,
        regime=_regime(file, perimeter),
        sites=sites,
        entities=entities,
        purposes=purposes,
        roles=roles,
        networks=_networks(file, data),
        max_age=_max_age(file, data),
        facts_grace=_duration(file, ("thresholds", "facts_grace"), thresholds.facts_grace),
        clock_ahead=_duration(file, ("thresholds", "clock_ahead"), thresholds.clock_ahead),
        late=_duration(file, ("thresholds", "late"), thresholds.late),
        dedup_window=_duration(file, ("thresholds", "dedup_window"), thresholds.dedup_window, least=1),
        auto_resolve_after=_duration(file, ("thresholds", "auto_resolve_after"), thresholds.auto_resolve_after),
        matrix=_matrix(file, data),
        rules=rules,
        exemptions=read_exemptions(file, _tables(file, data, "exemptions"), rule_ids, frozenset(roles)),
        sources=_sources(file, data),
        behaviour=behaviour,
        cool_down=_duration(file, ("behaviour", "cool_down"), (behaviour or Behaviour()).cool_down, least=1),
        ticket_patterns=_ticket_patterns(file, purposes),
        shadowed=frozenset(rule_id for rule_id, given in rules.items() if given.shadow),
        gateway=read_gateway(file, data, rule_ids),
    )


def _table(file: TomlFile, data: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return the table at `path`, whose last part is its key in `data`; an empty one where there is none."""
    value = data.get(str(path[-1]), {})
    if not isinstance(value, dict):
        raise file.fail(path, f"{shown(value)} is not a table")
    return value


def _tables(file: TomlFile, data: dict[str, Any], name: str) -> list[Any]:
    value = data.get(name, [])
    if not isinstance(value, list):
        raise file.fail((name,), f"{shown(value)} is not an array of tables; write [[{name}]]")
    return value


def _named(file: TomlFile, data: dict[str, Any], section: str, to: Any) -> Any:
    return {name: file.read((section, name), value, to) for name, value in _table(file, data, (section,)).items()}


def _placed(file: TomlFile, section: str, things: Mapping[str, P]) -> Mapping[str, P]:
    """Return sites or entities with the canonical codes of their countries."""
    return {
        name: replace(thing, country=country(file, (section, name, "country"), thing.country))
        for name, thing in things.items()
    }


def _duration(file: TomlFile, path: Path, value: Any, *, least: int = 0) -> int:
    try:
        found = duration(value if isinstance(value, str) else shown(value))
    except ValueError as error:
        raise file.fail(path, str(error)) from None
    if found < least:
        raise file.fail(path, f"{shown(value)}: at least {least} ms")
    return found


def _regime(file: TomlFile, perimeter: dict[str, Any]) -> str:
    regime = perimeter.get("regime", "EU")
    allowed = ["EU", "EEA_EFTA", "UK", "CH"]
    if regime not in allowed:
        raise file.fail(("perimeter", "regime"), f"{shown(regime)}; {nearest(shown(regime), allowed)}")
    return str(regime)


def _networks(file: TomlFile, data: dict[str, Any]) -> NetworkMap:
    entries = []
    for at, value in enumerate(_tables(file, data, "networks")):
        path: Path = ("networks", at)
        network = file.read(path, value, _Network)
        place = None if network.country is None else country(file, (*path, "country"), network.country)
        entries.append(NetworkEntry(network.cidr, network.kind, place, network.label))
    try:
        return shipped_map().under(entries)
    except ConfigurationError:
        for at in range(len(entries)):  # which one is it
            try:
                shipped_map().under(entries[: at + 1])
            except ConfigurationError as error:
                raise file.fail(("networks", at, "cidr"), str(error)) from None
        raise


def _max_age(file: TomlFile, data: dict[str, Any]) -> Mapping[str, int | None]:
    evidence = _table(file, data, ("evidence",))
    file.check_names(("evidence",), evidence, ["max_age"])
    ages = _table(file, evidence, ("evidence", "max_age"))
    file.check_names(("evidence", "max_age"), ages, list(MAX_AGE_MS))
    own = {kind: _duration(file, ("evidence", "max_age", kind), value, least=1) for kind, value in ages.items()}
    return {**MAX_AGE_MS, **own}


def _matrix(file: TomlFile, data: dict[str, Any]) -> Mapping[Sensitivity, Mapping[PlaceClass, Severity]]:
    severity = _table(file, data, ("severity",))
    file.check_names(("severity",), severity, ["matrix"])
    given = _table(file, severity, ("severity", "matrix"))
    file.check_names(("severity", "matrix"), given, list(MATRIX))
    matrix = {sensitivity: dict(row) for sensitivity, row in MATRIX.items()}
    for sensitivity in given:
        path: Path = ("severity", "matrix", sensitivity)
        row = _table(file, given, path)
        file.check_names(path, row, [place_class.value for place_class in PlaceClass])
        for place_class, level in row.items():
            allowed = ["informational", "low", "medium", "high", "critical"]
            if level not in allowed:
                raise file.fail((*path, place_class), f"{shown(level)}; {nearest(shown(level), allowed)}")
            matrix[sensitivity][PlaceClass(place_class)] = level  # type: ignore[index]  # checked above
    return matrix


def _sources(file: TomlFile, data: dict[str, Any]) -> Mapping[str, SourceMapping]:
    found: dict[str, SourceMapping] = _named(file, data, "sources", SourceMapping)
    for name, mapping in found.items():
        if name not in SOURCES:
            raise file.fail(("sources", name), f"no such source; {nearest(name, list(SOURCES))}")
        try:
            matchers(mapping)
        except ConfigurationError as error:
            raise file.fail(("sources", name), str(error)) from None
    return found


def _ticket_patterns(file: TomlFile, purposes: Mapping[str, Purpose]) -> Mapping[str, re.Pattern[str]]:
    patterns = {}
    for name, purpose in purposes.items():
        try:
            patterns[name] = re.compile(purpose.ticket_pattern)
        except (re.error, OverflowError, RecursionError) as error:
            path = ("purposes", name, "ticket_pattern")
            raise file.fail(path, f"{purpose.ticket_pattern!r}: {error}") from None
    return patterns

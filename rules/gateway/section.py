"""`[gateway]` of the policy: how decisions are made, which data must pass gateways, what approvals may grant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final, Literal

import msgspec

from rules.gateway import checks
from schemas.access import Action
from schemas.directory import Sensitivity
from schemas.places import PlaceClass
from schemas.toml_file import Path, TomlFile


class Gateway(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[gateway.gateways.NAME]`: a caller of the decision point, by the name under which it authenticates."""

    site: str = ""
    datasets: tuple[str, ...] = ("*",)
    """Patterns of the datasets behind it."""
    principals: tuple[Literal["employee", "external", "service", "workload"], ...] = ("employee", "external")
    """Whom it may ask about. Rules about roles, purposes and employment look at employees only, and would let a
    machine of any name pass."""
    quiet_after: str = "1h"
    """A gateway that asked before and is not heard for so long, or whose decisions see no access, is told."""


class Obliging(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[[gateway.obligations]]`: what an access of such data from such a place is allowed under."""

    sensitivity: tuple[Sensitivity, ...] = ()
    places: tuple[PlaceClass, ...] = ()
    actions: tuple[Action, ...] = ()
    """Empty: any."""
    pseudonymised: bool = False
    row_limit: int | None = None
    ticket: bool = False


class Condition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[[gateway.conditions]]`: denies a request whose properties are so. It can only tighten what rules say.

    Keys are `subject.NAME`, `action.NAME`, `resource.NAME` of the request's `properties`, or `context.NAME`; values are
    texts, numbers, truths, or lists of these of which one will do.
    """

    name: str
    sentence: str
    when: dict[str, Any]
    unless: dict[str, Any] = {}
    actions: tuple[Action, ...] = ()
    """Empty: any."""


class Approvals(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[gateway.approvals]`."""

    longest: str = "12h"
    """How long a grant may hold at most."""
    never: tuple[str, ...] = ("employee.inactive", "employee.unknown")
    """Rules whose findings no approval overrides."""


class BreakGlass(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[gateway.break_glass]`: without it there is none."""

    roles: tuple[str, ...]
    """Whoever holds one of them may."""
    longest: str = "1h"
    review_within: str = "24h"


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    valid_for: str = "15m"
    uses: int = 1000
    must_pass: tuple[str, ...] = ("*",)
    sensitivities: tuple[Sensitivity, ...] = ("restricted", "allowable")
    principals: tuple[Literal["employee", "external", "service", "workload"], ...] = ("employee", "external")
    wait: str = "500ms"
    rows_unsaid: Literal["count", "tell"] = "count"
    unrecorded: Literal["deny", "allow"] = "deny"
    stale: Literal["deny", "allow"] = "deny"
    tolerates: tuple[str, ...] = ()
    subject_types: dict[str, Literal["employee", "external", "service", "workload"]] = msgspec.field(
        default_factory=lambda: {"user": "employee"}
    )
    resource_types: tuple[str, ...] = ("dataset", "record")
    actions: dict[str, Action] = {}
    gateways: dict[str, Any] = {}
    obligations: list[Any] = []
    conditions: list[Any] = []
    approvals: Any = {}
    break_glass: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayPolicy:
    """A checked `[gateway]`. Durations are milliseconds."""

    valid_for: int
    """How long an allow may be used."""
    uses: int
    """Accesses that one decision covers."""
    must_pass: tuple[str, ...]
    """Patterns of datasets whose accesses must come with a decision."""
    sensitivities: frozenset[Sensitivity]
    """And of which sensitivities."""
    principals: frozenset[str]
    """And by which principals."""
    wait: int
    """How much later than an access its decision may arrive, or the other way round, without a false alert."""
    rows_unsaid: Literal["count", "tell"]
    """What comes of an access under a row limit that does not say how many records it reached."""
    unrecorded: Literal["deny", "allow"]
    """What is answered while decisions cannot be recorded."""
    stale: Literal["deny", "allow"]
    """What is answered where directories or approvals are not known to be read to their end."""
    tolerates: frozenset[str]
    """Rules whose findings do not deny."""
    subject_types: Mapping[str, str]
    """AuthZEN subject types, and which principal each is; `employee external service workload` stand for themselves."""
    resource_types: tuple[str, ...]
    """AuthZEN resource types that are datasets."""
    actions: Mapping[str, Action]
    """AuthZEN action names that are not ours, and which action each is."""
    gateways: Mapping[str, Gateway]
    quiet_after: Mapping[str, int]
    """By gateway."""
    obligations: tuple[Obliging, ...]
    conditions: tuple[Condition, ...]
    approvals_longest: int
    never: frozenset[str]
    break_glass: BreakGlass | None
    break_glass_longest: int = 0
    review_within: int = 0

    def passes(self, dataset_id: str) -> bool:
        """Whether accesses to the dataset must come with a decision, if its sensitivity is one of those."""
        return any(fnmatchcase(dataset_id, pattern) for pattern in self.must_pass)


_PATH: Final[Path] = ("gateway",)

QUIET_MAX: Final = 30 * checks.DAY
"""Of a gateway's `quiet_after`: one that may be silent for more than a month is not watched."""


def read_gateway(file: TomlFile, data: Mapping[str, Any], rule_ids: frozenset[str]) -> GatewayPolicy | None:
    """Return the policy's `[gateway]`, None where it has none.

    Raises:
        ConfigurationError: names file, line, key, value and what is allowed.
    """
    if "gateway" not in data:
        return None
    raw = file.read(_PATH, data["gateway"], _Section)
    checks.check_types(file, _PATH, raw.subject_types, raw.resource_types, raw.actions)
    approvals = file.read((*_PATH, "approvals"), raw.approvals, Approvals)
    checks.check_rules(file, (*_PATH, "tolerates"), raw.tolerates, rule_ids)
    checks.check_rules(file, (*_PATH, "approvals", "never"), approvals.never, rule_ids)
    checks.check_apart(file, (*_PATH, "tolerates"), raw.tolerates, approvals.never)
    gateways = {name: file.read((*_PATH, "gateways", name), one, Gateway) for name, one in raw.gateways.items()}
    for name, one in gateways.items():
        checks.check_gateway(file, (*_PATH, "gateways", name), name, one, _names(data, "sites"))
    glass = None if raw.break_glass is None else file.read((*_PATH, "break_glass"), raw.break_glass, BreakGlass)
    glass_longest = review_within = 0
    if glass is not None:
        path = (*_PATH, "break_glass")
        checks.check_roles(file, (*path, "roles"), glass.roles, _names(data, "roles"))
        glass_longest = checks.length(file, (*path, "longest"), glass.longest, "1ms", checks.GLASS_MAX)
        review_within = checks.length(file, (*path, "review_within"), glass.review_within, "1ms", checks.REVIEW_MAX)
    longest = checks.length(file, (*_PATH, "approvals", "longest"), approvals.longest, "1ms", checks.GRANT_MAX)
    return GatewayPolicy(
        valid_for=checks.length(file, (*_PATH, "valid_for"), raw.valid_for, "1ms", checks.VALID_MAX),
        uses=checks.between(file, (*_PATH, "uses"), raw.uses, 1, checks.USES_MAX),
        must_pass=raw.must_pass,
        sensitivities=frozenset(raw.sensitivities),
        principals=frozenset(raw.principals),
        wait=checks.length(file, (*_PATH, "wait"), raw.wait, "0s", checks.WAIT_MAX),
        rows_unsaid=raw.rows_unsaid,
        unrecorded=raw.unrecorded,
        stale=raw.stale,
        tolerates=frozenset(raw.tolerates),
        subject_types=raw.subject_types,
        resource_types=raw.resource_types,
        actions=raw.actions,
        gateways=gateways,
        quiet_after={
            name: checks.length(file, (*_PATH, "gateways", name, "quiet_after"), one.quiet_after, "1ms", QUIET_MAX)
            for name, one in gateways.items()
        },
        obligations=tuple(_obligations(file, raw.obligations)),
        conditions=tuple(_conditions(file, raw.conditions)),
        approvals_longest=longest,
        never=frozenset(approvals.never),
        break_glass=glass,
        break_glass_longest=glass_longest,
        review_within=review_within,
    )


def _obligations(file: TomlFile, tables: list[Any]) -> Iterator[Obliging]:
    for number, table in enumerate(tables):
        path: Path = (*_PATH, "obligations", number)
        given = file.read(path, table, Obliging)
        checks.check_obligation(file, path, given)
        yield given


def _conditions(file: TomlFile, tables: list[Any]) -> Iterator[Condition]:
    names: set[str] = set()
    for number, table in enumerate(tables):
        path: Path = (*_PATH, "conditions", number)
        given = file.read(path, table, Condition)
        checks.check_condition(file, path, given, names)
        names.add(given.name)
        yield given


def _names(data: Mapping[str, Any], section: str) -> list[str]:
    """Return the names that another section defines; it is checked where it is read."""
    named = data.get(section, {})
    return list(named) if isinstance(named, dict) else []

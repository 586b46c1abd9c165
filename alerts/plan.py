"""The part of the policy that says who is told: destinations, routes, silences. Read by `alerts/reading.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

from alerts.destination import Kind
from schemas.alert import Severity

GroupBy = Literal["dedup_key", "rule_id", "family", "severity", "team", "dataset_id", "place_class", "person"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationPlan:
    """One `[destinations.NAME]`. Durations are integer milliseconds."""

    name: str
    kind: Kind
    config: msgspec.Struct
    """Of the kind's own type."""
    names: Literal["pseudonyms", "clear"]
    """Whether people are named in clear there."""
    deadline: int
    """From an alert's publication until it counts as overdue."""
    retry_for: int
    """How long one message is tried before it is parked."""
    group_by: tuple[GroupBy, ...]
    group_wait: int
    """From a group's first alert to its first notice."""
    group_interval: int
    """Between two notices of a group that brought nothing graver."""
    rate_limit: int | None
    """Notices a minute; what is beyond goes into a digest. None: no limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Which alerts are meant: all that is given must hold; an empty one means all."""

    severity: Severity | None = None
    """This one or graver: of a route."""
    up_to: Severity | None = None
    """This one or less grave: of a silence."""
    rules: tuple[str, ...] = ()
    """Patterns of rule ids (`place.*`)."""
    place_classes: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    """Patterns of dataset ids."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One `[[routes]]`: what matches goes to these destinations. All that match count, up to one that is `final`."""

    match: Match
    to: tuple[str, ...]
    final: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """One `[[silences]]`: what matches is not told from `since` to `until`, to some destinations or to all grouped."""

    id: str
    owner: str
    reason: str
    since: int
    """Milliseconds since 1970."""
    until: int
    match: Match
    to: tuple[str, ...]
    """Destinations; empty: every one that tells people (grouped). A SIEM is silenced only where it is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Who is told of what, under one version of the policy."""

    version: str
    destinations: Mapping[str, DestinationPlan]
    routes: tuple[Route, ...]
    silences: tuple[Silence, ...]
    analysts: Mapping[str, str]
    """Who may sign actions: name → Ed25519 public key, base64."""
    auto_resolve_after: int
    """`thresholds.auto_resolve_after`: so long after the last that came to it an alert resolves (`alerts/life.py`)."""

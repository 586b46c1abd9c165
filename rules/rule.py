"""What a rule is: one pure function over declared facts, with everything a person needs to trust or tune it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from rules.cases import Case
from rules.facts import Facts
from rules.policy import Policy
from schemas.access import Outcome, PrincipalType
from schemas.alert import Severity
from schemas.directory import Sensitivity
from schemas.places import PlaceClass

SENSITIVE: frozenset[Sensitivity] = frozenset({"restricted", "allowable"})
"""What must not leave as it is; pseudonymised data is what is meant to."""

SUCCESS: frozenset[Outcome] = frozenset({"success"})
"""A denied attempt reached nothing: the gateway did its work."""

LET_THROUGH: frozenset[Outcome] = frozenset({"success", "error"})
"""What no gateway refused, whatever came of it then: enough for rules about who may."""

ATTEMPTS: frozenset[Outcome] = frozenset({"success", "denied", "error"})
"""For what is wrong already when it is tried."""

STAFF: frozenset[PrincipalType] = frozenset({"employee"})
PEOPLE: frozenset[PrincipalType] = frozenset({"employee", "external"})
ANYBODY: frozenset[PrincipalType] = frozenset({"employee", "service", "workload", "external"})


@dataclass(frozen=True, slots=True)
class Flag:
    """What a rule says when it fires: one sentence for a person, and the class of place that severity follows."""

    sentence: str
    place_class: PlaceClass | None = None
    """None: the class of the place of the access."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule. `check` gets the facts and the policy and returns a flag or nothing; it reads only `reads`."""

    id: str
    version: int = 1
    title: str
    why: str
    example: str
    tune: str
    references: tuple[str, ...] = ()
    severity: Severity | Literal["matrix"] = "matrix"
    """`matrix`: by sensitivity and class of place, as the policy's matrix says."""
    sensitivities: frozenset[Sensitivity] | None = None
    """What it looks at; None: everything. The policy may say otherwise."""
    principals: frozenset[PrincipalType] = STAFF
    outcomes: frozenset[Outcome] = SUCCESS
    scope: Literal["access", "dataset"] = "access"
    """`dataset`: the finding is about a version of the dataset, not about who read it."""
    reads: frozenset[str]
    check: Callable[[Facts, Policy], Flag | None] = field(repr=False)
    cases: tuple[Case, ...] = field(repr=False)

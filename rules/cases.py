"""Cases beside the rules: a small world in which everything is right, and what one case changes in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

T: Final = 1_772_445_600_000
"""The moment of every case's access: 2026-03-02T10:00:00Z, a Monday."""

HOUR: Final = 3_600_000
DAY: Final = 24 * HOUR

POLICY: Final = """
version = 1
[perimeter]
countries = ["EEA", "CH", "GB"]
[sites.dub-1]
country = "IE"
[sites.sin-1]
country = "SG"
[entities.clover-ie]
country = "IE"
establishment = "eu"
[entities.clover-us]
country = "US"
frameworks = ["DPF"]
[entities.clover-in]
country = "IN"
instruments = ["scc"]
[purposes.support]
ticket = true
ticket_pattern = "T-[0-9]+"
[purposes.audit]
[roles.reader]
purposes = ["support", "audit"]
[[roles.reader.may]]
sensitivity = ["restricted", "allowable", "pseudonymised", "public"]
actions = ["read", "list", "query", "export", "grant"]
[roles.inside-only]
places = ["inside"]
[[roles.inside-only.may]]
sensitivity = ["restricted", "allowable", "pseudonymised", "public"]
actions = ["read", "list", "query", "export", "grant", "delete"]
"""
"""The policy of the cases; a case may append to it."""

EMPLOYEE: Final[dict[str, Any]] = {"status": "active", "employer": "clover-ie"}
DATASET: Final[dict[str, Any]] = {
    "subject_region": "EEA",
    "sensitivity": "restricted",
    "site": "dub-1",
    "site_country": "IE",
}
EVENT: Final[dict[str, Any]] = {"action": "read", "purpose": "support", "ticket": "T-1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One named case: what differs from a world where all is right, and whether the rule fires.

    Times are milliseconds relative to `T`. `None` for a table means that it has no row at all.
    """

    name: str
    fires: bool
    event: dict[str, Any] = field(default_factory=dict)
    """Fields of the event that differ; None removes one."""
    employee: dict[str, Any] | None = field(default_factory=dict)
    badge: str | None = "IE"
    """The country of yesterday's badge, None for no badge."""
    locations: tuple[tuple[str, str, int, int | None], ...] = ()
    """Further evidence: (kind, country, from, until)."""
    roles: tuple[tuple[str, int, int | None], ...] = (("reader", -30 * DAY, None),)
    dataset: dict[str, Any] | None = field(default_factory=dict)
    workload: dict[str, Any] | None = None
    policy: str = ""
    reused: bool = False

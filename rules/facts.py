"""The facts of one access as of its own time: what every rule judges, and all that a rule may read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from rules.policy import Role
from schemas.access import AccessEvent, Action, Outcome, PrincipalType
from schemas.alert import Evidence, Place, Transfer
from schemas.directory import DatasetRow, EmployeeRow, Sensitivity, WorkloadRow
from schemas.places import PlaceClass

Ticket = Literal["not_asked", "given", "missing", "refused"]


@dataclass(frozen=True, slots=True)
class Lapsed:
    """A version of a role that does not hold at the time of the access."""

    name: str
    role: Role
    since: int
    until: int


@dataclass(frozen=True, slots=True)
class Destination:
    """Where an export or a grant goes."""

    name: str
    country: str | None
    place_class: PlaceClass


@dataclass(frozen=True, slots=True)
class Stored:
    """Where a version of a dataset is stored."""

    country: str
    site: str | None
    place_class: PlaceClass


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one access. Times are milliseconds; `None` is "nothing of the kind is known"."""

    event: AccessEvent
    at: int
    principal: PrincipalType
    action: Action
    outcome: Outcome
    employee_known: bool
    """Whether any row speaks of the employee, whenever it holds."""
    employee: EmployeeRow | None
    roles: Mapping[str, Role]
    lapsed: tuple[Lapsed, ...]
    dataset_known: bool
    dataset: DatasetRow | None
    dataset_id: str
    sensitivity: Sensitivity
    """`restricted` where the dataset is not known."""
    regime: str
    place: Place
    effective: PlaceClass
    """The place's class for this person's employer: a conditional country counts as adequate where it is certified."""
    conflict: Evidence | None
    """The worst credible evidence that the person was in a worse class of place than the one believed."""
    conflict_class: PlaceClass | None
    transfer: Transfer
    destination: Destination | None
    stored: Stored | None
    purpose: str | None
    ticket: Ticket
    workload: WorkloadRow | None
    on_site: bool | None
    """Whether a workload's address is in its networks; None where it has none, or the address is not known."""
    reused: bool
    """The event's id was used before, with other content."""


EVENT_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "principal": ("principal_type",),
    "action": ("action",),
    "outcome": ("outcome",),
    "employee_known": (),
    "employee": (),
    "roles": (),
    "lapsed": (),
    "dataset_known": ("dataset_id",),
    "dataset": ("dataset_id",),
    "dataset_id": ("dataset_id",),
    "sensitivity": ("dataset_id",),
    "regime": ("dataset_id",),
    "place": ("source_ip", "device_country"),
    "effective": ("source_ip", "device_country"),
    "conflict": ("source_ip", "device_country"),
    "conflict_class": ("source_ip", "device_country"),
    "destination": ("destination",),
    "stored": ("dataset_id",),
    "purpose": ("purpose",),
    "ticket": ("purpose", "ticket"),
    "workload": (),
    "on_site": ("source_ip",),
}
"""From which fields of the event each fact is made. A rule reads only facts that are named here: `event` and `at` are
for sentences, `reused` and `transfer` are handled by the judge."""

ALWAYS_READ: Final = frozenset(
    {"principal", "outcome", "dataset", "sensitivity", "place", "effective", "roles", "employee"}
)
"""Facts that the judge itself reads: gates, severities, exemptions and counters."""

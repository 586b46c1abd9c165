"""Rows of the directories: what was true of employees, datasets and the rest, from when, and since when we know.

Every row is one version of one fact. A correction is another row for the same thing and time with a later
`recorded_at`; a tombstone withdraws exactly the row whose key it carries.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import UNSET, Meta

from schemas.fields import Country, Id, OptionalCountry, OptionalId, OptionalText, OptionalTime, Time

MAX_BYTES = 64 * 1024
"""Length of a directory row: the bound of a native record."""

MAX_NETWORKS = 256
"""Networks of one workload. A workload with more than this many egress ranges is not one place."""

Status = Literal["active", "leave", "suspended", "terminated"]
EvidenceKind = Literal["contract", "badge", "device", "vpn", "travel"]
Sensitivity = Literal["restricted", "allowable", "pseudonymised", "public"]
CopyKind = Literal["replica", "backup", "export"]


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What every directory row has: when it became true, when we were told, and until when it holds."""

    topic: ClassVar[str]

    valid_from: Time
    recorded_at: OptionalTime = UNSET
    """The message's timestamp stands in where it is absent; `schemas.codec` fills it."""
    valid_until: OptionalTime = UNSET

    @property
    def subject(self) -> str:
        """The id of the thing that the row is about."""
        raise NotImplementedError

    @property
    def kind(self) -> str:
        """What tells apart rows of one thing that hold side by side: the role, the kind of evidence."""
        return ""


class EmployeeRow(Row, frozen=True, kw_only=True):
    """Employment of one person."""

    topic: ClassVar[str] = "directory.employees"

    employee_id: Id
    status: Status
    home_country: OptionalCountry = UNSET
    employer: OptionalId = UNSET
    team: OptionalId = UNSET
    manager_id: OptionalId = UNSET
    time_zone: OptionalId = UNSET

    @property
    def subject(self) -> str:
        """The employee."""
        return self.employee_id


class LocationRow(Row, frozen=True, kw_only=True):
    """One piece of evidence of where somebody was."""

    topic: ClassVar[str] = "directory.locations"

    employee_id: Id
    country: Country
    evidence: EvidenceKind

    @property
    def subject(self) -> str:
        """The employee."""
        return self.employee_id

    @property
    def kind(self) -> str:
        """The kind of evidence."""
        return self.evidence


class RoleRow(Row, frozen=True, kw_only=True):
    """A role that somebody holds."""

    topic: ClassVar[str] = "directory.roles"

    employee_id: Id
    role: Id
    granted_by: OptionalId = UNSET

    @property
    def subject(self) -> str:
        """The employee."""
        return self.employee_id

    @property
    def kind(self) -> str:
        """The role."""
        return self.role


class DatasetRow(Row, frozen=True, kw_only=True):
    """Whose data a dataset holds, how sensitive it is and where it is stored."""

    topic: ClassVar[str] = "directory.datasets"

    dataset_id: Id
    subject_region: Id
    """`EEA`, `CH`, `GB` or a country."""
    sensitivity: Sensitivity
    site: OptionalId = UNSET
    site_country: OptionalCountry = UNSET
    owner: OptionalId = UNSET
    canary: bool = False
    moving_to: OptionalId = UNSET
    """The site where it is to be, where a move is planned; the row of the new place ends the plan."""
    moving_by: OptionalTime = UNSET

    @property
    def subject(self) -> str:
        """The dataset."""
        return self.dataset_id


class CopyRow(Row, frozen=True, kw_only=True):
    """One copy of a dataset beside the dataset itself, and where it is; `valid_until` is when it was destroyed."""

    topic: ClassVar[str] = "directory.copies"

    dataset_id: Id
    copy_id: Id
    copy_kind: CopyKind
    site: OptionalId = UNSET
    site_country: OptionalCountry = UNSET
    destination: OptionalId = UNSET
    """Of an export: who holds it."""
    purpose: OptionalId = UNSET
    moving_to: OptionalId = UNSET
    moving_by: OptionalTime = UNSET

    @property
    def subject(self) -> str:
        """The dataset."""
        return self.dataset_id

    @property
    def kind(self) -> str:
        """The copy's id: a dataset has several side by side."""
        return self.copy_id


class DutyRow(Row, frozen=True, kw_only=True):
    """A duty that explains unusual work: on call, quarter end, a migration."""

    topic: ClassVar[str] = "directory.duties"

    employee_id: Id
    duty: Id

    @property
    def subject(self) -> str:
        """The employee."""
        return self.employee_id

    @property
    def kind(self) -> str:
        """The duty."""
        return self.duty


class SubjectRow(Row, frozen=True, kw_only=True):
    """What is known of a data subject, by its pseudonymous token."""

    topic: ClassVar[str] = "directory.subjects"

    subject_id: Id
    employee_id: OptionalId = UNSET
    watched: bool = False
    canary: bool = False

    @property
    def subject(self) -> str:
        """The data subject's token."""
        return self.subject_id


class WorkloadRow(Row, frozen=True, kw_only=True):
    """A role or account that a machine uses, and the networks it is used from."""

    topic: ClassVar[str] = "directory.workloads"

    principal_id: Id
    owner: OptionalId = UNSET
    networks: Annotated[tuple[Id, ...], Meta(max_length=MAX_NETWORKS)] = ()
    site: OptionalText = UNSET

    @property
    def subject(self) -> str:
        """The workload's principal."""
        return self.principal_id


ROWS: tuple[type[Row], ...] = (
    EmployeeRow,
    LocationRow,
    RoleRow,
    DatasetRow,
    DutyRow,
    SubjectRow,
    WorkloadRow,
    CopyRow,
)
"""Every kind of directory row; the topic's last part is the file's name in a directory folder."""

"""One access to data, as a gateway, a database or an audit log of another system reports it."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from schemas.fields import (
    Address,
    Id,
    OptionalCount,
    OptionalCountry,
    OptionalId,
    OptionalText,
    Time,
)

MAX_BYTES = 64 * 1024
"""Length of a native record. A gateway's record is a few hundred bytes; the longest lists 1,000 subjects."""

MAX_SUBJECTS = 1000

Action = Literal["read", "list", "query", "export", "write", "update", "delete", "create", "decrypt", "grant"]
Outcome = Literal["success", "denied", "error"]
View = Literal["clear", "pseudonymised"]
"""How data was shown. Article 4(5) GDPR has the second."""
PrincipalType = Literal["employee", "service", "workload", "external"]


class AccessEvent(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One record of `access.events`. Times are integer milliseconds; an absent optional field is `UNSET`.

    `gc=False`: it holds strings, numbers and one tuple of strings, so it cannot be part of a cycle.
    """

    event_id: Id
    occurred_at: Time
    employee_id: OptionalId = UNSET
    principal_type: PrincipalType | UnsetType = UNSET
    """`employee` where absent. Kept as written, so that `schemas.codec` can tell a repeated key by the length."""
    principal_id: OptionalId = UNSET
    dataset_id: Id
    action: Action
    outcome: Outcome | UnsetType = UNSET
    """`success` where absent; kept as written, as above."""
    source_ip: Address | UnsetType = UNSET
    device_country: OptionalCountry = UNSET
    subject_ids: Annotated[tuple[Id, ...], Meta(max_length=MAX_SUBJECTS)] | UnsetType = UNSET
    record_count: OptionalCount = UNSET
    bytes: OptionalCount = UNSET
    destination: OptionalId = UNSET
    gateway_id: OptionalId = UNSET
    decision_id: OptionalId = UNSET
    session_id: OptionalId = UNSET
    purpose: OptionalId = UNSET
    ticket: OptionalId = UNSET
    view: View | UnsetType = UNSET
    """Whether the store showed the data as it is, where it says so: a gateway may grant a pseudonymised view alone."""
    service_account: OptionalId = UNSET
    client: OptionalText = UNSET

    @property
    def person(self) -> str:
        """Who is behind the access, the key of the topic: the employee's id, else the principal's."""
        if self.principal_type is UNSET or self.principal_type == "employee":
            assert not isinstance(self.employee_id, UnsetType)  # noqa: S101  # held by schemas.codec
            return self.employee_id
        assert not isinstance(self.principal_id, UnsetType)  # noqa: S101  # held by schemas.codec
        return self.principal_id

    @property
    def principal(self) -> PrincipalType:
        """Which kind of principal it is, `employee` where the record does not say."""
        return "employee" if isinstance(self.principal_type, UnsetType) else self.principal_type

    @property
    def result(self) -> Outcome:
        """How it ended, `success` where the record does not say."""
        return "success" if isinstance(self.outcome, UnsetType) else self.outcome

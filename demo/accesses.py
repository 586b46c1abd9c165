"""Accesses as gateways write them, and what each of them really is."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from demo.organisation import DAY, Dataset, Person


@dataclass(frozen=True, slots=True)
class Label:
    """What an access or a dataset really is. Never part of a record."""

    kind: str
    incident: bool
    sentence: str
    case: str = ""
    """For what somebody does over a time: which time of its kind it is. Its people are those of its accesses."""


@dataclass(slots=True)
class Planned:
    """One access to be sent, what it is, and rows that the directories get about a second after it."""

    event: dict[str, Any]
    label: Label | None = None
    rows_after: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    @property
    def at(self) -> int:
        """When it happens, milliseconds."""
        return int(self.event["occurred_at"])


WORK: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...], str | None, bool]]] = {
    "support-agent": (("restricted", "allowable", "pseudonymised"), ("read", "list", "query"), "support", True),
    "data-engineer": (
        ("restricted", "allowable", "pseudonymised"),
        ("read", "list", "query", "write", "update", "create", "delete"),
        "operations",
        False,
    ),
    "analyst": (("pseudonymised", "public"), ("read", "list", "query"), None, False),
    "allowable-reader": (("allowable",), ("read", "list", "query"), "operations", False),
    "security": (("restricted", "allowable", "pseudonymised"), ("read", "query", "decrypt"), "investigation", True),
    "incident-manager": (("restricted", "allowable"), ("read", "list", "query"), "support", True),
}
"""What holders of a role do at work: (sensitivities, actions, purpose, whether with a ticket)."""

EEA_ONLY: Final = frozenset({"allowable-reader"})
"""Roles whose holders work on data of one region only."""


class Writer:
    """Writes native records with ids of their own."""

    def __init__(self, seed: int) -> None:
        self.random = Random(f"accesses {seed}")
        self._number = 0

    def access(self, person: Person, dataset: Dataset, at: int, **more: Any) -> dict[str, Any]:
        """Return a record of `person` at work on `dataset`; `more` says what differs, None leaves a field out."""
        random = self.random
        self._number += 1
        _, actions, purpose, ticket = WORK[person.role]
        event: dict[str, Any] = {
            "event_id": f"ev-{self._number:07d}",
            "occurred_at": at,
            "employee_id": person.id,
            "dataset_id": dataset.id,
            "action": random.choice(actions),
            "outcome": "success",
            "source_ip": person.address,
            "gateway_id": f"gw-{dataset.site}",
            "session_id": f"{person.id}-{at // DAY}",
        }
        if "record_count" not in more:
            records = random.choice((1, 1, 1, 2, 3, 20))
            event["subject_ids"] = [f"s-{random.getrandbits(40):010x}" for _ in range(min(records, 3))]
            event["record_count"], event["bytes"] = records, records * 512
        if person.has_device:
            event["device_country"] = person.country
        if purpose is not None:
            event["purpose"] = purpose
        if ticket and "ticket" not in more:
            event["ticket"] = f"T-{random.randrange(10**6)}"
        event.update(more)
        if None in more.values():
            return {name: value for name, value in event.items() if value is not None}
        return event

"""Ordinary accesses: people at work, from where they are, on data that their role is for, with purpose and ticket."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from demo.organisation import (
    CLOUD,
    DAY,
    HOUR,
    MONTH_DAYS,
    UTC_OFFSET_H,
    VPN_EGRESS,
    Dataset,
    Organisation,
    Person,
    office_in,
)


@dataclass(frozen=True, slots=True)
class Label:
    """What an access or a dataset really is. Never part of a record."""

    kind: str
    incident: bool
    sentence: str


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

DATASETS_A_HEAD: Final = 4
"""Datasets that somebody works on. Invented, as the two below are: no public log of accesses to user data says."""

SESSION_LENGTH: Final = 12
"""Mean accesses of one sitting."""

PAUSE_MS: Final = 40_000
"""Mean pause between two accesses of a sitting."""

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
        sensitivities, actions, purpose, ticket = WORK[person.role]
        del sensitivities
        records = random.choice((1, 1, 1, 2, 3, 20))
        event: dict[str, Any] = {
            "event_id": f"ev-{self._number:07d}",
            "occurred_at": at,
            "employee_id": person.id,
            "dataset_id": dataset.id,
            "action": random.choice(actions),
            "outcome": "success",
            "source_ip": person.address,
            "subject_ids": [f"s-{random.getrandbits(40):010x}" for _ in range(min(records, 3))],
            "record_count": records,
            "bytes": records * 512,
            "gateway_id": f"gw-{dataset.site}",
            "session_id": f"{person.id}-{at // DAY}",
        }
        if person.has_device:
            event["device_country"] = person.country
        if purpose is not None:
            event["purpose"] = purpose
        if ticket:
            event["ticket"] = f"T-{random.randrange(10**6)}"
        event.update(more)
        return {name: value for name, value in event.items() if value is not None}


def ordinary(org: Organisation, writer: Writer, count: int) -> Iterator[Planned]:
    """Yield `count` accesses in the order of no time in particular: everybody in their working hours."""
    random = writer.random
    people = [person for person in org.people if not person.cast]
    by_kind: dict[tuple[str, bool], list[Dataset]] = {}
    for person in people:
        for sensitivity in WORK[person.role][0]:
            by_kind.setdefault((sensitivity, person.role in EEA_ONLY), [])
    for (sensitivity, eea_only), datasets in by_kind.items():
        datasets += [d for d in org.datasets if d.sensitivity == sensitivity and (d.region == "EEA" or not eea_only)]
    weights = [random.paretovariate(1.5) for _ in people]
    usual = {
        person.id: [
            random.choice(by_kind[random.choice(WORK[person.role][0]), person.role in EEA_ONLY])
            for _ in range(DATASETS_A_HEAD)
        ]
        for person in people
    }
    while count > 0:
        (person,) = random.choices(people, weights)
        day = random.randrange(MONTH_DAYS)
        hour = min(max(random.gauss(13, 2.5), 6), 21) - UTC_OFFSET_H.get(person.country, 1)
        at = org.start + day * DAY + int(hour * HOUR)
        place = random.random()
        address = person.address
        if place < 0.3:
            address = office_in(random, person.country)
        elif place < 0.4:
            address = VPN_EGRESS + str(random.randrange(1, 200))
        elif place < 0.45:
            address = random.choice(CLOUD) + str(random.randrange(1, 200))
        # A session: some accesses in a row to a dataset or two, from one place.
        datasets = random.choices(usual[person.id], k=2)
        for _ in range(min(count, 1 + int(random.expovariate(1 / SESSION_LENGTH)))):
            at += 1 + int(random.expovariate(1 / PAUSE_MS))
            moment = min(max(at, org.start), org.end - 1)
            yield Planned(writer.access(person, random.choice(datasets), moment, source_ip=address))
            count -= 1

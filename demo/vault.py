"""A vault behind two gateways: the usual decisions, accesses and approvals of some hours.

It knows nothing of what matches them (`tests/test_house.py`). Most of it is usual work, with its oddities: planes that
carry no decision id, records that are repeated or come in another order, people with two sessions, people who cross a
border and are decided on anew, denials that were respected. Numbers that name no source are assumptions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE

VALID: Final = 15 * MINUTE
USES: Final = 100
"""Accesses that a decision covers, as the decision point of this vault says."""

DISORDER: Final = 400
"""How late either record may be, milliseconds: brokers and producers that are busy."""

CARRIED: Final = 0.7
"""Of the accesses, those whose plane carries the decision's id."""

PURPOSE_SAID: Final = 0.7
"""Of the accesses under a decision for a purpose, those whose plane says which."""

REPEATED: Final = 0.02
"""Of the accesses, those whose record comes twice."""

ASKED: Final = 12
"""Decisions of a person in an hour, at most."""

DATASETS: Final[tuple[tuple[str, str], ...]] = (
    ("vault-users", "restricted"),
    ("vault-mail", "restricted"),
    ("vault-payments", "restricted"),
    ("vault-usage", "allowable"),
    ("vault-search", "allowable"),
    ("vault-stats", "pseudonymised"),
)
GATED: Final = tuple(name for name, sensitivity in DATASETS if sensitivity != "pseudonymised")
GATEWAYS: Final = ("gw-dub-1", "gw-osl-1")
ADDRESSES: Final = {"IE": "87.32.", "NO": "84.208.", "SG": "8.128."}
PURPOSES: Final = ("support", "billing", "security")
ACTIONS: Final = ("read", "read", "query", "list", "update")


@dataclass(frozen=True, slots=True)
class Label:
    """What is wrong, by what it is about: an access's id, or a gateway's name."""

    subject: str
    kind: str
    how: str
    incident: str
    """Labels of one incident are one thing that is wrong."""


@dataclass(slots=True)
class Vault:
    """What the vault's topics and directories hold; records as (append time, record), in the order of append."""

    rows: dict[str, list[dict[str, Any]]]
    decisions: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    accesses: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    approvals: list[dict[str, Any]] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)


@dataclass(slots=True)
class Person:
    """Somebody who works with the vault."""

    name: str
    country: str
    address: str
    sessions: int = 0
    home: str = "IE"


class VaultWriter:
    """Writes one vault's life."""

    def __init__(self, seed: int, start: int, people: int) -> None:
        self.random, self.start = Random(seed), start
        self.people = [self._hire(number) for number in range(people)]
        self.vault = Vault(self._rows())
        self._count = 0

    def _hire(self, number: int) -> Person:
        country = self.random.choice(("IE", "IE", "NO"))
        return Person(f"v-{number:04}", country, self.address(country), home=country)

    def address(self, country: str) -> str:
        """Return an address that a registry gave to a country."""
        return f"{ADDRESSES[country]}{self.random.randrange(1, 4)}.{self.random.randrange(1, 255)}"

    def _rows(self) -> dict[str, list[dict[str, Any]]]:
        since = {"valid_from": self.start - 90 * 24 * HOUR, "recorded_at": self.start - 90 * 24 * HOUR}
        return {
            "directory.datasets": [
                {"dataset_id": name, "sensitivity": sensitivity, "subject_region": "IE", "site_country": "IE", **since}
                for name, sensitivity in DATASETS
            ],
            "directory.employees": [
                {"employee_id": each.name, "status": "active", "employer": "clover-ie", **since} for each in self.people
            ],
            "directory.locations": [
                {"employee_id": each.name, "evidence": "contract", "country": each.country, **since}
                for each in self.people
            ],
        }

    def name(self, what: str) -> str:
        """Return a new id."""
        self._count += 1
        return f"{what}-{self._count:07}-{self.random.getrandbits(32):08x}"

    def session(self, person: Person) -> str:
        """Begin another session."""
        person.sessions += 1
        return f"{person.name}/s{person.sessions}"

    def decide(self, person: Person, at: int, **fields: Any) -> dict[str, Any]:
        """Write a decision, recorded before it was answered."""
        country = fields.pop("country", person.country)
        dataset = self.random.choice(GATED)
        decision = {
            "decision_id": self.name("dec"),
            "gateway_id": self.random.choice(GATEWAYS),
            "effect": "allow",
            "decided_at": at,
            "expires_at": at + VALID,
            "person": person.name,
            "dataset_id": dataset,
            "action": self.random.choice(ACTIONS),
            "session_id": self.session(person),
            "source_ip": person.address,
            "country": country,
            "place_class": "inside",
            "uses": USES,
            **fields,
        }
        self.vault.decisions.append((at + self.random.randrange(DISORDER), decision))
        return decision

    def access(self, decision: dict[str, Any], at: int, *, carried: bool | None = None, **fields: Any) -> str:
        """Write an access under a decision, as it was decided but for what `fields` say; return its id."""
        event = {
            "event_id": self.name("acc"),
            "occurred_at": at,
            "employee_id": decision["person"],
            "dataset_id": decision["dataset_id"],
            "action": decision["action"],
            "outcome": "success",
            "source_ip": decision["source_ip"],
            "session_id": decision["session_id"],
            "gateway_id": decision["gateway_id"],
            "record_count": self.random.randint(1, 40),
        }
        if carried if carried is not None else self.random.random() < CARRIED:
            event["decision_id"] = decision["decision_id"]
        if decision.get("ticket"):
            event["ticket"] = decision["ticket"]
        if decision.get("purpose") and self.random.random() < PURPOSE_SAID:
            event["purpose"] = decision["purpose"]
        if decision.get("destination"):
            event["destination"] = decision["destination"]
        event |= fields
        event = {name: value for name, value in event.items() if value is not None}
        self.put(event, at)
        return str(event["event_id"])

    def put(self, event: dict[str, Any], at: int) -> None:
        """Write an access's record, some of them twice."""
        self.vault.accesses.append((at + self.random.randrange(DISORDER), event))
        if self.random.random() < REPEATED:
            self.vault.accesses.append((at + self.random.randrange(DISORDER, 20_000), event))

    def approve(self, person: str, since: int, until: int, **fields: Any) -> str:
        """Write an approval; return its id."""
        step = {"at": since, "by": "chief"}
        approval = {
            "approval_id": self.name("apr"),
            "person": person,
            "datasets": ["vault-*"],
            "actions": ["read"],
            "until": until,
            "requested": {"at": since - MINUTE, "by": person},
            "approved": step,
            **fields,
        }
        self.vault.approvals.append({name: value for name, value in approval.items() if value is not None})
        return str(approval["approval_id"])

    # Usual life.

    def work(self, person: Person, at: int) -> None:
        """A person asks and works; some of it is odd and right all the same."""
        chance = self.random.random()
        if chance < 0.06:
            self.decide(person, at, effect="deny", expires_at=at, uses=0, country="SG", place_class="third_country")
            return  # respected
        more: dict[str, Any] = {}
        if chance < 0.12:
            more["obligations"] = {"row_limit": 40}
        elif chance < 0.16:
            more |= {"obligations": {"ticket": True}, "ticket": f"T-{self.random.randrange(9999)}"}
        elif chance < 0.175:
            more["purpose"] = self.random.choice(PURPOSES)
        elif chance < 0.19:
            more |= {"action": "export", "destination": "osl-1"}
        elif chance < 0.22:
            more["approval_id"] = self.approve(person.name, at - 5 * MINUTE, at + HOUR)
        elif chance < 0.26:
            person.country = "NO" if person.country == "IE" else "IE"
            person.address = self.address(person.country)
        if person.country != person.home or self.random.random() < 0.1:
            more["device_country"] = person.country
        decision = self.decide(person, at, **more)
        uses = USES if chance > 0.995 else self.random.randint(1, 30)
        carried = True if uses == USES else None
        for _ in range(uses):
            done = at + self.random.randrange(50, VALID)
            fields: dict[str, Any] = {}
            if self.random.random() < 0.1 and decision["action"] in {"read", "query"}:
                fields["action"] = "list"
            if self.random.random() < 0.05:
                fields |= {"outcome": "denied", "dataset_id": self.random.choice(GATED), "decision_id": None}
            if self.random.random() < 0.05:
                fields["source_ip"] = None
            if self.random.random() < 0.05:
                fields["session_id"] = None
            if self.random.random() < 0.05:
                fields["record_count"] = None
            if "purpose" not in more and self.random.random() < 0.1:
                fields["purpose"] = self.random.choice(PURPOSES)  # the plane says one, the gateway said none
            if "approval_id" in more and self.random.random() < 0.2:
                fields["source_ip"] = self.address(decision["country"])
            self.access(decision, done, carried=carried, **fields)

    def beside(self, at: int) -> None:
        """Accesses that need no decision."""
        person = self.random.choice(self.people)
        free = self.random.random() < 0.5
        event = {
            "event_id": self.name("acc"),
            "occurred_at": at,
            "dataset_id": "vault-stats" if free else self.random.choice(GATED),
            "action": "read",
            **(
                {"employee_id": person.name}
                if free
                else {"principal_type": "service", "principal_id": "vault-backup", "source_ip": "10.1.2.3"}
            ),
        }
        self.put(event, at)

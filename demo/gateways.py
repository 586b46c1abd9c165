"""A vault behind two gateways: decisions, accesses, approvals of some hours, and what is wrong with some of them.

It knows nothing of what matches them (`tests/test_house.py`). Most of it is usual work, with its oddities: planes that
carry no decision id, records that are repeated or come in another order, people with two sessions, people who cross a
border and are decided on anew, denials that were respected. Numbers that name no source are assumptions.
"""

from __future__ import annotations

from collections.abc import Callable
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
DEAF: Final = "gw-dub-2"
"""A third one, whose plane writes no access log."""
ADDRESSES: Final = {"IE": "87.32.", "NO": "84.208.", "SG": "8.128."}
ACTIONS: Final = ("read", "read", "query", "list", "update")

KINDS: Final = (
    "bypass",
    "denied_yet_done",
    "expired",
    "wider",
    "other_person",
    "other_session",
    "other_country",
    "overused",
    "approval_missing",
    "no_access",
    "quiet",
)
"""What is planted."""


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
class _Person:
    name: str
    country: str
    address: str
    sessions: int = 0
    home: str = "IE"


class _Writer:
    """Writes one vault's life."""

    def __init__(self, seed: int, start: int, people: int) -> None:
        self.random, self.start = Random(seed), start
        self.people = [self._hire(number) for number in range(people)]
        self.vault = Vault(self._rows())
        self._count = 0

    def _hire(self, number: int) -> _Person:
        country = self.random.choice(("IE", "IE", "NO"))
        return _Person(f"v-{number:04}", country, self._address(country), home=country)

    def _address(self, country: str) -> str:
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
        self._count += 1
        return f"{what}-{self._count:07}-{self.random.getrandbits(32):08x}"

    def session(self, person: _Person) -> str:
        person.sessions += 1
        return f"{person.name}/s{person.sessions}"

    def decide(self, person: _Person, at: int, **fields: Any) -> dict[str, Any]:
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
        if decision.get("destination"):
            event["destination"] = decision["destination"]
        event |= fields
        event = {name: value for name, value in event.items() if value is not None}
        self.put(event, at)
        return str(event["event_id"])

    def put(self, event: dict[str, Any], at: int) -> None:
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

    def plant(self, subject: str, kind: str, how: str, incident: str = "") -> None:
        self.vault.labels.append(Label(subject, kind, how, incident or f"{kind}/{subject}"))

    # Usual life.

    def work(self, person: _Person, at: int) -> None:
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
        elif chance < 0.19:
            more |= {"action": "export", "destination": "osl-1"}
        elif chance < 0.22:
            more["approval_id"] = self.approve(person.name, at - 5 * MINUTE, at + HOUR)
        elif chance < 0.26:
            person.country = "NO" if person.country == "IE" else "IE"
            person.address = self._address(person.country)
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
            if "approval_id" in more and self.random.random() < 0.2:
                fields["source_ip"] = self._address(decision["country"])
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

    # What is wrong.

    def bypass(self, person: _Person, at: int) -> None:
        how = self.random.choice(("no decision at all", "a dataset nobody asked for", "an id that was never made"))
        if how == "no decision at all":
            loner = _Person(f"v-out-{self.random.getrandbits(32):08x}", "IE", self._address("IE"))
            base = self._undecided(loner, at)
            self.plant(self.access(base, at, carried=False), "bypass", how)
        elif how == "a dataset nobody asked for":
            decision = self.decide(person, at, dataset_id="vault-mail")
            event = self.access(decision, at + 2_000, carried=False, dataset_id="vault-never-asked")
            self.plant(event, "bypass", how)
        else:
            base = self._undecided(person, at)
            self.plant(self.access(base, at, decision_id=self.name("dec")), "bypass", how)

    def _undecided(self, person: _Person, at: int) -> dict[str, Any]:
        decision = self.decide(person, at)
        self.vault.decisions.pop()
        return decision

    def denied_yet_done(self, person: _Person, at: int) -> None:
        decision = self.decide(person, at, effect="deny", expires_at=at + MINUTE, uses=0)
        carried = self.random.random() < 0.5
        event = self.access(decision, at + self.random.randrange(100, 30_000), carried=carried)
        self.plant(event, "denied_yet_done", "carried" if carried else "not carried")

    def expired(self, person: _Person, at: int) -> None:
        decision = self.decide(person, at)
        long = self.random.random() < 0.5
        after = self.random.randrange(20 * MINUTE, 50 * MINUTE) if long else self.random.randrange(5_000, 4 * MINUTE)
        carried = True if long else None
        event = self.access(decision, at + VALID + after, carried=carried)
        self.plant(event, "expired", "long after" if long else "shortly after")

    def wider(self, person: _Person, at: int) -> None:
        how = self.random.choice(("dataset", "action", "records", "ticket", "destination"))
        more: dict[str, Any] = {}
        fields: dict[str, Any] = {}
        if how == "dataset":
            more, fields = {"dataset_id": "vault-usage"}, {"dataset_id": "vault-payments"}
        elif how == "action":
            more, fields = {"action": "read"}, {"action": "export", "destination": None}
        elif how == "records":
            more, fields = {"obligations": {"row_limit": 100}}, {"record_count": self.random.randint(150, 90_000)}
        elif how == "ticket":
            more = {"obligations": {"ticket": True}, "ticket": "T-1"}
            fields = {"ticket": self.random.choice((None, "T-2"))}
        else:
            more, fields = {"action": "export", "destination": "dub-2"}, {"destination": "sin-1"}
        decision = self.decide(person, at, **more)
        carried = True if how == "dataset" else None
        self.plant(self.access(decision, at + 3_000, carried=carried, **fields), "wider", how)

    def other_person(self, person: _Person, at: int) -> None:
        decision = self.decide(person, at)
        thief = self.random.choice([each for each in self.people if each is not person])
        event = self.access(decision, at + 5_000, carried=True, employee_id=thief.name, source_ip=thief.address)
        self.plant(event, "other_person", "carried")

    def other_session(self, person: _Person, at: int) -> None:
        decision = self.decide(person, at, dataset_id="vault-search", action="update")
        carried = self.random.random() < 0.5
        event = self.access(decision, at + 5_000, carried=carried, session_id=self.session(person))
        self.plant(event, "other_session", "carried" if carried else "not carried")

    def other_country(self, person: _Person, at: int) -> None:
        decision = self.decide(person, at)
        if self.random.random() < 0.5:
            event = self.access(decision, at + 5_000, source_ip=self._address("SG"))
            self.plant(event, "other_country", "address")
        else:
            event = self.access(decision, at + 5_000, device_country="SG")
            self.plant(event, "other_country", "device")

    def overused(self, person: _Person, at: int) -> None:
        decision = self.decide(person, at)
        events = [self.access(decision, at + 1_000 + 40 * number, carried=True) for number in range(3 * USES)]
        for event in events:
            self.plant(event, "overused", "three times as often", decision["decision_id"])

    def approval_missing(self, person: _Person, at: int) -> None:
        how = self.random.choice(("unknown", "withdrawn", "never given"))
        if how == "unknown":
            approval = self.name("apr")
        elif how == "withdrawn":
            withdrawn = {"at": at + 30_000, "by": "chief"}
            approval = self.approve(person.name, at - MINUTE, at + HOUR, withdrawn=withdrawn)
        else:
            approval = self.approve(person.name, at - MINUTE, at + HOUR, approved=None)
        decision = self.decide(person, at, approval_id=approval)
        self.plant(self.access(decision, at + MINUTE), "approval_missing", how)


def vault(seed: int, start: int, *, hours: int = 4, people: int = 150, each: int = 20) -> Vault:
    """Return a vault's life with so many of each kind planted.

    Args:
        seed: of its randomness.
        start: when it begins, milliseconds since 1970.
        hours: how long it goes on.
        people: who works.
        each: how many of each kind; of gateways one is quiet in the last half, and one sees no access.
    """
    writer = _Writer(seed, start, people)
    random, length = writer.random, hours * HOUR
    for person in writer.people:
        for at in sorted(random.randrange(length - VALID) for _ in range(hours * random.randint(1, ASKED))):
            writer.work(person, start + at)
    for _ in range(people * 10):
        writer.beside(start + random.randrange(length))
    plants: tuple[Callable[[_Person, int], None], ...] = (
        writer.bypass,
        writer.denied_yet_done,
        writer.expired,
        writer.wider,
        writer.other_person,
        writer.other_session,
        writer.other_country,
        writer.overused,
        writer.approval_missing,
    )
    for plant in plants:
        for number in range(each):
            person = _Person(f"v-{plant.__name__}-{number}", "IE", writer._address("IE"))
            plant(person, start + random.randrange(length - VALID - HOUR))
    for _ in range(40):
        person = random.choice(writer.people)
        writer.decide(person, start + random.randrange(HOUR), gateway_id=DEAF)
    writer.plant(DEAF, "no_access", "no access log")
    writer.plant(DEAF, "quiet", "asks nothing after the first hour")
    found = writer.vault
    for records in (found.decisions, found.accesses):
        records.sort(key=lambda record: record[0])
    return found

"""What is wrong in a vault behind gateways: each kind planted, and labelled.

Neither this nor the usual life (`demo/vault.py`) knows anything of what matches them (`tests/test_house.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from demo.vault import ASKED, HOUR, MINUTE, USES, VALID, Label, Person, Vault, VaultWriter

DEAF: Final = "gw-dub-2"
"""A third one, whose plane writes no access log."""
KINDS: Final = (
    "bypass",
    "denied_yet_done",
    "expired",
    "wider",
    "other_person",
    "other_session",
    "other_country",
    "other_purpose",
    "overused",
    "approval_missing",
    "no_access",
    "quiet",
)
"""What is planted."""


class Planter(VaultWriter):
    """Writes what is wrong too."""

    def plant(self, subject: str, kind: str, how: str, incident: str = "") -> None:
        """Say what is wrong with an access or a gateway."""
        self.vault.labels.append(Label(subject, kind, how, incident or f"{kind}/{subject}"))

    def bypass(self, person: Person, at: int) -> None:
        """Plant one."""
        how = self.random.choice(("no decision at all", "a dataset nobody asked for", "an id that was never made"))
        if how == "no decision at all":
            loner = Person(f"v-out-{self.random.getrandbits(32):08x}", "IE", self.address("IE"))
            base = self._undecided(loner, at)
            self.plant(self.access(base, at, carried=False), "bypass", how)
        elif how == "a dataset nobody asked for":
            decision = self.decide(person, at, dataset_id="vault-mail")
            event = self.access(decision, at + 2_000, carried=False, dataset_id="vault-never-asked")
            self.plant(event, "bypass", how)
        else:
            base = self._undecided(person, at)
            self.plant(self.access(base, at, decision_id=self.name("dec")), "bypass", how)

    def _undecided(self, person: Person, at: int) -> dict[str, Any]:
        decision = self.decide(person, at)
        self.vault.decisions.pop()
        return decision

    def denied_yet_done(self, person: Person, at: int) -> None:
        """Plant one."""
        decision = self.decide(person, at, effect="deny", expires_at=at + MINUTE, uses=0)
        carried = self.random.random() < 0.5
        event = self.access(decision, at + self.random.randrange(100, 30_000), carried=carried)
        self.plant(event, "denied_yet_done", "carried" if carried else "not carried")

    def expired(self, person: Person, at: int) -> None:
        """Plant one."""
        decision = self.decide(person, at)
        long = self.random.random() < 0.5
        after = self.random.randrange(20 * MINUTE, 50 * MINUTE) if long else self.random.randrange(5_000, 4 * MINUTE)
        carried = True if long else None
        event = self.access(decision, at + VALID + after, carried=carried)
        self.plant(event, "expired", "long after" if long else "shortly after")

    def wider(self, person: Person, at: int) -> None:
        """Plant one."""
        how = self.random.choice(("dataset", "action", "records", "subjects", "ticket", "other ticket", "destination"))
        more: dict[str, Any] = {}
        fields: dict[str, Any] = {}
        if how == "dataset":
            more, fields = {"dataset_id": "vault-usage"}, {"dataset_id": "vault-payments"}
        elif how == "action":
            more, fields = {"action": "read"}, {"action": "export", "destination": None}
        elif how == "records":
            more, fields = {"obligations": {"row_limit": 100}}, {"record_count": self.random.randint(150, 90_000)}
        elif how == "subjects":
            more = {"obligations": {"row_limit": 100}}
            subjects = [self.name("subject") for _ in range(self.random.randint(101, 900))]
            fields = {"subject_ids": subjects, "record_count": self.random.choice((None, 1))}
        elif how == "other ticket":
            more, fields = {"ticket": "T-1"}, {"ticket": "T-2"}
        elif how == "ticket":
            more = {"obligations": {"ticket": True}, "ticket": "T-1"}
            fields = {"ticket": self.random.choice((None, "T-2"))}
        else:
            more, fields = {"action": "export", "destination": "dub-2"}, {"destination": "sin-1"}
        decision = self.decide(person, at, **more)
        carried = True if how == "dataset" else None
        self.plant(self.access(decision, at + 3_000, carried=carried, **fields), "wider", how)

    def other_person(self, person: Person, at: int) -> None:
        """Plant one."""
        decision = self.decide(person, at)
        thief = self.random.choice([each for each in self.people if each is not person])
        event = self.access(decision, at + 5_000, carried=True, employee_id=thief.name, source_ip=thief.address)
        self.plant(event, "other_person", "carried")

    def other_session(self, person: Person, at: int) -> None:
        """Plant one."""
        decision = self.decide(person, at, dataset_id="vault-search", action="update")
        carried = self.random.random() < 0.5
        event = self.access(decision, at + 5_000, carried=carried, session_id=self.session(person))
        self.plant(event, "other_session", "carried" if carried else "not carried")

    def other_country(self, person: Person, at: int) -> None:
        """Plant one."""
        decision = self.decide(person, at)
        if self.random.random() < 0.5:
            event = self.access(decision, at + 5_000, source_ip=self.address("SG"))
            self.plant(event, "other_country", "address")
        else:
            event = self.access(decision, at + 5_000, device_country="SG")
            self.plant(event, "other_country", "device")

    def other_purpose(self, person: Person, at: int) -> None:
        """Plant one."""
        decision = self.decide(person, at, purpose="support")
        carried = self.random.random() < 0.5
        event = self.access(decision, at + 5_000, carried=carried, purpose="marketing")
        self.plant(event, "other_purpose", "carried" if carried else "not carried")

    def overused(self, person: Person, at: int) -> None:
        """Plant one."""
        decision = self.decide(person, at)
        events = [self.access(decision, at + 1_000 + 40 * number, carried=True) for number in range(3 * USES)]
        for event in events:
            self.plant(event, "overused", "three times as often", decision["decision_id"])

    def approval_missing(self, person: Person, at: int) -> None:
        """Plant one."""
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
    writer = Planter(seed, start, people)
    random, length = writer.random, hours * HOUR
    for person in writer.people:
        for at in sorted(random.randrange(length - VALID) for _ in range(hours * random.randint(1, ASKED))):
            writer.work(person, start + at)
    for _ in range(people * 10):
        writer.beside(start + random.randrange(length))
    plants: tuple[Callable[[Person, int], None], ...] = (
        writer.bypass,
        writer.denied_yet_done,
        writer.expired,
        writer.wider,
        writer.other_person,
        writer.other_session,
        writer.other_country,
        writer.other_purpose,
        writer.overused,
        writer.approval_missing,
    )
    for plant in plants:
        for number in range(each):
            person = Person(f"v-{plant.__name__}-{number}", "IE", writer.address("IE"))
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

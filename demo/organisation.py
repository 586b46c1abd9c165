"""A believable organisation: staff of a dozen countries, the entities that employ them, roles, places and datasets.

It knows what happened, not what is forbidden: nothing here reads a rule. Rows are plain objects as producers write
them; times are milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

HOUR: Final = 3_600_000
DAY: Final = 24 * HOUR
MONTH_DAYS: Final = 30

EMPLOYEES: Final = 2_000
"""Size of the organisation: large enough for every country and role, small enough to be filled in a second."""

COUNTRIES: Final[tuple[tuple[str, str, int], ...]] = (
    ("IE", "clover-ie", 420),
    ("NO", "clover-no", 180),
    ("DE", "clover-ie", 160),
    ("FR", "clover-ie", 140),
    ("NL", "clover-ie", 110),
    ("PL", "clover-ie", 120),
    ("ES", "clover-ie", 90),
    ("GB", "clover-uk", 150),
    ("CH", "clover-ie", 60),
    ("US", "clover-us", 150),
    ("US", "clover-labs", 70),
    ("IN", "clover-in", 170),
    ("SG", "clover-sg", 70),
    ("JP", "clover-jp", 60),
    ("BR", "clover-br", 50),
)
"""(country, employer, how many of 2,000). Invented."""

ZONES: Final = {
    "IE": "Europe/Dublin",
    "NO": "Europe/Oslo",
    "DE": "Europe/Berlin",
    "FR": "Europe/Paris",
    "NL": "Europe/Amsterdam",
    "PL": "Europe/Warsaw",
    "ES": "Europe/Madrid",
    "GB": "Europe/London",
    "CH": "Europe/Zurich",
    "US": "America/New_York",
    "IN": "Asia/Kolkata",
    "SG": "Asia/Singapore",
    "JP": "Asia/Tokyo",
    "BR": "America/Sao_Paulo",
}

NETWORKS: Final = {
    "IE": ("86.40", "89.100", "79.97"),
    "NO": ("84.208", "80.202"),
    "DE": ("91.0", "87.128"),
    "FR": ("90.0", "86.192"),
    "NL": ("84.80", "77.160"),
    "PL": ("83.0", "79.184"),
    "ES": ("80.24", "88.0"),
    "GB": ("86.128", "81.128"),
    "CH": ("85.0", "178.192"),
    "US": ("73.0", "98.192"),
    "IN": ("49.32", "117.192"),
    "SG": ("116.86", "119.56"),
    "JP": ("126.0", "219.0"),
    "BR": ("177.32", "189.0"),
}
"""Ranges of large access providers, registered in the country (regional registries' delegation statistics)."""

OFFICES: Final = {country: f"10.{number}" for number, country in enumerate(sorted(NETWORKS), 10)}
"""Each country's office network; the policy maps it to the country."""

VPN_EGRESS: Final = "203.0.113."
"""The company's own VPN egress in Dublin; the policy says that it tells nothing of a place."""

CLOUD: Final = ("52.95.110.", "20.33.0.", "34.80.0.")
"""Addresses of cloud providers, registered in the United States whoever uses them."""

EXEMPTED: Final = "e-0007"
"""The one employee that the demo's policy exempts, by name; plays no other part."""

TEAMS: Final = {
    "support-agent": "support",
    "incident-manager": "support",
    "data-engineer": "platform",
    "security": "security",
}
OTHER_TEAM: Final = "insight"
"""Who works where."""

INSIDE: Final = frozenset({"IE", "NO", "DE", "FR", "NL", "PL", "ES", "GB", "CH"})
ADEQUATE: Final = frozenset({"JP", "BR"})


@dataclass(slots=True)
class Person:
    """One employee as the generator knows them."""

    id: str
    country: str
    employer: str
    team: str
    role: str
    address: str
    has_device: bool
    cast: bool = False
    """Plays in an incident or a look-alike: their rows are written for it."""


@dataclass(slots=True)
class Dataset:
    """One dataset."""

    id: str
    region: str
    sensitivity: str
    site: str
    country: str


@dataclass(slots=True)
class Organisation:
    """Everybody, every dataset, and the directory rows by topic."""

    start: int
    random: Random
    people: list[Person] = field(default_factory=list)
    datasets: list[Dataset] = field(default_factory=list)
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    @property
    def end(self) -> int:
        """The end of the month."""
        return self.start + MONTH_DAYS * DAY

    def add(self, topic: str, **row: Any) -> dict[str, Any]:
        """Add a directory row; `recorded_at` is its `valid_from` where nothing else is said."""
        made = {"recorded_at": row["valid_from"], **row}
        self.rows.setdefault(topic, []).append(made)
        return made

    def employ(self, person: Person, *, status: str = "active", since: int | None = None) -> None:
        """Write the employee's rows: employment, contract, role."""
        begin = self.start - 400 * DAY if since is None else since
        self.add("directory.employees", **employment(person, status, begin))
        self.at(person, "contract", person.country, begin)
        self.add("directory.roles", employee_id=person.id, role=person.role, valid_from=begin, granted_by="iam")

    def at(self, person: Person, evidence: str, country: str, since: int, until: int | None = None) -> dict[str, Any]:
        """Write one piece of evidence of where somebody was."""
        row = {"employee_id": person.id, "country": country, "evidence": evidence, "valid_from": since}
        return self.add("directory.locations", **(row if until is None else {**row, "valid_until": until}))

    def cast(self, countries: frozenset[str] | set[str], role: str, employer: str | None = None) -> Person:
        """Return somebody of these countries who plays a part; nobody plays two."""
        for person in self.people:
            if (
                not person.cast
                and person.id != EXEMPTED
                and person.country in countries
                and employer in (None, person.employer)
            ):
                person.cast = True
                person.role, person.team = role, TEAMS.get(role, OTHER_TEAM)
                return person
        raise LookupError(f"nobody left of {sorted(countries)} for {role}")

    def some(self, sensitivity: str, region: str = "EEA") -> Dataset:
        """Return some dataset of that kind."""
        return self.random.choice([d for d in self.datasets if d.sensitivity == sensitivity and d.region == region])


def employment(person: Person, status: str, since: int) -> dict[str, Any]:
    """Return an employee's row."""
    return {
        "employee_id": person.id,
        "status": status,
        "home_country": person.country,
        "employer": person.employer,
        "team": person.team,
        "time_zone": ZONES[person.country],
        "valid_from": since,
    }


def address_in(random: Random, country: str) -> str:
    """Return an address of an access provider of that country."""
    return f"{random.choice(NETWORKS[country])}.{random.randrange(64)}.{random.randrange(1, 255)}"


def office_in(random: Random, country: str) -> str:
    """Return an address in that country's office."""
    return f"{OFFICES[country]}.{random.randrange(64)}.{random.randrange(1, 255)}"


def build(seed: int, start: int, employees: int = EMPLOYEES) -> Organisation:
    """Return the organisation at `start`, people and datasets; their rows are written by `settle` after casting."""
    random = Random(f"organisation {seed}")
    org = Organisation(start, random)
    total = sum(count for *_, count in COUNTRIES)
    number = 0
    for country, employer, share in COUNTRIES:
        for _ in range(max(1, share * employees // total)):
            role, team = _work_of(random, country, employer)
            org.people.append(
                Person(
                    id=f"e-{number:04d}",
                    country=country,
                    employer=employer,
                    team=team,
                    role=role,
                    address=address_in(random, country),
                    has_device=random.random() < 0.4,
                )
            )
            number += 1
    _datasets(org)
    random.shuffle(org.people)
    return org


def settle(org: Organisation) -> None:
    """Write the rows of everybody who plays no part: two thirds have badges, some travel inside the EEA."""
    random = org.random
    for person in org.people:
        if person.cast:
            continue
        org.employ(person)
        if random.random() < 0.66:
            for day in (-1, 10, 20):
                org.at(person, "badge", person.country, org.start + day * DAY + random.randrange(8 * HOUR))
        if person.role == "analyst" and random.random() < 0.2:
            org.add(
                "directory.duties",
                employee_id=person.id,
                duty=random.choice(("on_call", "quarter_end")),
                valid_from=org.start + 25 * DAY,
                valid_until=org.end,
            )
    for dataset in org.datasets:
        org.add("directory.datasets", **dataset_row(dataset, org.start - 700 * DAY))


def dataset_row(dataset: Dataset, since: int) -> dict[str, Any]:
    """Return a dataset's row."""
    return {
        "dataset_id": dataset.id,
        "subject_region": dataset.region,
        "sensitivity": dataset.sensitivity,
        "site": dataset.site,
        "site_country": dataset.country,
        "owner": f"{dataset.id.split('-')[1]}-owners",
        "valid_from": since,
    }


def _work_of(random: Random, country: str, employer: str) -> tuple[str, str]:
    if country in INSIDE:
        role = random.choices(("support-agent", "data-engineer", "analyst", "security"), (50, 25, 20, 5))[0]
    elif country in ADEQUATE or employer == "clover-us":
        role = random.choice(("allowable-reader", "analyst"))
    else:
        role = "analyst"
    return role, TEAMS.get(role, OTHER_TEAM)


_NOUNS: Final = ("profiles", "messages", "videos", "payments", "devices", "searches", "contacts", "locations", "likes")
_COUNTS: Final = {
    "EEA": {"restricted": 9, "allowable": 9, "pseudonymised": 9, "public": 4},
    "GB": {"restricted": 5, "allowable": 4, "pseudonymised": 3},
    "CH": {"restricted": 5, "allowable": 4, "pseudonymised": 3},
}
_SITES: Final = (("dub-1", "IE"), ("dub-2", "IE"), ("osl-1", "NO"))


def _datasets(org: Organisation) -> None:
    for region, counts in _COUNTS.items():
        for sensitivity, count in counts.items():
            for noun in _NOUNS[:count]:
                site, country = org.random.choice(_SITES)
                name = f"{region.lower()}-{noun}-{sensitivity[:6]}"
                org.datasets.append(Dataset(name, region, sensitivity, site, country))

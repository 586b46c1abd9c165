"""What is planted: incidents by what happened, and look-alikes that only seem so. Each plays with people of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from demo.accesses import Label, Planned, Writer
from demo.organisation import (
    CLOUD,
    DAY,
    EXEMPTED,
    HOUR,
    VPN_EGRESS,
    Dataset,
    Organisation,
    Person,
    address_in,
    dataset_row,
    employment,
)

EUROPE: Final = frozenset({"IE", "NO", "DE", "FR", "NL", "PL", "ES"})

Part = Callable[["Stage"], list[Planned]]


@dataclass(slots=True)
class Stage:
    """What a part needs: the organisation, the writer, and a moment in the month."""

    org: Organisation
    writer: Writer
    at: int
    turn: int = 0
    """Which time this part is played."""

    def either(self, role: str) -> str:
        """Return `role` and, every other time, one that covers every place: then the place alone is wrong."""
        return "incident-manager" if self.turn % 2 else role

    def someone(self, role: str = "support-agent", countries: frozenset[str] = EUROPE, **more: Any) -> Person:
        """Return somebody with their rows, and no address that gives a place."""
        person = self.org.cast(countries, role, **more)
        person.has_device = False
        person.address = VPN_EGRESS + "9"
        self.org.employ(person)
        return person

    def access(self, person: Person, dataset: Dataset | None = None, at: int = 0, **more: Any) -> dict[str, Any]:
        """Return an access at the stage's moment, moved by `at`."""
        return self.writer.access(person, dataset or self.org.some("restricted"), self.at + at, **more)


def _one(event: dict[str, Any]) -> list[Planned]:
    return [Planned(event)]


# Incidents.


def _travel_third(s: Stage) -> list[Planned]:
    person = s.someone(s.either("support-agent"))
    s.org.at(person, "badge", s.writer.random.choice(("SG", "IN")), s.at - 2 * HOUR, s.at + 8 * HOUR)
    return _one(s.access(person))


def _staff_third(s: Stage) -> list[Planned]:
    person = s.someone(s.either("allowable-reader"), frozenset({"IN", "SG"}))
    return _one(s.access(person, s.org.some("allowable")))


def _conditional_traveller(s: Stage) -> list[Planned]:
    person = s.someone(s.either("support-agent"))
    return _one(s.access(person, s.org.some("allowable"), device_country="US"))


def _conditional_staff(s: Stage) -> list[Planned]:
    person = s.someone(s.either("allowable-reader"), frozenset({"US"}), employer="clover-labs")
    return _one(s.access(person, s.org.some("allowable"), source_ip=address_in(s.writer.random, "US")))


def _unknown_place(s: Stage) -> list[Planned]:
    person = s.org.cast(EUROPE, s.either("support-agent"))
    person.has_device = False
    s.org.add("directory.employees", **employment(person, "active", s.org.start - 400 * DAY))
    s.org.add("directory.roles", employee_id=person.id, role=person.role, valid_from=s.org.start - 400 * DAY)
    if s.writer.random.random() < 0.7:
        s.org.at(person, "badge", person.country, s.at - 31 * DAY)
    return _one(s.access(person, source_ip=CLOUD[0] + "77"))


def _vpn_dublin_badge_singapore(s: Stage) -> list[Planned]:
    person = s.someone(s.either("support-agent"))
    s.org.at(person, "badge", "SG", s.at - HOUR, s.at + 8 * HOUR)
    s.org.at(person, "vpn", "IE", s.at - HOUR, s.at + 8 * HOUR)
    return _one(s.access(person, source_ip=VPN_EGRESS + "20"))


def _device_contradicts(s: Stage) -> list[Planned]:
    person = s.someone(s.either("support-agent"), frozenset({"IE"}))
    s.org.at(person, "badge", "IE", s.at - 2 * HOUR)
    return _one(s.access(person, device_country="IN"))


def _address_contradicts(s: Stage) -> list[Planned]:
    person = s.someone(countries=frozenset({"IE"}))
    s.org.at(person, "badge", "IE", s.at - 2 * HOUR)
    return _one(s.access(person, source_ip=address_in(s.writer.random, "IN")))


def _export(s: Stage) -> list[Planned]:
    to = s.writer.random.choice(("sin-1", "US", "aws:111122223333"))
    action = "grant" if to.startswith("aws") else "export"
    return _one(s.access(s.someone("data-engineer"), action=action, destination=to))


def _dataset_moved(s: Stage) -> list[Planned]:
    dataset = Dataset(f"eea-moved-{s.at // 1000 % 100000}", "EEA", "restricted", "dub-1", "IE")
    s.org.add("directory.datasets", **dataset_row(dataset, s.org.start - 90 * DAY))
    moved = Dataset(dataset.id, "EEA", "restricted", "sin-1", "SG")
    s.org.add("directory.datasets", **dataset_row(moved, s.at - HOUR))
    person = s.someone()
    return [Planned(s.access(person, moved, at=minute * 60_000)) for minute in range(4)]


def _unknown_dataset(s: Stage) -> list[Planned]:
    nobody = Dataset(f"scratch-{s.at // 1000 % 100000}", "EEA", "restricted", "dub-1", "IE")
    return _one(s.access(s.someone(), nobody))


def _unknown_employee(s: Stage) -> list[Planned]:
    person = s.someone()
    return _one(s.access(person, employee_id=f"x-{s.at // 1000 % 100000}", outcome=_TRIED[s.turn % 2]))


_TRIED: Final = ("success", "denied")


def _inactive(status: str) -> Part:
    def play(s: Stage) -> list[Planned]:
        person = s.someone()
        s.org.add("directory.employees", **employment(person, status, s.at - 2 * DAY))
        return _one(s.access(person))

    return play


def _no_role(s: Stage) -> list[Planned]:
    if s.writer.random.random() < 0.5:
        return _one(s.access(s.someone(), action="delete"))
    return _one(s.access(s.someone("analyst")))


def _role_window(since: int | None, until: int | None) -> Part:
    def play(s: Stage) -> list[Planned]:
        person = s.org.cast(EUROPE, "support-agent")
        begin = s.org.start - 400 * DAY
        s.org.add("directory.employees", **employment(person, "active", begin))
        s.org.at(person, "contract", person.country, begin)
        row: dict[str, Any] = {"employee_id": person.id, "role": person.role, "granted_by": "iam"}
        row["valid_from"] = begin if since is None else s.at + since
        s.org.add("directory.roles", **(row if until is None else {**row, "valid_until": s.at + until}))
        return _one(s.access(person, source_ip=VPN_EGRESS + "9", device_country=person.country))

    return play


def _purpose(s: Stage) -> list[Planned]:
    wrong: dict[str, Any] = s.writer.random.choice(
        ({"purpose": None}, {"ticket": None}, {"ticket": "n/a"}, {"purpose": "curiosity"}, {"purpose": "operations"})
    )
    return _one(s.access(s.someone(), **wrong))


def _role_place(s: Stage) -> list[Planned]:
    person = s.someone()
    s.org.at(person, "travel", "JP", s.at - DAY, s.at + DAY)
    return _one(s.access(person, s.org.some("pseudonymised")))


def _id_reused(s: Stage) -> list[Planned]:
    person = s.someone()
    first = s.access(person)
    return [Planned(first), Planned(s.access(person, at=60_000, event_id=first["event_id"]))]


def _workload(outside: bool) -> Part:  # noqa: FBT001 - says which of two parts
    def play(s: Stage) -> list[Planned]:
        person = s.someone("data-engineer")
        name = f"batch-{s.at // 1000 % 100000}"
        s.org.add(
            "directory.workloads", principal_id=name, networks=["10.200.0.0/16"], valid_from=s.org.start - 90 * DAY
        )
        event = s.access(
            person,
            employee_id=None,
            principal_type="workload",
            principal_id=name,
            source_ip=address_in(s.writer.random, "IE") if outside else "10.200.3.4",
        )
        return _one(event)

    return play


# Look-alikes.


def _travel_inside(s: Stage) -> list[Planned]:
    person = s.someone()
    s.org.at(person, "travel", "DE", s.at - DAY, s.at + DAY)
    return _one(s.access(person))


def _pseudonymised_abroad(s: Stage) -> list[Planned]:
    person = s.someone("analyst", frozenset({"IN", "SG"}))
    return _one(s.access(person, s.org.some("pseudonymised"), source_ip=address_in(s.writer.random, person.country)))


def _cloud_address(s: Stage) -> list[Planned]:
    person = s.someone(countries=frozenset({"IE"}))
    s.org.at(person, "badge", "IE", s.at - 2 * HOUR)
    return _one(s.access(person, source_ip=s.writer.random.choice(CLOUD) + "5"))


def _certified(s: Stage) -> list[Planned]:
    person = s.someone("allowable-reader", frozenset({"US"}), employer="clover-us")
    return _one(s.access(person, s.org.some("allowable"), device_country="US"))


def _adequate(s: Stage) -> list[Planned]:
    person = s.someone("allowable-reader", frozenset({"JP", "BR"}))
    return _one(s.access(person, s.org.some("allowable")))


def _last_minute(s: Stage) -> list[Planned]:
    person = s.someone()
    s.org.add("directory.employees", **employment(person, "terminated", s.at + 60_000))
    return _one(s.access(person))


def _corrected(s: Stage) -> list[Planned]:
    person = s.someone()
    s.org.at(person, "badge", "SG", s.at - 5 * HOUR)
    row = {"employee_id": person.id, "country": "IE", "evidence": "badge", "valid_from": s.at - 5 * HOUR}
    s.org.add("directory.locations", **row, recorded_at=s.at - HOUR)
    return _one(s.access(person))


def _late_joiner(s: Stage) -> list[Planned]:
    person = s.org.cast(EUROPE, "support-agent")
    since = s.at - 2 * HOUR
    told = {"recorded_at": s.at}
    badge = {"employee_id": person.id, "evidence": "badge", "valid_from": since}
    rows: list[tuple[str, dict[str, Any]]] = [
        ("directory.locations", {**badge, "country": "SG", "recorded_at": since}),
        ("directory.locations", {**badge, "country": person.country, **told}),
        ("directory.roles", {"employee_id": person.id, "role": person.role, "valid_from": since, **told}),
        ("directory.employees", {**employment(person, "active", since), **told}),
    ]
    return [Planned(s.access(person, source_ip=VPN_EGRESS + "9", device_country=None), rows_after=rows)]


def _late_dataset(s: Stage) -> list[Planned]:
    dataset = Dataset(f"eea-fresh-{s.at // 1000 % 100000}", "EEA", "restricted", "osl-1", "NO")
    row = {**dataset_row(dataset, s.at - 2 * HOUR), "recorded_at": s.at}
    return [Planned(s.access(s.someone(), dataset), rows_after=[("directory.datasets", row)])]


def _repeated(s: Stage) -> list[Planned]:
    event = s.access(s.someone())
    return [Planned(event), Planned(dict(event)), Planned(dict(event))]


def _denied_abroad(s: Stage) -> list[Planned]:
    person = s.someone()
    s.org.at(person, "badge", "SG", s.at - 2 * HOUR, s.at + 8 * HOUR)
    return _one(s.access(person, outcome="denied"))


def _perimeter_beyond_eea(s: Stage) -> list[Planned]:
    person = s.someone(countries=frozenset({"CH", "GB"}))
    return _one(s.access(person, source_ip=address_in(s.writer.random, person.country)))


def _exempted(s: Stage) -> list[Planned]:
    person = next(person for person in s.org.people if person.id == EXEMPTED)
    if not person.cast:
        person.cast, person.role, person.has_device = True, "support-agent", False
        s.org.employ(person)
    s.org.at(person, "badge", "SG", s.at - 2 * HOUR, s.at + 8 * HOUR)
    return _one(s.access(person, source_ip=VPN_EGRESS + "7"))


def _old_badge(s: Stage) -> list[Planned]:
    person = s.someone()
    s.org.at(person, "badge", "SG", s.at - 31 * DAY)
    return _one(s.access(person))


def _export_inside(s: Stage) -> list[Planned]:
    return _one(s.access(s.someone("data-engineer"), action="export", destination="osl-1"))


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of part, how often it is played, and which of its accesses the label is about."""

    name: str
    incident: bool
    times: int
    sentence: str
    play: Part
    about: str = "all"
    """`all` accesses, the `last` one, or the `dataset` as a whole."""


KINDS: Final[tuple[Kind, ...]] = (
    Kind("travel to a third country", True, 6, "travelled to a third country and read restricted data", _travel_third),
    Kind("staff in a third country", True, 5, "works in a third country and read allowable data", _staff_third),
    Kind("uncertified in the US: traveller", True, 3, "Irish staff in the US", _conditional_traveller),
    Kind("uncertified in the US: staff", True, 3, "staff of the uncertified US entity", _conditional_staff),
    Kind("unknown place", True, 4, "nothing says where", _unknown_place),
    Kind("VPN in Dublin, badge in Singapore", True, 3, "a VPN exit hides a journey", _vpn_dublin_badge_singapore),
    Kind("device contradicts the badge", True, 3, "the device is in India, the badge in Dublin", _device_contradicts),
    Kind("address contradicts the badge", True, 3, "the address is Indian, the badge Irish", _address_contradicts),
    Kind("export outside", True, 5, "data went outside the perimeter", _export),
    Kind("dataset moved outside", True, 3, "a dataset was moved to Singapore", _dataset_moved, "dataset"),
    Kind("unknown dataset", True, 3, "nobody entered the dataset", _unknown_dataset),
    Kind("unknown employee", True, 3, "nobody entered the employee", _unknown_employee),
    Kind("leaver", True, 4, "had left two days before", _inactive("terminated")),
    Kind("suspended", True, 3, "was suspended", _inactive("suspended")),
    Kind("on leave", True, 3, "was on leave", _inactive("leave")),
    Kind("no role", True, 5, "no role for it", _no_role),
    Kind("role expired", True, 4, "the role had ended a week before", _role_window(None, -7 * DAY)),
    Kind("role not begun", True, 3, "the role begins tomorrow", _role_window(DAY, None)),
    Kind("purpose or ticket", True, 5, "no purpose or ticket for it", _purpose),
    Kind("role outside its places", True, 4, "a role for the perimeter, used in Japan", _role_place),
    Kind("event id reused", True, 3, "the same id with other content", _id_reused, "last"),
    Kind("workload off its network", True, 3, "a machine's role from a home", _workload(outside=True)),
    Kind("travel inside", False, 8, "announced travel to Germany", _travel_inside),
    Kind("pseudonymised abroad", False, 8, "pseudonymised data may be read abroad", _pseudonymised_abroad),
    Kind("cloud address", False, 6, "a provider's address says nothing", _cloud_address),
    Kind("certified entity", False, 6, "staff of the certified US entity", _certified),
    Kind("adequate country", False, 6, "allowable data from Japan or Brazil", _adequate),
    Kind("last minute", False, 5, "leaves in a minute", _last_minute),
    Kind("role ends just after", False, 5, "the role ends a moment later", _role_window(None, 1)),
    Kind("corrected", False, 5, "a wrong badge was corrected", _corrected),
    Kind("late joiner", False, 5, "the directory hears of them a second late", _late_joiner),
    Kind("late dataset", False, 4, "the directory hears of it a second late", _late_dataset),
    Kind("repeated delivery", False, 6, "delivered three times", _repeated),
    Kind("denied abroad", False, 6, "the gateway denied it", _denied_abroad),
    Kind("perimeter beyond the EEA", False, 8, "Switzerland and the UK are inside", _perimeter_beyond_eea),
    Kind("exempted", False, 4, "somebody answers for it", _exempted),
    Kind("old badge", False, 5, "a badge of last month says nothing", _old_badge),
    Kind("export inside", False, 5, "a copy to Oslo", _export_inside),
    Kind("workload at home", False, 4, "a machine on its own network", _workload(outside=False)),
)


def planted(org: Organisation, writer: Writer) -> Iterator[Planned]:
    """Yield every planted access with its label; the people's rows are written on the way."""
    for number, kind in enumerate(KINDS):
        for time in range(kind.times):
            # No two parts at the same moment, and the first of them in the first hours: something to see soon.
            day = (number * 7 + time * 11) % 29
            at = org.start + day * DAY + (7 + time) * HOUR + number * 61_000 + writer.random.randrange(1000)
            played = kind.play(Stage(org, writer, at, time))
            for place, planned in enumerate(played):
                labelled = kind.about != "last" or place == len(played) - 1
                if labelled:
                    planned.label = Label(kind.name, kind.incident, kind.sentence)
                yield planned

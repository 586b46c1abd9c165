"""Where somebody was: all evidence as of the access, weighed into one place; what contradicts it is kept.

The order of evidence, what is physical and what is credible: `docs/semantics.md`, "Where somebody was".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from rules.jurisdictions import Classification
from rules.knowledge import Person
from rules.networks import Origin
from rules.policy import Policy
from rules.timeline import ALWAYS, NEVER
from schemas.alert import Evidence, Place
from schemas.places import PlaceClass

RANK: Final = {
    "device_claim": 1,
    "device": 1,
    "badge": 2,
    "travel": 3,
    "contract": 4,
    "vpn": 5,
    "source_ip": 5,
}
"""Which evidence is believed first. At equal rank the later one is."""

ROW_KINDS: Final = ("device", "badge", "travel", "contract", "vpn")


@dataclass(slots=True)
class Interval:
    """The time on which an answer stays the same; narrowed by everything that went into it."""

    since: int = ALWAYS
    until: int = NEVER

    def narrow(self, since: int, until: int) -> None:
        """Keep only what lies in [`since`, `until`) too."""
        self.since = max(self.since, since)
        self.until = min(self.until, until)


@dataclass(frozen=True, slots=True)
class Located:
    """The place, its class for the person's employer, and the worst evidence of a worse one."""

    place: Place
    effective: PlaceClass
    conflict: Evidence | None
    conflict_class: PlaceClass | None


@dataclass(frozen=True, slots=True)
class _Item:
    kind: str
    country: str | None
    age: int
    expired: bool = False
    note: str = ""

    @property
    def credible(self) -> bool:
        return self.country is not None and not self.expired

    @property
    def order(self) -> tuple[int, int]:
        return RANK[self.kind], self.age


def locate(
    person: Person,
    at: int,
    device_country: str | None,
    origin: Origin | None,
    policy: Policy,
    classify: Callable[[str], Classification],
    effective: Callable[[str, Classification], PlaceClass],
    interval: Interval,
) -> Located:
    """Weigh the evidence of where `person` was at `at`; `interval` is narrowed to the time the answer holds."""
    items = _gather(person, at, device_country, origin, policy, interval)
    law = {item.country: classify(item.country) for item in items if item.country is not None}
    for answer in law.values():
        interval.narrow(answer.valid_from_ms, answer.valid_until_ms)
    classes = {country: effective(country, answer) for country, answer in law.items()}
    best = min((item for item in items if item.credible), key=lambda item: item.order, default=None)
    if best is None or best.country is None:
        evidence = tuple(_evidence(item, None, law, worse=False) for item in items)
        return Located(Place(country=None, place_class=PlaceClass.UNKNOWN, presumed=False, evidence=evidence),
                       PlaceClass.UNKNOWN, None, None)  # fmt: skip
    stands = classes[best.country]
    worse = [
        item
        for item in items
        if item.credible
        and item.country is not None
        and item.kind != "contract"
        and classes[item.country].worse_than(stands)
    ]
    evidence = tuple(_evidence(item, best, law, worse=item in worse) for item in items)
    place = Place(
        country=best.country,
        place_class=law[best.country].cls,
        presumed=best.kind == "contract",
        evidence=evidence,
    )
    if not worse:
        return Located(place, stands, None, None)
    worst = max(worse, key=lambda item: (classes[item.country or ""].badness, -item.order[0], -item.age))
    return Located(place, stands, evidence[items.index(worst)], classes[worst.country or ""])


def _gather(
    person: Person,
    at: int,
    device_country: str | None,
    origin: Origin | None,
    policy: Policy,
    interval: Interval,
) -> list[_Item]:
    """List all evidence, the best first.

    The event's own comes first: at equal rank it is the later one, also at the very millisecond at which a row begins,
    or the answer would change within the interval on which it is said to hold.
    """
    items = [] if device_country is None else [_Item("device_claim", device_country, 0)]
    if origin is not None:
        note = str(origin.kind) + (f": {origin.label}" if origin.label else "")
        items.append(_Item("source_ip", origin.country, 0, note=note))
    for kind in ROW_KINDS:
        timeline = person.locations.get(kind)
        if timeline is None:
            continue
        row, since, until = timeline.at(at)
        max_age = policy.max_age[kind]
        expired = False
        if row is not None and max_age is not None:
            expires = row.valid_from + max_age
            expired = at >= expires
            if expired:
                since = max(since, expires)
            else:
                until = min(until, expires)
        interval.narrow(since, until)
        if row is not None:
            items.append(_Item(kind, row.country, at - row.valid_from, expired))
    return sorted(items, key=lambda item: item.order)


def _evidence(item: _Item, best: _Item | None, law: dict[str, Classification], *, worse: bool) -> Evidence:
    if item is best:
        stood = "believed"
    elif item.country is None:
        stood = "says_nothing"
    elif item.expired:
        stood = "expired"
    elif best is not None and item.country == best.country:
        stood = "agrees"
    else:
        stood = "contradicts" if worse else "outranked"
    return Evidence(
        kind=item.kind,
        country=item.country,
        place_class=None if item.country is None else law[item.country].cls,
        age_ms=item.age,
        stood=stood,  # type: ignore[arg-type]  # one of the words above
        note=item.note,
    )

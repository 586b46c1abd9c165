"""Incidents of behaviour: what they are, and how strong, in the person's own terms.

Strength is a multiple of the person's own 95th percentile of whatever the incident is about, of a day where nothing
else is said (`demo/usual.py`), or of 900 km/h for travel. Each kind is planted as somebody would do it, not as somebody
would find it; where a kind's strength needs a word, its function has it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from operator import attrgetter
from random import Random
from typing import Final, NamedTuple

from msgspec.structs import replace

from demo.people import Worker
from demo.population import Act, moment
from demo.usual import Quantity, by_day, p95

BLATANT, MODERATE, SUBTLE = "blatant", "moderate", "subtle"

STRENGTHS: Final = {BLATANT: 20.0, MODERATE: 5.0, SUBTLE: 2.0}
TRAVEL: Final = {BLATANT: 10.0, MODERATE: 3.0, SUBTLE: 1.5}
CRUISE_KMH: Final = 900.0


class Mute(NamedTuple):
    """Whose ordinary acts do not happen, a person's or a gateway's, in [since, until)."""

    name: str
    since: int
    until: int


@dataclass(frozen=True, slots=True)
class Deed:
    """What an incident adds, and what it keeps from happening."""

    acts: list[Act]
    mutes: tuple[Mute, ...] = ()


@dataclass(frozen=True, slots=True)
class Incident:
    """One incident: about whom (people, or a gateway), and what it adds and takes away."""

    kind: str
    strength: str
    about: tuple[str, ...]
    acts: list[Act]
    mutes: tuple[Mute, ...]
    since: int
    until: int
    """Its last act, or the end of a silence."""

    @property
    def label(self) -> str:
        """Kind, strength and whom it is about, the first of them."""
        return f"{self.kind}/{self.strength}/{self.about[0]}"


@dataclass(frozen=True)
class Scene:
    """Who does it, when, how strongly, and what they did before."""

    random: Random
    worker: Worker
    day: date
    strength: str
    before: Sequence[Act]
    """Of the weeks before, in order."""
    team: Callable[[], list[list[Act]]] = field(default=list)
    """The days of the others of their team, of the weeks before."""

    @property
    def times(self) -> float:
        """How many times the 95th percentile."""
        return STRENGTHS[self.strength]

    @cached_property
    def days(self) -> list[list[Act]]:
        """The days before that have acts."""
        return by_day(self.worker, self.before)

    def usual(self, what: Quantity) -> float:
        """Return the 95th percentile of what the days before came to."""
        return p95(what(day) for day in self.days)

    @cached_property
    def datasets(self) -> list[str]:
        """The datasets most used."""
        return [name for name, _ in Counter(act.dataset for act in self.before).most_common(5)] or self.worker.datasets

    def at_work(self, least: float = 0.5, most: float = 5.0, later: int = 0) -> int:
        """Return a moment so many hours after work begins, so many days later."""
        hour = self.worker.starts + self.random.uniform(least, most)
        return moment(self.day + timedelta(days=later), hour, self.worker.zone)

    def working_days(self, count: int, step: int = 1) -> list[int]:
        """Return so many days, from the first one on, every `step`-th that is no weekend, as days later."""
        open_days = [later for later in range(7 * count * step) if (self.day + timedelta(days=later)).weekday() < 5]
        return open_days[::step][:count]

    def act(self, at: int, dataset: str | None = None, action: str = "read", outcome: str = "success") -> Act:
        """Return an access of theirs from home, to a dataset of theirs unless another is named."""
        where = self.random.choice(self.datasets) if dataset is None else dataset
        home = self.worker
        return Act(at, home.name, where, action, outcome, country=home.country, gateway=home.gateway)

    def stranger(self) -> str:
        """Return a data subject, any."""
        return f"s-{self.random.randrange(5_000_000)}"

    def foreign_dataset(self) -> str:
        """Return a dataset that is none of their work."""
        return f"other-{self.random.randrange(40)}-d{self.random.randrange(24)}"


Plant = Callable[[Scene], Deed]


def incident(kind: str, strength: str, about: tuple[str, ...], deed: Deed) -> Incident:
    """Return an incident with everything labelled and in order."""
    label = f"{kind}/{strength}/{about[0]}"
    acts = sorted((replace(act, label=label) for act in deed.acts), key=attrgetter("at"))
    since = acts[0].at if acts else min(mute.since for mute in deed.mutes)
    until = acts[-1].at if acts else max(mute.until for mute in deed.mutes)
    return Incident(kind, strength, about, acts, deed.mutes, since, until)

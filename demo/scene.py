"""What parts about people's conduct are played with: a life of weeks to stand out from, and a day to begin on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from demo.accesses import Planned, Writer
from demo.life import SUBJECTS, Calendar, Catalogue, Life, life_of
from demo.organisation import DAY, HOUR, MONTH_DAYS, Dataset, Organisation, Person, dataset_row, employment
from demo.usual import p95

EUROPE: Final = frozenset({"IE", "NO", "DE", "FR", "NL", "PL", "ES"})

PAST_DAYS: Final = 42
"""Days before the month on which those who play a part work already: six weeks of habits."""

BUSY: Final = 6
"""Accesses of theirs on a usual day, give or take two: enough for habits."""

LAST_BEGIN: Final = 24
"""Nothing begins later in the month, so that what takes days is over before its end."""


TIMES: Final = 20.0
"""How many times the usual a blatant incident is."""

MINUTE: Final = 60_000

NEAR: Final = ("PT", "FI", "RO", "GR")
"""Allowed countries in which nobody works."""


@dataclass(slots=True)
class Actor:
    """Somebody who plays a part, and what they did so far."""

    life: Life
    lived: list[Planned] = field(default_factory=list)

    @property
    def person(self) -> Person:
        """Who it is."""
        return self.life.person

    def daily(self, what: Callable[[list[dict[str, Any]]], float]) -> float:
        """Return the 95th percentile of something that their days come to, 1 at least."""
        days: dict[int, list[dict[str, Any]]] = {}
        for planned in self.lived:
            days.setdefault(planned.at // DAY, []).append(planned.event)
        return p95([what(events) for events in days.values()])


@dataclass(slots=True)
class Scene:
    """One part that is played: whose, when, and how accesses come of it."""

    org: Organisation
    writer: Writer
    calendar: Calendar
    catalogue: Catalogue
    turn: int
    """Which time this part is played."""
    acts: list[Planned] = field(default_factory=list)
    """What the label is about."""
    around: list[Planned] = field(default_factory=list)
    """What happens beside it, unlabelled."""
    day: int = 0
    """On which day of the month it begins."""

    @property
    def random(self) -> Random:
        """The writer's."""
        return self.writer.random

    def actor(self, role: str, since: int | None = None) -> Actor:
        """Return somebody new with a device and rows; `since` is the day on which they were employed, None long ago."""
        person = self.org.cast(EUROPE, role)
        person.has_device = True
        begin = None if since is None else self.calendar.midnight(person.country, since)
        self.org.employ(person, since=begin)
        return Actor(life_of(self.random, person, self.catalogue))

    def live(self, actor: Actor, days: range) -> None:
        """Let somebody work as usual on the working days among these."""
        country = actor.person.country
        for day in self.calendar.working_days(country, days):
            count = self.random.randint(BUSY - 2, BUSY + 2)
            actor.lived += actor.life.day(self.writer, self.calendar.midnight(country, day), count)

    def settled(self, role: str) -> Actor:
        """Return somebody who works as usual from long before the month to its end, and choose the day."""
        actor = self.actor(role)
        self.begin_on(actor, 1)
        self.live(actor, range(-PAST_DAYS, MONTH_DAYS))
        self.around += actor.lived
        return actor

    def begin_on(self, actor: Actor, first: int, last: int = LAST_BEGIN) -> None:
        """Choose a working day for it to begin on."""
        self.day = self.random.choice(self.calendar.working_days(actor.person.country, range(first, last)))

    def working_days(self, actor: Actor, count: int) -> list[int]:
        """Return so many working days from the chosen one on, or as many as the month has left."""
        return self.calendar.working_days(actor.person.country, range(self.day, MONTH_DAYS))[:count]

    def at(self, actor: Actor, hour: float, day: int | None = None) -> int:
        """Return a local hour of the chosen or another day."""
        midnight = self.calendar.midnight(actor.person.country, self.day if day is None else day)
        return midnight + round(hour * HOUR)

    def desk(self, actor: Actor, day: int | None = None) -> int:
        """Return a moment of their working hours."""
        return self.at(actor, actor.life.starts + self.random.uniform(1.0, 5.0), day)

    def does(self, actor: Actor, at: int, dataset: Dataset | None = None, **more: Any) -> None:
        """Add an access that the label is about, on data of their work."""
        chosen = dataset or actor.life.datasets[0]
        about = {"subject_ids": None, "record_count": 1, "bytes": 2_000, "action": "read", **more}
        self.acts.append(Planned(self.writer.access(actor.person, chosen, at, **about)))

    def subject(self) -> str:
        """Return some data subject."""
        return f"s-{self.random.randrange(SUBJECTS)}"

    def others(self, actor: Actor, count: int) -> list[Dataset]:
        """Return so many datasets that their role is for and that they have nothing to do with, or all there are."""
        found = [each for each in self.catalogue.of(actor.person.role) if each not in actor.life.datasets]
        return self.random.sample(found, min(count, len(found)))

    def dataset(self, name: str, **row: Any) -> Dataset:
        """Add a restricted dataset of the EEA, with what else its row says."""
        made = Dataset(f"eea-{name}-{self.turn}", "EEA", "restricted", "dub-1", "IE")
        self.org.add("directory.datasets", **dataset_row(made, self.org.start - 700 * DAY), **row)
        return made

    def known_subject(self, **row: Any) -> str:
        """Add a data subject of whom the directory speaks."""
        subject = self.subject()
        self.org.add("directory.subjects", subject_id=subject, valid_from=self.org.start - 400 * DAY, **row)
        return subject

    def status(self, actor: Actor, status: str, day: int, **row: Any) -> None:
        """Add a row of their employment from a day on."""
        since = self.calendar.midnight(actor.person.country, day)
        self.org.add("directory.employees", **{**employment(actor.person, status, since), **row})

    def duty(self, actor: Actor, duty: str) -> None:
        """Give somebody a duty around the chosen day."""
        since = self.at(actor, 0.0, self.day - 2)
        row = {"employee_id": actor.person.id, "duty": duty, "valid_from": since, "valid_until": since + 6 * DAY}
        self.org.add("directory.duties", **row)


Part = Callable[[Scene], None]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of conduct, and how often it is played."""

    name: str
    incident: bool
    times: int
    sentence: str
    play: Part


def subjects_of(events: Sequence[dict[str, Any]]) -> float:
    """Return how many data subjects accesses are about."""
    return len({subject for event in events for subject in event.get("subject_ids", ())})


def records_of(events: Sequence[dict[str, Any]]) -> float:
    """Return how many records accesses come to."""
    return float(sum(event["record_count"] for event in events))

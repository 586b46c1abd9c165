"""What people do over hours and weeks: misuse as it is planted (`demo/look_alikes.py`: what only seems so).

An incident is blatant: twenty times the 95th percentile of the person's own days, wherever something is counted.
Nothing is told of how it would be found.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from demo.accesses import Label, Planned, Writer
from demo.life import Calendar, Catalogue
from demo.look_alikes import LOOK_ALIKES
from demo.organisation import HOUR, MONTH_DAYS, Organisation
from demo.scene import MINUTE, NEAR, PAST_DAYS, TIMES, Actor, Kind, Scene, records_of, subjects_of

FAR: Final = ("CY", "IS")
"""Countries that are an hour's flight and more from everybody's, and allowed: nothing but the journey is wrong."""


def _copies(s: Scene, actor: Actor, subjects: float, records: float, start: int, hours: float = 2.0) -> None:
    """Copy data: profiles one by one where cases are the work, by large queries elsewhere."""
    if actor.person.role == "support-agent":
        count = math.ceil(subjects)
        for each in range(count):
            at = start + round(each * hours * HOUR / count)
            s.does(actor, at, s.random.choice(actor.life.datasets), subject_ids=[s.subject()])
        return
    parts = s.random.randint(3, 8)
    for each in range(parts):
        size = math.ceil(records / parts)
        s.does(actor, start + each * 10 * MINUTE, action="query", record_count=size, bytes=size * 512)


def _volume(s: Scene) -> None:
    actor = s.settled(("support-agent", "data-engineer", "analyst")[s.turn % 3])
    _copies(s, actor, TIMES * actor.daily(subjects_of), TIMES * actor.daily(records_of), s.desk(actor))


def _newcomer(s: Scene) -> None:
    joined = 12 + s.turn
    actor = s.actor(("support-agent", "data-engineer", "analyst")[s.turn % 3], since=joined)
    s.day = s.calendar.working_days(actor.person.country, range(joined + 3, MONTH_DAYS))[0]
    s.live(actor, range(joined, MONTH_DAYS))
    s.around += actor.lived
    # Twenty times what the busiest of the team come to on a day, at some dozen subjects or 3,000 records.
    _copies(s, actor, TIMES * 15, TIMES * 3_000, s.desk(actor))


def _first_of_kind(s: Scene) -> None:
    actor = s.settled(("support-agent", "data-engineer")[s.turn % 2])
    start = s.desk(actor)
    for each, dataset in enumerate(s.others(actor, round(TIMES))):
        s.does(actor, start + each * 4 * MINUTE, dataset)


def _off_hours(s: Scene) -> None:
    actor = s.settled("data-engineer")
    start = s.at(actor, s.random.uniform(1.0, 3.0))
    for each in range(round(TIMES)):
        s.does(actor, start + each * 4 * MINUTE, record_count=40)


def _impossible_travel(s: Scene) -> None:
    actor = s.settled("data-engineer")
    start, there = s.desk(actor), s.random.choice(FAR)
    s.does(actor, start)
    for each in range(3):
        s.does(actor, start + (5 + each) * MINUTE, device_country=there)


def _new_country(s: Scene) -> None:
    actor = s.actor("data-engineer")
    s.begin_on(actor, 3)
    s.live(actor, range(-PAST_DAYS, s.day))
    s.around += actor.lived
    there = s.random.choice(NEAR)
    for each in range(round(TIMES)):
        s.does(actor, s.at(actor, 8.0) + each * 10 * MINUTE, device_country=there)


def _enumeration(s: Scene) -> None:
    actor = s.settled("support-agent")
    first, step = s.random.randrange(4_000_000), s.random.choice((2_000, 5_000, 11_000))
    start, ordered = s.desk(actor), s.turn % 2 == 0
    for each in range(math.ceil(TIMES * min(12.0, actor.daily(subjects_of)))):
        subject = f"s-{first + each}" if ordered else s.subject()
        s.does(actor, start + each * step, subject_ids=[subject])


def _snooping(s: Scene) -> None:
    actor = s.settled("data-engineer")
    s.begin_on(actor, 1, 10)
    whom = s.subject()
    for day in s.working_days(actor, 8):
        s.does(actor, s.desk(actor, day), subject_ids=[whom])


def _oneself(s: Scene) -> None:
    actor = s.settled("support-agent")
    own = s.known_subject(employee_id=actor.person.id)
    s.does(actor, s.desk(actor), subject_ids=[own])


def _watched(s: Scene) -> None:
    actor = s.settled("data-engineer")
    s.does(actor, s.desk(actor), subject_ids=[s.known_subject(watched=True)])


def _low_and_slow(s: Scene) -> None:
    actor = s.settled("support-agent")
    s.begin_on(actor, 1, 8)
    usual = actor.daily(subjects_of)
    # Three times as many on every day, within their hours and never so many as to be seen on any one of them.
    for day in s.working_days(actor, 14):
        start = s.at(actor, actor.life.starts + 0.5, day)
        _copies(s, actor, 2 * usual, 0, start, actor.life.hours - 1)


def _split_accounts(s: Scene) -> None:
    actor = s.settled("data-engineer")
    start = s.desk(actor)
    for each in range(8):
        s.does(actor, start + each * 9 * MINUTE, service_account=f"svc-{each}")


def _dormant(s: Scene) -> None:
    actor = s.actor(("data-engineer", "analyst")[s.turn % 2])
    s.begin_on(actor, 12)
    s.live(actor, range(-3 * PAST_DAYS, -PAST_DAYS))
    s.around += actor.lived
    start = s.desk(actor)
    for each in range(4):
        s.does(actor, start + each * MINUTE)


def _denied(s: Scene, tries: int) -> tuple[Actor, int]:
    actor = s.settled("data-engineer")
    doors, start = s.others(actor, tries), s.desk(actor)
    for each in range(tries):
        s.does(actor, start + each * 12_000, s.random.choice(doors), outcome="denied")
    return actor, start + tries * 12_000


def _denied_burst(s: Scene) -> None:
    _denied(s, round(TIMES))


def _door_opens(s: Scene) -> None:
    actor, at = _denied(s, round(TIMES))
    s.does(actor, at, s.others(actor, 1)[0])


def _canary_dataset(s: Scene) -> None:
    actor = s.settled("data-engineer")
    s.does(actor, s.desk(actor), s.dataset("celebrities", canary=True))


def _canary_subject(s: Scene) -> None:
    actor = s.settled("support-agent")
    s.does(actor, s.desk(actor), subject_ids=[s.known_subject(canary=True)])


def _composite(s: Scene) -> None:
    actor = s.settled("data-engineer")
    # Doors are tried at night, and some of what is behind others is taken: of each only somewhat more than usual.
    size = math.ceil(0.6 * actor.daily(records_of))
    start = s.at(actor, s.random.uniform(1.0, 3.0))
    doors = s.others(actor, 7)
    for each, door in enumerate(doors[:4]):
        s.does(actor, start + each * MINUTE, door, outcome="denied")
    for each, door in enumerate((*doors[4:], actor.life.datasets[0])):
        s.does(actor, start + (20 + each * 3) * MINUTE, door, record_count=size, bytes=size * 512)


def _split_people(s: Scene) -> None:
    whom = [s.subject() for _ in range(3)]
    for each in range(5):
        actor = s.actor("data-engineer")
        s.day = s.day or s.calendar.working_days("IE", range(5, 20))[s.turn * 3]
        s.live(actor, range(-PAST_DAYS, MONTH_DAYS))
        s.around += actor.lived
        for number, subject in enumerate(whom):
            s.does(actor, s.at(actor, 10.0 + each) + number * MINUTE, subject_ids=[subject])


KINDS: Final[tuple[Kind, ...]] = (
    Kind("a copy within two hours", True, 3, "took twenty times the usual", _volume),
    Kind("a newcomer's copy", True, 3, "took twenty times what anybody takes, in the first week", _newcomer),
    Kind("datasets of others", True, 3, "opened twenty datasets that are not their work", _first_of_kind),
    Kind("in the dead of night", True, 3, "the account worked while its owner slept", _off_hours),
    Kind("two places at once", True, 3, "a second user in another country, minutes later", _impossible_travel),
    Kind("a country never seen", True, 3, "the account moved to another country", _new_country),
    Kind("one after the other", True, 3, "went through data subjects by a script", _enumeration),
    Kind("the same person again", True, 3, "looked up the same person, day after day", _snooping),
    Kind("oneself", True, 3, "looked up themselves", _oneself),
    Kind("somebody famous", True, 3, "looked up somebody who is watched over", _watched),
    Kind("a little every day", True, 3, "took three times the usual, for weeks", _low_and_slow),
    Kind("several service accounts", True, 3, "spread the work over eight service accounts", _split_accounts),
    Kind("an account awakes", True, 3, "silent since before the month", _dormant),
    Kind("many doors", True, 3, "was denied twenty times within minutes", _denied_burst),
    Kind("until a door opens", True, 3, "was denied twenty times, then let through", _door_opens),
    Kind("canary dataset", True, 3, "opened what exists only to be opened", _canary_dataset),
    Kind("canary subject", True, 3, "looked up a person who does not exist", _canary_subject),
    Kind("a little of everything", True, 3, "a night, some doors, some new datasets", _composite),
    Kind("split over several", True, 3, "colleagues looked up the same people for one", _split_people),
    *LOOK_ALIKES,
)


def conducted(org: Organisation, writer: Writer) -> Iterator[Planned]:
    """Yield every access of these parts, what is meant with its label; the people's rows are written on the way."""
    calendar, catalogue = Calendar(org.start), Catalogue(org)
    for kind in KINDS:
        for turn in range(kind.times):
            scene = Scene(org, writer, calendar, catalogue, turn)
            kind.play(scene)
            label = Label(kind.name, kind.incident, kind.sentence, case=f"{kind.name}/{turn}")
            for planned in scene.acts:
                planned.label = label
            yield from scene.acts
            yield from scene.around

"""Judging behaviour: from an event to what is to be told of its person.

An event is applied to its person's habit, the rules that should look are asked, and what they say becomes an episode:
one alert that is amended while the anomaly goes on, and is over a cool-down after its last signal. Weak signals of one
day are added up (`COMPOSITE`); each alone stays silent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from msgspec import UNSET

from rules.habits.calendar import zones_of
from rules.habits.days import Standing
from rules.habits.firsts import Look
from rules.habits.habit import Episode, Habit
from rules.habits.limits import lift_wires
from rules.habits.observer import Before, Observer, Setting
from rules.habits.peers import NO_GROUP, EndedDay, Peers
from rules.habits.signal import HEAVY_DUTIES, BehaviourRule, Moment, Signal
from rules.habits.sketch import mark
from rules.habits.thresholds import Behaviour
from rules.knowledge import Knowledge, Person
from schemas.access import AccessEvent
from schemas.directory import EmployeeRow, SubjectRow
from schemas.fields import known

COMPOSITE: Final = "behaviour.composite"
"""Asked after the others, about what they said."""

WIRED: Final = Look.VOLUME | Look.NOVEL | Look.RUN | Look.OFF_HOURS
"""What a wire pointed at."""

Signalled = tuple[BehaviourRule, Signal]

EPISODE_MOST_MS: Final = 7 * 86_400_000
"""An anomaly that goes on for so long is told anew: one that never ends must not be told once and for all."""

AGAIN: Final = 1.0
"""By how much a score must have grown for an amended alert: as much again as it took to be told at all."""


@dataclass(frozen=True, slots=True)
class Telling:
    """What is to be told: the first word on an episode (revision 0), or more of it."""

    person: str
    at: int
    since: int
    revision: int
    signals: tuple[tuple[BehaviourRule, Signal], ...]
    """The strongest first."""
    setting: Setting
    event: AccessEvent


Exempt = Callable[[Moment, BehaviourRule, Signal], bool]
"""Whether a signal is hidden because somebody answers for it."""


class Anomalies:
    """Judges behaviour under one policy."""

    def __init__(
        self,
        knowledge: Knowledge,
        to: Behaviour,
        cool_down: int,
        rules: Sequence[BehaviourRule],
        peers: Peers,
        shadowed: frozenset[str] = frozenset(),
        exempt: Exempt | None = None,
    ) -> None:
        """Take the directories, thresholds, the cool-down in milliseconds, the rules in force, and the peers.

        `shadowed` are the ids of the rules in shadow; `exempt` says of a signal whether somebody answers for it.
        """
        self._shadowed = shadowed
        self._exempt = exempt
        self._knowledge = knowledge
        self._to = to
        self._cool_down = cool_down
        self._rules = tuple(rules)
        self._composite = next((rule for rule in rules if rule.id == COMPOSITE), None)
        self._by_look: dict[int, tuple[BehaviourRule, ...]] = {}
        self._peers = peers
        self._observer = Observer(to, knowledge.subjects)

    def take(
        self,
        name: str,
        person: Person,
        habit: Habit,
        event: AccessEvent,
        setting: Setting,
        shadow: list[Telling] | None = None,
    ) -> Telling | None:
        """Apply an event to its person's habit; return what is to be told of it.

        What rules in shadow have to tell is put into `shadow`.
        """
        look, before = self._observer.apply(
            habit, event, setting, lambda: self._standing(person, event.occurred_at, setting)
        )
        if before is None:
            return None
        if before.ended is not None:
            group, team, day, codes = before.ended
            who = mark(name)
            self._peers.end(EndedDay(group, who, day, event.occurred_at, codes))
            if team != group:
                self._peers.end(EndedDay(team, who, day, event.occurred_at, codes))
        if not look:
            return None
        rules = self._by_look.get(look)
        if rules is None:
            rules = self._by_look[look] = tuple(rule for rule in self._rules if rule.looks & look)
        if not rules:
            return None
        moment = self._moment(name, person, habit, event, setting, before, look)
        if look & WIRED:
            lift_wires(habit)
        signals = [(rule, signal) for rule in rules if (signal := rule.check(moment)) is not None]
        if self._exempt is not None and signals:
            signals = [each for each in signals if not self._exempt(moment, *each)]
        hidden: list[Signalled] = []
        if self._shadowed:
            hidden = [each for each in signals if each[0].id in self._shadowed and each[1].score >= 1.0]
            signals = [each for each in signals if each[0].id not in self._shadowed]
        told = self._weigh(moment, signals, hidden) if signals else None
        unlit = self._told(moment, hidden, "shadow_episode")
        if unlit is not None and shadow is not None:
            shadow.append(unlit)
        return told

    def _weigh(self, moment: Moment, signals: list[Signalled], hidden: list[Signalled]) -> Telling | None:
        """Tell what is strong; keep what is weak until it is strong together. In shadow that is put into `hidden`."""
        habit = moment.habit
        strong = [each for each in signals if each[1].score >= 1.0]
        for rule, signal in signals:
            habit.weak[rule.id] = max(habit.weak.get(rule.id, 0.0), min(1.0, signal.score))
        if not strong and self._composite is not None:
            together = self._composite.check(moment)
            if together is not None and self._exempt is not None and self._exempt(moment, self._composite, together):
                together = None
            if together is not None and COMPOSITE in self._shadowed:
                hidden.append((self._composite, together))
            elif together is not None:
                strong = [(self._composite, together), *signals]
        return self._told(moment, strong, "episode")

    def _told(
        self, moment: Moment, strong: list[Signalled], which: Literal["episode", "shadow_episode"]
    ) -> Telling | None:
        """Begin or go on with one of the person's two episodes; None where it says nothing new."""
        habit, at = moment.habit, moment.at
        if not strong:
            return None
        episode: Episode | None = getattr(habit, which)
        if episode is None or at - episode.last_at > self._cool_down or at - episode.since > EPISODE_MOST_MS:
            episode = Episode(at, 0, at, {})
            setattr(habit, which, episode)
        else:
            episode.last_at = max(at, episode.last_at)
            if not any(signal.score >= episode.told.get(rule.id, -AGAIN) + AGAIN for rule, signal in strong):
                return None
            episode.revision += 1
        for rule, signal in strong:
            episode.told[rule.id] = max(episode.told.get(rule.id, 0.0), round(signal.score, 3))
            if rule.reset is not None:
                rule.reset(habit)
        strong.sort(key=lambda each: (-each[1].score, each[0].id))
        return Telling(moment.person, at, episode.since, episode.revision, tuple(strong), moment.setting, moment.event)

    def _standing(self, person: Person, at: int, setting: Setting) -> Standing:
        """Return what the directories say, remembered beside the person's meaning while that holds."""
        whose = person.meaning
        if whose is None or not whose.since <= at < whose.until:
            return self._asked(person, at, setting)
        works: Standing | None = whose.works
        if works is None:
            works = self._asked(person, at, setting)
            employee = whose.standing.employee
            if employee is None or not (known(employee.time_zone) or known(employee.home_country)):
                return works  # the zone is that of where this access came from
            whose.works = works
        if person.duties and (heavy := _heavy(person, at)) is not works.heavy:
            works = works._replace(heavy=heavy)
        return works

    def _asked(self, person: Person, at: int, setting: Setting) -> Standing:
        employee = _employee(person, at)
        team = "" if employee is None else known(employee.team) or ""
        roles = sorted(role for role, timeline in person.roles.items() if timeline.at(at)[0] is not None)
        zone = None if employee is None else known(employee.time_zone)
        if zone is None:
            home = None if employee is None else known(employee.home_country)
            zones = zones_of(home or setting.country)
            zone = zones[0] if zones else "UTC"
        group = mark("|".join((team, *roles))) if team or roles else NO_GROUP
        return Standing(zone, group, mark(team) if team else NO_GROUP, _heavy(person, at))

    def _moment(
        self,
        name: str,
        person: Person,
        habit: Habit,
        event: AccessEvent,
        setting: Setting,
        before: Before,
        look: int,
    ) -> Moment:
        at = event.occurred_at
        duties = person.duties or {}
        tokens = event.subject_ids if look & Look.SUBJECT and event.subject_ids is not UNSET else ()
        return Moment(
            person=name,
            habit=habit,
            event=event,
            at=at,
            setting=setting,
            before=before,
            look=look,
            to=self._to,
            peers=self._peers.of(habit.group, at, self._to.peers_least)
            or self._peers.of(habit.team, at, self._to.peers_least),
            employee=_employee(person, at),
            duties=frozenset(duty for duty, timeline in duties.items() if timeline.at(at)[0] is not None),
            announced=frozenset(
                place.country for kind in person.locations.values() if (place := kind.at(at)[0]) is not None
            ),
            leaves_at=_leaves_at(person, at),
            absent_until=_absent_until(person, before.seen_at, at),
            subjects=tuple(row for token in tokens if (row := self._subject(token, at)) is not None),
        )

    def _subject(self, token: str, at: int) -> SubjectRow | None:
        timeline = self._knowledge.subjects.get(token)
        return None if timeline is None else timeline.at(at)[0]


def _heavy(person: Person, at: int) -> bool:
    duties = person.duties or {}
    return any(duty in duties and duties[duty].at(at)[0] is not None for duty in HEAVY_DUTIES)


def _employee(person: Person, at: int) -> EmployeeRow | None:
    return None if person.employment is None else person.employment.at(at)[0]


def _leaves_at(person: Person, at: int) -> int | None:
    """Return when the employment ends, as far as rows that reach beyond `at` say so."""
    if person.employment is None:
        return None
    ends = [row.valid_from for row in person.employment.rows if row.status == "terminated" and row.valid_from > at]
    return min(ends, default=None)


def _absent_until(person: Person, since: int, at: int) -> int | None:
    """Return when the last leave between two moments ended."""
    if person.employment is None or not since:
        return None
    ends = []
    for row in person.employment.rows:
        if row.status not in {"leave", "suspended"} or row.valid_from >= at:
            continue
        end = known(row.valid_until)
        until = person.employment.at(row.valid_from)[2] if end is None else end
        if until > since:
            ends.append(min(until, at))
    return max(ends, default=None)

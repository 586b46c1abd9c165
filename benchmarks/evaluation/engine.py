"""The behaviour rules over one population's acts. The only module of the evaluation that touches them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from msgspec import UNSET
from msgspec.structs import replace

from benchmarks.evaluation.scoring import Detection
from demo.population import DAY, Act
from rules.behaviour import RULES, silence, split_people
from rules.habits.anomalies import Anomalies, Telling
from rules.habits.crowds import Crowds, Visit
from rules.habits.habit import Habit
from rules.habits.observer import Setting
from rules.habits.peers import Peers
from rules.habits.rhythm import Heard, Rhythms
from rules.habits.signal import BehaviourRule
from rules.habits.sketch import bloom_of, mark
from rules.habits.thresholds import Behaviour
from rules.knowledge import Knowledge
from schemas.access import AccessEvent
from schemas.codec import DIRECTORY

RULE_IDS: Final = tuple(rule.id.removeprefix("behaviour.") for rule in RULES)

_MEANT: Final = {
    "volume": ("volume", "peer_volume"),
    "leaver": ("dormant", "volume", "peer_volume"),  # `dormant` has what is said of leavers
    "denied_enumeration": ("denied_enumeration", "denied_burst", "enumeration"),
}
"""Where it is not the rule of the same name, which rules are to find a kind."""


def meant(kind: str) -> tuple[str, ...]:
    """Return the rules that are to find a kind; none: it is planted, and not judged yet."""
    return tuple(name for name in _MEANT.get(kind, (kind,)) if name in RULE_IDS)


COOL_DOWN: Final = DAY
"""Milliseconds: `cool_down` of the thresholds as they come."""

TICK_MS: Final = 2 * 60_000
"""How often gateways' silence is asked for: a worker does when a batch comes, which is oftener."""

SCALED: Final = ("floor_records", "floor_bytes", "floor_subjects", "floor_off_hours", "floor_novel", "floor_run")
"""Amounts that a sensitivity multiplies; `floor_denied` too, which is smaller than the others."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What the rules said of one population, and what it cost."""

    detections: list[Detection]
    events: int
    us: float
    """Microseconds an event."""


def judge(
    rows: Iterable[tuple[str, dict[str, Any]]],
    acts: Iterable[Act],
    to: Behaviour | None = None,
    rules: Sequence[BehaviourRule] = RULES,
) -> Judged:
    """Give everything to the rules in the order of time; return what they told."""
    knowledge = Knowledge()
    for topic, row in rows:
        knowledge.apply(DIRECTORY[topic].decode(orjson.dumps(row)))
    anomalies = Anomalies(knowledge, to or Behaviour(), COOL_DOWN, rules, Peers())
    across = Across(to or Behaviour(), rules, knowledge)
    habits: dict[str, Habit] = {}
    settings: dict[tuple[str, str, str], Setting] = {}
    found: list[Detection] = []
    count = 0
    began = time.process_time_ns()
    for count, act in enumerate(acts, 1):
        key = act.dataset, act.country, act.address
        setting = settings.get(key)
        if setting is None:
            setting = settings[key] = _setting(act)
        habit = habits.get(act.worker)
        if habit is None:
            habit = habits[act.worker] = Habit()
        told = anomalies.take(act.worker, knowledge.find(act.worker), habit, event_of(act, count), setting)
        if told is not None:
            found.append(_detection(told))
        found += across.take(act)
    return Judged(found, count, (time.process_time_ns() - began) / 1000 / max(1, count))


class Across:
    """What is seen only across people: crowds around a data subject, gateways that fall silent."""

    def __init__(self, to: Behaviour, rules: Sequence[BehaviourRule], knowledge: Knowledge) -> None:
        """Take the thresholds, the rules in force, and the directories."""
        self._knowledge = knowledge
        self._crowds = Crowds(split_people.RULE, lambda: to.split_people) if split_people.RULE in rules else None
        self._rhythms = Rhythms(silence.RULE, to) if silence.RULE in rules else None
        self._heard: dict[str, Heard] = {}
        self._tick = 0

    def take(self, act: Act) -> Iterator[Detection]:
        """Take the next act of all; yield what is to be told."""
        if (
            self._crowds is not None
            and act.subjects
            and not act.ticket
            and act.action == "read"
            and act.outcome != "denied"
        ):
            for each in act.subjects:
                # What the access was is only put into the alert, which is not made here.
                visit = Visit(mark(each), act.worker, act.at, act.at, act.dataset, ref=None)  # type: ignore[arg-type]
                crowd = self._crowds.take(visit)
                if crowd is not None:
                    revision, sentence = crowd.revision, crowd.signal.sentence
                    yield Detection(act.worker, act.at, ("split_people",), revision, sentence)
        if self._rhythms is None or not act.gateway:
            return
        if act.at // TICK_MS > self._tick:
            self._tick = act.at // TICK_MS
            yield from self._listen(self._rhythms, act.at)
        heard = self._heard.get(act.gateway)
        if heard is None:
            self._heard[act.gateway] = Heard(act.gateway, 1, act.at, act.at, self._knowledge.home(act.worker, act.at))
        else:
            self._heard[act.gateway] = Heard(act.gateway, heard.count + 1, heard.first, act.at, heard.country)

    def _listen(self, rhythms: Rhythms, now: int) -> Iterator[Detection]:
        """Learn what was heard since the last tick, then ask who is silent."""
        for heard in self._heard.values():
            rhythms.heard(heard)
        self._heard.clear()
        for told in rhythms.silent(now):
            yield Detection(told.quiet.source, now, ("silence",), 0, told.signal.sentence)


def event_of(act: Act, number: int) -> AccessEvent:
    """Return an act as an access event."""
    return AccessEvent(
        event_id=f"ev-{number}",
        occurred_at=act.at,
        employee_id=act.worker,
        dataset_id=act.dataset,
        action=act.action,  # type: ignore[arg-type]
        outcome=act.outcome,  # type: ignore[arg-type]
        subject_ids=act.subjects or UNSET,
        record_count=act.records,
        bytes=act.size,
        ticket="T-1" if act.ticket else UNSET,
        service_account=act.account or UNSET,
        device_country=act.country,
        gateway_id=act.gateway or UNSET,
    )


def without(name: str) -> tuple[BehaviourRule, ...]:
    """Return all rules but one."""
    return tuple(rule for rule in RULES if rule.id != f"behaviour.{name}")


def thresholds(sensitivity: float) -> Behaviour:
    """Return thresholds so many times as far away as they come, in every measure that has an amount."""
    usual = Behaviour()
    scaled = {name: max(1, round(getattr(usual, name) * sensitivity)) for name in (*SCALED, "floor_denied")}
    return replace(
        usual,
        **scaled,
        factor=max(1.05, usual.factor * sensitivity),
        peer_factor=max(1.05, usual.peer_factor * sensitivity),
        sigmas=usual.sigmas * sensitivity,
        drift=usual.drift * sensitivity,
        composite=usual.composite * sensitivity,
        repeat_days=max(2, round(usual.repeat_days * sensitivity)),
        travel_kmh=usual.travel_kmh * sensitivity,
    )


def _setting(act: Act) -> Setting:
    canary = act.dataset.startswith("canary")
    address = act.address or act.country
    return Setting(bloom_of(mark(act.dataset)), "restricted", canary, act.country, act.country, address)


def _detection(told: Telling) -> Detection:
    rules = tuple(rule.id.removeprefix("behaviour.") for rule, _ in told.signals)
    return Detection(told.person, told.at, rules, told.revision, told.signals[0][1].sentence)

"""Behaviour rules in shadow: an episode of their own, and no part in anybody's composite score."""

from __future__ import annotations

from typing import Any

import msgspec

from rules.behaviour import RULES
from rules.habits.anomalies import COMPOSITE, Anomalies, Telling
from rules.habits.habit import Habit
from rules.habits.report import behaviour_alert_id
from rules.habits.saved import VERSION, restore, save
from rules.habits.thresholds import Behaviour
from rules.report import digest
from tests.habits.test_session import BEHAVIOUR, BULK, at_time, behaviour, month, taken
from tests.habits.world import DAY, HOUR, MONDAY, Life
from tests.rules.streams import complete, dataset, session

VOLUME = "behaviour.volume"
NEXT = MONDAY + 49 * DAY


def shadow(*rules: str) -> str:
    return "".join(f'\n[rules."{rule}"]\nshadow = true\n' for rule in rules)


def test_a_shadow_has_an_episode_of_its_own() -> None:
    made = session([*complete(), dataset()], more=shadow(VOLUME) + BEHAVIOUR)
    offset = month(made)
    first = taken(made, [at_time(BULK, offset, record_count=9_000)])
    again = taken(made, [at_time(BULK + HOUR, offset + 1, record_count=900_000)])
    assert not behaviour(first)
    assert not behaviour(again)
    (alert,), (more,) = first.shadow, again.shadow
    assert alert.alert_id == more.alert_id == digest("shadow", behaviour_alert_id("e-1", BULK))
    assert [(each.revision, each.status) for each in (alert, more)] == [(0, "open"), (1, "amended")]
    assert alert.facts["shadow"] is True
    habit: Habit = made.knowledge.find("e-1").habit
    assert habit.episode is None
    assert not habit.weak
    assert habit.shadow_episode is not None
    assert restore(save(habit)) == habit


def test_a_live_episode_knows_nothing_of_it() -> None:
    """The same life, once with the rule in shadow and once with it off."""
    found = []
    for more in (shadow(VOLUME), f'\n[rules."{VOLUME}"]\nenabled = false\n'):
        made = session([*complete(), dataset()], more=more + BEHAVIOUR)
        offset = month(made)
        batch = [at_time(BULK + number * 1_000, offset + number, record_count=900 * (number + 1),
                         subject_ids=[f"s-{number}"]) for number in range(90)]  # fmt: skip
        found.append(taken(made, batch))
    unlit, off = found
    assert behaviour(off)
    assert unlit.alerts == off.alerts
    assert {alert.rule_id for alert in unlit.shadow} == {VOLUME}


def lived(*shadowed: str) -> tuple[Life, list[Telling]]:
    """A life with some weak signals on its last day, under a policy that has rules in shadow."""
    life = Life(composite=1.8)
    life.hire()
    life.works(30)
    told: list[Telling] = []
    to = Behaviour(composite=1.8)
    anomalies = Anomalies(life.knowledge, to, DAY, RULES, life.peers, frozenset(shadowed))
    take: Any = anomalies.take
    anomalies.take = lambda *given: take(*given, told)  # type: ignore[method-assign]
    life.anomalies = anomalies
    life.does(NEXT + 10 * HOUR, record_count=150)
    for number in range(3):
        life.does(NEXT + 10 * HOUR + number * 60_000, dataset_id=f"new-{number}")
    for minute in range(4):
        life.does(NEXT + 11 * HOUR + minute * 20_000, outcome="denied")
    return life, told


def test_a_weak_signal_in_shadow_adds_nothing_to_the_others() -> None:
    life, _ = lived()
    assert life.rules() >= {COMPOSITE}
    life, told = lived("behaviour.denied_burst")
    assert not life.told
    assert not told, "weak, and weak signals of the shadow are not added up"
    assert life.habits["e-1"].weak.keys() == {VOLUME, "behaviour.first_of_kind"}


def test_the_composite_itself_can_be_in_shadow() -> None:
    life, told = lived(COMPOSITE)
    assert not life.told
    assert {rule.id for each in told for rule, _ in each.signals} == {COMPOSITE}
    assert life.habits["e-1"].episode is None


def test_an_older_state_has_no_shadow() -> None:
    habit = Habit(applied=7)
    version, fields = msgspec.msgpack.decode(save(habit))
    assert version == VERSION
    at = Habit.__struct_fields__.index("shadow_episode")
    assert restore(msgspec.msgpack.encode([version, fields[:at]])) == habit

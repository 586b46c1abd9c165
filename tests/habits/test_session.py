"""Behaviour judged in the one path that the worker and `replay` share."""

from __future__ import annotations

from typing import Any

import pytest

from agents.files import Line
from rules import knowledge as knowledges
from rules.habits.report import behaviour_alert_id
from rules.haul import Haul
from rules.session import Session
from schemas.alert import Alert
from schemas.errors import ConfigurationError
from tests.habits.world import DAY, HOLIDAYS, HOUR, MONDAY
from tests.rules.streams import access, complete, dataset, line, session

BEHAVIOUR = "\n[behaviour]\n"


def month(made: Session, days: int = 30) -> int:
    """Six weeks of ordinary work; return the next offset."""
    offset = 0
    for day in range(days * 7 // 5 + 3):
        if day % 7 < 5 and day not in HOLIDAYS:
            batch = []
            for number in range(10):
                at = MONDAY + day * DAY + 9 * HOUR + number * 40 * 60_000
                batch.append(at_time(at, offset, record_count=5))
                offset += 1
            taken(made, batch)
    return offset


def at_time(at: int, offset: int, **fields: Any) -> Line:
    found = line(access(event_id=f"b-{offset}", occurred_at=at, **fields), offset)
    return Line(found.value, at, offset, "access.events")


def taken(made: Session, batch: list[Line], partition: int = -1) -> Haul:
    return made.take(batch, batch[-1].timestamp, partition)


def behaviour(haul: Haul) -> list[Alert]:
    return [alert for alert in haul.alerts if alert.family == "behaviour"]


BULK = MONDAY + 51 * DAY + 10 * HOUR


@pytest.mark.parametrize("memo", [True, False])
def test_an_anomaly_is_an_alert_of_its_own(memo: bool) -> None:
    made = session([*complete(), dataset()], more=BEHAVIOUR, memo=memo)
    offset = month(made)
    found = behaviour(taken(made, [at_time(BULK, offset, record_count=9_000)]))
    assert [alert.rule_id for alert in found] == ["behaviour.volume"]
    alert = found[0]
    assert alert.alert_id == behaviour_alert_id("e-1", BULK)
    assert (alert.status, alert.revision, alert.severity) == ("open", 0, "high")
    assert alert.facts["signals"]["behaviour.volume"]["history_days"] >= 25
    assert "9,000 records" in alert.explanation
    again = behaviour(taken(made, [at_time(BULK + HOUR, offset + 1, record_count=900_000)]))
    assert [(each.alert_id, each.status, each.revision) for each in again] == [(alert.alert_id, "amended", 1)]


def test_without_the_section_nobody_is_watched() -> None:
    made = session([*complete(), dataset()])
    offset = month(made)
    assert not behaviour(taken(made, [at_time(BULK, offset, record_count=9_000)]))
    assert made.knowledge.find("e-1").habit is None


def test_a_repeated_delivery_adds_nothing() -> None:
    made = session([*complete(), dataset()], more=BEHAVIOUR)
    once = at_time(BULK, 1, record_count=7)
    taken(made, [once, once])
    assert made.knowledge.find("e-1").habit.records == 7


def test_what_the_state_holds_already_is_not_counted_again() -> None:
    made = session([*complete(), dataset()], more=BEHAVIOUR, partition_of=lambda _: 0)
    batch = [at_time(BULK + number, number, record_count=1) for number in range(5)]
    taken(made, batch, 0)
    habit = made.knowledge.find("e-1").habit
    made.knowledge.forget_ids()  # as after a restart that read the state
    taken(made, batch, 0)
    assert (habit.records, habit.applied) == (5, 4)


def test_an_exemption_hides_a_signal_and_counts_it() -> None:
    exemption = """
        [[exemptions]]
        id = "migration"
        rules = ["behaviour.volume"]
        employees = ["e-1"]
        owner = "dpo@example.org"
        reason = "moves the user base to another store"
        from = 2026-01-01T00:00:00Z
        until = 2030-01-01T00:00:00Z
    """
    made = session([*complete(), dataset()], more=BEHAVIOUR + exemption)
    offset = month(made)
    haul = taken(made, [at_time(BULK, offset, record_count=9_000)])
    assert not behaviour(haul)
    assert haul.exempted == {("behaviour.volume", "migration"): 1}


def test_a_rule_can_be_switched_off_and_given_another_severity() -> None:
    off = '\n[rules."behaviour.volume"]\nenabled = false\n'
    made = session([*complete(), dataset()], more=off + BEHAVIOUR)
    offset = month(made)
    assert not behaviour(taken(made, [at_time(BULK, offset, record_count=9_000)]))
    low = '\n[rules."behaviour.volume"]\nseverity = "low"\n'
    made = session([*complete(), dataset()], more=low + BEHAVIOUR)
    offset = month(made)
    assert behaviour(taken(made, [at_time(BULK, offset, record_count=9_000)]))[0].severity == "low"


def test_an_exempted_signal_opens_nothing_for_the_one_after_it() -> None:
    exemption = """
        [[exemptions]]
        id = "in-france"
        rules = ["behaviour.volume"]
        countries = ["FR"]
        owner = "dpo@example.org"
        reason = "moves the user base from there"
        from = 2026-01-01T00:00:00Z
        until = 2030-01-01T00:00:00Z
    """
    made = session([*complete(), dataset()], more=BEHAVIOUR + exemption)
    offset = month(made)
    made.take([at_time(BULK, offset, record_count=9_000, device_country="FR")], BULK)
    found = behaviour(taken(made, [at_time(BULK + HOUR, offset + 1, record_count=9_000, device_country="IE")]))
    assert [(alert.revision, alert.status) for alert in found if alert.rule_id == "behaviour.volume"] != []


def crowd(made: Session, people: int) -> Haul:
    lines = []
    for number in range(people):
        fields = {"employee_id": f"e-{number}", "subject_ids": ["s-1"], "ticket": None, "purpose": "audit"}
        lines.append(at_time(BULK + number, number, **fields))
    return taken(made, lines)


def test_a_crowd_is_an_alert_and_in_shadow_none() -> None:
    rows = [row for number in range(5) for row in complete(f"e-{number}")]
    haul = crowd(session([*rows, dataset()], more=BEHAVIOUR), 5)
    (alert,) = behaviour(haul)
    assert (alert.rule_id, alert.facts["people"]) == ("behaviour.split_people", [f"e-{n}" for n in range(4)])
    assert "s-1" not in str(alert)
    shadow = '\n[rules."behaviour.split_people"]\nshadow = true\n'
    haul = crowd(session([*rows, dataset()], more=shadow + BEHAVIOUR), 5)
    assert not behaviour(haul)
    assert [alert.rule_id for alert in haul.shadow] == ["behaviour.split_people"]


def test_a_flood_of_strangers_washes_away_no_habit_of_weeks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knowledges, "STRANGERS_MAX", 50)
    made = session([dataset()], more=BEHAVIOUR)
    made.patient = False
    month(made)
    before = made.knowledge.find("e-1").habit
    assert before.settled
    for number in range(200):
        taken(made, [at_time(BULK, 90_000 + number, employee_id=f"nobody-{number}")])
    assert made.knowledge.find("e-1").habit is before
    assert made.knowledge.forgotten_habits > 100


def test_what_is_too_late_for_a_habit_is_counted() -> None:
    made = session([*complete(), dataset()], more=BEHAVIOUR)
    offset = month(made)
    taken(made, [at_time(BULK, offset)])
    late = at_time(BULK - 2 * DAY, offset + 1, record_count=9_000)
    haul = made.take([Line(late.value, BULK, offset + 1, "access.events")], BULK)
    assert haul.habit_late == 1


@pytest.mark.parametrize("more", ['datasets = ["d-*"]', 'rules = ["behaviour.silence"]'])
def test_an_exemption_that_could_never_hold_is_refused(more: str) -> None:
    rules = "" if more.startswith("rules") else 'rules = ["behaviour.volume"]\n'
    exemption = f"""
[[exemptions]]
id = "never"
{rules}{more}
owner = "dpo@example.org"
reason = "none"
from = 2026-01-01T00:00:00Z
until = 2030-01-01T00:00:00Z
"""
    with pytest.raises(ConfigurationError, match="behaviour"):
        session([], more=BEHAVIOUR + exemption)

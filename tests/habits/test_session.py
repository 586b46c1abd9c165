"""Behaviour judged in the one path that the worker and `replay` share."""

from __future__ import annotations

from typing import Any

import pytest

from agents.files import Line
from rules.habits.report import behaviour_alert_id
from rules.haul import Haul
from rules.session import Session
from schemas.alert import Alert
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

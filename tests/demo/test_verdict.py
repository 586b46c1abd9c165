"""What counts as found, missed and false, of accesses and of what people do."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson

from demo.accesses import Label, Planned
from demo.organisation import DAY
from demo.verdict import FALSE_A_DAY, SETTLE, score
from schemas.alert import Alert, EventRef
from schemas.codec import ALERT
from tests.schemas.records import ALERT_RECORD

START = 1_772_445_600_000
COPY = Label("a copy", True, "took much", case="a copy/0")
TRIP = Label("a trip", False, "announced", case="a trip/0")
EXPORT = Label("export outside", True, "went outside")


def act(person: str, at: int, label: Label | None) -> Planned:
    event: dict[str, Any] = {"event_id": f"ev-{person}-{at}", "occurred_at": at, "employee_id": person}
    return Planned({**event, "dataset_id": "d"}, label)


def alert(person: str, at: int, *, revision: int = 0, key: str = "", rule: str = "behaviour.volume") -> Alert:
    made = ALERT.decode(orjson.dumps(ALERT_RECORD))
    reason = msgspec.structs.replace(made.reasons[0], rule_id=rule)
    given = {"alert_id": key or f"{person}-{at}", "family": "behaviour", "person": person, "occurred_at": at}
    return msgspec.structs.replace(made, revision=revision, rule_id=rule, reasons=(reason,), **given)


STREAM = [
    act("thief", START, COPY),
    act("thief", START + 3_600_000, COPY),
    act("traveller", START, TRIP),
    act("exporter", START, EXPORT),
    act("nobody", START, None),
]


def test_an_incident_is_found_by_an_alert_about_its_person_in_its_time() -> None:
    result = score(STREAM, [alert("thief", START + 60_000, rule="behaviour.volume")], 2_000)
    assert (result.conduct["a copy"].found, result.conduct["a copy"].missed) == (1, 0)
    assert result.conduct["a copy"].rules == {"behaviour.volume": 1}
    assert result.falsely == []


def test_an_alert_before_or_long_after_is_another_matter() -> None:
    for at in (START - 1, START + 3_600_000 + SETTLE + 1):
        result = score(STREAM, [alert("thief", at)], 2_000)
        assert result.conduct["a copy"].missed == 1
        assert len(result.falsely) == 1
        assert not result.perfect


def test_an_amended_alert_is_one() -> None:
    told = [alert("nobody", START + hour * 3_600_000, revision=hour, key="one") for hour in range(3)]
    assert len(score(STREAM, told, 2_000).falsely) == 1
    told = [alert("thief", START, key="two", revision=number) for number in range(3)]
    assert score(STREAM, told, 2_000).conduct["a copy"].found == 1


def test_what_an_incident_of_accesses_shows_of_behaviour_is_explained_by_it() -> None:
    assert score(STREAM, [alert("exporter", START + DAY)], 2_000).falsely == []
    assert len(score(STREAM, [alert("exporter", START - DAY)], 2_000).falsely) == 1


def test_a_look_alike_that_is_flagged_is_false_and_says_which() -> None:
    result = score(STREAM, [alert("traveller", START)], 2_000)
    assert result.innocent["a trip"].found == 1
    assert len(result.falsely) == 1


def test_false_alerts_fail_the_demo_from_the_goal_on() -> None:
    found = alert("thief", START)
    event = EventRef(event_id=f"ev-exporter-{START}")
    access = msgspec.structs.replace(found, family="access", alert_id="x", event=event)
    some = [alert("nobody", START + number) for number in range(60)]
    result = score(STREAM, [found, access, *some], 2_000)
    assert result.false_a_day == FALSE_A_DAY
    assert result.perfect
    assert not score(STREAM, [found, access, *some, alert("nobody", START + DAY)], 2_000).perfect

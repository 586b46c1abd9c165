"""The demo's month: a life that has habits, and everything planted in it found, whatever the seed."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import orjson
import pytest

from agents.files import Line, load_directory
from agents.offline import session_of
from agents.settings import Settings
from demo.accesses import Planned
from demo.conduct import KINDS
from demo.files import month, write
from demo.life import Calendar
from demo.organisation import DAY, Organisation
from demo.run import POLICY, first_day
from demo.verdict import Result, score
from schemas.alert import Alert

SPRING = 1_773_014_400_000
"""9 March 2026: a month with a clock change and Easter in it."""

CHRISTMAS = 1_796_428_800_000
"""5 December 2026: a month with as few working days as there are."""

BATCH = 5_000
"""As many records as a worker's batch has."""


def judged(folder: Path, org: Organisation, stream: list[Planned]) -> list[Alert]:
    """Return the alerts of a month, judged in order with the directories of its end."""
    write(folder, org, [planned for planned in stream if planned.rows_after])
    session = session_of(POLICY, load_directory(folder / "directory"), Settings())
    lines = [Line(orjson.dumps(planned.event), planned.at, at, "month") for at, planned in enumerate(stream)]
    batches = (lines[at : at + BATCH] for at in range(0, len(lines), BATCH))
    return [alert for batch in batches for alert in session.take(batch, batch[-1].timestamp).alerts]


def told(result: Result) -> list[str]:
    """Return what went wrong, for a failed test to say."""
    missed = [f"missed: {kind}" for kind, found in (*result.conduct.items(), *result.incidents.items()) if found.missed]
    return missed + [f"false: {alert.explanation}" for alert in result.false]


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "start"), [(1, None), (2, SPRING), (3, CHRISTMAS)])
def test_everything_planted_is_found_and_hardly_anything_else(seed: int, start: int | None, tmp_path: Path) -> None:
    org, stream = month(seed, first_day() if start is None else start, 60_000)
    result = score(stream, judged(tmp_path, org, stream), len(org.people))
    assert told(result) == []
    assert result.conduct.keys() == {kind.name for kind in KINDS if kind.incident}
    assert result.perfect, [alert.explanation for alert in result.falsely]


def test_the_same_seed_gives_the_same_month() -> None:
    months = [month(5, SPRING, 3_000)[1] for _ in range(2)]
    assert [planned.event for planned in months[0]] == [planned.event for planned in months[1]]
    assert [planned.label for planned in months[0]] == [planned.label for planned in months[1]]


def test_people_work_on_working_days_in_their_hours_on_data_of_their_own() -> None:
    org, stream = month(6, SPRING, 30_000, conduct=False)
    calendar = Calendar(org.start)
    people = {person.id: person for person in org.people if not person.cast}
    datasets: dict[str, set[str]] = defaultdict(set)
    working, hours, count = 0, Counter[int](), 0
    for planned in stream:
        person = people.get(planned.event.get("employee_id", ""))
        if person is None:
            continue
        day = (planned.at - calendar.midnight(person.country, 0)) // DAY
        working += calendar.works(person.country, day)
        hours[(planned.at - calendar.midnight(person.country, day)) // 3_600_000] += 1
        datasets[person.id].add(planned.event["dataset_id"])
        count += 1
    assert abs(count - 30_000) <= 1
    assert working > 0.97 * count
    assert sum(hours[hour] for hour in range(7, 19)) > 0.97 * count
    assert max(len(found) for found in datasets.values()) <= 8


def test_who_plays_a_part_plays_no_other() -> None:
    _, stream = month(7, SPRING, 1_000)
    parts: dict[str, set[str]] = defaultdict(set)
    for planned in stream:
        if planned.label is not None and "employee_id" in planned.event:
            parts[planned.event["employee_id"]].add(planned.label.case or planned.label.kind)
    assert {person: found for person, found in parts.items() if len(found) > 1} == {}

"""Where data lives as of a date, worked out by hand."""

from __future__ import annotations

from typing import Any

from rules.cases import DAY
from rules.join import Joiner
from rules.where.sheet import Report
from rules.where.survey import Survey
from rules.where.survey_sheets import report
from schemas.codec import RowKey
from tests.rules.streams import dataset, knowing, policy
from tests.rules.world import LEGAL
from tests.where.world import FROM, cells, copy, sheet

MORE = '[sites.ams-0]\ncountry = "NL"\nretires = 2026-03-10\n[sites.osl-1]\ncountry = "NO"\n'
"""The site is to be empty at the end of 10 March 2026."""

BEGAN = FROM - 100 * DAY


def rows() -> list[Any]:
    """Five datasets: one moved, one late, one planned and not due, one without anything, one that comes later."""
    old: dict[str, Any] = {"site": "ams-0", "site_country": "NL", "owner": "o", "valid_from": BEGAN}
    return [
        dataset("moved", **old),
        dataset("moved", **{**old, "site": "dub-1", "site_country": "IE", "valid_from": FROM - 10 * DAY}),
        dataset("late", **{**old, "moving_to": "osl-1", "moving_by": FROM - 2 * DAY}),
        dataset("planned", **{**old, "sensitivity": "public", "moving_to": "dub-1", "moving_by": FROM + 5 * DAY}),
        dataset("bare", site=None, site_country=None, sensitivity="allowable"),
        dataset("odd", site="attic", site_country=None, owner="o"),
        dataset("coming", owner="o", valid_from=FROM + DAY),
        copy("gone", "moved", site="ams-0", valid_from=BEGAN, valid_until=FROM - DAY),
        copy("tape", "moved", site="sin-1", valid_from=FROM - 30 * DAY, purpose="recovery"),
        copy("tape", "moved", site="sin-1", valid_from=FROM - 20 * DAY, purpose="habit"),
        copy("study", "late", copy_kind="export", destination="university", valid_from=FROM - 3 * DAY),
        copy("near", "late", copy_kind="replica", site="dub-1"),
        copy("orphan", "nobody", copy_kind="replica", site="dub-1"),
    ]


def at(moment: int) -> Report:
    return report(Survey(Joiner(policy(MORE), knowing(rows()), LEGAL, None), moment))


def test_sites_and_what_they_hold() -> None:
    found = sheet(at(FROM), "sites")
    assert [column.name for column in found.columns][5:] == ["datasets", "restricted", "replicas", "backups", "exports"]
    assert cells(found) == {
        ("ams-0", "NL", "inside", "2026-03-10", "yes"): [2, 1, 0, 0, 0],
        ("attic", "unknown", "unknown", "", "no"): [1, 1, 0, 0, 0],
        ("dub-1", "IE", "inside", "", "yes"): [1, 1, 2, 0, 0],
        ("osl-1", "NO", "inside", "", "yes"): [0, 0, 0, 0, 0],
        ("sin-1", "SG", "third country", "", "yes"): [0, 0, 0, 1, 0],
    }


def test_datasets_by_place_and_sensitivity() -> None:
    found = sheet(at(FROM), "datasets")
    assert cells(found) == {
        ("unknown", "unknown", ""): [0, 1, 0, 0, 1],
        ("unknown", "unknown", "attic"): [1, 0, 0, 0, 1],
        ("IE", "inside", "dub-1"): [1, 0, 0, 0, 1],
        ("NL", "inside", "ams-0"): [1, 0, 0, 1, 2],
    }
    assert found.total == ("total", "", "", 3, 1, 0, 1, 5)


def test_what_is_outside_the_perimeter_or_nobody_knows_where() -> None:
    found = {row[:4]: row[4:] for row in sheet(at(FROM), "outside").rows}
    assert found == {
        # Since it is there, not since its row says another purpose.
        ("moved", "restricted", "backup", "tape"): ("sin-1", "SG", "third country", "habit", "2026-01-31", "", ""),
        ("late", "restricted", "export", "study"): ("university", "unknown", "unknown", "", "2026-02-27", "", ""),
        ("odd", "restricted", "dataset", ""): ("attic", "unknown", "unknown", "", "2026-01-01", "", ""),
        ("bare", "allowable", "dataset", ""): ("", "unknown", "unknown", "", "2026-01-01", "", ""),
    }


def test_progress_from_an_old_site() -> None:
    """Three datasets and a copy were there; one moved and the copy is destroyed."""
    found = sheet(at(FROM), "migration")
    assert [column.name for column in found.columns] == [
        "site", "retires", "ever_there", "moved", "remaining", "planned", "late", "percent_moved"
    ]  # fmt: skip
    assert found.rows == (("ams-0", "2026-03-10", 4, 2, 2, 2, 1, 50),)
    assert sheet(at(FROM), "remaining").rows == (
        ("ams-0", "late", "dataset", "", "restricted", "osl-1", "2026-02-28", 2),
        ("ams-0", "planned", "dataset", "", "public", "dub-1", "2026-03-07", None),
    )


def test_progress_is_that_of_the_date() -> None:
    assert sheet(at(FROM - 11 * DAY), "migration").rows == (("ams-0", "2026-03-10", 4, 0, 4, 2, 0, 0),)
    assert sheet(at(BEGAN - 1), "migration").rows == (("ams-0", "2026-03-10", 0, 0, 0, 0, 0, 100),)
    # Everything is late once the site is to be empty, but for what may stay longer by its own row; here nothing.
    assert sheet(at(FROM + 9 * DAY), "migration").rows[0][6] == 2
    assert sheet(at(FROM + 9 * DAY - 1), "migration").rows[0][6] == 2
    assert sheet(at(FROM + 5 * DAY - 1), "migration").rows[0][6] == 1


def test_what_lacks_an_owner_or_a_place() -> None:
    assert sheet(at(FROM), "lacking").rows == (
        ("bare", "allowable", "owner, place"),
        ("odd", "restricted", "country of its site attic, not in the policy"),
        ("nobody", "unknown", "dataset of the copy orphan"),
    )
    assert "coming" not in {row[0] for row in sheet(at(FROM), "lacking").rows}


def test_the_law_behind_the_classes() -> None:
    told = {row[:2] for row in sheet(at(FROM), "law").rows}
    assert {("EU", "NL"), ("EU", "IE"), ("EU", "SG")} <= told


def test_a_folder_without_copies_has_none() -> None:
    knowledge = knowing([each for each in rows() if each.topic != "directory.copies"])
    found = report(Survey(Joiner(policy(MORE), knowledge, LEGAL, None), FROM))
    assert sheet(found, "migration").rows == (("ams-0", "2026-03-10", 3, 1, 2, 2, 1, 33),)


def test_a_tombstone_withdraws_one_version_of_a_copy() -> None:
    knowledge = knowing(rows())
    newer = knowledge.copies["moved"]["tape"].rows[-1]
    assert isinstance(newer.recorded_at, int)
    count = knowledge.rows["directory.copies"]
    knowledge.withdraw("directory.copies", RowKey("moved", "tape", newer.valid_from, newer.recorded_at))
    (left,) = knowledge.copies["moved"]["tape"].rows
    assert left.purpose == "recovery"
    assert knowledge.rows["directory.copies"] == count - 1
    knowledge.withdraw("directory.copies", RowKey("no such", "tape", 1, 1))
    assert "no such" not in knowledge.copies

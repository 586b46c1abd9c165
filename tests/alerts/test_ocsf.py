"""What is sent as OCSF is a Detection Finding of 1.8.0, by the published schema."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from alerts.formats import ocsf
from schemas.alert import SEVERITIES, Alert
from tests.alerts.ocsf_schema import complaints, published
from tests.alerts.samples import ACKNOWLEDGED, AT, BEFORE, PERSON, VARIETY, alert, bare

NOW = AT + 60_000


def made(one: Alert) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ocsf.encode(one, now=NOW, version="1.2.3"))
    return found


@pytest.mark.parametrize("name", VARIETY)
def test_every_alert_is_valid_by_the_published_schema(name: str) -> None:
    assert complaints(made(VARIETY[name])) == []


def test_the_schema_is_the_one_that_findings_name() -> None:
    assert published()["version"] == ocsf.SCHEMA_VERSION == made(alert())["metadata"]["version"]
    assert published()["class"]["uid"] == ocsf.CLASS_UID


BREAKS: dict[str, Callable[[dict[str, Any]], object]] = {
    "a required attribute is gone": lambda it: it.pop("severity_id"),
    "one of an object is gone": lambda it: it["metadata"].pop("product"),
    "an attribute that is none": lambda it: it.update(alert_id="x"),
    "one of an object that is none": lambda it: it["finding_info"]["analytic"].update(id="x"),
    "a number that means nothing": lambda it: it.update(activity_id=7),
    "a type of another class": lambda it: it.update(type_uid=200501),
    "a text for a number": lambda it: it.update(time="2025-10-09T00:00:00Z"),
    "a caption of another number": lambda it: it.update(severity="Low"),
    "a caption of another number, inside": lambda it: it["evidences"][0]["actor"]["user"].update(type="Admin"),
    "none of at least one": lambda it: it["evidences"][0].update(src_endpoint={"location": {"country": "IN"}}),
    "an attribute of a profile that is not applied": lambda it: it.update(verdict_id=6),
    "one of a profile that is said not to be applied": lambda it: it["metadata"].pop("profiles"),
    "an array that is none": lambda it: it.update(evidences={}),
    "a value for an array": lambda it: it["finding_info"].update(types="access"),
}


@pytest.mark.parametrize("what", BREAKS)
def test_the_check_sees(what: str) -> None:
    broken = copy.deepcopy(made(alert()))
    BREAKS[what](broken)
    assert complaints(broken) != []


@pytest.mark.parametrize(
    ("name", "activity", "status"),
    [
        ("open", "Create", "New"),
        ("amended", "Update", "New"),
        ("acknowledged", "Update", "In Progress"),
        ("closed", "Close", "Resolved"),
        ("resolved", "Close", "Resolved"),
        ("withdrawn", "Close", "Suppressed"),
        ("a test", "Create", "New"),
    ],
)
def test_a_revision_is_created_updated_or_closed(name: str, activity: str, status: str) -> None:
    found = made(VARIETY[name])
    assert (found["activity_name"], found["status"]) == (activity, status)
    assert found["type_uid"] == 2004 * 100 + found["activity_id"]
    assert found["is_alert"] is (activity != "Close")


def test_revisions_of_one_alert_are_one_finding_and_several_events() -> None:
    first, second = made(alert(1)), made(alert(1, revision=1, status="amended", detected_at=AT + 5_000))
    assert first["finding_info"]["uid"] == second["finding_info"]["uid"]
    assert first["metadata"]["uid"] != second["metadata"]["uid"]
    assert (first["metadata"]["sequence"], second["metadata"]["sequence"]) == (0, 1)
    assert first["finding_info"]["created_time"] == AT + 250
    assert second["finding_info"]["modified_time"] == second["time"] == AT + 5_000
    assert "created_time" not in second["finding_info"], "the first revision's time is not known from the second"


def test_who_reached_what_from_where() -> None:
    found = made(alert())
    [seen], [resource] = found["evidences"], found["resources"]
    assert seen["actor"]["user"] == {"uid": PERSON, "uid_alt": BEFORE, "type_id": 1, "type": "User"}
    assert seen["actor"]["session"] == {"uid": "e1:s"}
    assert seen["src_endpoint"] == {"name": "unknown", "location": {"country": "IN"}}
    assert seen["api"] == {"operation": "export"}
    assert resource["uid"] == "eu.profiles"
    assert resource["data_classifications"] == [{"confidentiality_id": 6, "confidentiality": "Restricted"}]
    assert found["metadata"]["profiles"] == ["data_classification"]
    assert {each["type"]: each["value"] for each in found["observables"]} == {
        "User Object: uid": PERSON,
        "Country": "IN",
        "Resource UID": "eu.profiles",
    }
    assert found["metadata"]["correlation_uid"] == "event-0"


def test_a_country_without_a_session_has_an_endpoint_all_the_same() -> None:
    [seen] = made(alert(facts={}))["evidences"]
    assert seen["src_endpoint"] == {"name": "unknown", "location": {"country": "IN"}}


def test_what_is_not_known_is_not_there() -> None:
    found = made(bare())
    assert not {"evidences", "resources", "observables", "comment", "confidence_id"} & set(found)
    assert "correlation_uid" not in found["metadata"]


def test_times_are_those_of_what_happened() -> None:
    tale = made(VARIETY["behaviour"])
    assert (tale["start_time"], tale["end_time"]) == (AT - 60_000, AT)
    assert tale["finding_info"]["analytic"]["type"] == "Behavioral"
    acted = made(alert(revision=1, handled=ACKNOWLEDGED))
    assert acted["time"] == AT + 9_500
    assert acted["comment"] == "Looking."


@pytest.mark.parametrize("severity", SEVERITIES)
def test_the_severity_is_ocsfs(severity: str) -> None:
    found = made(alert(severity=severity))
    assert found["severity"] == severity.capitalize()
    assert complaints(found) == []


def test_nothing_of_the_alert_is_lost() -> None:
    one = alert(1, handled=ACKNOWLEDGED)
    text = json.dumps(made(one))
    for fact in ("scc", "example-in", "g1", "says_nothing", "no role allows it", "directory.employees", "maria"):
        assert fact in text


def test_the_same_alert_sent_again_differs_in_when_it_was_sent_alone() -> None:
    first, again = (ocsf.finding(alert(), now=now, version="1") for now in (NOW, NOW + 1))
    assert first["metadata"].pop("transmit_time") + 1 == again["metadata"].pop("transmit_time")
    assert first == again

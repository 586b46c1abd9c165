"""What is sent as ECS keeps to the published field list, and the template of the index maps just that."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from alerts.formats import ecs
from schemas.alert import SEVERITIES, Alert
from schemas.fields import TIME_MAX, iso
from tests.alerts.samples import ACKNOWLEDGED, AT, BEFORE, PERSON, VARIETY, alert, bare

ROOT = Path(__file__).resolve().parents[2]
FIELDS: dict[str, dict[str, Any]] = json.loads((ROOT / "tests/data/ecs/fields-9.4.0.json").read_text(encoding="utf-8"))
TEMPLATE: dict[str, Any] = json.loads((ROOT / "deploy/search/cloverwatch-alerts.json").read_text(encoding="utf-8"))
OWN = "cloverwatch"
KEPT_WHOLE = {"cloverwatch.facts", "cloverwatch.evidence"}
"""Objects that the mapping stores and does not look into."""


def made(one: Alert) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ecs.encode(one, now=AT, version="1.2.3"))
    return found


def flat(value: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, each in value.items():
        if isinstance(each, dict) and before + name not in KEPT_WHOLE:
            yield from flat(each, f"{before}{name}.")
        else:
            yield before + name, each


def is_of(kind: str, value: object) -> bool:
    match kind:
        case "keyword" | "match_only_text":
            return isinstance(value, str)
        case "long":
            return type(value) is int
        case "float":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "boolean":
            return isinstance(value, bool)
        case "date":
            return isinstance(value, str) and bool(datetime.fromisoformat(value))
        case "ip":
            return isinstance(value, str) and bool(ipaddress.ip_address(value))
        case "object":
            return isinstance(value, dict | list)
    return False


def complaints(document: dict[str, Any]) -> list[str]:
    """What is wrong with a document by the field list; `cloverwatch.*` is ours."""
    found = [
        f"{name} is not there"
        for name, field in FIELDS.items()
        if field.get("required") and name not in dict(flat(document))
    ]
    for name, value in flat(document):
        if name.startswith(f"{OWN}."):
            continue
        field = FIELDS.get(name)
        if field is None:
            found.append(f"{name} is no field")
            continue
        if isinstance(value, list) != field.get("array", False):
            found.append(f"{name} is an array, or should be one")
        for each in value if isinstance(value, list) else [value]:
            if not is_of(field["type"], each):
                found.append(f"{name} is no {field['type']}")
            if "allowed" in field and each not in field["allowed"]:
                found.append(f"{name} may not be {each}")
    event = document["event"]
    for category in event.get("category", ()):
        expected = FIELDS["event.category"]["types"].get(category, [])
        found += [f"{each} is no type of {category}" for each in event["type"] if each not in expected]
    return found


@pytest.mark.parametrize("name", VARIETY)
def test_every_alert_keeps_to_the_field_list(name: str) -> None:
    assert complaints(made(VARIETY[name])) == []


@pytest.mark.parametrize(
    ("where", "name", "value"),
    [
        ("event", "kind", "alarm"),
        ("event", "category", ["data"]),
        ("event", "category", "database"),
        ("event", "type", ["deletion"]),
        ("event", "severity", "high"),
        ("event", "created", 1_760_000_000),
        ("user", "pseudonym", "x"),
        ("rule", "version", 3),
        ("ecs", "version", None),
    ],
)
def test_the_check_sees(where: str, name: str, value: object) -> None:
    broken = made(alert())
    broken[where][name] = value
    assert complaints(broken) != []


def test_the_version_is_that_of_the_list() -> None:
    assert made(alert())["ecs"]["version"] == ecs.SCHEMA_VERSION == "9.4.0"


def mapped(properties: dict[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for name, each in properties.items():
        if "properties" in each:
            yield from mapped(each["properties"], f"{before}{name}.")
        else:
            yield before + name, each["type"]


RARE = msgspec.convert(
    msgspec.to_builtins(alert())
    | {"transfer": {**msgspec.to_builtins(alert().transfer), "note": "as the table says"}}
    | {"event": {**msgspec.to_builtins(alert().event), "source": "trail/0/7/1"}},
    type=Alert,
)
"""With what the others lack."""

MAPPED = dict(mapped(TEMPLATE["template"]["mappings"]["properties"]))


def test_the_template_maps_every_field_that_is_sent_and_no_other() -> None:
    """`dynamic` is off: what is not mapped could not be searched, and what a producer sends makes no fields."""
    sent = {name for one in [*VARIETY.values(), RARE] for name, _ in flat(made(one))}
    assert sent == set(MAPPED)
    assert TEMPLATE["template"]["mappings"]["dynamic"] is False


def test_the_template_gives_a_field_the_type_of_the_list() -> None:
    assert {n: t for n, t in MAPPED.items() if not n.startswith(OWN)} == {
        name: FIELDS[name]["type"] for name in MAPPED if not name.startswith(OWN)
    }


@pytest.mark.parametrize("name", VARIETY)
def test_our_own_fields_are_of_the_type_that_is_mapped(name: str) -> None:
    for field, value in flat(made(VARIETY[name])):
        for each in value if isinstance(value, list) and field not in KEPT_WHOLE else [value]:
            assert is_of(MAPPED[field], each), field


def test_who_reached_what_from_where() -> None:
    found = made(alert())
    assert found["user"] == {"id": PERSON, "hash": PERSON, "roles": ["analyst"]}
    assert found["related"] == {"user": [PERSON, BEFORE]}
    assert found["source"] == {"geo": {"country_iso_code": "IN"}}
    assert (found["event"]["action"], found["event"]["type"], found["event"]["outcome"]) == (
        "export",
        ["access"],
        "success",
    )
    assert found["rule"]["version"] == "3"
    assert found[OWN]["evidence"][0]["place_class"] == "third_country"


def test_a_clear_name_is_no_hash() -> None:
    found = made(alert(person="maria.example"))
    assert found["user"]["id"] == "maria.example"
    assert "hash" not in found["user"]


@pytest.mark.parametrize(("outcome", "said"), [("success", "success"), ("denied", "failure"), ("error", "failure")])
def test_the_outcome_is_one_of_three(outcome: str, said: str) -> None:
    assert made(alert(outcome=outcome))["event"]["outcome"] == said
    assert made(bare())["event"]["outcome"] == "unknown"


def test_what_changes_data_is_a_change() -> None:
    assert made(alert(action="delete"))["event"]["type"] == ["change"]


@pytest.mark.parametrize("severity", SEVERITIES)
def test_the_severity_is_a_number_from_one_to_five(severity: str) -> None:
    assert made(alert(severity=severity))["event"]["severity"] == SEVERITIES.index(severity) + 1


def test_times_are_the_alerts_and_the_accesss() -> None:
    event = made(VARIETY["behaviour"])["event"]
    assert (event["start"], event["end"], event["created"]) == (iso(AT - 60_000), iso(AT), iso(AT + 250))
    assert made(alert(handled=ACKNOWLEDGED))["@timestamp"] == iso(AT + 9_500)


@pytest.mark.parametrize("at", [0, 999, 1_000, AT, 951_782_399_999, TIME_MAX])
def test_a_time_is_written_as_everywhere(at: int) -> None:
    assert ecs.stamp(at) == iso(at)


def test_a_document_sent_again_is_the_same() -> None:
    assert ecs.encode(alert(), now=1, version="1") == ecs.encode(alert(), now=2, version="1")

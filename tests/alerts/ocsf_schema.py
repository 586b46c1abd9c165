"""The published OCSF schema as JSON Schema: what a Detection Finding may hold, and must.

`tests/data/ocsf/detection_finding-1.8.0.json` is the part of the compiled schema that class 2004 refers to, without the
prose; `cut` made it from the schema server's export (see the README beside it). `python -m tests.alerts.ocsf_schema
EXPORT` makes it again.
"""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

HERE = Path(__file__).resolve().parents[1] / "data" / "ocsf"
SCHEMA = HERE / "detection_finding-1.8.0.json"
CLASS = "detection_finding"
PROSE = {"description", "references", "group", "source", "type_name", "object_name", "suppress_checks", "annotations"}
"""Keys that no check looks at."""

PRIMITIVES = {
    "boolean_t": "boolean",
    "integer_t": "integer",
    "long_t": "integer",
    "float_t": "number",
    "string_t": "string",
}
"""`json_t` is not among them: it is any value."""


def cut(export: dict[str, Any]) -> dict[str, Any]:
    """What class 2004 refers to, in the form of the export, without its prose."""
    objects, todo = {}, [export["classes"][CLASS]]
    while todo:
        for attribute in todo.pop()["attributes"].values():
            name = attribute.get("object_type")
            if name is not None and name not in objects:
                objects[name] = export["objects"][name]
                todo.append(objects[name])
    kept = {"version": export["version"], "class": export["classes"][CLASS], "objects": dict(sorted(objects.items()))}
    kept["types"] = export["dictionary"]["types"]["attributes"]
    pruned = _without_prose(kept, named=False)
    assert isinstance(pruned, dict)
    return pruned


def _without_prose(value: object, *, named: bool) -> object:
    """Drop prose, except where the keys are names of attributes or values (`named`)."""
    if isinstance(value, list):
        return [_without_prose(each, named=False) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _without_prose(each, named=key in {"attributes", "objects", "types", "enum"})
        for key, each in value.items()
        if named or (key not in PROSE and each is not None)
    }


@cache
def published() -> dict[str, Any]:
    """The part of the schema that is shipped with the tests."""
    found: dict[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return found


def json_schema(profiles: frozenset[str] = frozenset()) -> dict[str, Any]:
    """A closed JSON Schema of a Detection Finding to which these profiles are applied."""
    schema = published()
    return {
        **_closed(schema["class"], profiles),
        "$defs": {_pointer(name): _closed(each, profiles) for name, each in schema["objects"].items()},
    }


def _pointer(name: str) -> str:
    return name.replace("/", ".")


def _closed(thing: dict[str, Any], profiles: frozenset[str]) -> dict[str, Any]:
    attributes = {
        name: each
        for name, each in thing["attributes"].items()
        if not each.get("profiles") or profiles & set(each["profiles"])
    }
    closed: dict[str, Any] = {"type": "object"}
    if attributes:  # the object `object` has none: it is free
        closed["properties"] = {name: _attribute(each) for name, each in attributes.items()}
        closed["additionalProperties"] = False
        closed["required"] = [name for name, each in attributes.items() if each["requirement"] == "required"]
    constraints = thing.get("constraints", {})
    assert set(constraints) <= {"at_least_one", "just_one"}
    if "at_least_one" in constraints:
        closed["anyOf"] = [{"required": [name]} for name in constraints["at_least_one"]]
    if "just_one" in constraints:
        closed["oneOf"] = [{"required": [name]} for name in constraints["just_one"]]
    return closed


def _attribute(attribute: dict[str, Any]) -> dict[str, Any]:
    if attribute["type"] == "object_t":
        item: dict[str, Any] = {"$ref": f"#/$defs/{_pointer(attribute['object_type'])}"}
    else:
        item = _scalar(attribute["type"])
        if "enum" in attribute:
            integers = item["type"] == "integer"
            item["enum"] = [int(value) if integers else value for value in attribute["enum"]]
    if "@deprecated" in attribute:
        return {"not": {}}
    return {"type": "array", "items": item} if attribute.get("is_array") else item


def _scalar(name: str) -> dict[str, Any]:
    if name == "json_t":
        return {}
    definition = published()["types"][name]
    item: dict[str, Any] = {"type": PRIMITIVES[definition.get("type", name)]}
    for ours, theirs in (("maxLength", "max_len"), ("pattern", "regex")):
        if theirs in definition:
            item[ours] = definition[theirs]
    if "range" in definition:
        item["minimum"], item["maximum"] = definition["range"]
    return item


@cache
def validator(profiles: frozenset[str]) -> Draft202012Validator:
    """Checks findings to which these profiles are applied."""
    schema = json_schema(profiles)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def complaints(finding: dict[str, Any]) -> list[str]:
    """What is wrong with a finding, by the published schema; also captions that are not those of their ids.

    The profiles are those that it says are applied, and must be ones that the class knows.
    """
    profiles = frozenset(finding.get("metadata", {}).get("profiles", ()))
    found = [f"$.metadata.profiles: {name}" for name in profiles - set(published()["class"]["profiles"])]
    found += [f"{error.json_path}: {error.message}" for error in validator(profiles).iter_errors(finding)]
    return found + list(_siblings(finding, published()["class"], "$"))


def _siblings(value: dict[str, Any], thing: dict[str, Any], where: str) -> list[str]:
    """An id's sibling holds its caption, but for `Other`, where it says what (OCSF, "enum attributes")."""
    found: list[str] = []
    for name, each in value.items():
        attribute = thing["attributes"].get(name, {})
        sibling = attribute.get("sibling")
        caption = attribute.get("enum", {}).get(str(each), {}).get("caption")
        if sibling in value and each != 99 and value[sibling] != caption:
            found.append(f"{where}.{sibling} is {value[sibling]!r}, {name} says {caption!r}")
        if attribute.get("type") == "object_t":
            inner = published()["objects"][attribute["object_type"]]
            for nested in each if isinstance(each, list) else [each]:
                found += _siblings(nested, inner, f"{where}.{name}")
    return found


if __name__ == "__main__":
    export = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    SCHEMA.write_text(json.dumps(cut(export), separators=(",", ":"), sort_keys=True) + "\n", encoding="utf-8")

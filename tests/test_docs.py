"""The documents that are written from the code: committed as the code writes them, valid, and true of real records."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import orjson
import pytest

from agents.cli import main
from agents.reference_docs import RECORDS, asyncapi, constants, documents
from rules.cases import Case
from rules.catalogue import RULES
from schemas.codec import ACCESS, ALERT, DIRECTORY, Codec, encode
from schemas.errors import BadRecordError
from schemas.topics import ACCESS_EVENTS, ALERTS, TOPICS
from tests.rules.streams import INDIAN, access, complete, dataset, line, session
from tests.rules.world import event_of, knowledge_of
from tests.schemas.records import ALERT_RECORD, EVENT, ROWS

DOCS = Path("docs")
_documents = cache(documents)
CODECS: dict[str, Codec[Any]] = {ACCESS_EVENTS: ACCESS, ALERTS: ALERT, **DIRECTORY}
GOOD: dict[str, dict[str, Any]] = {ACCESS_EVENTS: EVENT, ALERTS: ALERT_RECORD, **ROWS}


def test_the_committed_documents_are_as_the_code_writes_them() -> None:
    assert main(["docs", "--check"]) == 0, "run `cloverwatch docs` and commit what it writes"


@pytest.mark.slow
def test_check_says_which_document_is_stale(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["docs", "--folder", str(tmp_path)]) == 0
    (tmp_path / "rules.md").write_text("other")
    (tmp_path / "schemas" / "alerts.json").unlink()
    assert main(["docs", "--folder", str(tmp_path), "--check"]) == 1
    said = capsys.readouterr().err
    assert "rules.md is not as the code would write it; run `cloverwatch docs`" in said
    assert "alerts.json" in said
    assert "topics.md" not in said


def test_no_document_knows_the_machine_that_wrote_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = _documents()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert documents() == before
    for name, text in before.items():
        assert not re.search(r"(?<![\w.}])/(tmp|home|root|work|Users|var)/", text), name


# Schemas.


@cache
def _validator(topic: str) -> jsonschema.Draft202012Validator:
    schema = json.loads((DOCS / "schemas" / f"{topic}.json").read_text(encoding="utf-8"))
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("topic", CODECS)
def test_a_schema_accepts_what_we_read_and_what_we_write(topic: str) -> None:
    validator = _validator(topic)
    validator.validate(GOOD[topic])
    record = CODECS[topic].decode(orjson.dumps(GOOD[topic]))
    validator.validate(json.loads(encode(record)))
    written = {name: "2026-03-02T10:00:00Z" if name.endswith(("_at", "_from")) else value
               for name, value in GOOD[topic].items()}  # fmt: skip
    validator.validate(written)
    CODECS[topic].decode(orjson.dumps(written))
    validator.validate({**GOOD[topic], "unknown to us": {"x": [1]}})


@pytest.mark.parametrize("topic", CODECS)
def test_a_schema_refuses_what_we_refuse_for_its_type(topic: str) -> None:
    """Each field in turn with values of other types: schema and decoder agree, but where only the decoder can know."""
    validator = _validator(topic)
    for name in GOOD[topic]:
        for value in (None, 7, -1, 1.5, True, "", "x" * 2_000, [], [7], {}, {"x": 1}):
            record = {**GOOD[topic], name: value}
            try:
                CODECS[topic].decode(orjson.dumps(record))
            except BadRecordError as error:
                knows_more = error.reason in {"invalid_value", "contradiction"}
                said = validator.is_valid(record)
                # A schema says that a time is text of a format, which validators do not check.
                timed = isinstance(value, str) and "date-time" in json.dumps(validator.schema)
                assert knows_more or not said or timed, (name, value)
            else:
                assert validator.is_valid(record), (name, value)
    for name in GOOD[topic]:
        less = {key: value for key, value in GOOD[topic].items() if key != name}
        try:
            CODECS[topic].decode(orjson.dumps(less))
        except BadRecordError:
            by_kind = topic == ACCESS_EVENTS and name == "employee_id"  # required of employees only
            assert by_kind or not validator.is_valid(less), name
        else:
            assert validator.is_valid(less), name


def _cases() -> Iterator[Case]:
    for rule in RULES:
        yield from rule.cases


def test_real_records_are_what_the_schemas_say() -> None:
    """The accesses and rows of every rule's cases, and the alerts that come of accesses of every kind."""
    for case in _cases():
        _validator(ACCESS_EVENTS).validate(json.loads(encode(event_of(case))))
        knowledge = knowledge_of(case)
        for timeline in knowledge.datasets.values():
            for row in timeline.rows:
                _validator(row.topic).validate(json.loads(encode(row)))
    alerts = _validator(ALERTS)
    made = session(
        [*complete(), dataset(), dataset("abroad", site="sin-1", site_country="SG", owner="team")], patient=False
    )
    events = [
        access(event_id="a", device_country="IN", source_ip=INDIAN, session_id="s", subject_ids=["x"], bytes=5),
        access(event_id="b", dataset_id="abroad", employee_id="e-9"),
        access(event_id="c", action="export", destination="a friend", outcome="denied"),
        access(event_id="a"),
    ]
    found = made.take([line(event, at) for at, event in enumerate(events)], 1_772_445_600_500).alerts
    assert {alert.family for alert in found} == {"access", "dataset"}
    for alert in found:
        alerts.validate(json.loads(encode(alert)))
        assert ALERT.decode(encode(alert)) == alert


# AsyncAPI.


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, each in value.items():
            if name == "$ref":
                yield each
            else:
                yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)


def _resolved(document: Any, reference: str) -> Any:
    assert reference.startswith("#/")
    for part in reference[2:].split("/"):
        document = document[part.replace("~1", "/").replace("~0", "~")]
    return document


def test_the_asyncapi_document_is_whole() -> None:
    document = json.loads((DOCS / "asyncapi.json").read_text(encoding="utf-8"))
    assert document == json.loads(json.dumps(asyncapi()))
    assert document["asyncapi"] == "3.1.0"
    assert document["info"].keys() >= {"title", "version"}
    assert {channel["address"] for channel in document["channels"].values()} == {topic.name for topic in TOPICS}
    references = list(_references(document))
    assert references
    for reference in references:
        assert _resolved(document, reference) is not None
    for channel in document["channels"].values():
        assert re.fullmatch(r"[A-Za-z0-9_.-]+", channel["address"])
        for message in channel["messages"].values():
            assert message["contentType"]
    for name, operation in document["operations"].items():
        assert re.fullmatch(r"[A-Za-z0-9_.-]+", name), "names of operations are keys of a map (AsyncAPI 3, Operations)"
        assert operation["action"] in {"send", "receive"}
        assert _resolved(document, operation["channel"]["$ref"])["address"] in name
    for topic, record in RECORDS.items():
        payload = document["channels"][topic]["messages"]["record"]["payload"]
        assert payload["$ref"].endswith(f"/{record.__name__}")
    used = {reference.rsplit("/", 1)[1] for reference in references}
    assert document["components"]["schemas"].keys() <= used, "no schema that nothing refers to"


# Reference documents.


def test_every_rule_is_explained_with_its_cases() -> None:
    text = (DOCS / "rules.md").read_text(encoding="utf-8")
    for rule in RULES:
        assert f"## {rule.id}\n\n**{rule.title}**" in text
        for sentence in (rule.why, rule.example, rule.tune, *(case.name for case in rule.cases)):
            assert sentence in text, rule.id


def test_every_topic_has_its_row() -> None:
    text = (DOCS / "topics.md").read_text(encoding="utf-8")
    for topic in TOPICS:
        (row,) = [each for each in text.splitlines() if each.startswith(f"| `{topic.name}` |")]
        assert len(re.findall(r"(?<!\\)\|", row)) == 10, "a bar in a cell would shift the columns"


def test_tables_have_as_many_cells_as_their_heads() -> None:
    for name, text in _documents().items():
        if not name.endswith(".md"):
            continue
        width = 0
        for each in text.splitlines():
            cells = len(re.findall(r"(?<!\\)\|", each)) if each.startswith("|") else 0
            if cells and not width:
                width = cells
            assert not cells or cells == width, f"{name}: {each}"
            width = cells and width


def test_numbers_with_a_reason_are_found() -> None:
    source = 'A: Final = 60 * SECOND\n"""Why."""\nB = "text"\n"""No number."""\nC = 7\nd = 8\n"""Not a constant."""\n'
    assert constants(source) == [("A", "60 * SECOND", "Why.")]

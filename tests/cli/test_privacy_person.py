"""`cloverwatch privacy export` and `erase`: all that is held, nothing of others, and what stays afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from agents.clients import producer_of, started
from agents.gateway.recording import stored
from agents.naming import Clear, Unknown
from agents.publisher import Publisher, partition_of
from agents.settings import Settings
from agents.snapshots import bucket_of
from rules.cases import T
from rules.habits.crowds import Visit
from rules.habits.habit import Habit, Spot
from rules.habits.saved import save
from rules.matching import memory
from schemas.alert import EventRef
from schemas.codec import ACCESS, ALERT, encode, row_key
from schemas.decision import Decision
from schemas.errors import BadRecordError
from schemas.gateway_topics import GATEWAY_DECISIONS, STATE_MATCHES
from schemas.places import PlaceClass
from schemas.receipt import Receipt
from schemas.request import Step
from schemas.topics import (
    ACCESS_VISITS,
    ACTIONS,
    ALERTS,
    PRIVACY_IDENTITIES,
    PRIVACY_KEYS,
    PRIVACY_REQUESTS,
    RECEIPTS,
    STATE_HABITS,
)
from tests.brokers.embedded import EmbeddedBroker, missing
from tests.cli.conftest import Run, Said
from tests.cli.test_brokers import PARTITIONS, Tool, _Message
from tests.cli.test_reveal import Desk
from tests.conftest import Broker, require
from tests.rules.streams import access, complete
from tests.schemas.records import ALERT_RECORD

WHO, OTHER = "e-1", "e-2"
OLD, NEW = "p1:oldoldoldoldoldoldoldold", "p2:newnewnewnewnewnewnewnew"


class Known:
    """Knows one person under two pseudonyms, and forgets as workers read it: by tombstones."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def tokens(self, person: str) -> tuple[str, ...]:
        return (OLD, NEW) if person == WHO else ()

    def subject(self, person: str) -> str | None:
        tokens = self.tokens(person)
        return tokens[-1] if tokens else None

    async def forget(self, person: str) -> tuple[str, ...]:
        settings = self.desk.tool.settings
        async with started(settings, producer_of(settings)) as producer:
            await producer.send_and_wait(PRIVACY_KEYS, key=b"key-of-e-1", value=None)
            for token in (OLD, NEW):
                await producer.send_and_wait(PRIVACY_IDENTITIES, key=token.encode(), value=None)
        return OLD, NEW


@pytest.fixture
def desk(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A cluster that knows two people, and officers."""
    require(missing())
    with EmbeddedBroker() as server:
        tool = Tool(run, Broker("embedded", server.bootstrap, server))
        assert tool("topics", "--create").code == 0
        made = Desk(tool, tmp_path)
        _fill(made)
        known = Known(made)

        async def naming(_: Settings) -> Known:
            return known

        monkeypatch.setattr("agents.person_rights.naming_of", naming)
        yield made


def _alert(name: str, **fields: Any) -> Any:
    return ALERT.decode(orjson.dumps({**ALERT_RECORD, "alert_id": name, **fields}))


def _decision(who: str) -> Decision:
    return Decision(
        decision_id=f"d-{who}", gateway_id="gw", effect="allow", decided_at=T, expires_at=T + 1, person=who, uses=5,
        dataset_id="users", action="read", source_ip="192.0.2.7", place_class=PlaceClass.INSIDE, policy="p",
    )  # fmt: skip


def _matched(who: str, used: int = 2) -> bytes:
    """A memory of matching: a decision that was used."""
    made = memory.Memory()
    made.decided_to = used
    made.decisions[f"d-{who}"] = msgspec.structs.replace(memory.known_of(_decision(who), T), used=used)
    return memory.save(made)


def _fill(desk: Desk) -> None:
    alerts = [
        _alert("old", person=OLD),
        _alert("both", person="p1:elseelseelseelseelseelse", person_before=OLD),
        _alert("crowd", person="p1:x", explanation="several: p1:x, " + NEW, facts={"people": ["p1:x", NEW]}),
        _alert("other", person="p1:x"),
    ]
    habit = Habit(applied=9, seen_at=T, first_day=739_676, day=739_676, device=Spot("IE", T))
    receipts = [
        Receipt(destination="siem", alert_id=name, dedup_key="k", revision=0, status="open", state="delivered", at=1,
                published_at=1, partition=0, offset=0)
        for name in ("old", "other")
    ]  # fmt: skip

    async def publish(publisher: Publisher) -> None:
        async def put(topic: str, key: bytes | None, value: bytes | None, partition: int = 0) -> None:
            await (await publisher._send(topic, key=key, value=value, partition=partition))

        for who in (WHO, OTHER):
            for row in complete(who):
                await put(row.topic, row_key(row), encode(row))
            for number in range(2):
                event = access(event_id=f"{who}-{number}", employee_id=who, subject_ids=["s-secret", "s-2"])
                raw = orjson.dumps({name: value for name, value in event.items() if value is not None})
                ACCESS.decode(raw)
                await (await publisher.access(who, raw))
        first = complete(WHO)[0]
        withdrawn = row_key(msgspec.structs.replace(first, valid_from=7, recorded_at=7))
        await put(first.topic, withdrawn, encode(msgspec.structs.replace(first, valid_from=7, recorded_at=7)))
        await put(first.topic, withdrawn, None)
        for alert in alerts:
            await (await publisher.alert(alert))
        for receipt in receipts:
            await put(RECEIPTS, f"siem|{receipt.alert_id}".encode(), msgspec.json.encode(receipt))
        note = {"action_id": "1", "alert_id": "old", "kind": "comment", "by": "dora", "at": 1, "text": "seen"}
        await put(ACTIONS, b"old", orjson.dumps(note))
        visits = [Visit(5, who, T, T, "users", EventRef(event_id=f"v-{who}")) for who in (WHO, OTHER)]
        await put(ACCESS_VISITS, None, msgspec.msgpack.encode((1, visits)))
        bucket = msgspec.msgpack.encode([(WHO, save(habit))])
        await put(STATE_HABITS, f"{bucket_of(WHO)}|t".encode(), bucket, partition_of(WHO, PARTITIONS))
        for who in (WHO, OTHER):
            await put(GATEWAY_DECISIONS, who.encode(), stored(_decision(who)), partition_of(who, PARTITIONS))
        for term, used in (("t1", 1), ("t2", 2)):  # of two owners of the partition: the newer counts
            own = partition_of(WHO, PARTITIONS)
            both = msgspec.msgpack.encode([(WHO, _matched(WHO, used)), (OTHER, _matched(OTHER))])
            await put(STATE_MATCHES, f"{bucket_of(WHO)}|{term}".encode(), both, own)
        for who in (WHO, OTHER):
            message = _Message(1, orjson.dumps({"employee_id": who}))
            await (await publisher.dead_letter(message, BadRecordError("missing_field", "d")))

    desk.tool.publish(publish)
    desk.put(PRIVACY_IDENTITIES, OLD, desk.sealed(OLD, WHO))
    desk.put(PRIVACY_KEYS, "key-of-e-1", b"a key")


def rights(desk: Desk, step: str, *arguments: str | Path, by: str = "anna") -> Said:
    return desk.tool("privacy", step, "--reason", "asked for it", "--ticket", "DPO-3", *arguments,
                     "--by", by, "--key", desk.folder / f"{by}.key", policy=desk.policy)  # fmt: skip


def copied(folder: Path) -> dict[str, list[Any]]:
    return {
        path.name.removesuffix(".jsonl"): [json.loads(each)["value"] for each in path.read_bytes().splitlines()]
        for path in folder.glob("*.jsonl")
    }


@pytest.mark.broker
def test_a_copy_holds_everything_about_one_person_and_nothing_of_others(desk: Desk, tmp_path: Path) -> None:
    looked = desk.tool("reveal", "request", "--token", OLD, "--reason", "at night", "--by", "ben", "--key",
                       desk.folder / "ben.key", policy=desk.policy)  # fmt: skip
    assert looked.code == 0, looked.err
    out = tmp_path / "copy"
    said = rights(desk, "export", "--person", WHO, "--out", out)
    assert said.code == 0, said.err
    found = copied(out)
    assert [each["event_id"] for each in found["access.events"]] == ["e-1-0", "e-1-1"]
    assert found["access.events"][0]["data_subjects"] == 2
    assert {each["alert_id"] for each in found["alerts"] if each["family"] == "access"} == {"old", "both", "crowd"}
    (crowd,) = [each for each in found["alerts"] if each["alert_id"] == "crowd"]
    assert crowd["facts"] == {"people": [NEW], "of": 2}
    assert {each["rule_id"] for each in found["alerts"] if each["family"] == "privacy"} == {
        "privacy.identity_requested",
        "privacy.person_exported",
    }
    assert [each["alert_id"] for each in found["alerts.receipts"]] == ["old"]
    assert [each["text"] for each in found["alerts.actions"]] == ["seen"]
    assert [each[0]["event_id"] for each in found["access.visits"]] == ["v-e-1"]
    assert len(found["dead-letters"]) == 1
    (decided,) = found["gateway.decisions"]
    assert (decided["decision_id"], decided["source_ip"], decided["dataset_id"]) == ("d-e-1", "192.0.2.7", "users")
    assert "salt" not in decided
    (matched,) = found["state.matches"]
    assert (matched["decision_id"], matched["used"], matched["source_ip"]) == ("d-e-1", 2, "192.0.2.7")
    assert found["directory.employees"] == [
        json.loads(encode(row)) for row in complete(WHO) if row.topic.endswith("yees")
    ]
    requests = {each["kind"]: each for each in found["privacy.requests"]}
    assert requests["requested"]["reason"] == "at night"
    assert requests["exported"]["ticket"] == "DPO-3"
    assert json.loads((out / "habits.json").read_bytes())["person"] == WHO
    summary = (out / "summary.txt").read_text()
    assert f"{OLD}, {NEW}" in summary
    assert "access.events.jsonl: 2 of: one access to data a record." in summary
    assert "kept 30 days" in summary
    everything = b"".join(path.read_bytes() for path in out.iterdir()).decode()
    for hidden in (OTHER, "p1:x", "s-secret", "anna", "ben", "dora"):
        assert hidden not in everything, hidden
    assert out.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in out.iterdir()} == {0o600}
    again = rights(desk, "export", "--person", WHO, "--out", out)
    assert (again.code, again.out) == (2, "")
    assert "cannot be made: File exists" in again.err
    named = tmp_path / "named"
    assert rights(desk, "export", "--person", WHO, "--out", named, "--names").code == 0
    assert {each["by"] for each in copied(named)["privacy.requests"]} == {"ben", "anna"}
    steps = [msgspec.json.decode(record.value, type=Step) for record in desk.tool.content(PRIVACY_REQUESTS)]
    assert [(step.kind, step.subject) for step in steps] == [("requested", OLD), ("exported", NEW), ("exported", NEW)]


@pytest.mark.broker
def test_who_may_not_leaves_nothing_behind(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "copy"
    steps: tuple[tuple[str, list[str | Path]], ...] = (("export", ["--out", out]), ("erase", []))
    for step, more in steps:
        said = rights(desk, step, "--person", WHO, *more, by="dora")
        assert (said.code, said.out) == (2, ""), step
        assert "'dora' is no officer" in said.err
        assert rights(desk, step, "--person", " ", *more).code == 2

    async def unknown(_: Settings) -> Unknown:
        return Unknown()

    monkeypatch.setattr("agents.person_rights.naming_of", unknown)
    said = rights(desk, "export", "--person", WHO, "--out", out)
    assert said.code == 2
    assert "do it where the workers' keys are" in said.err
    assert not out.exists()
    assert desk.tool.content(PRIVACY_REQUESTS) == []


@pytest.mark.broker
def test_erasure_destroys_what_links_and_says_what_stays(desk: Desk) -> None:
    before = {
        topic: len(desk.tool.content(topic)) for topic in (PRIVACY_KEYS, PRIVACY_IDENTITIES, "directory.employees")
    }
    said = rights(desk, "erase", "--person", WHO, "--directory", "--dry-run")
    assert said.code == 0, said.err
    assert "sealed under 2 pseudonyms: would be destroyed" in said.out
    rows = len(complete(WHO))
    assert f"directory rows: {rows} would be withdrawn" in said.out
    assert {topic: len(desk.tool.content(topic)) for topic in before} == before
    assert desk.tool.content(PRIVACY_REQUESTS) == []
    said = rights(desk, "erase", "--person", WHO, "--directory")
    assert said.code == 0, said.err
    for words in (
        "sealed under 2 pseudonyms: is destroyed",
        f"directory rows: {rows} are withdrawn",
        "stays: alerts, receipts, analysts' comments and the records of who looked keep the pseudonyms",
        "an alert names its event, so whoever may read access.events links the two for as long as the event is there",
        "ages out: access.events: 2 records with the id, 30 days after each",
        "ages out: gateway.decisions: 1 records with the id, 30 days after each",
        "ages out: state.matches: 1 decisions, 5 minutes after the end of each, where `cloverwatch match` runs",
        "whoever has the key of ids and guesses person, dataset and time finds the alert",
        "ages out: state.habits: the habit, 365 days after the last access on 2026-03-02T10:00:00.000Z",
    ):
        assert words in said.out, words
    assert OLD not in said.out
    assert {record.key for record in desk.tool.content(PRIVACY_KEYS) if record.value is None} == {b"key-of-e-1"}
    assert {record.key for record in desk.tool.content(PRIVACY_IDENTITIES) if record.value is None} == {
        OLD.encode(),
        NEW.encode(),
    }
    after = {topic: desk.tool.content(topic) for topic in {row.topic for row in complete(WHO)}}
    for row in complete(WHO):
        assert [each.value for each in after[row.topic] if each.key == row_key(row)][-1] is None, row
    for row in complete(OTHER):
        assert all(each.value is not None for each in after[row.topic] if each.key == row_key(row))
    (step,) = [msgspec.json.decode(record.value, type=Step) for record in desk.tool.content(PRIVACY_REQUESTS)]
    assert (step.kind, step.subject, step.reason) == ("erased", NEW, "asked for it")
    told = [ALERT.decode(record.value) for record in desk.tool.content(ALERTS)]
    assert [alert.rule_id for alert in told if alert.family == "privacy"] == ["privacy.person_erased"]
    request = desk.tool("reveal", "request", "--token", OLD, "--reason", "r", "--by", "ben", "--key",
                        desk.folder / "ben.key", policy=desk.policy)  # fmt: skip
    assert request.code == 1
    assert "its person was erased" in request.err


@pytest.mark.broker
def test_where_alerts_are_clear_it_says_that_they_stay_so(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    async def clear(_: Settings) -> Clear:
        return Clear()

    monkeypatch.setattr("agents.person_rights.naming_of", clear)
    said = rights(desk, "erase", "--person", WHO)
    assert said.code == 0, said.err
    assert "stays: alerts name the person in clear" in said.out
    assert "--directory withdraws them" in said.out

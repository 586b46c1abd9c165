"""Everything that the topics hold about one person, found by their id and by every pseudonym of theirs.

What is not found here, because it says nothing that could be found: sums of days under hashed ids (`monitor.reports`,
`state.overseer`, `state.peers`), the sealed identity and the person's key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from aiokafka import TopicPartition

from agents.clients import partitions_there
from agents.person_state import matches_of
from agents.publisher import partition_of
from agents.request_log import FAMILY
from agents.settings import Settings
from agents.topic_reading import read_topic
from rules.habits.crowds import Visit
from schemas.action import Action
from schemas.alert import Alert
from schemas.approval import Approval
from schemas.codec import ACCESS, ALERT, DIRECTORY
from schemas.deadletter import DeadLetter
from schemas.decision_codec import DECISION
from schemas.errors import BadRecordError
from schemas.fields import iso
from schemas.gateway_topics import GATEWAY_APPROVALS, GATEWAY_DECISIONS, STATE_MATCHES
from schemas.receipt import Receipt
from schemas.request import Step
from schemas.topics import (
    ACCESS_EVENTS,
    ACCESS_VISITS,
    ACTIONS,
    ALERTS,
    ALERTS_SHADOW,
    DEAD_LETTERS,
    PARKED,
    PRIVACY_REQUESTS,
    RECEIPTS,
)

PERSONAL: Final = ("employee_id", "principal_id", "owner", "manager_id", "granted_by")
"""Fields of directory rows that name people. A row about somebody else that names the person is exported too."""


@dataclass(slots=True)
class Held:
    """What was found, by topic, as plain JSON values; each with the offset and the time of its record."""

    records: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    row_keys: dict[str, set[bytes]] = field(default_factory=dict)
    """By directory topic: keys of the rows about the person (also as a data subject), for tombstones."""

    def add(self, topic: str, record: Any, value: Any) -> None:
        """Keep one record."""
        where = f"{record.partition}/{record.offset}"
        self.records.setdefault(topic, []).append(
            {"at": iso(max(0, record.timestamp)), "record": where, "value": value}
        )


async def held_about(settings: Settings, person: str, tokens: Iterable[str]) -> Held:
    """Return what is held about a person, whose pseudonyms are `tokens`.

    Raises:
        ConfigurationError: a topic is not there.
        ReferenceUnavailableError: no broker answers.
        StateVersionError: what matching saved is of another program.
    """
    held, names = Held(), frozenset({person, *tokens})
    for topic in DIRECTORY:
        await read_topic(settings, topic, _rows(held, topic, person))
    own = await _own(settings, ACCESS_EVENTS, person)
    await read_topic(settings, ACCESS_EVENTS, _each(held, ACCESS_EVENTS, lambda it: _access(it, person)), own)
    own = await _own(settings, GATEWAY_DECISIONS, person)
    await read_topic(settings, GATEWAY_DECISIONS, _each(held, GATEWAY_DECISIONS, lambda it: _decision(it, person)), own)
    await _matches(held, settings, person)
    await read_topic(settings, ACCESS_VISITS, _each(held, ACCESS_VISITS, lambda it: _visits(it, person)))
    alerts: set[str] = set()
    for topic in (ALERTS, ALERTS_SHADOW):
        await read_topic(settings, topic, _each(held, topic, lambda it: _alert(it, names, alerts)))
    await read_topic(settings, ACTIONS, _each(held, ACTIONS, lambda it: _action(it, alerts)))
    for topic in (RECEIPTS, PARKED):
        await read_topic(settings, topic, _each(held, topic, lambda it: _delivery(it, alerts)))
    await read_topic(settings, DEAD_LETTERS, _each(held, DEAD_LETTERS, lambda it: _letter(it, person)))
    await read_topic(settings, PRIVACY_REQUESTS, _each(held, PRIVACY_REQUESTS, lambda it: _step(it, names)))
    await read_topic(settings, GATEWAY_APPROVALS, _each(held, GATEWAY_APPROVALS, lambda it: _approval(it, person)))
    return held


async def _own(settings: Settings, topic: str, person: str) -> list[TopicPartition]:
    """Return the partition of a topic in which a person's records are."""
    tps = await partitions_there(settings, topic)
    return [TopicPartition(topic, partition_of(person, len(tps)))]


def _each(held: Held, topic: str, of: Callable[[Any], Any]) -> Callable[[Any], None]:
    """Return what keeps of each record what `of` makes of it; None is nothing, and so is what cannot be read."""

    def take(record: Any) -> None:
        if record.value is None:
            return
        try:
            value = of(record)
        except (BadRecordError, msgspec.MsgspecError, UnicodeDecodeError, ValueError):
            return
        if value is not None:
            held.add(topic, record, value)

    return take


def _rows(held: Held, topic: str, person: str) -> Callable[[Any], None]:
    """Return what keeps the newest row under each key, as compaction does."""
    rows: dict[bytes, dict[str, Any]] = {}
    keys = held.row_keys.setdefault(topic, set())

    def take(record: Any) -> None:
        key = record.key or b""
        rows.pop(key, None)
        keys.discard(key)
        try:
            row = None if record.value is None else DIRECTORY[topic].decode(record.value)
        except BadRecordError:
            row = None
        if row is not None and person in {getattr(row, name, None) for name in PERSONAL}:
            held.add(topic, record, _plain(row))
            rows[key] = held.records[topic][-1]
            if person in {row.subject, getattr(row, "employee_id", None)}:
                keys.add(key)
        if topic in held.records:
            held.records[topic] = list(rows.values())

    return take


def _access(record: Any, person: str) -> Any:
    event = ACCESS.decode(record.value)
    if event.person != person:
        return None
    value = _plain(event)
    # Tokens of the people whose data it was: theirs, not the employee's (Art. 15(4) GDPR).
    subjects = value.pop("subject_ids", None)
    return value if subjects is None else {**value, "data_subjects": len(subjects)}


def _decision(record: Any, person: str) -> Any:
    """Return what was asked about the person and answered; not the salt, which says nothing and proves log entries."""
    decision = DECISION.decode(record.value)
    if decision.person != person:
        return None
    value = _plain(decision)
    del value["salt"]
    return value


async def _matches(held: Held, settings: Settings, person: str) -> None:
    """Add what matching remembers: the person's decisions of late, and how often each was used."""
    memory = await matches_of(settings, person)
    for each in memory.decisions.values() if memory is not None else ():
        value = {name: getattr(each, name) for name in each.__struct_fields__}
        where = f"saved, of the decision {each.decision_id}"
        held.records.setdefault(STATE_MATCHES, []).append(
            {"at": iso(each.appended_at), "record": where, "value": value}
        )
    for offset, told in (memory.told if memory is not None else {}).items():
        findings = [{"kind": kind, "sentence": sentence} for kind, sentence in told.findings]
        held.records.setdefault(STATE_MATCHES, []).append(
            {"record": f"saved, of the access at offset {offset}", "value": {"findings": findings}}
        )


def _visits(record: Any, person: str) -> Any:
    _, visits = msgspec.msgpack.decode(record.value, type=tuple[int, list[Visit]])
    own = [
        {"at": iso(each.at), "dataset_id": each.dataset_id, "event_id": each.ref.event_id}
        for each in visits
        if each.person == person
    ]
    return own or None


def _alert(record: Any, names: frozenset[str], found: set[str]) -> Any:
    alert = ALERT.decode(record.value)
    if not names & _named(alert):
        return None
    found.add(alert.alert_id)
    value = _plain(alert)
    people = alert.facts.get("people")
    if isinstance(people, Sequence) and not isinstance(people, str):
        # The others of a crowd have rights of their own.
        value["facts"] = {**value["facts"], "people": [each for each in people if each in names], "of": len(people)}
        value.pop("explanation")
        for reason in value["reasons"]:
            reason.pop("sentence", None)
        if alert.person not in names:
            value.pop("person", None)
    if alert.family == FAMILY:
        # Who looked is in `by`, which is left out unless names are asked for; sentences have it too.
        value.pop("explanation", None)
        value["by"] = value["facts"].pop("by", None)
        for reason in value["reasons"]:
            reason.pop("sentence", None)
    return value


def _named(alert: Alert) -> set[str]:
    people = alert.facts.get("people")
    listed = people if isinstance(people, list | tuple) else ()
    return {each for each in (alert.person, alert.person_before, *listed) if isinstance(each, str)}


def _action(record: Any, alerts: set[str]) -> Any:
    action = msgspec.json.decode(record.value, type=Action)
    if action.alert_id not in alerts:
        return None
    return {
        "alert_id": action.alert_id,
        "kind": action.kind,
        "at": iso(action.at),
        "text": action.text,
        "by": action.by,
    }


def _delivery(record: Any, alerts: set[str]) -> Any:
    destination, _, rest = (record.key or b"").decode().partition("|")
    alert_id = rest.split("|", 1)[0]
    if alert_id not in alerts:
        return None
    if record.topic == PARKED:
        return {"destination": destination, "alert_id": alert_id, "state": "parked"}
    return _plain(msgspec.json.decode(record.value, type=Receipt))


def _letter(record: Any, person: str) -> Any:
    letter = DeadLetter.from_message(record.key, record.value, record.headers)
    if person.encode() not in (letter.value or b"") + b"\0" + (letter.key or b""):
        return None
    return {
        "reason": letter.reason,
        "topic": letter.topic,
        "received": iso(letter.timestamp),
        "record": (letter.value or b"").decode("utf-8", "replace"),
    }


def _step(record: Any, names: frozenset[str]) -> Any:
    step = msgspec.json.decode(record.value, type=Step)
    if step.subject not in names:
        return None
    return {"request": step.request_id, "kind": step.kind, "reason": step.reason, "ticket": step.ticket, "by": step.by}


def _approval(record: Any, person: str) -> Any:
    """Return what was granted to the person, and when; who asked, approved and reviewed are others."""
    approval = msgspec.json.decode(record.value, type=Approval)
    if approval.person != person:
        return None
    value = _plain(approval)
    for name in ("requested", "approved", "refused", "withdrawn", "reviewed"):
        taken = value.pop(name)
        if taken is not None:
            value[name] = {"at": iso(taken["at"]), "reason": taken["reason"]}
    return value


def _plain(record: msgspec.Struct) -> dict[str, Any]:
    value: dict[str, Any] = msgspec.to_builtins(record)
    return value

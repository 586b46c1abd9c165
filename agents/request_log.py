"""`privacy.requests` as commands read and write it, and the alerts that tell of what is written there."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaProducer

from agents.clients import partitions_there, producer_of, started
from agents.policy_watch import read_policy
from agents.publisher import partition_of
from agents.settings import PREFIX, Settings
from agents.topic_reading import read_topic
from alerts.people import Person, read_people
from alerts.requests import Request, Stored, fold, signed, wrong_with
from alerts.signatures import Signer
from schemas.alert import Alert, JudgedWith, Reason, Severity
from schemas.codec import encode
from schemas.errors import ConfigurationError
from schemas.request import Step
from schemas.toml_file import TomlFile
from schemas.topics import ALERTS, PRIVACY_REQUESTS

FAMILY: Final = "privacy"
"""Of alerts about those who look. Silences and rate limits do not apply to this family."""

RULE_VERSION: Final = 1

TOLD: Final[Mapping[str, tuple[str, Severity, str, str]]] = {
    "requested": ("identity_requested", "medium", "An identity is asked for", "asked to see who {subject} is"),
    "approved": (
        "identity_approved",
        "medium",
        "A request for an identity is approved",
        "let it be seen who {subject} is",
    ),
    "opened": ("identity_opened", "high", "An identity was opened", "saw who {subject} is"),
    "exported": (
        "person_exported",
        "high",
        "What is held of a person was exported",
        "exported what is held of {subject}",
    ),
    "erased": ("person_erased", "high", "A person was erased", "erased what is held of {subject}"),
}
"""By kind of step: rule id behind `privacy.`, severity, title, and what the explanation says that somebody did. What
nobody is told of (`denied`, `looked`) is on the topic all the same."""


@dataclass(frozen=True, slots=True)
class Office:
    """Who may act, under which policy."""

    people: Mapping[str, Person]
    policy: str
    """Version of the policy."""
    path: Path
    """Its file."""


def office_of(path: Path | None) -> Office:
    """Return the people of a policy file.

    Raises:
        ConfigurationError: there is none, or it is wrong.
    """
    if path is None:
        raise ConfigurationError(
            f"policy: none is named; give --policy or {PREFIX}POLICY: it says who may act, and by which keys"
        )
    content, policy = read_policy(path)
    file = TomlFile(content.decode("utf-8"), str(path))
    return Office(read_people(file, file.data), policy.version, path)


def step_by(signer: Signer, office: Office | None, **fields: Any) -> Step:
    """Return a signed step, made now; `request_id` is its own id where none is given.

    Raises:
        ConfigurationError: the policy does not let them do it.
    """
    own = secrets.token_hex(8)
    step = Step(**{"step_id": own, "request_id": own, "by": signer.name, "at": now_ms(), **fields})
    try:
        step = signed(_decode(msgspec.json.encode(step)), signer)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"too long, or of another form than is stored: {error}") from None
    except UnicodeEncodeError:
        raise ConfigurationError("--reason, --ticket: not text in UTF-8") from None
    if office is not None and (why := wrong_with(step, office.people)) is not None:
        raise ConfigurationError(f"--by, --key, --reason: {why}")
    return step


def now_ms() -> int:
    """Return this machine's time, milliseconds since 1970."""
    return time.time_ns() // 1_000_000


async def stored_steps(settings: Settings) -> list[Stored]:
    """Return every step of the log, in order; records that are none are left out."""
    found: list[Stored] = []

    def take(record: Any) -> None:
        try:
            step = _decode(record.value or b"")
        except (msgspec.DecodeError, UnicodeDecodeError):
            return
        if record.key == step.request_id.encode():
            found.append(Stored(step, record.timestamp, record.offset))

    await read_topic(settings, PRIVACY_REQUESTS, take)
    return found


async def requests(settings: Settings, office: Office) -> dict[str, Request]:
    """Return every request by its id."""
    return fold(await stored_steps(settings), office.people)


async def store(settings: Settings, office: Office, step: Step) -> Stored:
    """Tell of a step and store it; when this returns the brokers have both.

    The alert comes first: whoever stops us in between leaves an alert about nothing, never the other way round.
    """
    partitions = len(await partitions_there(settings, ALERTS))
    await partitions_there(settings, PRIVACY_REQUESTS)
    async with started(settings, producer_of(settings)) as producer:
        await tell(producer, partitions, step, office.policy)
        sent = await producer.send_and_wait(
            PRIVACY_REQUESTS, key=step.request_id.encode(), value=msgspec.json.encode(step)
        )
    return Stored(step, sent.timestamp, sent.offset)


async def tell(producer: AIOKafkaProducer, partitions: int, step: Step, policy: str) -> None:
    """Publish the alert about a step, where there is one; the same step makes the same alert."""
    if step.kind in TOLD:
        alert = alert_about(step, policy)
        await producer.send_and_wait(
            ALERTS,
            key=alert.alert_id.encode(),
            value=encode(alert),
            partition=partition_of(alert.dedup_key, partitions),
        )


def alert_about(step: Step, policy: str) -> Alert:
    """Return the alert that tells of a step: whom it is about as a pseudonym, and never the reason's text."""
    name, severity, title, did = TOLD[step.kind]
    rule = f"{FAMILY}.{name}"
    told = (
        f"{step.by} {did.format(subject=step.subject or 'somebody')}; the reason stands in {PRIVACY_REQUESTS} under "
        f"{step.request_id}"
    )
    facts = {"request_id": step.request_id, "by": step.by}
    if step.alert_id:
        facts["about_alert"] = step.alert_id
    return Alert(
        alert_id=_hash(f"{FAMILY}|{step.kind}|{step.step_id}"),
        family=FAMILY,
        rule_id=rule,
        severity=severity,
        title=title,
        explanation=told,
        reasons=(Reason(rule_id=rule, rule_version=RULE_VERSION, severity=severity, sentence=told),),
        occurred_at=step.at,
        detected_at=step.at,
        person=step.subject or msgspec.UNSET,
        facts=facts,
        judged_with=JudgedWith(policy=policy, legal_table="", geo_table="", directories="", known={}),
        dedup_key=_hash(f"{FAMILY}|{step.request_id}"),
    )


def _hash(text: str) -> str:
    return blake2b(text.encode(), digest_size=16).hexdigest()


_decode = msgspec.json.Decoder(Step).decode

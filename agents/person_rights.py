"""What an employee may ask for: a copy of what is held about them, and that it be erased. Both are recorded first."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from agents.clients import producer_of, started
from agents.naming import Clear, Naming, Unknown, naming_of
from agents.person_data import Held, held_about
from agents.person_state import habit_of
from agents.policy_watch import read_policy
from agents.request_log import Office, now_ms, step_by, store
from agents.settings import Settings
from alerts.people import officers_of
from alerts.sealing import seal
from alerts.signatures import Signer
from rules.habits.outlook import View
from rules.habits.portrait import portrait
from rules.habits.shelf import FORGET_DAYS
from rules.habits.thresholds import Behaviour
from rules.matching.memory import KEPT_MS
from schemas.errors import ConfigurationError
from schemas.fields import iso
from schemas.gateway_topics import GATEWAY_APPROVALS, GATEWAY_DECISIONS, STATE_MATCHES
from schemas.request import LOOK, Step
from schemas.topic import DAY_MS
from schemas.topics import (
    ACCESS_EVENTS,
    ACCESS_VISITS,
    BY_NAME,
    DEAD_LETTERS,
    DIRECTORY_TOPICS,
    PRIVACY_IDENTITIES,
    PRIVACY_KEYS,
    STATE_HABITS,
)

HABITS: Final = "habits"
"""The file of the portrait, and its name in the summary."""

UNLINKABLE: Final = (
    "alerts, receipts, analysts' comments and the records of who looked keep the pseudonyms they were published with. "
    "These were made from a key of the person's own, which is gone: who has every other key cannot make them again, "
    "and no envelope is left to open. The ids of alerts stay too, there and in the audit log: "
    "whoever has the key of ids and guesses person, dataset and time finds the alert"
)
UNLINKED_WHEN: Final = (
    f"until then: the key is gone from disks once the brokers have compacted {PRIVACY_KEYS} and {PRIVACY_IDENTITIES} "
    "(and old backups are dropped); and an alert names its event, so whoever may read access.events links the two for "
    "as long as the event is there"
)


async def found_names(settings: Settings) -> Naming:
    """Return what this machine knows of pseudonyms.

    Raises:
        ConfigurationError: it does not have their keys, so nothing that stands under them can be found.
    """
    naming = await naming_of(settings)
    if isinstance(naming, Unknown):
        raise ConfigurationError(
            "pseudonym_keys: this machine has none, so what stands under a person's pseudonyms cannot be found; do it "
            "where the workers' keys are"
        )
    return naming


def step_about(naming: Naming, office: Office, signer: Signer, person: str, **fields: Any) -> Step:
    """Return the step that records it, naming nobody in clear where alerts do not."""
    own = secrets.token_hex(8)
    subject, sealed = naming.subject(person), ""
    if subject is None:
        subject = LOOK + own
        if fields["kind"] != "erased" and (officers := officers_of(office.people)):
            sealed = b64encode(seal(person, subject, officers)).decode("ascii")
    return step_by(signer, office, step_id=own, request_id=own, subject=subject, sealed=sealed, **fields)


@dataclass(frozen=True, slots=True)
class Copy:
    """What is held about a person."""

    person: str
    tokens: tuple[str, ...]
    held: Held
    habits: dict[str, Any] | None
    names: bool
    """Whether those who looked, and analysts, are named."""


async def copy_of(settings: Settings, office: Office, signer: Signer, person: str, *, names: bool, **why: str) -> Copy:
    """Return what is held about a person, once it is stored that it was asked for.

    With `names` those who looked, and analysts, are named. The employee learns when and why in any case; who it was
    only where that is essential (Court of Justice, C-579/21, Pankki S, 22 June 2023). `why`: reason and ticket.

    Raises:
        ConfigurationError: there are no keys, or the policy does not let them.
        ReferenceUnavailableError: no broker answers.
    """
    naming = await found_names(settings)
    await store(settings, office, step_about(naming, office, signer, person, kind="exported", **why))
    tokens = naming.tokens(person)
    held = await held_about(settings, person, tokens)
    if not names:
        _without_names(held)
    return Copy(person, tokens, held, await _portrait(settings, person, office.path), names)


def write_copy(copy: Copy, folder: Path) -> dict[str, int]:
    """Write a copy into a folder, for its owner only; return how many records there are of each topic."""
    counts = {}
    for topic, records in copy.held.records.items():
        if records:
            _write(folder / f"{topic}.jsonl", b"".join(json.dumps(each).encode() + b"\n" for each in records))
            counts[topic] = len(records)
    if copy.habits is not None:
        _write(folder / f"{HABITS}.json", json.dumps(copy.habits, indent=2, ensure_ascii=False).encode() + b"\n")
        counts[HABITS] = 1
    _write(folder / "summary.txt", _summary(copy, counts).encode())
    return counts


async def _portrait(settings: Settings, person: str, path: Path) -> dict[str, Any] | None:
    habit = await habit_of(settings, person)
    if habit is None:
        return None
    policy = read_policy(path)[1]
    view = View(habit, policy.behaviour or Behaviour(), None)
    return portrait(person, view, policy if policy.behaviour is not None else None, now_ms(), None)


def _without_names(held: Held) -> None:
    for records in held.records.values():
        for each in records:
            if isinstance(each["value"], dict):
                each["value"].pop("by", None)
                handled = each["value"].get("handled")
                for part in [handled, *handled.get("comments", ())] if isinstance(handled, dict) else ():
                    part.pop("by", None)


def _write(path: Path, content: bytes) -> None:
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(number, "wb") as file:
        file.write(content)


def _summary(copy: Copy, counts: Mapping[str, int]) -> str:
    said = [
        f"What the monitor of accesses holds about {copy.person}, as of {iso(now_ms())}.",
        "",
        "Alerts speak of this person as: " + (", ".join(copy.tokens) or "nothing: there has been none"),
        "",
    ]
    for name, count in counts.items():
        if name == HABITS:
            said.append(f"{HABITS}.json: how this person usually works, as the rules about unusual behaviour see it.")
            said.append(f"    Kept in {STATE_HABITS}; dropped {FORGET_DAYS} days after the last access.")
            continue
        topic = BY_NAME[name]
        kept = "until replaced or withdrawn" if topic.retention_ms is None else f"{topic.retention_ms // DAY_MS} days"
        said.append(f"{name}.jsonl: {count} of: {topic.holds}.")
        said.append(f"    Written by {topic.writers}; kept {kept}.")
    others = "" if copy.names else ", and the names of those who looked or commented"
    said += [
        "",
        "Each line has when it was stored, where, and the record itself. Left out are tokens of the people whose data",
        f"was reached, other employees where an alert is about several{others}: they have rights of their own.",
        "Not searched, because it cannot be found by a name: sums of days under hashed ids (at most 40 days), and raw",
        "records of other systems before they are translated (7 days), which their own system holds. Nor what this",
        "person did in an office of their own under a name of the policy: asked, approved, signed, commented.",
        "",
    ]
    return "\n".join(said)


async def erase(
    settings: Settings, office: Office, signer: Signer, person: str, *, directory: bool, dry_run: bool, **why: str
) -> list[str]:
    """Destroy a person's key and sealed identities, with `directory` their rows too; say what was done and what stays.

    Raises:
        ConfigurationError: there are no keys, or the policy does not let them.
        ReferenceUnavailableError: no broker answers; what was not stored can be done again.
    """
    naming = await found_names(settings)
    tokens = naming.tokens(person)
    held = await held_about(settings, person, tokens)
    keys = {topic: sorted(held.row_keys.get(topic, ())) for topic in DIRECTORY_TOPICS}
    habit = await habit_of(settings, person)
    verb = "would be" if dry_run else "is"
    said = [
        f"directory rows: {sum(map(len, keys.values()))} "
        + (f"{verb if dry_run else 'are'} withdrawn" if directory else "stay; --directory withdraws them"),
    ]
    step = step_about(naming, office, signer, person, kind="erased", **why)
    if not dry_run:
        await store(settings, office, step)
        tokens = await naming.forget(person)
        if directory:
            async with started(settings, producer_of(settings)) as producer:
                sent = [await producer.send(topic, key=key, value=None) for topic, some in keys.items() for key in some]
                await asyncio.gather(*sent)
    said.insert(0, f"the person's own key and the identities sealed under {len(tokens)} pseudonyms: {verb} destroyed")
    if isinstance(naming, Clear):
        said.append('stays: alerts name the person in clear (identities = "clear"), for as long as they are kept')
    elif tokens:
        said += [f"stays: {UNLINKABLE}", UNLINKED_WHEN]
    else:
        said.append("stays: nothing under pseudonyms, of which there were none")
    for topic, records in held.records.items():
        days = BY_NAME[topic].retention_ms
        if days is not None and records and topic not in DIRECTORY_TOPICS and topic in IN_CLEAR:
            said.append(f"ages out: {topic}: {len(records)} records with the id, {days // DAY_MS} days after each")
    if granted := held.records.get(GATEWAY_APPROVALS):
        said.append(f"stays: {GATEWAY_APPROVALS}: {len(granted)} records of what was granted, for whoever audits it")
    if matched := held.records.get(STATE_MATCHES):
        said.append(
            f"ages out: {STATE_MATCHES}: {len(matched)} decisions, {KEPT_MS // 60_000} minutes after the end of each, "
            "where `cloverwatch match` runs"
        )
    if habit is not None:
        said.append(
            f"ages out: {STATE_HABITS}: the habit, {FORGET_DAYS} days after the last access on {iso(habit.seen_at)}: "
            "the workers hold it, and no command takes it from them"
        )
    said.append("ages out: sums of days under hashed ids, within 40 days; raw records of other systems, within 7 days")
    return said


IN_CLEAR: Final = frozenset({ACCESS_EVENTS, ACCESS_VISITS, DEAD_LETTERS, GATEWAY_DECISIONS})
"""Topics that name people by their ids: events cannot be withdrawn from a log, they end with it."""

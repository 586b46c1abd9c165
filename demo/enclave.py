"""The demo's second act: a gateway that asks, a bypass that is seen, a log that an auditor checks with files alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, Final

import aiohttp
import orjson
from aiokafka import AIOKafkaProducer

from agents.clients import consumer_of, producer_of
from agents.gateway.callers import new_token
from agents.settings import Settings
from demo.auditor import audited
from demo.broker import free_port
from demo.organisation import HOUR, Organisation, Person
from demo.processes import log_of, running, said
from demo.proxy import binary, proxying
from demo.store import Store
from demo.ui import Screen
from schemas.alert import Alert
from schemas.codec import ALERT, DIRECTORY, row_key
from schemas.topics import ACCESS_EVENTS, ALERTS

READY_WITHIN_S: Final = 40.0
"""Three processes start at once, beside two that run."""

FLAGGED_WITHIN_MS: Final = 1_000
"""From the append of an access that went past the gateway to that of its alert: the goal."""

SEEN_WITHIN_S: Final = 15.0
"""How long the alert is waited for before the demo says that it was missed."""

SETTLED_S: Final = 0.2
"""Between two looks at whether a change has taken force."""

VAULT: Final = "vault-claims"
"""Restricted, in Dublin, behind the gateway: what stands there is reached by a decision or is a bypass."""

OTHER: Final = "vault-notes"
CALLER: Final = "gw-dub-1"

PEOPLE: Final = """
[people.{name}]
key = "{key}"
roles = [{roles}]
employee = "{employee}"
"""


class EnclaveFailedError(Exception):
    """Something of the act did not come out as it must."""


@dataclass(frozen=True, slots=True)
class Cast:
    """Who plays."""

    inside: Person
    """Works in support, in Ireland: her role covers the vault."""
    outside: Person
    """An analyst in Singapore: restricted data is closed to him."""
    approver: Person
    """Inside the perimeter; may approve what others ask for."""


def can_play() -> bool:
    """Whether Envoy is here."""
    return binary() is not None


def ports() -> dict[str, int]:
    """Return free ports for the metrics of the act's processes."""
    return {name: free_port() for name in ("gateway", "match", "audit")}


async def play(
    settings: Settings,
    org: Organisation,
    screen: Screen,
    metrics: Mapping[str, int] | None = None,
    staying: ExitStack | None = None,
) -> bool:
    """Play the act over a broker and a worker that run; return whether all came out as it must.

    Args:
        settings: of the demo.
        org: who works there.
        screen: what is told.
        metrics: `ports()` that somebody else knows too.
        staying: ends our three processes when it is closed; without it they end with the act.
    """
    metrics = metrics or ports()
    screen.say("── behind the gateway: Envoy asks `cloverwatch gateway` before anything reaches the store")
    cast = _cast(org)
    folder = settings.data_dir
    token, line = new_token(CALLER)
    tokens = folder / "tokens.toml"
    tokens.touch(mode=0o600)
    tokens.write_text(f"{line}\n", encoding="utf-8")
    key = folder / "audit.key"
    code, vkey = said(["audit", "keys", "new", "demo.cloverwatch.example/log", "--out", str(key)], settings)
    if code:
        raise EnclaveFailedError(vkey)
    settings = replace(
        settings,
        gateway_tokens=tokens,
        gateway_port=free_port(),
        gateway_web_port=metrics["gateway"],
        match_port=metrics["match"],
        audit_log=folder / "audit",
        audit_key=key,
        audit_port=metrics["audit"],
    )
    _introduce(settings, cast)
    producer = producer_of(settings)
    await producer.start()
    store = Store(producer, settings.partitions)
    port, behind = free_port(), free_port()
    with ExitStack() as stack:
        try:
            await _rows(producer, org, cast)
            await store.start(behind)
            for command in ("gateway", "match", "audit log"):
                (stack if staying is None else staying).enter_context(running(command, settings))
            for name in ("gateway_web_port", "match_port", "audit_port"):
                await _ready(getattr(settings, name), name)
            stack.enter_context(proxying(folder, port, settings.gateway_port, behind, token))
            async with aiohttp.ClientSession() as client:
                good = await _ask(client, f"http://127.0.0.1:{port}", settings, cast, screen)
                good &= await _bypass(client, f"http://127.0.0.1:{behind}", settings, cast, store, screen)
            good &= await audited(settings, vkey.strip().splitlines()[-1], screen.say)
        except EnclaveFailedError as error:
            screen.say(str(error))
            for command in ("gateway", "match", "audit log"):
                text = (
                    log_of(command, settings).read_text(errors="replace") if log_of(command, settings).exists() else ""
                )
                screen.say_plain(f"the last lines of `cloverwatch {command}`:\n{text[-2000:]}")
            return False
        finally:
            await store.stop()
            await producer.stop()
    return good


def _cast(org: Organisation) -> Cast:
    free = [person for person in org.people if not person.cast]
    approver, inside = [p for p in free if p.country == "IE" and p.role == "support-agent"][:2]
    outside = next(p for p in free if p.country == "SG")
    return Cast(inside, outside, approver)


def _introduce(settings: Settings, cast: Cast) -> None:
    """Make keys for whoever asks and approves, and name them in the policy, as every change: proposed, put in place."""
    assert settings.policy is not None  # noqa: S101  # the demo's
    text = settings.policy.read_text(encoding="utf-8")
    for name, person, roles in (("asking", cast.outside, ""), ("approving", cast.approver, '"approver"')):
        code, out = said(["keys", "new", name, "--out", str(settings.data_dir / f"{name}.key")], settings)
        if code:
            raise EnclaveFailedError(out)
        public = out.rsplit('"', 2)[1]
        text += PEOPLE.format(name=name, key=public, roles=roles, employee=person.id)
    new = settings.data_dir / "policy-with-people.toml"
    new.write_text(text, encoding="utf-8")
    signing = ["--as", "approving", "--key", str(settings.data_dir / "approving.key")]
    why = ["--reason", "who asks for approvals, and who gives them"]
    for arguments in (
        ["policy", "propose", str(new), "--against", str(settings.policy), *signing, *why],
        ["policy", "adopt", str(new), "--to", str(settings.policy)],
    ):
        code, out = said(arguments, settings)
        if code:
            raise EnclaveFailedError(out)


async def _rows(producer: AIOKafkaProducer, org: Organisation, cast: Cast) -> None:
    """Write the vault's rows, and where everybody was this morning."""
    now = time.time_ns() // 1_000_000
    for name, sensitivity in ((VAULT, "restricted"), (OTHER, "allowable")):
        row: dict[str, Any] = {"dataset_id": name, "subject_region": "EEA", "sensitivity": sensitivity, "site": "dub-1"}
        row |= {"site_country": "IE", "owner": "claims-owners", "valid_from": org.start, "recorded_at": org.start}
        await _row(producer, "directory.datasets", row)
    for person in (cast.inside, cast.outside, cast.approver):
        row = {"employee_id": person.id, "country": person.country, "evidence": "badge"}
        row |= {"valid_from": now - HOUR, "recorded_at": now - HOUR}
        await _row(producer, "directory.locations", row)


async def _row(producer: AIOKafkaProducer, topic: str, row: dict[str, Any]) -> None:
    value = orjson.dumps(row)
    await producer.send_and_wait(topic, key=row_key(DIRECTORY[topic].decode(value)), value=value)


async def _ask(client: aiohttp.ClientSession, url: str, settings: Settings, cast: Cast, screen: Screen) -> bool:
    """Reach for the vault through Envoy: from inside, from outside, and from outside with an approval."""

    async def reach(person: Person) -> tuple[int, str]:
        headers = {"x-user": person.id, "x-purpose": "support", "x-ticket": "T-4711"}
        async with client.get(f"{url}/datasets/{VAULT}", headers=headers) as answer:
            return answer.status, answer.headers.get("x-cloverwatch-reason", "") or (await answer.text())[:60]

    good = True

    async def tell(who: str, person: Person, wanted: int) -> None:
        nonlocal good
        status, told = await reach(person)
        good &= status == wanted
        screen.say(f"  {who}: {status} {told}" + ("" if status == wanted else f" (wanted: {wanted})"))

    await tell("support in Dublin reads the vault", cast.inside, 200)
    await tell("an analyst in Singapore does", cast.outside, 403)
    options = [
        "--dataset",
        VAULT,
        "--action",
        "read",
        "--for",
        "1h",
        "--reason",
        "claims of the storm",
        "--by",
        "asking",
    ]
    code, out = said(["approvals", "request", *options, "--key", str(settings.data_dir / "asking.key")], settings)
    number = out.split()[0].rstrip(":") if not code else ""
    by = ["--by", "approving", "--key", str(settings.data_dir / "approving.key")]
    approved, answer = said(["approvals", "approve", number, *by], settings) if number else (1, out)
    if approved:
        raise EnclaveFailedError(f"the approval failed: {answer}")
    deadline = time.monotonic() + 5
    while (await reach(cast.outside))[0] != 200 and time.monotonic() < deadline:
        await asyncio.sleep(SETTLED_S)
    await tell("asks for an hour, somebody in Ireland approves, and he does", cast.outside, 200)
    return good


async def _bypass(
    client: aiohttp.ClientSession, url: str, settings: Settings, cast: Cast, store: Store, screen: Screen
) -> bool:
    """Reach the store past Envoy, and wait for the alert."""
    accesses, alerts = consumer_of(settings, ACCESS_EVENTS), consumer_of(settings, ALERTS)
    for consumer in (accesses, alerts):
        await consumer.start()
        await consumer.seek_to_end()
    try:
        await asyncio.gather(*[consumer.getmany(timeout_ms=10) for consumer in (accesses, alerts)])
        headers = {"x-user": cast.inside.id, "x-cloverwatch-session": "past-the-gateway"}
        async with client.get(f"{url}/datasets/{OTHER}", headers=headers) as answer:
            answer.raise_for_status()
        event_id = store.reported[-1]
        appended = told = 0
        alert: Alert | None = None
        deadline = time.monotonic() + SEEN_WITHIN_S
        while (alert is None or not appended) and time.monotonic() < deadline:
            for records in (await accesses.getmany(timeout_ms=50)).values():
                for record in records:
                    if event_id.encode() in record.value:
                        appended = record.timestamp
            for records in (await alerts.getmany(timeout_ms=50)).values():
                for record in records:
                    found = ALERT.decode(record.value)
                    if found.family == "gateway" and getattr(found.event, "event_id", None) == event_id:
                        alert, told = found, record.timestamp
        if alert is None:
            screen.say(f"  past the gateway: no alert within {SEEN_WITHIN_S:g} s")
            return False
        after = told - appended
        screen.say(f"  past the gateway, straight to the store: told after {after} ms (goal {FLAGGED_WITHIN_MS})")
        screen.alert(alert)
        return alert.rule_id == "gateway.bypass" and after <= FLAGGED_WITHIN_MS
    finally:
        await accesses.stop()
        await alerts.stop()


async def _ready(port: int, name: str) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    async with aiohttp.ClientSession() as session:
        while time.monotonic() < deadline:
            try:
                async with session.get(f"http://127.0.0.1:{port}/readyz") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass  # its port is not open yet
            await asyncio.sleep(SETTLED_S)
    raise EnclaveFailedError(f"not ready within {READY_WITHIN_S:g} s: {name}")

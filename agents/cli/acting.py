"""What `alerts ack|comment|close` do: a signed action, stored, taken up by the keeper of `cloverwatch deliver`."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from secrets import token_hex
from typing import Any, Final

import msgspec

from agents.clients import partitions_there, producer_of, started
from agents.delivering.looking_back import look_back
from agents.plan_file import read_plan_of
from agents.settings import Settings
from agents.signing import signer_of
from agents.text import check_text, printable
from alerts.life import Known, taken
from alerts.plan import Plan
from alerts.signatures import sign, verify
from schemas.action import Action
from schemas.alert import Alert
from schemas.codec import ALERT
from schemas.errors import ConfigurationError
from schemas.fields import TEXT_MAX, known
from schemas.topics import ACTIONS, ALERTS

TAKEN_WITHIN_S: Final = 15.0
"""Within which a running keeper takes an action up: a rebalance's time, and some."""

LOOK_EVERY_S: Final = 0.5
"""Between two looks."""


def act(given: argparse.Namespace, settings: Settings) -> int:
    """Acknowledge, comment or close; return 0 when the keeper has taken it up, 1 when not within its time.

    Raises:
        ConfigurationError: what is given does not go together, or cannot be used.
    """
    for name, what in (("alert_id", "ALERT_ID"), ("by", "--by NAME"), ("key", "--key FILE")):
        if not getattr(given, name):
            raise ConfigurationError(f"alerts {given.action}: {what} is required")
    for name, text in (("ALERT_ID", given.alert_id), ("--by", given.by), ("--text", given.text)):
        check_text(name, text)
    if given.action == "comment" and not (given.text or "").strip():
        raise ConfigurationError("alerts comment: --text TEXT is required, with something in it")
    if len(given.text or "") > TEXT_MAX:
        raise ConfigurationError(f"--text: {len(given.text)} characters; at most {TEXT_MAX}")
    if settings.policy is None:
        raise ConfigurationError("policy: it names who may act; set CLOVERWATCH_POLICY")
    _, plan = read_plan_of(settings.policy)
    action = Action(
        action_id=token_hex(16),
        alert_id=given.alert_id,
        kind=given.action,
        by=given.by,
        at=time.time_ns() // 1_000_000,
        text=given.text or "",
    )
    try:
        action = sign(action, signer_of(given))
    except ValueError as error:
        raise ConfigurationError(f"--key: {error}") from None
    if wrong := verify(action, plan.analysts):
        raise ConfigurationError(f"--by, --key: {wrong}; allowed: {', '.join(sorted(plan.analysts)) or 'nobody'}")
    return asyncio.run(_store(settings, plan, action))


async def _store(settings: Settings, plan: Plan, action: Action) -> int:
    partitions = [tp.partition for tp in await partitions_there(settings, ALERTS)]
    record, alert = await find(settings, partitions, action.alert_id)
    if alert is None:
        print(f"cloverwatch: {printable(action.alert_id)}: no such alert in {ALERTS}", file=sys.stderr)
        return 1
    if taken(plan, action, Known(alert, record.partition, record.offset, 0), action.at) is None:
        print(f"nothing to do: alert {alert.alert_id} is at revision {alert.revision}: {alert.status}, {alert.cause}")
        return 0
    async with started(settings, producer_of(settings)) as producer:
        await producer.send_and_wait(
            ACTIONS,
            key=action.alert_id.encode(),
            value=msgspec.json.encode(action),
            partition=record.partition,
        )
    print(f"{action.kind} by {action.by} is stored")
    deadline = time.monotonic() + TAKEN_WITHIN_S
    while time.monotonic() < deadline:
        await asyncio.sleep(LOOK_EVERY_S)
        seen, now = await find(settings, [record.partition], action.alert_id, record.offset)
        record = seen or record
        if now is not None and now.revision > alert.revision and _shows(now, action):
            print(printable(f"alert {now.alert_id} is at revision {now.revision}: {now.status}, {now.cause}"))
            return 0
    print(
        f"not taken up within {TAKEN_WITHIN_S:g} s: is `cloverwatch deliver` running? Or it was refused: "
        "`cloverwatch dead-letters`",
        file=sys.stderr,
    )
    return 1


def _shows(alert: Alert, action: Action) -> bool:
    handled = known(alert.handled)
    if handled is None:
        return False
    said = any(comment.at == action.at and comment.by == action.by for comment in handled.comments)
    return said or (handled.at == action.at and handled.by == action.by)


async def find(
    settings: Settings, partitions: list[int], alert_id: str, offset: int | None = None
) -> tuple[Any, Alert | None]:
    """Return the last record of an alert and the alert in it; (None, None) where there is none.

    Args:
        settings: how the brokers are reached.
        partitions: of `alerts`.
        alert_id: which.
        offset: where to begin in each; None: at the beginning, which may be a year back.
    """
    key = alert_id.encode()
    last: Any = None
    offsets = None if offset is None else dict.fromkeys(partitions, offset)
    async for record in look_back(settings, ALERTS, partitions, offsets=offsets):
        if record.key == key and record.value is not None:
            last = record
    return last, None if last is None else ALERT.decode(last.value)

"""What the commands about approvals do: build a step, sign it, take it."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec

from agents.approvals.service import ApprovalService, StepRefusedError, serving
from agents.approvals.whereabouts import Whereabouts
from agents.clients import partitions_there
from agents.policy_watch import read_policy
from agents.request_log import Office, now_ms
from agents.settings import Settings
from agents.tables import geo_table, legal_table
from agents.topic_reading import read_topic
from alerts.approvals import step
from alerts.signatures import Signer
from rules.join import Joiner
from rules.knowledge import Knowledge
from rules.policy import Policy
from schemas.approval import Approval, Signed, StepName
from schemas.codec import DIRECTORY, parse_row_key, with_recorded_at
from schemas.directory import EmployeeRow, LocationRow, RoleRow
from schemas.errors import BadRecordError, ConfigurationError

ASKED_OF: Final = (EmployeeRow.topic, LocationRow.topic, RoleRow.topic)
"""Directories that say where an employee is, for whom they work, and which roles they hold."""


def policy_of(office: Office) -> Policy:
    """Return the policy of an office; it must have a `[gateway]`.

    Raises:
        ConfigurationError: it has none.
    """
    policy = read_policy(office.path)[1]
    if policy.gateway is None:
        raise ConfigurationError(f"policy: {office.path} has no [gateway]: nothing can be approved under it")
    return policy


def employee_of(office: Office, signer: Signer) -> str:
    """Return which employee a person of the policy is.

    Raises:
        ConfigurationError: they are not in it, with this key, or it does not say.
    """
    who = office.people.get(signer.name)
    if who is None or who.key != signer.public:
        raise ConfigurationError(
            f"--by, --key: the policy's [people] do not name {signer.name!r} with this key; named: "
            f"{', '.join(sorted(office.people)) or 'nobody'}"
        )
    if who.employee is None:
        raise ConfigurationError(
            f"--by: the policy does not say which employee {signer.name!r} is; set people.{signer.name}.employee"
        )
    return who.employee


@asynccontextmanager
async def desk(settings: Settings, office: Office, employee: str | None = None) -> AsyncIterator[ApprovalService]:
    """Yield a service for one command; of `employee` it knows what the directories say.

    Raises:
        ConfigurationError: the policy has no `[gateway]`, or a topic is not there.
        ReferenceUnavailableError: no broker answers.
    """
    policy = policy_of(office)
    whereabouts = None
    if employee is not None:
        joiner = Joiner(policy, await _known(settings, employee), legal_table(settings), geo_table(settings))
        whereabouts = Whereabouts(lambda: joiner)
    async with serving(settings, office.people, policy, whereabouts) as service:
        yield service


async def _known(settings: Settings, employee: str) -> Knowledge:
    """Return what the directories know of one employee."""
    knowledge = Knowledge()

    def take(record: Any) -> None:
        try:
            if record.value is None:
                key = parse_row_key(record.key)
                if key.subject == employee:
                    knowledge.withdraw(record.topic, key)
                return
            row = with_recorded_at(DIRECTORY[record.topic].decode(record.value), record.timestamp)
        except BadRecordError:
            return  # the workers put it away
        if row.subject == employee:
            knowledge.apply(row)

    for topic in ASKED_OF:
        await partitions_there(settings, topic)
        await read_topic(settings, topic, take)
    return knowledge


def wanted(signer: Signer, **fields: Any) -> Approval:
    """Return a signed request; `reason` is the request's, the others are the approval's.

    Raises:
        ConfigurationError: something is too long, or no text.
    """
    reason = fields.pop("reason")
    at = now_ms()
    approval = Approval(approval_id=secrets.token_hex(8), requested=Signed(by=signer.name, at=at), **fields)
    return checked(step(approval, "requested", signer, at, reason=reason))


def checked(approval: Approval) -> Approval:
    """Return the approval, as it is read back.

    Raises:
        ConfigurationError: something in it is longer than is stored, or no text.
    """
    try:
        return msgspec.json.decode(msgspec.json.encode(approval), type=Approval)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"too long, or of another form than is stored: {error}") from None
    except UnicodeEncodeError:
        raise ConfigurationError("--reason, --ticket, --purpose, --dataset: not text in UTF-8") from None


async def ask(settings: Settings, office: Office, approval: Approval) -> Approval:
    """Store a request."""
    async with desk(settings, office) as service:
        return await service.take(approval, "requested")


async def take_break_glass(settings: Settings, office: Office, signer: Signer, approval: Approval) -> Approval:
    """Store a break-glass: asked for and taken at once."""
    taken = step(approval, "approved", signer, approval.requested.at)
    async with desk(settings, office, employee_of(office, signer)) as service:
        return await service.take(taken, "requested", "approved")


async def answer(
    settings: Settings, office: Office, signer: Signer, approval_id: str, name: StepName, reason: str
) -> Approval:
    """Approve, refuse, withdraw or review; return what stands then.

    Raises:
        StepRefusedError: not by them, or not now.
    """
    employee = employee_of(office, signer)
    async with desk(settings, office, employee if name == "approved" else None) as service:
        stands = await service.standing(approval_id)
        if stands is None:
            raise StepRefusedError(f"{approval_id!r}: no such approval; see `cloverwatch approvals list --all`")
        now, place = now_ms(), ""
        if name == "approved" and service.whereabouts is not None and "approver" in office.people[signer.name].roles:
            if (why := service.whereabouts.refusal(employee, now)) is not None:
                raise StepRefusedError(why)
            place = service.whereabouts.located(employee, now).place.country or ""
        return await service.take(checked(step(stands, name, signer, now, reason=reason, place=place)), name)


async def everything(settings: Settings, office: Office) -> list[Approval]:
    """Return every approval that stands, in the order in which they were asked for."""
    async with desk(settings, office) as service:
        return sorted(service.tail.approvals.values(), key=lambda each: (each.requested.at, each.approval_id))

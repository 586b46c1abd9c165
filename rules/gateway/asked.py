"""A request as the access that it asks for: the very record that the stream would judge, had it happened now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple, get_args

import msgspec
from msgspec import UNSET, UnsetType

from rules.gateway.keys import CONTEXT
from rules.gateway.request import AccessRequest, BadRequestError
from rules.gateway.section import GatewayPolicy
from schemas.access import AccessEvent, Action, PrincipalType
from schemas.countries import normalise
from schemas.fields import ID_MAX

ACTIONS: Final[tuple[Action, ...]] = get_args(Action)
PRINCIPALS: Final[tuple[PrincipalType, ...]] = get_args(PrincipalType)

EVENT_ID: Final = "asked"
"""Of every hypothetical access: it is none that could be used again."""


class Asked(NamedTuple):
    """A request that is understood: the access it asks for, and the properties that conditions look at."""

    event: AccessEvent
    properties: Mapping[str, Mapping[str, Any]]
    """By `subject`, `action`, `resource` and `context`."""


def principal_of(kind: str, policy: GatewayPolicy) -> PrincipalType | None:
    """Return which principal a subject type is, None where it is none that we know."""
    return kind if kind in PRINCIPALS else policy.subject_types.get(kind)  # type: ignore[return-value]  # one of the four


def action_of(name: str, policy: GatewayPolicy) -> Action:
    """Return which action a name is.

    Raises:
        BadRequestError: it is none of ours, and the policy maps it to none.
    """
    action: Action | None = name if name in ACTIONS else policy.actions.get(name)
    if action is None:
        raise _unknown("action.name", name, {*ACTIONS, *policy.actions})
    return action


def understand(request: AccessRequest, policy: GatewayPolicy, now: int) -> Asked:
    """Return the access that a request asks for, as of `now` (milliseconds).

    Raises:
        BadRequestError: it names the field and what is allowed; the value only where it is one of a closed list.
    """
    subject, resource = request.subject, request.resource
    principal = principal_of(subject.type, policy)
    if principal is None:
        raise _unknown("subject.type", subject.type, {*PRINCIPALS, *policy.subject_types})
    if resource.type not in policy.resource_types:
        raise _unknown("resource.type", resource.type, policy.resource_types)
    action = action_of(request.action.name, policy)
    who, which = _text("subject.id", subject.id), _text("resource.id", resource.id)
    if not who or not which:
        raise BadRequestError(f"{'resource.id' if who else 'subject.id'}: empty; allowed: 1 to {ID_MAX} characters")
    said: dict[str, str] = {
        name: _text(f"context.{name}", request.context[name]) for name in CONTEXT if name in request.context
    }
    if said.get("device_country"):
        try:
            said["device_country"] = normalise(said["device_country"])
        except ValueError as error:
            raise BadRequestError(f"context.device_country: {error}") from None

    def given(name: str) -> str | UnsetType:
        return said.get(name) or UNSET

    event = AccessEvent(
        event_id=EVENT_ID,
        occurred_at=now,
        employee_id=who if principal == "employee" else UNSET,
        principal_type=principal,
        principal_id=UNSET if principal == "employee" else who,
        dataset_id=which,
        action=action,
        source_ip=given("ip"),
        device_country=given("device_country"),
        destination=given("destination"),
        session_id=given("session_id"),
        purpose=given("purpose"),
        ticket=given("ticket"),
    )
    properties: dict[str, Mapping[str, Any]] = {
        "subject": subject.properties,
        "action": request.action.properties,
        "resource": resource.properties,
        "context": {**request.context, **said},
    }
    return Asked(event, properties)


def read_part(name: str, value: Any, to: type[msgspec.Struct]) -> Any:
    """Return a part of a request as `to`.

    Raises:
        BadRequestError: it is not there, or not of that form.
    """
    if value is None:
        raise BadRequestError(f"{name}: required, and not there")
    try:
        return msgspec.convert(value, to)
    except msgspec.ValidationError as error:
        raise BadRequestError(f"{name}: {error}") from None


def _text(field: str, value: Any) -> str:
    if not isinstance(value, str) or len(value) > ID_MAX or "\0" in value:
        raise BadRequestError(f"{field}: allowed is a text of at most {ID_MAX} characters without a NUL among them")
    return value


def _unknown(field: str, value: str, allowed: Iterable[str]) -> BadRequestError:
    return BadRequestError(f"{field}: {value[:ID_MAX]!r} is not known; allowed: {', '.join(sorted(allowed))}")

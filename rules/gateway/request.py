"""What a gateway asks, in the terms of the AuthZEN Authorization API 1.0, and what answers it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import msgspec

from schemas.decision import Decision
from schemas.fields import Id


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """Who: `id` is the employee's id, or the principal's."""

    type: Id
    id: Id
    properties: dict[str, Any] = {}


class AskedAction(msgspec.Struct, frozen=True, kw_only=True):
    """What they would do."""

    name: Id
    properties: dict[str, Any] = {}


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """With which dataset."""

    type: Id
    id: Id
    properties: dict[str, Any] = {}


class AccessRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One access evaluation request.

    `context` may have `ip`, `device_country`, `purpose`, `ticket`, `session_id`, `destination` (strings); what else it
    has is for the policy's conditions.
    """

    subject: Subject
    action: AskedAction
    resource: Resource
    context: dict[str, Any] = {}


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """A decision, and what the employee is told; `record` is for the administrator and the topic."""

    record: Decision
    sentence: str
    """For the employee: why not, or under which obligations; names no rule, no person, no country of theirs."""


class Decider(Protocol):
    """Decides. Pure: the time and the ids are passed in."""

    def decide(self, request: AccessRequest, *, caller: str, now: int, decision_id: str, request_id: str) -> Decided:
        """Return the decision.

        Raises:
            BadRequestError: the request cannot be understood (an unknown subject or resource type, an action that is
                none of ours and that the policy does not map, a property of the wrong type); its text goes to the
                caller.
        """

    def search(
        self,
        kind: Literal["subject", "action", "resource"],
        request: dict[str, Any],
        *,
        caller: str,
        now: int,
        most: int,
    ) -> Sequence[dict[str, str]]:
        """Return whoever or whatever would be allowed, at most so many, in a fixed order.

        Each is `{"type", "id"}`, of actions `{"name"}`.

        `request` is the body as it came, checked here: of an action search without `action`, and so on.

        Raises:
            BadRequestError: as `decide`.
        """


class BadRequestError(ValueError):
    """A request that cannot be understood: HTTP 400. The text says which field, and what is allowed."""

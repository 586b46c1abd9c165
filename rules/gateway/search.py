"""Who may, what may be reached, which actions are allowed: many decisions at once, none of them recorded.

Every candidate is weighed as a decision on it would be. What is not in the directories is no candidate: subjects are
employees with employment rows and workloads with theirs, resources are datasets with rows. The resource types of a
request are all names of datasets, so a search answers under the type that was asked for; properties are those that the
request gives, for every candidate alike, since no others are known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, Final, Literal

import msgspec

from rules.gateway.asked import ACTIONS, action_of, principal_of, read_part, understand
from rules.gateway.request import AccessRequest, AskedAction, BadRequestError, Resource, Subject
from rules.gateway.section import GatewayPolicy
from rules.gateway.weighing import Scales
from rules.knowledge import Knowledge
from schemas.access import PrincipalType
from schemas.fields import Id

CANDIDATES_MAX: Final = 250
"""Candidates that one search weighs, some 200 µs of CPU each: a decision beside it waits for a twentieth of a second at
worst. What lies beyond is found by searching on from where it stopped."""


class Found(list[dict[str, str]]):
    """What a search found, in the order of ids; and whether that is all."""

    __slots__ = ("cut", "last")

    def __init__(self, found: Iterable[dict[str, str]] = (), *, cut: bool = False, last: str = "") -> None:
        """Take what was found.

        Args:
            found: entities, as AuthZEN writes them.
            cut: there were candidates that were not weighed: too many, or enough was found before.
            last: id of the last candidate that was weighed; a search for what comes after it goes on.
        """
        super().__init__(found)
        self.cut = cut
        self.last = last


class _SubjectKind(msgspec.Struct, frozen=True, kw_only=True):
    """A subject of which only the type counts: an `id` is not looked at, as the specification wants it."""

    type: Id
    properties: dict[str, Any] = {}


class _ResourceKind(msgspec.Struct, frozen=True, kw_only=True):
    type: Id
    properties: dict[str, Any] = {}


class _Context(msgspec.Struct, frozen=True, kw_only=True):
    context: dict[str, Any] = {}


class Seeker:
    """Searches under one policy."""

    def __init__(self, scales: Scales, knowledge: Knowledge, policy: GatewayPolicy) -> None:
        self._scales = scales
        self._knowledge = knowledge
        self._policy = policy

    def search(
        self,
        kind: Literal["subject", "action", "resource"],
        request: dict[str, Any],
        *,
        caller: str,
        now: int,
        most: int,
        after: str,
    ) -> Found:
        """Return what would be allowed, at most `most`, behind the id `after`; as `Decider.search` says."""
        if not isinstance(request, dict):
            raise BadRequestError("the request: allowed is an object")
        context = read_part("context", {"context": request.get("context", {})}, _Context).context
        subject = read_part("subject", request.get("subject"), _SubjectKind if kind == "subject" else Subject)
        resource = read_part("resource", request.get("resource"), _ResourceKind if kind == "resource" else Resource)
        action = (
            AskedAction(name="read") if kind == "action" else read_part("action", request.get("action"), AskedAction)
        )
        principal = principal_of(subject.type, self._policy)
        if principal is None or resource.type not in self._policy.resource_types:
            return Found()  # AuthZEN certification c-4-6-2: a type that nobody knows has no entities, and is no error
        action_of(action.name, self._policy)
        names: Iterable[str]
        said: dict[str, str]
        if kind == "subject":
            names, said = self._subjects(principal), {"type": subject.type}

            def asks(name: str) -> AccessRequest:
                who = Subject(type=subject.type, id=name, properties=subject.properties)
                return AccessRequest(subject=who, action=action, resource=resource, context=context)

        elif kind == "resource":
            names, said = self._datasets(caller, principal), {"type": resource.type}

            def asks(name: str) -> AccessRequest:
                what = Resource(type=resource.type, id=name, properties=resource.properties)
                return AccessRequest(subject=subject, action=action, resource=what, context=context)

        else:
            names, said = [*ACTIONS, *self._policy.actions], {}

            def asks(name: str) -> AccessRequest:
                return AccessRequest(subject=subject, action=AskedAction(name=name), resource=resource, context=context)

        label = "name" if kind == "action" else "id"
        return self._seek(sorted(name for name in names if name > after), asks, said, label, caller, now, most)

    def _seek(
        self,
        names: list[str],
        asks: Callable[[str], AccessRequest],
        said: dict[str, str],
        label: str,
        caller: str,
        now: int,
        most: int,
    ) -> Found:
        found: list[dict[str, str]] = []
        weighed, last = 0, ""
        for name in islice(names, CANDIDATES_MAX):
            if len(found) >= most:
                break
            weighed, last = weighed + 1, name
            if self._scales.weigh(understand(asks(name), self._policy, now), caller).allowed:
                found.append({**said, label: name})
        return Found(found, cut=weighed < len(names), last=last)

    def _subjects(self, principal: PrincipalType) -> Iterable[str]:
        people = self._knowledge.people
        if principal == "employee":
            return (name for name, person in people.items() if person.employment is not None)
        if principal in ("workload", "service"):
            return (name for name, person in people.items() if person.workload is not None)
        return ()  # of externals no directory speaks

    def _datasets(self, caller: str, principal: PrincipalType) -> Iterable[str]:
        return (name for name in self._knowledge.datasets if self._scales.serves(caller, name, principal))

"""Who may, what may be reached, which actions are allowed: many decisions at once, none of them recorded.

Every candidate is weighed as a decision on it would be. What is not in the directories is no candidate: subjects are
employees with employment rows and workloads with theirs, resources are datasets with rows. The resource types of a
request are all names of datasets, so a search answers under the type that was asked for; properties are those that the
request gives, for every candidate alike, since no others are known.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
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
"""Candidates that one search weighs, some 200 µs of CPU each: a twentieth of a second in all. What lies beyond is found
by searching on from where it stopped."""

WEIGHED_AT_ONCE: Final = 10
"""Candidates that are weighed before others have their turn: decisions wait some 2 ms for a search, not 50."""

LOOKED_AT_ONCE: Final = 5_000
"""Names of a directory that are looked at before others have their turn, likewise: a fraction of a microsecond each."""

Slices = Generator[None, None, "Found"]
"""A search in small pieces: whoever runs it may let others go first whenever it yields."""


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

    def slices(
        self,
        kind: Literal["subject", "action", "resource"],
        request: dict[str, Any],
        *,
        caller: str,
        now: int,
        most: int,
        after: str,
    ) -> Slices:
        """Find what would be allowed, at most `most`, behind the id `after`; as `DecisionPoint.search` says."""
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
        scales = self._scales
        wanted: Callable[[str], bool]
        said: dict[str, str]
        if kind == "subject":
            names, wanted, said = list(self._knowledge.people), self._subjects(principal), {"type": subject.type}

            def asks(name: str) -> AccessRequest:
                who = Subject(type=subject.type, id=name, properties=subject.properties)
                return AccessRequest(subject=who, action=action, resource=resource, context=context)

        elif kind == "resource":
            names, said = list(self._knowledge.datasets), {"type": resource.type}

            def wanted(name: str) -> bool:
                return scales.serves(caller, name, principal)

            def asks(name: str) -> AccessRequest:
                what = Resource(type=resource.type, id=name, properties=resource.properties)
                return AccessRequest(subject=subject, action=action, resource=what, context=context)

        else:
            names, said = [*ACTIONS, *self._policy.actions], {}

            def wanted(_: str) -> bool:
                return True

            def asks(name: str) -> AccessRequest:
                return AccessRequest(subject=subject, action=AskedAction(name=name), resource=resource, context=context)

        label = "name" if kind == "action" else "id"
        candidates = yield from _first(names, wanted, after, CANDIDATES_MAX + 1)
        found: list[dict[str, str]] = []
        weighed, last = 0, ""
        for name in candidates[:CANDIDATES_MAX]:
            if len(found) >= most:
                break
            if weighed and weighed % WEIGHED_AT_ONCE == 0:
                yield
            weighed, last = weighed + 1, name
            if scales.weigh(understand(asks(name), self._policy, now), caller).allowed:
                found.append({**said, label: name})
        return Found(found, cut=weighed < len(candidates), last=last)

    def _subjects(self, principal: PrincipalType) -> Callable[[str], bool]:
        """Return whether a name is a subject of a kind."""
        people = self._knowledge.people
        if principal == "employee":
            return lambda name: people[name].employment is not None
        if principal in ("workload", "service"):
            return lambda name: people[name].workload is not None
        return lambda _: False  # of externals no directory speaks


def _first(names: list[str], wanted: Callable[[str], bool], after: str, most: int) -> Generator[None, None, list[str]]:
    """Find the first `most` names behind `after`, in their order, without sorting a directory of a million."""
    found: list[str] = []
    for at in range(0, len(names), LOOKED_AT_ONCE):
        if at:
            yield
        beyond = found[-1] if len(found) == most else None
        some = names[at : at + LOOKED_AT_ONCE]
        found += [name for name in some if name > after and (beyond is None or name < beyond) and wanted(name)]
        found.sort()
        del found[most:]
    return found

"""What became of requests to see who somebody is: read from the log, in its order, under the policy's keys.

Nothing counts that is not signed by somebody whom the policy names, and time is the log's, not that of whoever asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from msgspec.structs import replace

from alerts.people import Person, PersonRole
from alerts.signatures import Signer, good
from schemas.fields import iso
from schemas.request import LIFE_MAX, Step

State = Literal["waiting", "approved", "denied", "opened", "expired", "invalid"]

MAY: Final[Mapping[str, tuple[PersonRole, ...]]] = {
    "requested": ("officer",),
    "approved": ("officer",),
    "denied": ("officer",),
    "opened": ("officer",),
    "looked": ("analyst", "officer"),
    "exported": ("officer",),
    "erased": ("officer",),
}
"""Who may do it."""

ALONE: Final = frozenset({"looked", "exported", "erased"})
"""Steps that are requests of their own."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A step as it lies in the log."""

    step: Step
    at: int
    """Append time, milliseconds since 1970."""
    offset: int


@dataclass(slots=True)
class Request:
    """One request, as far as the log was read."""

    asked: Stored
    invalid: str | None = None
    """Why it does not count."""
    approval: Stored | None = None
    denial: Stored | None = None
    opening: Stored | None = None
    refused: list[tuple[Stored, str]] = field(default_factory=list)
    """Answers that do not count, and why."""

    @property
    def ends(self) -> int:
        """Return the time from which on it can no longer be answered."""
        return self.asked.at + self.asked.step.life

    def state(self, now: int) -> State:
        """Return what can be done with it at `now`, milliseconds."""
        if self.invalid is not None:
            return "invalid"
        if self.opening is not None:
            return "opened"
        if self.denial is not None:
            return "denied"
        if now >= self.ends:
            return "expired"
        return "waiting" if self.approval is None else "approved"


def signed(step: Step, signer: Signer) -> Step:
    """Return the step with the signature of `signer`, whose name must be its `by`.

    Raises:
        ValueError: it is somebody else's.
    """
    if step.by != signer.name:
        raise ValueError(f"the key is that of {signer.name!r}, the step is by {step.by!r}")
    return replace(step, signature=signer.sign(step.signed_part()))


def wrong_with(step: Step, people: Mapping[str, Person]) -> str | None:
    """Return why a step cannot count, whatever came before it; None where it can."""
    who = people.get(step.by)
    if who is None:
        return f"{step.by!r} is not in the policy's [people]"
    if not step.signature or not good(step.signed_part(), step.signature, who.key):
        return f"not signed with the key that the policy names for {step.by!r}"
    if not set(MAY[step.kind]) & set(who.roles):
        return f"{step.by!r} is no {' and no '.join(MAY[step.kind])}"
    if step.kind in {"requested", *ALONE}:
        if not step.reason.strip():
            return "it has no reason"
        if not step.subject:
            return "it says nothing of whom it is about"
    if step.kind == "requested" and not 0 < step.life <= LIFE_MAX:
        return f"it is to stand for {step.life} ms; allowed: more than 0, at most {LIFE_MAX}"
    return None


def fold(steps: Iterable[Stored], people: Mapping[str, Person]) -> dict[str, Request]:
    """Return every request by its id, in the order of the log.

    Answers to what was never asked are left out: they have no one to be shown with. Of two equal records (a producer
    that tried again) the first counts.
    """
    found: dict[str, Request] = {}
    seen: set[Step] = set()
    for stored in steps:
        step = stored.step
        if step in seen:
            continue
        seen.add(step)
        request = found.get(step.request_id)
        if step.kind in {"requested", *ALONE}:
            if request is None:
                found[step.request_id] = Request(stored, wrong_with(step, people))
            else:
                request.refused.append((stored, "its request id is taken"))
        elif request is not None:
            _answer(request, stored, people)
    return found


def _answer(request: Request, stored: Stored, people: Mapping[str, Person]) -> None:
    step = stored.step
    if (why := wrong_with(step, people) or _untimely(request, stored)) is not None:
        request.refused.append((stored, why))
    elif step.kind == "approved":
        request.approval = stored
    elif step.kind == "denied":
        request.denial = stored
    else:
        request.opening = stored


def _untimely(request: Request, stored: Stored) -> str | None:
    """Return why a good step does not fit what came before it."""
    step, asked = stored.step, request.asked.step
    if request.invalid is not None:
        return f"the request does not count: {request.invalid}"
    if asked.kind in ALONE:
        return "it answers what asks for nothing"
    if step.over != asked.digest():
        return "it answers another request than the one that stands under this id"
    if request.opening is not None:
        return f"it was opened on {iso(request.opening.at)}"
    if request.denial is not None:
        return f"it was denied by {request.denial.step.by!r}"
    if step.kind == "denied":
        return None
    if stored.at >= request.ends:
        return f"the request expired on {iso(request.ends)}"
    if step.kind == "approved":
        if step.by == asked.by:
            return "nobody approves what they ask for themselves"
        if request.approval is not None:
            return f"it was approved by {request.approval.step.by!r} before"
        return None if step.box else "it has no box for whoever asked"
    if step.by != asked.by:
        return f"only {asked.by!r} opens what they asked for"
    return None if request.approval is not None else "nobody has approved it"

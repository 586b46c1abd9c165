"""Which steps of an approval count: signed by whom the policy names, allowed to them, and possible after what was.

An approval is the sum of its steps. Each is signed over the hash of what is granted, so that steps of one approval
written at the same time by two people can be put together in the order of the log, and none can be moved to another.
Each has a record of its own, and counts only if the broker stored one near the time that it claims: nothing is dated
back, neither for whoever heard of it when it came nor for whoever reads what compaction has left.
Pure: what only the directories and the law know is asked through `Terms`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from alerts.people import Person
from alerts.signatures import Signer, good
from schemas.approval import STEPS, Approval, Signed, StepName
from schemas.fields import iso

ANSWERS: Final = STEPS[1:]
"""Every step after the first, in the order in which they can follow."""

STORED_WITHIN_MS: Final = 5 * 60_000
"""How far the time of a step may be from when the broker stored it: clocks differ, and a request takes a moment.
Beyond it, somebody dates a grant back to cover what was done before it, or writes an old record once more."""

ENDINGS: Final[frozenset[StepName]] = frozenset({"refused", "withdrawn"})
"""Steps that only take away. They count however late they are stored: one that was lost and is written again must not
be passed over, or what was withdrawn would hold again for whoever starts later."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a policy lets approvals be, and what the directories say of people. Durations are milliseconds."""

    longest: int
    break_glass_longest: int
    """0: nobody may."""
    inside: Callable[[str, int], bool]
    """Whether a country is inside the perimeter at a time."""
    elsewhere: Callable[[str, int], str | None]
    """Says why an employee was known not to be inside at a time; None where they were, or nothing is known."""
    lacking: Callable[[str, int], str | None]
    """Says why an employee may not take break-glass at a time; None where they may, or nothing is known."""


def step(approval: Approval, name: StepName, signer: Signer, at: int, *, reason: str = "", place: str = "") -> Approval:
    """Return the approval with one step more, signed.

    Args:
        approval: as it stands; its `requested` is replaced where that is the step.
        name: which step.
        signer: whose.
        at: when, milliseconds since 1970.
        reason: why.
        place: of an approval, the country in which the signer is.
    """
    signature = signer.sign(approval.step_part(name, signer.name, at, reason, place))
    taken = Signed(by=signer.name, at=at, reason=reason, place=place, signature=signature)
    return replace(approval, **{name: taken})


def added(
    before: Approval | None, record: Approval, stored_at: int | None, people: Mapping[str, Person], terms: Terms
) -> tuple[Approval | None, str | None]:
    """Return what stands after a record, and why the record does not count; then it is what stood before.

    Args:
        before: what stands under the record's id; None: nothing.
        record: what was stored.
        stored_at: when the broker stored it, milliseconds since 1970; None: not known (of a file), and not asked.
        people: the policy's.
        terms: the policy's.
    """
    if before is None:
        if (why := _wrong_request(record, people, terms)) is not None:
            return None, why
        now = replace(record, approved=None, refused=None, withdrawn=None, reviewed=None)
        fresh: list[StepName] = ["requested"]
    elif record.digest() != before.digest():
        return before, "it grants something else than what stands under its id"
    elif record.requested != before.requested:
        return before, "it was asked for by another, or another time, than what stands under its id"
    else:
        now, fresh = before, []
    for name in ANSWERS:
        taken, had = getattr(record, name), getattr(now, name)
        if taken is None or taken == had:
            continue
        why = _untimely(now, name, taken) or _wrong_answer(now, name, taken, people, terms)
        if why is not None:
            return before, f"{name}: {why}"
        now = replace(now, **{name: taken})
        fresh.append(name)
    for name in fresh:
        if (why := misdated(record, name, stored_at)) is not None:
            return before, why
    return now, None


def as_of(approval: Approval, name: StepName) -> Approval:
    """Return the record of a step: the approval without what can only follow it.

    So the loss of another step's record, the one after it, does not make this one count no more.
    """
    return replace(approval, **dict.fromkeys(STEPS[STEPS.index(name) + 1 :]))


def misdated(record: Approval, name: StepName, stored_at: int | None) -> str | None:
    """Return why a record, stored when it was, does not bear out when a step was taken; None where it does."""
    taken: Signed | None = getattr(record, name)
    if taken is None or stored_at is None or abs(stored_at - taken.at) <= STORED_WITHIN_MS:
        return None
    if name in ENDINGS and taken.at < stored_at:
        return None
    return (
        f"{name}: the step of {taken.by!r} is of {iso(taken.at)} and was stored at {iso(stored_at)}; allowed: within "
        f"{STORED_WITHIN_MS // 60_000} minutes"
    )


def _unsigned(approval: Approval, name: str, taken: Signed, people: Mapping[str, Person]) -> str | None:
    who = people.get(taken.by)
    if who is None:
        return f"{taken.by!r} is not in the policy's [people]"
    part = approval.step_part(name, taken.by, taken.at, taken.reason, taken.place)
    if not taken.signature or not good(part, taken.signature, who.key):
        return f"not signed by {taken.by!r} with the key that the policy names, or changed since"
    return None


def _wrong_request(record: Approval, people: Mapping[str, Person], terms: Terms) -> str | None:
    asked = record.requested
    if (why := _unsigned(record, "requested", asked, people)) is not None:
        return f"requested: {why}"
    if people[asked.by].employee is None:
        return f"requested: the policy does not say which employee {asked.by!r} is; set people.{asked.by}.employee"
    if not asked.reason.strip():
        return "requested: it has no reason"
    if not record.datasets or not record.actions:
        return "it names no dataset, or no action"
    if record.until <= asked.at:
        return f"it ends at {iso(record.until)}, before it was asked for"
    if not record.break_glass:
        return None
    if not terms.break_glass_longest:
        return "the policy has no [gateway.break_glass]"
    if people[asked.by].employee != record.person:
        return f"break-glass is taken for oneself, and {asked.by!r} is not the employee whom it is for"
    return None


def _untimely(now: Approval, name: StepName, taken: Signed) -> str | None:
    """Return why a step cannot follow what stands."""
    had = getattr(now, name)
    if had is not None:
        return f"{had.by!r} did so before, at {iso(had.at)}"
    if taken.at < now.requested.at:
        return "it is older than the request"
    if now.refused is not None:
        return f"it was refused by {now.refused.by!r}"
    if name == "reviewed":
        if not now.break_glass or now.approved is None:
            return "only break-glass that was taken is reviewed"
        return None if taken.at >= now.approved.at else "it is older than what it reviews"
    if now.withdrawn is not None:
        return f"it was withdrawn by {now.withdrawn.by!r}"
    # An ending that is older than the approval counts: what was refused or withdrawn is not approved after that, in
    # whichever order the log has it.
    if name == "refused" and now.approved is not None and taken.at > now.approved.at:
        return f"it was approved by {now.approved.by!r}; withdraw it"
    if name == "withdrawn" and now.approved is not None and taken.at >= now.until:
        return f"it ended at {iso(now.until)}: there is nothing to withdraw"
    return None


def _wrong_answer(
    now: Approval, name: StepName, taken: Signed, people: Mapping[str, Person], terms: Terms
) -> str | None:
    """Return why somebody may not take a step."""
    if (why := _unsigned(now, name, taken, people)) is not None:
        return why
    who = people[taken.by]
    if name == "withdrawn":
        if "approver" in who.roles or taken.by == now.requested.by or who.employee == now.person:
            return None
        return f"{taken.by!r} is no approver, did not ask for it, and it is not theirs"
    if name == "approved" and now.break_glass:
        return _wrong_break_glass(now, taken, terms)
    if "approver" not in who.roles:
        return f"{taken.by!r} is no approver: roles {', '.join(who.roles) or 'none'}"
    if who.employee is None:
        return f"the policy does not say which employee {taken.by!r} is"
    if name == "refused":
        return None
    if name == "reviewed" and not taken.reason.strip():
        return "it does not say what was found"
    if who.employee == now.person:
        return f"{taken.by!r} is the employee whom it is for: it has to be another"
    asker = people.get(now.requested.by)
    if taken.by == now.requested.by or (asker is not None and asker.employee == who.employee):
        return f"{taken.by!r} asked for it: another person has to answer"
    return _wrong_approval(now, taken, who.employee, terms) if name == "approved" else None


def _wrong_break_glass(now: Approval, taken: Signed, terms: Terms) -> str | None:
    if taken.by != now.requested.by:
        return "break-glass is taken by whom it is for, not given by another"
    return _too_long(now, taken, terms.break_glass_longest) or terms.lacking(now.person, taken.at)


def _wrong_approval(now: Approval, taken: Signed, employee: str, terms: Terms) -> str | None:
    if (why := _too_long(now, taken, terms.longest)) is not None:
        return why
    if not taken.place:
        return f"it does not say where {taken.by!r} was; an approver has to be inside the perimeter"
    if not terms.inside(taken.place, taken.at):
        return f"{taken.by!r} was in {taken.place}: outside the perimeter"
    return terms.elsewhere(employee, taken.at)


def _too_long(now: Approval, taken: Signed, longest: int) -> str | None:
    if 0 < now.until - taken.at <= longest:
        return None
    return (
        f"it holds from {iso(taken.at)} until {iso(now.until)}; allowed: until after it begins, and at most "
        f"{longest / 3_600_000:g} h"
    )

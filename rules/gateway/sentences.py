"""What the employee is told: what stands against it and what to do. Names no rule, no person and no country."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from schemas.decision import Obligations

ADVICE: Final[Mapping[str, str]] = {
    "place.third_country": "This data may not be reached from where you are: reach it from inside the perimeter.",
    "place.conditional": "This data may not be reached from where you are: reach it from inside the perimeter.",
    "place.unknown": "It is not known where you are: sign in at an office or on a managed device.",
    "place.conflict": "What is known of where you are does not agree: sign in at an office or on a managed device.",
    "export.outside_perimeter": "The data may not go there: choose a destination inside the perimeter.",
    "dataset.outside_perimeter": "The data is stored where it should not be: tell its owner.",
    "dataset.unknown": "The data is in no directory: ask its owner to enter it.",
    "employee.unknown": "You are in no directory: ask your manager to have you entered.",
    "employee.inactive": "Your employment is not active in the directory: ask your manager to correct it.",
    "role.none": "None of your roles allows this: ask for one that does.",
    "role.out_of_time": "Your role for this has ended or has not begun: have it renewed.",
    "role.place_not_covered": "Your role for this does not hold where you are: use it from a place that it covers.",
    "purpose.not_allowed": "Say for which purpose that your role allows, and under which ticket where it asks for one.",
    "workload.off_place": "This is asked from a network that is not the workload's own: use it from its own.",
}
"""By rule: what stands against an access, and what to do about it."""

OTHERWISE: Final = "This is not allowed as things stand: ask whoever answers for the data."
"""Of a rule that has no sentence here."""

FAILED: Final = "This could not be judged: ask again later, and tell whoever runs the gateway if it stays so."
CALLER: Final = "This gateway does not answer for this data or this kind of account: tell whoever runs it."
TICKET: Final = "A ticket is required: ask again with its number."
MISSING: Final = "Not everything about this is known yet: ask again in a moment."
APPROVAL: Final = "Or ask for an approval."

ALLOWED: Final = "Allowed."
APPROVED: Final = "It rests on an approval, and ends with it."
GLASS: Final = "It rests on break-glass: it was told at once, and will be reviewed."

MOST: Final = 3
"""Sentences of rules in one answer: what is the worst comes first, and nobody reads a list of ten."""


def denial(
    rules: Sequence[str], others: Sequence[str], *, missing: bool, never: Collection[str], approvable: bool
) -> str:
    """Return why not, and what to do.

    Args:
        rules: ids of the rules whose findings stand against it, the gravest first.
        others: sentences of what else does.
        missing: whether a row may only be late.
        never: rules that no approval overrides.
        approvable: whether nothing but rules stands against it.
    """
    said = list(dict.fromkeys(ADVICE.get(rule, OTHERWISE) for rule in rules))[:MOST]
    said += [sentence for sentence in dict.fromkeys(others) if sentence not in said]
    if missing:
        said.append(MISSING)
    elif approvable and not any(rule in never for rule in rules):
        said.append(APPROVAL)
    return " ".join(said)


def allowance(asked: Obligations, *, approved: bool, glass: bool) -> str:
    """Return under which obligations."""
    said = [ALLOWED]
    if asked.pseudonymised:
        said.append("Only the pseudonymised view may be shown.")
    if asked.row_limit is not None:
        said.append(f"At most {asked.row_limit} record{'' if asked.row_limit == 1 else 's'} at a time.")
    if asked.ticket:
        said.append("Name the ticket with every access.")
    if glass:
        said.append(GLASS)
    elif approved:
        said.append(APPROVED)
    return " ".join(said)

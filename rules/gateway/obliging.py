"""What an access is allowed under: the strictest of all that the policy asks for such data, from there, to do that."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Final

from rules.facts import Facts
from rules.gateway.section import Obliging
from schemas.decision import Obligations

NOTHING: Final = Obligations()


def obligations_of(facts: Facts, policy: Sequence[Obliging]) -> Obligations:
    """Return what is asked of an access with these facts; places count by the class that roles and rules go by."""
    matching = [
        each
        for each in policy
        if (not each.sensitivity or facts.sensitivity in each.sensitivity)
        and (not each.places or facts.effective in each.places)
        and (not each.actions or facts.action in each.actions)
    ]
    return reduce(_stricter, matching, NOTHING)


def _stricter(so_far: Obligations, more: Obliging) -> Obligations:
    limits = [limit for limit in (so_far.row_limit, more.row_limit) if limit is not None]
    return Obligations(
        pseudonymised=so_far.pseudonymised or more.pseudonymised,
        row_limit=min(limits, default=None),
        ticket=so_far.ticket or more.ticket,
    )

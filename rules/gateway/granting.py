"""Which approval covers an access: by whom, on which data, what for, and on which times. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import NamedTuple

from rules.gateway.section import GatewayPolicy
from schemas.access import Action
from schemas.approval import Approval


class Access(NamedTuple):
    """What an approval has to cover, apart from the time."""

    person: str
    """The employee's id."""
    dataset_id: str
    action: Action
    purpose: str | None
    ticket: str | None


class Grant(NamedTuple):
    """An approval with the time [`since`, `until`) on which it holds under a policy, milliseconds."""

    approval: Approval
    since: int
    until: int


def longest(gateway: GatewayPolicy, approval: Approval) -> int:
    """Return how long an approval may hold at most, milliseconds; 0 of break-glass where the policy has none."""
    return gateway.break_glass_longest if approval.break_glass else gateway.approvals_longest


def span(approval: Approval, gateway: GatewayPolicy) -> Grant | None:
    """Return when an approval holds, None where it never does; whatever the record says, no longer than may be."""
    since = approval.since
    if since is None or approval.refused is not None:
        return None
    until = min(approval.ends, since + longest(gateway, approval))
    return Grant(approval, since, until) if since < until else None


def concerns(approval: Approval, access: Access) -> bool:
    """Whether an approval is about such an access at all, whenever it holds.

    A purpose or a ticket that the approval names must be the access's; one that it does not name is not asked for.
    """
    return (
        approval.person == access.person
        and access.action in approval.actions
        and (not approval.purpose or approval.purpose == access.purpose)
        and (not approval.ticket or approval.ticket == access.ticket)
        and any(fnmatchcase(access.dataset_id, pattern) for pattern in approval.datasets)
    )


def grants(approvals: Iterable[Approval], access: Access, gateway: GatewayPolicy) -> Iterator[Grant]:
    """Yield whatever is granted of an access, at any time."""
    for approval in approvals:
        if concerns(approval, access) and (grant := span(approval, gateway)) is not None:
            yield grant


def holding(given: Iterable[Grant], at: int, *, break_glass: bool) -> Approval | None:
    """Return which grant holds at a time, of break-glass or of the others; None where none does.

    Of several the one that ends last, then the first id: the same one whatever the order in which they were read.
    """
    held = [each for each in given if each.since <= at < each.until and each.approval.break_glass == break_glass]
    return min(held, key=lambda each: (-each.until, each.approval.approval_id)).approval if held else None


def covering(approvals: Iterable[Approval], access: Access, gateway: GatewayPolicy, at: int) -> Approval | None:
    """Return the approval that covers an access at a time, None where none does; one that another person gave first."""
    given = tuple(grants(approvals, access, gateway))
    return holding(given, at, break_glass=False) or holding(given, at, break_glass=True)

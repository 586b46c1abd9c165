"""Which destinations there were: what the policies in force name, each of which owes a receipt for every alert.

A destination answers for each alert in its receipt, also for one that no route leads to it (`not_routed`): so a receipt
is owed whatever the routes say, and one of which all receipts are missing is missed.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

import msgspec

from schemas.coverage import InForce
from schemas.fields import iso

GIVEN_UP_WITHIN_MS: Final = 15 * 60_000
"""How long before a policy that names a destination no more it may have stopped answering: whoever delivers takes the
new policy some seconds earlier or later than the worker that says so, and gives up what is under way."""

UNKNOWN: Final = (
    "which destinations there were is not in all of the log (it was written by a version that did not say it): of a "
    "destination without any receipt nothing would be missed there"
)

ROUTES: Final = (
    "whether an alert was rightly not sent to a destination (`not_routed`, `silenced`) is not in the log: routes and "
    "silences are in the policy's file, whose SHA-256 is"
)


class Named(msgspec.Struct, frozen=True):
    """A time in which a destination was named."""

    name: str
    since: int
    until: int
    """0: still at the log's end."""
    policy: str
    """Which named it first."""
    gone: str
    """Which named it no more; empty while it is named."""


class Destinations:
    """What the policies in force name, as workers say it.

    A destination that is new begins at the beginning of `alerts`; so it owes whatever is stored while it is named.
    """

    def __init__(self, in_force: Sequence[tuple[int, InForce]]) -> None:
        """Take the records of policies in force, in the order of the log."""
        self._records = sorted((record for _, record in in_force), key=lambda each: each.at)
        self._since = [each.at for each in self._records]
        self._sets = [None if each.destinations is None else frozenset(each.destinations) for each in self._records]

    @property
    def known(self) -> bool:
        """Whether every policy in force says which there are."""
        return None not in self._sets

    def owing(self, at: int) -> frozenset[str]:
        """Return which owe a receipt for an alert that was stored at `at`, milliseconds; none where it is not known."""
        first = bisect_right(self._since, at) - 1
        found = self._sets[first] if first >= 0 else None
        if found is None:
            return frozenset()
        for each in self._sets[first + 1 : bisect_right(self._since, at + GIVEN_UP_WITHIN_MS)]:
            found = found & (each or frozenset())
        return found

    def named(self) -> list[Named]:
        """Return when which was named; one that came back stands twice."""
        found: list[Named] = []
        open_: dict[str, Named] = {}
        for record, names in zip(self._records, self._sets, strict=True):
            gone = frozenset[str]() if names is None else open_.keys() - names
            found += [msgspec.structs.replace(open_.pop(name), until=record.at, gone=record.policy) for name in gone]
            new = (names or frozenset()) - open_.keys()
            open_ |= {name: Named(name, record.at, 0, record.policy, "") for name in new}
        return sorted([*found, *open_.values()], key=lambda each: (each.name, each.since))


def lines(found: Destinations) -> list[str]:
    """Return the part of the report."""
    return [
        f"  destination {each.name}: named by the policy {each.policy} from {iso(each.since)}"
        + (f" until {iso(each.until)}, by {each.gone} no more" if each.gone else "")
        for each in found.named()
    ] or ["  destinations       none are named, or the log does not say which"]

"""Where an employee is, and which roles they hold, as the directories know it: asked of whoever approves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from alerts.approvals import Terms
from rules.join import Joiner, country_name
from rules.jurisdictions import LegalTable, shipped
from rules.place import Interval, Located
from rules.policy import Policy
from schemas.fields import iso
from schemas.places import PlaceClass


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Answers from the directories of a joiner, which is asked for anew each time: a new policy has a new one."""

    joiner: Callable[[], Joiner]

    def located(self, employee: str, at: int, address: str = "") -> Located:
        """Return all that is known of where an employee was; `address` is where they call from, empty if not known."""
        joiner = self.joiner()
        person = joiner.knowledge.find(employee)
        origin = joiner.origin(address) if address else None
        standing = joiner.standing(person, at)
        return joiner.locate(person, standing, at, None, origin, joiner.policy.regime, Interval())

    def refusal(self, employee: str, at: int, address: str = "") -> str | None:
        """Return why somebody may not approve now; None where they are inside the perimeter, and nothing denies it."""
        found = self.located(employee, at, address)
        place = found.place
        if place.place_class is PlaceClass.UNKNOWN:
            return (
                "nothing is known of where you are; allowed: inside the perimeter, on the evidence of a badge, a "
                "device or travel in directory.locations, or of the address that you call from"
            )
        if place.place_class is not PlaceClass.INSIDE:
            return (
                f"you are in {country_name(place.country)} ({place.place_class.value}); allowed: inside the perimeter"
            )
        if place.presumed:
            return (
                "only your contract says where you are, and that is no evidence of where you are now; allowed: inside "
                "the perimeter, on the evidence of a badge, a device, travel or the address that you call from"
            )
        return _contradicted(found)

    def elsewhere(self, employee: str, at: int) -> str | None:
        """Return why the directories say that an employee was not inside; None where they do not say so."""
        found = self.located(employee, at)
        if found.place.place_class not in {PlaceClass.INSIDE, PlaceClass.UNKNOWN}:
            return f"the approver was in {country_name(found.place.country)} at {iso(at)}: outside the perimeter"
        return _contradicted(found)

    def lacking(self, employee: str, at: int) -> str | None:
        """Return why an employee may not take break-glass; None where they may."""
        joiner = self.joiner()
        gateway = joiner.policy.gateway
        roles = frozenset[str]() if gateway is None or gateway.break_glass is None else gateway.break_glass.roles
        held = joiner.standing(joiner.knowledge.find(employee), at).roles
        if not set(held).isdisjoint(roles):
            return None
        return f"break-glass is for the roles {', '.join(roles) or '(none)'}; held: {', '.join(sorted(held)) or 'none'}"


def _contradicted(found: Located) -> str | None:
    if found.conflict is None or found.conflict_class is None:
        return None
    return (
        f"{found.conflict.kind} says {country_name(found.conflict.country)} ({found.conflict_class.value}) against "
        f"{country_name(found.place.country)}; allowed: inside the perimeter, with no evidence of another place"
    )


def terms_of(policy: Policy, legal: LegalTable | None = None, whereabouts: Whereabouts | None = None) -> Terms | None:
    """Return what a policy lets approvals be; None where it has no `[gateway]`.

    Args:
        policy: the policy.
        legal: the law of places; None: the shipped one.
        whereabouts: what the directories say; None where there are none to ask, and the signed place has to do.
    """
    gateway = policy.gateway
    if gateway is None:
        return None
    return Terms(
        longest=gateway.approvals_longest,
        break_glass_longest=gateway.break_glass_longest,
        inside=partial(_inside, policy, legal or shipped()),
        elsewhere=_nothing if whereabouts is None else whereabouts.elsewhere,
        lacking=_nothing if whereabouts is None else whereabouts.lacking,
    )


def _inside(policy: Policy, legal: LegalTable, country: str, at: int) -> bool:
    return legal.classify(country, at, policy.regime, policy.perimeter).cls is PlaceClass.INSIDE


def _nothing(employee: str, at: int) -> str | None:  # noqa: ARG001 - the signature of what is asked otherwise
    return None

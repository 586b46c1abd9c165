"""What an access can have against the decision that it needs: one table, with what a person needs to trust or tune it.

Ids are the `rule_id` of alerts of the family `gateway`; the policy may turn one off or give it another severity, as any
other rule (`[rules."gateway.wider"]`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rules.policy import Policy
from schemas.alert import Severity
from schemas.directory import Sensitivity
from schemas.places import PlaceClass

FAMILY: Final = "gateway"
"""Of the alerts: one access has at most one of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One way in which what was done is not what was decided."""

    id: str
    version: int = 1
    title: str
    severity: Severity
    why: str
    example: str
    tune: str

    def enabled(self, policy: Policy) -> bool:
        """Whether the policy lets it be told."""
        return policy.settings(self.id).enabled

    def severity_in(self, policy: Policy, sensitivity: Sensitivity, place: PlaceClass) -> Severity:
        """Return its severity under a policy; `matrix` is by sensitivity and the class of the place."""
        said = policy.settings(self.id).severity
        if said is None:
            return self.severity
        return policy.severity(sensitivity, place) if said == "matrix" else said


_WHICH: Final = "`must_pass`, `sensitivities` and `principals` of `[gateway]` say which accesses need a decision."

BYPASS: Final = Kind(
    id="gateway.bypass",
    title="Reached without a gateway's decision",
    severity="critical",
    why="Data behind gateways is reached through them alone: an access without a decision has found another way, and "
    "every other control is void on it.",
    example="A dump over a database's own port, which no gateway was asked about.",
    tune=f"{_WHICH} `wait` is how much later than the access its decision may arrive.",
)
DENIED: Final = Kind(
    id="gateway.denied_yet_done",
    title="Done although the gateway denied it",
    severity="critical",
    why="A denial that nobody enforces is worse than none: it is believed.",
    example="The gateway answered deny; the proxy let the request through after a faulty deployment.",
    tune=_WHICH,
)
EXPIRED: Final = Kind(
    id="gateway.expired",
    title="Done after the decision had expired",
    severity="medium",
    why="A decision holds for minutes because whom it is about moves, and loses roles and approvals.",
    example="A connection that was opened under a decision and read on for hours.",
    tune="`valid_for` of `[gateway]`; the clocks of gateway and data plane.",
)
WIDER: Final = Kind(
    id="gateway.wider",
    title="More than the gateway granted",
    severity="high",
    why="What was granted is a dataset, an action, a number of records, a ticket and a destination; more was taken.",
    example="A read that was granted for 100 records came back with 40,000.",
    tune="`[[gateway.obligations]]` say how many records, and whether a ticket must be named; `rows_unsaid` whether an "
    "access that does not say how many is told.",
)
OTHER_PERSON: Final = Kind(
    id="gateway.other_person",
    title="Done with somebody else's decision",
    severity="critical",
    why="A decision is about one person; another one who uses it was never looked at.",
    example="A token of a colleague's session, pasted into a script.",
    tune="Decisions are remembered for an hour after `valid_for`; see docs/matching.md.",
)
OTHER_SESSION: Final = Kind(
    id="gateway.other_session",
    title="Done in another session than the one decided on",
    severity="high",
    why="The session is what was authenticated, with its device and its place; a decision does not pass to another.",
    example="A decision made for a laptop's session, used by a second session of the same name.",
    tune="Only where decision and access both name a session.",
)
OTHER_COUNTRY: Final = Kind(
    id="gateway.other_country",
    title="Done from another country than the one decided on",
    severity="high",
    why="Where the person was is what the decision rests on.",
    example="Decided in Dublin; the access came from an address in Singapore two minutes later.",
    tune="Networks of the policy say which addresses say nothing of a place.",
)
OTHER_PURPOSE: Final = Kind(
    id="gateway.other_purpose",
    title="Done for another purpose than the one decided on",
    severity="high",
    why="Data is reached for a purpose (Article 5(1)(b) GDPR), and roles and approvals grant it for that one alone.",
    example="Decided for support, under a role that may do support only; logged as done for marketing.",
    tune="Only where decision and access both name a purpose: gateways and data planes have to use the same names.",
)
OVERUSED: Final = Kind(
    id="gateway.overused",
    title="One decision used far too often",
    severity="medium",
    why="A decision covers a piece of work; thousands of accesses under one are a machine, or a copied decision.",
    example="One decision of a person's session, 50,000 reads within its fifteen minutes.",
    tune="`uses` of `[gateway]`. Told at the first access beyond it and each time the number has doubled.",
)
APPROVAL: Final = Kind(
    id="gateway.approval_missing",
    title="Done under an approval that was not there",
    severity="high",
    why="Data that is closed to somebody was opened by an approval that nobody gave, or that had been withdrawn.",
    example="An approval was withdrawn at noon; at five past the decision that it had opened was still used.",
    tune="Not a threshold: look at `cloverwatch approvals`.",
)
NO_ACCESS: Final = Kind(
    id="gateway.no_access",
    title="A gateway's decisions see no access",
    severity="high",
    why="Decisions without accesses mean that the accesses go unrecorded, or another way.",
    example="The data plane behind a gateway stopped writing its access log.",
    tune="`quiet_after` of the gateway.",
)
QUIET: Final = Kind(
    id="gateway.quiet",
    title="A gateway has gone quiet",
    severity="high",
    why="A gateway that asks nothing any more is down, or lets everything through unasked.",
    example="A gateway was reconfigured and asks another decision point, or none.",
    tune="`quiet_after` of the gateway: longer than its nights are.",
)

KINDS: Final = (
    BYPASS, DENIED, EXPIRED, WIDER, OTHER_PERSON, OTHER_SESSION, OTHER_COUNTRY, OTHER_PURPOSE, OVERUSED, APPROVAL,
    NO_ACCESS, QUIET,
)  # fmt: skip

MATCHING_IDS: Final = frozenset(kind.id for kind in KINDS)

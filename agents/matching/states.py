"""What is told of gateways and of break-glass, which no access shows: by whoever has the first partition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from rules.gateway.section import GatewayPolicy
from rules.gateway.unreviewed import unreviewed, unreviewed_alert
from rules.matching.elsewhere import KEPT_MS
from rules.matching.gateways import Gateways
from rules.matching.report import gateway_alert
from rules.policy import Policy
from schemas.alert import Alert, JudgedWith
from schemas.approval import Approval
from schemas.errors import ConfigurationError

RETOLD_MS: Final = 86_400_000
"""How long after it was due a break-glass without review is told once more by a process that starts: a day."""


def gateway_of(policy: Policy) -> GatewayPolicy:
    """Return the policy's `[gateway]`.

    Raises:
        ConfigurationError: it has none: there is nothing to match with.
    """
    if policy.gateway is None:
        raise ConfigurationError("policy: it has no [gateway], so no access needs a decision; see docs/matching.md")
    return policy.gateway


def kept_of(gateway: GatewayPolicy) -> int:
    """Return how long the ids of decisions are remembered, milliseconds: 16 bytes each, so never for `quiet_after`."""
    return gateway.valid_for + KEPT_MS


def heard_of(gateway: GatewayPolicy) -> int:
    """Return how far back decisions are read at the start, so that gateways are heard, milliseconds."""
    return max(kept_of(gateway), *(2 * after for after in gateway.quiet_after.values()), 0)


class States:
    """Looks at gateways and at break-glass; each state is told once by a process, under the same id by every one.

    Args:
        gateways: has heard everybody's decisions.
        approvals: by id, as they stand.
    """

    def __init__(self, gateways: Gateways, approvals: Mapping[str, Approval]) -> None:
        self._gateways, self._approvals = gateways, approvals
        self._told: set[str] = set()

    def look(self, policy: Policy, now: int, known_to: int, judged_with: JudgedWith) -> list[Alert]:
        """Return what is to be told now.

        Args:
            policy: with a `[gateway]`.
            now: the wall clock, milliseconds.
            known_to: everything that was appended until then is heard.
            judged_with: what it rests on.
        """
        gateway = gateway_of(policy)
        alerts = [
            gateway_alert(
                each.kind,
                each.gateway,
                each.sentence,
                since=each.since,
                detected_at=now,
                judged_with=judged_with,
                policy=policy,
                over=each.over,
            )
            for each in self._gateways.look(known_to, gateway.quiet_after, gateway.wait)
            if each.kind.enabled(policy)
        ]
        for each in unreviewed(self._approvals.values(), gateway, now):
            due = (each.since or 0) + gateway.review_within
            if each.approval_id not in self._told and now - due < RETOLD_MS:
                self._told.add(each.approval_id)
                alerts.append(unreviewed_alert(each, gateway, detected_at=now, judged_with=judged_with))
        return alerts

"""Rules in shadow (`shadow = true` in the policy): judged as they would be, told where nobody is woken.

What a shadowed rule finds becomes an alert of the same form under an id of its own, marked `facts.shadow`, for the
topic `alerts.shadow`. The other rules' alerts are what they would be were it off.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import msgspec

from rules.judge import Verdict
from rules.policy import Policy
from rules.report import digest
from schemas.alert import Alert

SHADOW: Final = "shadow"
"""The fact that marks an alert of the shadow, and what tells its ids from those of the living."""


def live_of(verdict: Verdict, policy: Policy) -> Verdict:
    """Return a verdict without anything that comes of shadowed rules."""
    if not policy.shadowed:
        return verdict
    return replace(
        verdict,
        exempted=tuple(each for each in verdict.exempted if each.finding.rule.id not in policy.shadowed),
        approved=tuple(each for each in verdict.approved if each.finding.rule.id not in policy.shadowed),
        failures=tuple(each for each in verdict.failures if each.rule.id not in policy.shadowed),
        shadowed=(),
    )


def shadow_of(verdict: Verdict, policy: Policy) -> Verdict | None:
    """Return a verdict of what shadowed rules found, or raised; None where they had nothing to say."""
    failures = tuple(each for each in verdict.failures if each.rule.id in policy.shadowed)
    if not verdict.shadowed and not failures:
        return None
    return replace(
        verdict,
        findings=verdict.shadowed,
        exempted=tuple(each for each in verdict.exempted if each.finding.rule.id in policy.shadowed),
        approved=tuple(each for each in verdict.approved if each.finding.rule.id in policy.shadowed),
        failures=failures,
        shadowed=(),
    )


def as_shadow(alert: Alert) -> Alert:
    """Return an alert as one of the shadow: no id of it is ever that of a live alert."""
    return msgspec.structs.replace(
        alert,
        alert_id=digest(SHADOW, alert.alert_id),
        dedup_key=digest(SHADOW, alert.dedup_key),
        facts={**alert.facts, SHADOW: True},
    )

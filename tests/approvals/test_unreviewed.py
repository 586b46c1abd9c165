"""Break-glass is told when it is taken and when nobody looked at it in time; nobody else is named."""

from __future__ import annotations

from typing import Any

from agents.alert_names import alert_names
from rules.cases import DAY, HOUR, T
from rules.gateway.section import GatewayPolicy
from rules.gateway.unreviewed import (
    BREAK_GLASS,
    UNREVIEWED,
    is_taken,
    taken_alert,
    unreviewed,
    unreviewed_alert,
)
from schemas.alert import Alert
from schemas.approval import Approval, Signed
from schemas.codec import ALERT, encode
from tests.approvals.test_steps import POLICY_
from tests.rules.streams import JUDGED_WITH


def gateway() -> GatewayPolicy:
    assert POLICY_.gateway is not None
    return POLICY_.gateway


def glass(number: int = 1, **fields: Any) -> Approval:
    whole: dict[str, Any] = {
        "approval_id": f"a-{number}",
        "person": "e-1",
        "datasets": ("users", "logs*"),
        "actions": ("read", "export"),
        "ticket": "T-1",
        "until": T + HOUR,
        "break_glass": True,
        "requested": Signed(by="anna", at=T, reason="Zoe's data are gone"),
        "approved": Signed(by="anna", at=T + number),
        **fields,
    }
    return Approval(**whole)


def test_what_is_taken_and_not_reviewed_by_then() -> None:
    reviewed = Signed(by="ben", at=T + HOUR, reason="fine")
    every = [
        glass(3),
        glass(1),
        glass(2, reviewed=reviewed),
        glass(4, break_glass=False),
        glass(5, approved=None),
        glass(6, withdrawn=Signed(by="anna", at=T + 10)),
    ]
    assert [each.approval_id for each in every if is_taken(each)] == ["a-3", "a-1", "a-2", "a-6"]
    assert unreviewed(every, gateway(), T + DAY) == []
    assert unreviewed(every, gateway(), T + DAY + 1) == [glass(1)]
    found = [each.approval_id for each in unreviewed(every, gateway(), T + DAY + 6)]
    assert found == ["a-1", "a-3", "a-6"], "also what was ended early"


def test_alerts_of_break_glass_are_whole_and_the_same_whoever_tells() -> None:
    taken = taken_alert(glass(), detected_at=T + 5, judged_with=JUDGED_WITH)
    late = unreviewed_alert(glass(), gateway(), detected_at=T + 2 * DAY, judged_with=JUDGED_WITH)
    for alert, rule, severity, at in (
        (taken, BREAK_GLASS, "high", T + 1),
        (late, UNREVIEWED, "critical", T + 1 + DAY),
    ):
        assert ALERT.decode(encode(alert)) == alert
        assert (alert.rule_id, alert.severity, alert.occurred_at, alert.person) == (rule, severity, at, "e-1")
        assert alert.family in alert_names().families
        assert alert.rule_id in alert_names().rule_ids
        assert "Zoe" not in encode(alert).decode(), "why somebody took it stays on the topic"
        assert "anna" not in encode(alert).decode(), "a pseudonym hides e-1, and not who that is in the policy"
    assert taken.dedup_key == late.dedup_key, "one incident"
    assert _told_by(T + 9).alert_id == taken.alert_id
    assert late.alert_id != taken.alert_id
    assert "read, export of users, logs* until 02 Mar 2026 11:00 UTC" in taken.explanation
    assert taken.facts["approval_id"] == "a-1"


def _told_by(now: int) -> Alert:
    return taken_alert(glass(), detected_at=now, judged_with=JUDGED_WITH)

"""The test alert of `cloverwatch deliver --test`: whoever reads it must see at once that nothing happened."""

from __future__ import annotations

from secrets import token_hex

from schemas.alert import Alert, JudgedWith, Reason


def trial_alert(destination: str, now: int) -> Alert:
    """Return an alert that is marked as a test in every field that a person reads.

    Args:
        destination: where it goes.
        now: milliseconds.
    """
    sentence = f"test of the destination {destination}: nothing happened"
    key = token_hex(16)
    return Alert(
        alert_id=key,
        family="test",
        rule_id="test.delivery",
        severity="low",
        title="TEST: cloverwatch delivers here",
        explanation=f"This is a {sentence}. It closes by itself.",
        reasons=(Reason(rule_id="test.delivery", rule_version=1, severity="low", sentence=sentence),),
        occurred_at=now,
        detected_at=now,
        facts={"test": True},
        judged_with=JudgedWith(policy="", legal_table="", geo_table="", directories="", known={}),
        dedup_key=key,
        test=True,
    )

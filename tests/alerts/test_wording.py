"""Which alert a message is about, and which comment it shows."""

from __future__ import annotations

import msgspec

from alerts.wording import last_comment, lead_of
from schemas.action import Comment, Handling
from tests.alerts.told import AT, alert, notice


def test_what_is_open_comes_before_what_was_graver() -> None:
    lead = lead_of(
        notice(alert("done", status="resolved"), alert("low", severity="low"), alert("high", severity="high"))
    )
    assert lead is not None
    assert lead.alert_id == "high"


def test_the_newest_comment_is_shown_wherever_it_stands() -> None:
    def with_comment(name: str, at: int) -> Handling:
        return Handling(comments=(Comment(by=name, at=at, text="t"),))

    told = notice(
        msgspec.structs.replace(alert("a1"), handled=with_comment("new", AT + 9)),
        msgspec.structs.replace(alert("a2"), handled=with_comment("old", AT)),
    )
    assert last_comment(told) == "new: t"

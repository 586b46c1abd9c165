"""What people do with an alert, as revisions."""

from __future__ import annotations

import pytest
from msgspec import UNSET, structs

from alerts.groups import over
from alerts.life import COMMENTS_MAX, Known, amended, resolved, resolves_at, taken
from alerts.signatures import Signer, sign
from schemas.action import Action, ActionKind, Handling
from schemas.alert import Alert
from tests.delivering.world import a_plan, an_alert

ANNA, BEN = Signer("anna", bytes(32)), Signer("ben", bytes([1] * 32))
NOW = 1_700_000_000_000
PLAN = a_plan(analysts={"anna": ANNA.public, "ben": BEN.public})


def act(kind: ActionKind, alert: Alert, text: str = "", signer: Signer = ANNA, at: int = 5) -> Alert | str | None:
    action = Action(action_id="i", alert_id=alert.alert_id, kind=kind, by=signer.name, at=at, text=text)
    return taken(PLAN, sign(action, signer), Known(alert, 0, 0, 0), NOW)


def made(found: Alert | str | None) -> Alert:
    assert isinstance(found, Alert)
    return found


def handled(alert: Alert) -> Handling:
    assert alert.handled is not UNSET
    assert isinstance(alert.handled, Handling)
    return alert.handled


def test_an_acknowledgement_counts_once_and_only_while_it_is_open() -> None:
    alert = made(act("ack", an_alert("a")))
    assert (alert.revision, alert.status, handled(alert).by) == (1, "amended", "anna")
    assert act("ack", alert, signer=BEN) is None
    assert act("ack", structs.replace(alert, status="resolved", handled=UNSET)) is None
    second = made(act("ack", alert, "I take over", signer=BEN))
    assert (second.cause, second.status, handled(second).state) == ("commented by ben", "amended", "acknowledged")
    assert (handled(second).by, handled(second).comments[-1].text) == ("anna", "I take over")


def test_a_close_ends_it_and_says_why() -> None:
    alert = made(act("close", made(act("ack", an_alert("a"), at=4)), "explained"))
    assert (alert.status, alert.cause, handled(alert).state) == ("resolved", "closed by anna", "closed")
    assert [comment.text for comment in handled(alert).comments] == ["explained"]
    assert act("close", alert) is None
    assert act("close", alert, "explained") is None, "read twice"
    later = made(act("close", alert, "once more", signer=BEN, at=9))
    assert (later.status, later.cause, handled(later).by) == ("resolved", "commented by ben", "anna")
    assert [comment.text for comment in handled(later).comments] == ["explained", "once more"]


def test_a_comment_is_kept_also_on_what_is_over_and_read_twice_is_one() -> None:
    alert = made(act("comment", structs.replace(an_alert("a"), status="resolved"), "late"))
    assert (alert.status, alert.revision) == ("resolved", 1)
    assert act("comment", alert, "late") is None
    for at in range(COMMENTS_MAX + 5):
        alert = made(act("comment", alert, f"c{at}", at=at))
    assert len(handled(alert).comments) == COMMENTS_MAX
    assert handled(alert).comments[-1].text == f"c{COMMENTS_MAX + 4}"


@pytest.mark.parametrize(
    ("signer", "said"),
    [(Signer("anna", bytes([2] * 32)), "not that of"), (Signer("cleo", bytes(32)), "not in the policy")],
)
def test_who_may_not_is_told_so(signer: Signer, said: str) -> None:
    found = act("close", an_alert("a"), "x", signer)
    assert isinstance(found, str)
    assert said in found


def test_what_nobody_knows_is_refused() -> None:
    action = sign(Action(action_id="i", alert_id="a", kind="ack", by="anna", at=5), ANNA)
    assert isinstance(taken(PLAN, action, None, NOW), str)


def test_it_ends_by_itself_some_time_after_the_last_that_came_to_it() -> None:
    alert = an_alert("a", revision=3, detected_at=NOW - 1_000)
    assert resolves_at(alert, 500) == NOW - 500
    assert resolves_at(made(act("ack", alert)), 500) == NOW + 500
    ended = resolved(alert, "why", NOW)
    assert (ended.revision, ended.status, ended.cause, ended.revised_at) == (4, "resolved", "why", NOW)
    assert resolves_at(structs.replace(alert, family="silence"), 500) is None, "its end is found, not presumed"


def test_what_was_closed_and_goes_on_is_open_for_everybody_and_keeps_its_comments() -> None:
    closed = made(act("close", an_alert("a"), "explained"))
    again = amended(an_alert("a", revision=1, status="amended", severity="critical"), closed, NOW)
    assert (again.revision, again.status, again.severity, again.revised_at) == (2, "amended", "critical", NOW)
    assert not over(again)
    assert handled(again).state == "none"
    assert [comment.text for comment in handled(again).comments] == ["explained"]
    withdrawn = amended(an_alert("a", revision=5, status="withdrawn"), closed, NOW)
    assert (withdrawn.revision, withdrawn.status, handled(withdrawn).state) == (6, "withdrawn", "closed")


def test_an_acknowledgement_outlives_an_amendment() -> None:
    acknowledged = made(act("ack", an_alert("a")))
    again = amended(an_alert("a", revision=1, status="amended"), acknowledged, NOW)
    assert (handled(again).state, handled(again).by) == ("acknowledged", "anna")
    assert amended(an_alert("a", revision=1, status="amended"), an_alert("a", revision=1), NOW).handled is UNSET


def test_a_close_that_is_written_once_more_does_not_close_what_was_opened_again() -> None:
    close = made(act("close", an_alert("a"), "explained", at=7))
    again = amended(an_alert("a", revision=2, status="amended"), close, 9)
    assert again.status == "amended"
    assert act("close", again, "explained", at=7) is None
    assert made(act("close", again, "seen", at=8)).status == "resolved"

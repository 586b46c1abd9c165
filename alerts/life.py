"""The life of an alert after it was raised: what people do with it, and when it is over by itself. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from msgspec import structs

from alerts.plan import Plan
from alerts.signatures import verify
from schemas.action import Action, Comment, Handling
from schemas.alert import Alert
from schemas.fields import known as given

COMMENTS_MAX: Final = 50
"""Comments that an alert carries, the last ones: all of them stand in `alerts.actions`."""

OVER: Final = ("resolved", "withdrawn")


@dataclass(slots=True, eq=False)
class Known:
    """An alert as its topic has it."""

    alert: Alert
    partition: int
    offset: int
    """Of the record that holds it."""
    by_worker: int
    """The greatest revision that a worker wrote, as far as is known."""


def resolved(alert: Alert, cause: str) -> Alert:
    """Return the revision that ends an alert by itself."""
    return structs.replace(alert, revision=alert.revision + 1, status="resolved", cause=cause)


def taken(plan: Plan, action: Action, known: Known | None) -> Alert | str | None:
    """Return the revision that an action makes; why it is refused, as a sentence; None where it changes nothing.

    Args:
        plan: names who may act, and their keys.
        action: what somebody did.
        known: the alert, where it is known (open, or resolved not long ago).
    """
    if wrong := verify(action, plan.analysts):
        return wrong
    if known is None:
        return "about an alert that is not open, nor was a while ago"
    alert = known.alert
    handled = given(alert.handled) or Handling()
    comments = handled.comments
    if action.text:
        comment = Comment(by=action.by, at=action.at, text=action.text)
        if comment in comments:
            return None  # read twice
        comments = (*comments, comment)[-COMMENTS_MAX:]
    status, cause = alert.status, ""
    state, by, at = handled.state, handled.by, handled.at
    if action.kind == "close":
        if alert.status in OVER:
            return None
        status, cause, state, by, at = "resolved", f"closed by {action.by}", "closed", action.by, action.at
    elif action.kind == "ack":
        if handled.state != "none" or alert.status in OVER:
            return None
        status, cause, state, by, at = "amended", f"acknowledged by {action.by}", "acknowledged", action.by, action.at
    else:
        status, cause = (alert.status if alert.status in OVER else "amended"), f"commented by {action.by}"
    return structs.replace(
        alert,
        revision=alert.revision + 1,
        status=status,
        cause=cause,
        handled=Handling(state=state, by=by, at=at, comments=comments),
    )

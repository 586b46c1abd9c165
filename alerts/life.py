"""The life of an alert after it was raised: what people do with it, and when it is over by itself. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from msgspec import UNSET, structs

from alerts.formats.ocsf import revised_at
from alerts.plan import Plan
from alerts.signatures import verify
from schemas.action import Action, Comment, Handling
from schemas.alert import Alert
from schemas.fields import known as given

COMMENTS_MAX: Final = 50
"""Comments that an alert carries, the last ones: all of them stand in `alerts.actions`."""

OVER: Final = frozenset({"resolved", "withdrawn"})

LASTING: Final = frozenset({"silence"})
"""Families whose end the monitor finds itself: a source that is silent stays so until it is heard again, and an end
"because nothing was added" would say the contrary."""


@dataclass(slots=True, eq=False)
class Known:
    """An alert as its topic has it."""

    alert: Alert
    partition: int
    offset: int
    """Of the record that holds it."""
    by_worker: int
    """The greatest revision of a worker's that `alert` holds: what is later is news, what is not is a repetition."""


def resolves_at(alert: Alert, after: int) -> int | None:
    """Return when an open alert ends by itself, milliseconds; None: never.

    Counted from the last that came to it: a finding, an acknowledgement, a comment.

    Args:
        alert: its newest revision.
        after: `thresholds.auto_resolve_after`, milliseconds.
    """
    return None if alert.family in LASTING else revised_at(alert) + after


def resolved(alert: Alert, cause: str, now: int) -> Alert:
    """Return the revision that ends an alert by itself."""
    return structs.replace(alert, revision=alert.revision + 1, status="resolved", cause=cause, revised_at=now)


def amended(news: Alert, known: Alert, now: int) -> Alert:
    """Return the revision that joins a worker's with what people did to the alert meanwhile.

    What was closed and goes on is open again for everybody, with its comments; an acknowledgement stays.

    Args:
        news: what the worker found, which knows nothing of people.
        known: the newest revision.
        now: milliseconds since 1970.
    """
    handled = given(known.handled)
    if handled is not None and handled.state == "closed" and news.status not in OVER:
        handled = Handling(at=handled.at, comments=handled.comments)
    return structs.replace(
        news,
        revision=max(news.revision, known.revision) + 1,
        status="amended" if news.status == "open" else news.status,
        handled=UNSET if handled is None else handled,
        revised_at=now,
    )


def taken(plan: Plan, action: Action, known: Known | None, now: int) -> Alert | str | None:
    """Return the revision that an action makes; why it is refused, as a sentence; None where it changes nothing.

    What changes no state (a second acknowledgement, a close of what is over) is a comment where it has a text.

    Args:
        plan: names who may act, and their keys.
        action: what somebody did.
        known: the alert, where there is one.
        now: milliseconds since 1970.
    """
    if wrong := verify(action, plan.analysts):
        return wrong
    if known is None:
        return "about an alert that is not there"
    alert = known.alert
    handled = given(alert.handled) or Handling()
    comments = handled.comments
    if action.text:
        comment = Comment(by=action.by, at=action.at, text=action.text)
        if comment in comments:
            return None  # read twice
        comments = (*comments, comment)[-COMMENTS_MAX:]
    over = alert.status in OVER
    status, cause = alert.status if over else "amended", f"commented by {action.by}"
    state, by, at = handled.state, handled.by, handled.at
    # What is not newer than the last that counted changes nothing: it may be a record that was written once more.
    newer = action.at > at
    if action.kind == "close" and newer and not over:
        status, cause, state, by, at = "resolved", f"closed by {action.by}", "closed", action.by, action.at
    elif action.kind == "ack" and newer and not over and state == "none":
        cause, state, by, at = f"acknowledged by {action.by}", "acknowledged", action.by, action.at
    elif not action.text:
        return None
    return structs.replace(
        alert,
        revision=alert.revision + 1,
        status=status,
        cause=cause,
        handled=Handling(state=state, by=by, at=at, comments=comments),
        revised_at=now,
    )

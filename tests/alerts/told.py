"""Notices as a pager gets them, about alerts as the rules write them."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from alerts.destination import Context
from alerts.notice import Notice
from schemas.action import Comment, Handling
from schemas.alert import Alert
from tests.schemas.records import ALERT_RECORD

AT = 1_772_445_600_000
"""2 March 2026, 10:00 UTC."""
CONTEXT = Context(name="it", host="monitor-1", version="1.2.3")
ACKED = Handling(state="acknowledged", by="o.berg", at=AT + 60_000)


def alert(name: str = "a1", **fields: Any) -> Alert:
    """An alert as `cloverwatch replay` prints it, with other fields."""
    record = {
        **ALERT_RECORD,
        "alert_id": name,
        "title": "Access from a third country",
        "explanation": "Employee 2026-03:k7p2 read users (restricted, EEA) on 02 Mar 2026 10:00 UTC from India: "
        "reached from India, a third country without adequacy.",
        "person": "2026-03:k7p2",
        "sensitivity": "restricted",
        "dedup_key": "d1",
    }
    return msgspec.convert({**record, **msgspec.to_builtins(fields)}, Alert)


def commented(given: Alert, text: str, by: str = "o.berg") -> Alert:
    handled = given.handled or Handling()
    handled = msgspec.structs.replace(handled, comments=(*handled.comments, Comment(by=by, at=AT, text=text)))
    return msgspec.structs.replace(given, handled=handled)


def notice(*alerts: Alert, **fields: Any) -> Notice:
    """A notice about alerts: the first, firing, of one incident, unless the fields say otherwise."""
    told = alerts or (alert(),)
    state = fields.get("state", "firing")
    seed = repr([(each.alert_id, each.revision) for each in told]) + state
    given: dict[str, Any] = {
        "id": hashlib.sha256(seed.encode()).hexdigest()[:32],
        "key": "d1",
        "state": state,
        "alerts": told,
        "firing": 0 if state == "resolved" else len(told),
        "severity": told[0].severity,
        "title": told[0].title,
        "started_at": AT,
        "at": AT + 1000,
    }
    return Notice(**{**given, **fields})

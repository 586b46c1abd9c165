"""Alerts and notices for the tests of destinations over streams, and the retry loop that stands for the caller's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from alerts.destination import Context, Destination
from alerts.notice import Delivered, Notice, Refused
from schemas.alert import Alert, EventRef, JudgedWith, Place, Reason
from schemas.places import PlaceClass

AT = 1_790_000_000_000

CONTEXT = Context(name="test", host="monitor-1.example", version="0.1.0")


def alert(number: int = 1, **more: Any) -> Alert:
    """An alert about one access; its id is made of the number."""
    fields: dict[str, Any] = {
        "alert_id": f"{number:032x}",
        "family": "place",
        "rule_id": "place.outside",
        "severity": "high",
        "title": "EU data reached from a third country",
        "explanation": f"Somebody reached profile.eu from Brazil, access {number}: no basis is recorded — why?",
        "reasons": (Reason(rule_id="place.outside", rule_version=1, severity="high", sentence="outside"),),
        "occurred_at": AT - 1000,
        "detected_at": AT,
        "event": EventRef(event_id=f"event-{number}"),
        "person": "e1:abcdefghijklmnopqrstuvwx",
        "dataset_id": "profile.eu",
        "action": "read",
        "outcome": "allowed",
        "place": Place(country="BR", place_class=PlaceClass.THIRD_COUNTRY, presumed=False, evidence=()),
        "facts": {"tickets": 0},
        "judged_with": JudgedWith(policy="p1", legal_table="l1", geo_table="g1", directories="d1", known={}),
        "dedup_key": f"place|e1:abcdefghijklmnopqrstuvwx|{number}",
    }
    return Alert(**(fields | more))


def notice(of: Alert, **more: Any) -> Notice:
    """The notice about one revision."""
    fields: dict[str, Any] = {
        "id": of.alert_id,
        "key": of.dedup_key,
        "state": "resolved" if of.status in {"resolved", "withdrawn"} else "firing",
        "alerts": (of,),
        "firing": 1,
        "severity": of.severity,
        "title": of.title,
        "started_at": of.detected_at,
        "at": AT + 50,
    }
    return Notice(**(fields | more))


async def deliver_all(
    destination: Destination,
    notices: Sequence[Notice],
    *,
    batch: int,
    within: float,
    between: Callable[[int], Awaitable[None]] | None = None,
) -> int:
    """Send everything until it is delivered, as whoever calls a destination does; return how many calls failed.

    Args:
        destination: started.
        notices: in order.
        batch: how many in one `send`.
        within: seconds for all of it.
        between: called after each batch that was delivered, with how many notices are.
    """
    deadline = time.monotonic() + within
    done, failures = 0, 0
    while done < len(notices):
        outcomes = await destination.send(notices[done : done + batch])
        assert len(outcomes) == len(notices[done : done + batch])
        assert not [each for each in outcomes if isinstance(each, Refused)]
        good = next((at for at, each in enumerate(outcomes) if not isinstance(each, Delivered)), len(outcomes))
        done += good
        if good < len(outcomes):
            failures += 1
            assert time.monotonic() < deadline, f"{done} of {len(notices)} after {within} s: {outcomes[good]}"
            await asyncio.sleep(0.2)
        if between is not None:
            await between(done)
    return failures


async def until(condition: Callable[[], bool], within: float, what: Callable[[], str] | str = "") -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, what() if callable(what) else what
        await asyncio.sleep(0.1)

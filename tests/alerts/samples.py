"""Alerts of every kind, for the tests of what is made of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from alerts.notice import Notice
from schemas.action import Comment, Handling
from schemas.alert import Alert, EventRef, Evidence, JudgedWith, Place, Reason, Transfer
from schemas.places import PlaceClass

AT = 1_760_000_000_000
PERSON = "e1:abcdefghijklmnopqrstuvwx"
BEFORE = "e0:zyxwvutsrqponmlkjihgfedc"


def alert(number: int = 0, **changes: Any) -> Alert:
    """An alert about an access with everything that one can have."""
    full = Alert(
        alert_id=f"{number:032x}",
        family="access",
        rule_id="place.third_country",
        severity="high",
        title="Access from a third country",
        explanation=f"Employee {PERSON} exported eu.profiles (restricted, EU) on 9 Oct 2025 from India: it is outside.",
        reasons=(
            Reason(rule_id="place.third_country", rule_version=3, severity="high", sentence="it is outside"),
            Reason(rule_id="role.none", rule_version=1, severity="low", sentence="no role allows it"),
        ),
        occurred_at=AT,
        detected_at=AT + 250,
        event=EventRef(event_id=f"event-{number}", topic="access.events", partition=3, offset=number),
        person=PERSON,
        person_before=BEFORE,
        dataset_id="eu.profiles",
        sensitivity="restricted",
        action="export",
        outcome="success",
        place=Place(
            country="IN",
            place_class=PlaceClass.THIRD_COUNTRY,
            presumed=False,
            evidence=(
                Evidence(
                    kind="device", country="IN", place_class=PlaceClass.THIRD_COUNTRY, age_ms=60_000, stood="believed"
                ),
                Evidence(kind="source_ip", country=None, place_class=None, age_ms=0, stood="says_nothing"),
            ),
        ),
        transfer=Transfer(
            importer="example-in", importer_country="IN", basis="scc", judged_on="2025-10-09", regime="gdpr"
        ),
        facts={"roles": ["analyst"], "session_id": "e1:s", "records": 120, "appended_at": AT + 100, "unknown": ["a"]},
        judged_with=JudgedWith(
            policy="p1", legal_table="l1", geo_table="g1", directories="d1", known={"directory.employees": "0:12"}
        ),
        dedup_key=f"{number % 7:032x}",
    )
    return msgspec.structs.replace(full, **changes)


def bare(**changes: Any) -> Alert:
    """An alert that is about no access, and has nothing that may be left out."""
    least = Alert(
        alert_id="b" * 32,
        family="integrity",
        rule_id="integrity.hole",
        severity="critical",
        title="Records are missing",
        explanation="access.events, partition 1, offsets 5 to 9 (5): they were never seen.",
        reasons=(Reason(rule_id="integrity.hole", rule_version=1, severity="critical", sentence="never seen"),),
        occurred_at=AT,
        detected_at=AT,
        facts={"topic": "access.events", "first": 5, "last": 9},
        judged_with=JudgedWith(policy="p1", legal_table="l1", geo_table="g1", directories="d1", known={}),
        dedup_key="d" * 32,
    )
    return msgspec.structs.replace(least, **changes)


ACKNOWLEDGED = Handling(
    state="acknowledged", by="maria", at=AT + 9_000, comments=(Comment(by="maria", at=AT + 9_500, text="Looking."),)
)
CLOSED = Handling(state="closed", by="maria", at=AT + 90_000)

VARIETY: dict[str, Alert] = {
    "open": alert(1),
    "amended": alert(2, revision=1, status="amended", cause="a fact came late"),
    "acknowledged": alert(3, revision=2, status="amended", handled=ACKNOWLEDGED),
    "closed": alert(4, revision=3, status="resolved", handled=CLOSED),
    "resolved": alert(5, revision=1, status="resolved", cause="heard again"),
    "withdrawn": alert(6, revision=1, status="withdrawn", cause="the badge was hers"),
    "behaviour": alert(7, family="behaviour", rule_id="behaviour.volume", facts={"since": AT - 60_000, "signals": {}}),
    "a workload": alert(8, principal_type="workload", person="job-7", person_before=msgspec.UNSET),
    "denied": alert(9, outcome="denied", action="read", sensitivity="pseudonymised"),
    "nowhere": alert(10, place=Place(country=None, place_class=PlaceClass.UNKNOWN, presumed=True, evidence=())),
    "of a kind unheard of": alert(11, principal_type="robot", facts={}),
    "a test": alert(12, test=True),
    "about a dataset": bare(family="dataset", dataset_id="eu.orphan", sensitivity="restricted"),
    "about no access": bare(),
    "strange words": alert(13, title='a "quoted"\ntitle \u2028 \U0001f512', explanation="\x00\x1b[31m \ud7ff ü"),
}
"""One of every kind that makes a difference to a format."""


def notice(one: Alert, **changes: Any) -> Notice:
    """The notice of one alert, as a destination that takes each by itself is handed it."""
    over = one.status in {"resolved", "withdrawn"}
    made = Notice(
        id=f"{one.alert_id[:24]}{one.revision:08x}",
        key=one.dedup_key,
        state="resolved" if over else "firing",
        alerts=(one,),
        firing=0 if over else 1,
        severity=one.severity,
        title=one.title,
        started_at=one.detected_at,
        at=one.detected_at + 10,
        test=one.test,
    )
    return msgspec.structs.replace(made, **changes)


def notices(alerts: Sequence[Alert]) -> list[Notice]:
    """A notice each."""
    return [notice(one) for one in alerts]

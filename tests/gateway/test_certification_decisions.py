"""The AuthZEN certification scenario's fixture, section 1: its eight decisions and six searches, without HTTP.

OpenID AuthZEN, "Authorization API 1.0 - Certification Scenario", sections 1.4 and 1.5.
"""

from __future__ import annotations

from typing import Any, Literal

import pytest

from rules.gateway.request import AccessRequest, AskedAction, Decider, Resource, Subject
from tests.gateway.points import certification

NOW = 1_772_445_600_000
CALLER = "certification"
POINT: Decider = certification()

DECISIONS: list[tuple[str, str, str, str, dict[str, dict[str, Any]], bool]] = [
    ("1", "alice", "read", "record-1", {}, True),
    ("2", "alice", "write", "record-1", {}, True),
    ("3", "bob", "read", "record-1", {}, True),
    ("4", "bob", "write", "record-1", {}, False),
    ("5", "alice", "write", "record-2", {"resource": {"status": "archived"}}, False),
    ("5, on the other record", "alice", "write", "record-1", {"resource": {"status": "archived"}}, False),
    ("6", "bob", "write", "record-2", {"subject": {"role": "admin"}, "resource": {"status": "archived"}}, True),
    ("7", "alice", "delete", "record-1", {"action": {"soft": True}}, True),
    ("8", "alice", "delete", "record-1", {"action": {"soft": False}}, False),
    (
        "c-2-2-8",
        "alice",
        "read",
        "record-1",
        {
            "subject": {"department": "Sales", "role": "manager"},
            "action": {"method": "GET"},
            "resource": {"status": "active", "owner": "bob"},
        },
        True,
    ),
]


@pytest.mark.parametrize(
    "context", [{}, {"time": "2025-06-27T18:03-07:00", "ip": "192.168.1.1"}], ids=["plain", "with a context"]
)
@pytest.mark.parametrize(
    ("who", "action", "record", "properties", "expected"), [row[1:] for row in DECISIONS], ids=[r[0] for r in DECISIONS]
)
def test_a_decision_of_the_fixture(
    who: str, action: str, record: str, properties: dict[str, Any], expected: bool, context: dict[str, Any]
) -> None:
    asked = AccessRequest(
        subject=Subject(type="user", id=who, properties=properties.get("subject", {})),
        action=AskedAction(name=action, properties=properties.get("action", {})),
        resource=Resource(type="record", id=record, properties=properties.get("resource", {})),
        context=context,
    )
    answers = {
        POINT.decide(asked, caller=CALLER, now=NOW, decision_id=f"d-{n}", request_id="").record.effect for n in range(3)
    }
    assert answers == {"allow" if expected else "deny"}


ALICE = {"type": "user", "id": "alice"}
ADMIN = {"type": "user", "id": "bob", "properties": {"role": "admin"}}
RECORD = {"type": "record", "id": "record-1"}
ARCHIVED = {"type": "record", "id": "record-2", "properties": {"status": "archived"}}
USERS, RECORDS = {"type": "user"}, {"type": "record"}
READ, WRITE = {"name": "read"}, {"name": "write"}


@pytest.mark.parametrize(
    ("kind", "asked", "found"),
    [
        ("subject", {"subject": USERS, "action": READ, "resource": RECORD}, ["alice", "bob"]),
        ("resource", {"subject": ALICE, "action": READ, "resource": RECORDS}, ["record-1", "record-2"]),
        ("action", {"subject": ALICE, "resource": RECORD}, ["delete", "read", "write"]),
        ("subject", {"subject": USERS, "action": WRITE, "resource": ARCHIVED}, ["bob"]),
        ("resource", {"subject": ADMIN, "action": WRITE, "resource": RECORDS}, ["record-2"]),
        ("action", {"subject": ADMIN, "resource": ARCHIVED}, ["write"]),
        ("action", {"subject": {"type": "user", "id": "nonexistent-user"}, "resource": RECORD}, []),
        ("subject", {"subject": {"type": "spaceship"}, "action": READ, "resource": RECORD}, []),
        ("resource", {"subject": ALICE, "action": READ, "resource": {"type": "spaceship"}}, []),
    ],
    ids=["1", "2", "3", "4", "5", "6", "c-4-6-1", "c-4-6-2", "c-4-6-2, a resource"],
)
def test_a_search_of_the_fixture(
    kind: Literal["subject", "action", "resource"], asked: dict[str, Any], found: list[str]
) -> None:
    answer = POINT.search(kind, asked, caller=CALLER, now=NOW, most=10)
    if kind == "action":
        assert list(answer) == [{"name": name} for name in found]
    else:
        assert list(answer) == [{"type": asked[kind]["type"], "id": name} for name in found]

"""The certification scenario of AuthZEN Authorization API 1.0, test id by test id, over HTTPS against a real process.

Source: OpenID AuthZEN working group, "Authorization API 1.0 - Certification Scenario" (github.com/openid/authzen,
certification/authorization-api-1_0-scenario.md, of 2026). The number in a test's name is the section's: c-2-2-1 is
`test_c_2_2_1_...`. The fixture of its section 1 is `certification/`.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

import pytest

from tests.gateway.running import Answered, Gateway

pytestmark = pytest.mark.broker

EVALUATION: Final = "/access/v1/evaluation"
EVALUATIONS: Final = "/access/v1/evaluations"
SUBJECTS, RESOURCES, ACTIONS = (f"/access/v1/search/{kind}" for kind in ("subject", "resource", "action"))

ALICE: Final[dict[str, Any]] = {"type": "user", "id": "alice"}
BOB: Final[dict[str, Any]] = {"type": "user", "id": "bob"}
ADMIN: Final[dict[str, Any]] = {**BOB, "properties": {"role": "admin"}}
READ: Final[dict[str, Any]] = {"name": "read"}
WRITE: Final[dict[str, Any]] = {"name": "write"}
RECORD: Final[dict[str, Any]] = {"type": "record", "id": "record-1"}
RECORD_2: Final[dict[str, Any]] = {"type": "record", "id": "record-2"}
ACTIVE: Final[dict[str, Any]] = {**RECORD, "properties": {"status": "active"}}
ARCHIVED: Final[dict[str, Any]] = {**RECORD_2, "properties": {"status": "archived"}}
RULE_1: Final[dict[str, Any]] = {"subject": ALICE, "action": READ, "resource": RECORD}


def decides(answered: Answered) -> bool:
    """2.3 and 5: HTTP 200, JSON, a decision that is a boolean, a context that is an object; which decision it is."""
    assert answered.status == 200, answered.body
    assert answered.headers.get_content_type() == "application/json"
    return _decision(answered.json)


def _decision(response: dict[str, Any]) -> bool:
    assert isinstance(response["decision"], bool)
    assert isinstance(response.get("context", {}), dict)
    return bool(response["decision"])


def decide_all(answered: Answered, count: int) -> list[bool]:
    """3.3: as many decisions as were asked for, in their order, none at the top."""
    assert answered.status == 200, answered.body
    assert answered.headers.get_content_type() == "application/json"
    assert "decision" not in answered.json
    decisions = [_decision(each) for each in answered.json["evaluations"]]
    assert len(decisions) == count
    return decisions


def found(answered: Answered, kind: str = "") -> set[str]:
    """4.2 to 4.5: HTTP 200, results with what each must have, of the type that was asked for, and a page."""
    assert answered.status == 200, answered.body
    assert answered.headers.get_content_type() == "application/json"
    results = answered.json["results"]
    assert isinstance(results, list)
    page = answered.json.get("page", {"next_token": ""})
    assert isinstance(page["next_token"], str)
    if not kind:
        return {each["name"] for each in results}
    assert {each["type"] for each in results} <= {kind}
    return {each["id"] for each in results}


# Basic: 2.


def test_c_2_2_1_permit(certified: Gateway) -> None:
    assert decides(certified.ask(EVALUATION, RULE_1)) is True


def test_c_2_2_2_deny(certified: Gateway) -> None:
    assert decides(certified.ask(EVALUATION, {"subject": BOB, "action": WRITE, "resource": RECORD})) is False


def test_c_2_2_3_optional_context(certified: Gateway) -> None:
    context = {"time": "2025-06-27T18:03-07:00", "ip": "192.168.1.1"}
    assert decides(certified.ask(EVALUATION, {**RULE_1, "context": context})) is True


def test_c_2_2_4_deny_by_properties_of_the_resource(certified: Gateway) -> None:
    assert decides(certified.ask(EVALUATION, {"subject": ALICE, "action": WRITE, "resource": ARCHIVED})) is False


def test_c_2_2_5_permit_by_properties_of_the_subject(certified: Gateway) -> None:
    assert decides(certified.ask(EVALUATION, {"subject": ADMIN, "action": WRITE, "resource": ARCHIVED})) is True


@pytest.mark.parametrize("soft", [True, False], ids=["c-2-2-6-permit", "c-2-2-7-deny"])
def test_c_2_2_6_and_7_by_properties_of_the_action(certified: Gateway, soft: bool) -> None:
    action = {"name": "delete", "properties": {"soft": soft}}
    assert decides(certified.ask(EVALUATION, {"subject": ALICE, "action": action, "resource": RECORD})) is soft


def test_c_2_2_8_additional_properties(certified: Gateway) -> None:
    asked = {
        "subject": {**ALICE, "properties": {"department": "Sales", "role": "manager"}},
        "action": {**READ, "properties": {"method": "GET"}},
        "resource": {**RECORD, "properties": {"status": "active", "owner": "bob"}},
    }
    assert decides(certified.ask(EVALUATION, asked)) is True


def test_c_2_2_9_unknown_fields(certified: Gateway) -> None:
    assert decides(certified.ask(EVALUATION, {**RULE_1, "foo": "bar", "futureField": {"nested": True}})) is True


def test_c_2_3_response(certified: Gateway) -> None:
    """2.3.1 and 2.3.2, and nothing beside them: `api/schemas/decision-base.json`."""
    answered = certified.ask(EVALUATION, RULE_1)
    assert decides(answered) is True
    assert set(answered.json) == {"decision", "context"}


WRONG: Final[dict[str, Any]] = {
    "c-2-4-1-subject": {key: RULE_1[key] for key in ("action", "resource")},
    "c-2-4-1-action": {key: RULE_1[key] for key in ("subject", "resource")},
    "c-2-4-1-resource": {key: RULE_1[key] for key in ("subject", "action")},
    "c-2-4-2-subject-type": {**RULE_1, "subject": {"id": "alice"}},
    "c-2-4-2-subject-id": {**RULE_1, "subject": {"type": "user"}},
    "c-2-4-2-action-name": {**RULE_1, "action": {}},
    "c-2-4-2-resource-type": {**RULE_1, "resource": {"id": "record-1"}},
    "c-2-4-2-resource-id": {**RULE_1, "resource": {"type": "record"}},
    "c-2-4-4-malformed": b'{"subject": ',
    "c-2-4-5-empty": b"",
    "c-2-4-6-subject": {**RULE_1, "subject": "alice"},
    "c-2-4-6-action-name": {**RULE_1, "action": {"name": 123}},
}


@pytest.mark.parametrize("body", WRONG.values(), ids=WRONG.keys())
def test_c_2_4_errors(certified: Gateway, body: Any) -> None:
    answered = certified.ask(EVALUATION, body)
    assert answered.status == 400
    assert answered.body.strip(), "an error message string (AuthZEN 1.0, Error Responses)"
    assert b"alice" not in answered.body


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_c_2_4_3_content_type(certified: Gateway, kind: str) -> None:
    assert certified.ask(EVALUATION, RULE_1, {"Content-Type": kind}).status == 400


def test_c_2_5_1_request_id(certified: Gateway) -> None:
    answered = certified.ask(EVALUATION, RULE_1, {"X-Request-ID": "bfe9eb29-ab87"})
    assert answered.headers.get_all("X-Request-ID") == ["bfe9eb29-ab87"]
    wrong = certified.ask(EVALUATION, b"", {"X-Request-ID": "bfe9eb29-ab88"})
    assert (wrong.status, wrong.headers["X-Request-ID"]) == (400, "bfe9eb29-ab88")


def test_c_2_5_2_no_request_id(certified: Gateway) -> None:
    assert decides(certified.ask(EVALUATION, RULE_1)) is True


def test_c_2_6_idempotency(certified: Gateway) -> None:
    denied = {"subject": BOB, "action": WRITE, "resource": RECORD}
    assert {decides(certified.ask(EVALUATION, RULE_1)) for _ in range(5)} == {True}
    assert {decides(certified.ask(EVALUATION, denied)) for _ in range(5)} == {False}


# Batch: 3.

BATCHES: Final[dict[str, tuple[dict[str, Any], list[bool] | None]]] = {
    "c-3-2-1-array": (
        {"subject": ALICE, "action": READ, "evaluations": [{"resource": RECORD}, {"resource": RECORD_2}]},
        None,
    ),
    "c-3-2-2-fixture": (
        {"subject": BOB, "resource": RECORD, "evaluations": [{"action": READ}, {"action": WRITE}]},
        [True, False],
    ),
    "c-3-2-3-resource-properties": (
        {"subject": ALICE, "action": WRITE, "evaluations": [{"resource": ACTIVE}, {"resource": ARCHIVED}]},
        [True, False],
    ),
    "c-3-2-4-subject-properties": (
        {"action": WRITE, "resource": ARCHIVED, "evaluations": [{"subject": ALICE}, {"subject": ADMIN}]},
        [False, True],
    ),
    "c-3-2-5-no-defaults": (
        {"evaluations": [RULE_1, {"subject": BOB, "action": WRITE, "resource": RECORD}]},
        [True, False],
    ),
    "c-3-2-6-context": (
        {
            "subject": ALICE,
            "action": READ,
            "context": {"time": "2025-06-27T18:03-07:00"},
            "evaluations": [
                {"resource": RECORD},
                {"resource": RECORD_2, "context": {"time": "2025-06-27T19:00-07:00", "source": "batch-override"}},
            ],
        },
        None,
    ),
    "c-3-2-7-defaults": (
        {
            "subject": ALICE,
            "action": WRITE,
            "resource": {"type": "record"},
            "evaluations": [
                {"resource": {"id": "record-1", "properties": {"status": "active"}}},
                {"resource": ARCHIVED},
            ],
        },
        [True, False],
    ),
}


@pytest.mark.parametrize(("asked", "expected"), BATCHES.values(), ids=BATCHES.keys())
def test_c_3_2_and_3_3_batches(certified: Gateway, asked: dict[str, Any], expected: list[bool] | None) -> None:
    decisions = decide_all(certified.ask(EVALUATIONS, asked), len(asked["evaluations"]))
    assert expected in (None, decisions)


def test_c_3_4_1_errors_of_one_evaluation(certified: Gateway) -> None:
    asked = {"subject": ALICE, "action": READ, "evaluations": [{"resource": RECORD}, {}]}
    answered = certified.ask(EVALUATIONS, asked)
    assert decide_all(answered, 2) == [True, False]
    assert answered.json["evaluations"][1]["context"]["error"]["status"] == 400


@pytest.mark.parametrize("more", [{}, {"evaluations": []}], ids=["c-3-4-2-missing", "c-3-4-3-empty"])
def test_c_3_4_2_and_3_no_evaluations(certified: Gateway, more: dict[str, Any]) -> None:
    assert decides(certified.ask(EVALUATIONS, {**RULE_1, **more})) is True


# Search: 4.

USERS: Final = {"subject": {"type": "user"}, "action": READ, "resource": RECORD}
RECORDS: Final = {"subject": ALICE, "action": READ, "resource": {"type": "record"}}
CAN: Final = {"subject": ALICE, "resource": RECORD}
CONTEXT: Final = {"context": {"time": "2025-06-27T18:03-07:00"}}


@pytest.mark.parametrize("more", [{}, CONTEXT], ids=["c-4-2-1-valid", "c-4-2-2-context"])
def test_c_4_2_1_to_3_subjects(certified: Gateway, more: dict[str, Any]) -> None:
    assert found(certified.ask(SUBJECTS, {**USERS, **more}), "user") >= {"alice", "bob"}


def test_c_4_2_3_an_id_of_the_subject_is_ignored(certified: Gateway) -> None:
    asked = {**USERS, "subject": {"type": "user", "id": "carol"}}
    assert found(certified.ask(SUBJECTS, asked), "user") >= {"alice", "bob"}


def test_c_4_2_4_subjects_by_properties(certified: Gateway) -> None:
    asked = {"subject": {"type": "user"}, "action": WRITE, "resource": ARCHIVED}
    with_role = {**asked, "subject": {"type": "user", "properties": {"role": "admin"}}}
    assert "bob" in found(certified.ask(SUBJECTS, with_role), "user")
    assert found(certified.ask(SUBJECTS, asked), "user") <= {"bob"}


def test_c_4_3_1_and_2_resources(certified: Gateway) -> None:
    assert "record-1" in found(certified.ask(RESOURCES, RECORDS), "record")
    with_id = {**RECORDS, "resource": {"type": "record", "id": "none"}}
    assert "record-1" in found(certified.ask(RESOURCES, with_id), "record")


def test_c_4_3_3_resources_by_properties(certified: Gateway) -> None:
    asked = {"subject": ADMIN, "action": WRITE, "resource": {"type": "record"}}
    assert "record-2" in found(certified.ask(RESOURCES, asked), "record")


@pytest.mark.parametrize("more", [{}, CONTEXT], ids=["c-4-4-1-valid", "c-4-4-2-context"])
def test_c_4_4_1_and_2_actions(certified: Gateway, more: dict[str, Any]) -> None:
    assert found(certified.ask(ACTIONS, {**CAN, **more})) >= {"read", "write"}


def test_c_4_4_3_actions_by_properties(certified: Gateway) -> None:
    assert "write" in found(certified.ask(ACTIONS, {"subject": ADMIN, "resource": ARCHIVED}))


def test_c_4_5_pages(certified: Gateway) -> None:
    """4.5.1 to 4.5.3: page by page the same as at once; the last token is empty."""
    whole = found(certified.ask(SUBJECTS, USERS), "user")
    answered = certified.ask(SUBJECTS, {**USERS, "page": {"limit": 1}})
    paged = found(answered, "user")
    assert len(paged) == 1
    while token := answered.json["page"]["next_token"]:
        answered = certified.ask(SUBJECTS, {**USERS, "page": {"token": token}})
        assert answered.json["page"]["count"] == len(answered.json["results"]) <= 1
        paged |= found(answered, "user")
    assert paged == whole


def test_c_4_6_empty_results(certified: Gateway) -> None:
    """4.6.1 and 4.6.2: an unknown identifier, an unknown type."""
    unknown = {"subject": {"type": "user", "id": "nonexistent-user"}, "resource": RECORD}
    assert certified.ask(ACTIONS, unknown).json["results"] == []
    spaceship = {"subject": {"type": "spaceship"}, "action": READ, "resource": RECORD}
    assert certified.ask(SUBJECTS, spaceship).json["results"] == []


LACKING: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "c-4-7-1-action": (SUBJECTS, {"subject": {"type": "user"}, "resource": RECORD}),
    "c-4-7-1-subject": (RESOURCES, {"action": READ, "resource": {"type": "record"}}),
    "c-4-7-1-resource": (ACTIONS, {"subject": ALICE}),
    "c-4-7-2-resource-id": (SUBJECTS, {"subject": {"type": "user"}, "action": READ, "resource": {"type": "record"}}),
    "c-4-7-2-subject-id": (RESOURCES, {"subject": {"type": "user"}, "action": READ, "resource": {"type": "record"}}),
}


@pytest.mark.parametrize(("path", "body"), LACKING.values(), ids=LACKING.keys())
def test_c_4_7_search_errors(certified: Gateway, path: str, body: dict[str, Any]) -> None:
    assert certified.ask(path, body).status == 400


# Transport and discovery: 5, 6.


def test_c_5_transport(certified: Gateway) -> None:
    """HTTPS, `application/json` with a charset, an unknown field, an echoed request id: one request."""
    kind = {"Content-Type": "application/json; charset=utf-8", "X-Request-ID": "c-5"}
    answered = certified.ask(EVALUATION, {**RULE_1, "unknown": 1}, kind)
    assert decides(answered) is True
    assert answered.headers["X-Request-ID"] == "c-5"


def test_c_6_metadata(certified: Gateway) -> None:
    answered = certified.ask("/.well-known/authzen-configuration", method="GET")
    assert answered.status == 200
    assert answered.headers.get_content_type() == "application/json"
    base = f"https://127.0.0.1:{certified.port}"
    assert answered.json["policy_decision_point"] == base
    endpoints = {name: url for name, url in answered.json.items() if name.endswith("_endpoint")}
    assert endpoints.keys() == {
        "access_evaluation_endpoint",
        "access_evaluations_endpoint",
        *(f"search_{kind}_endpoint" for kind in ("subject", "resource", "action")),
    }
    for url in endpoints.values():
        assert (urlsplit(url).scheme, urlsplit(url).query) == ("https", "")
        assert certified.ask(url.removeprefix(base), {}).status == 400, "it is there, and wants a question"

"""What a decision point answers beside decisions: who may ask, how much, and what is recorded before an answer."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agents.gateway.callers import new_token
from agents.publisher import partition_of
from agents.settings import Settings
from schemas.directory import RoleRow
from tests.gateway.conftest import FIXTURE
from tests.gateway.running import PARTITIONS, Gateway, raw_records, recorded, send, until
from tests.gateway.test_certification import ALICE, BOB, EVALUATION, EVALUATIONS, READ, RECORD, RULE_1, WRITE
from tests.receivers.certificates import OURS, certificates

pytestmark = pytest.mark.broker

DENIED = {"subject": BOB, "action": WRITE, "resource": RECORD}


def policy_of(folder: Path, *callers: str, more: str = "") -> Path:
    """The fixture's policy with other callers, in a file of its own."""
    text = (FIXTURE / "policy.toml").read_text()
    listed = "\n".join(f'[gateway.gateways."{caller}"]' for caller in callers)
    text = text.replace("[gateway.gateways.certification]", listed)
    text = text.replace('resource_types = ["record"]', f'resource_types = ["record", "dataset"]\n{more}')
    path = folder / "policy.toml"
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def plain(prepared: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A decision point on loopback without TLS; `stranger` has a token, and the policy does not name it."""
    folder = tmp_path_factory.mktemp("plain")
    path = policy_of(folder, "one", "two", "slow")
    more = {"gateway_body_bytes": 4096, "gateway_evaluations": 5, "gateway_rate": 100, "gateway_read_within_s": 1}
    with Gateway(prepared, folder, path, callers=("one", "two", "slow", "stranger"), more=more) as process:
        yield process


@pytest.mark.parametrize(
    "headers",
    [{}, *({"Authorization": value} for value in ("", "Bearer ", "Bearer wrong", "Basic b25l"))],
    ids=["none", "empty", "no token", "wrong token", "another scheme"],
)
def test_whoever_is_not_known_is_answered_401(plain: Gateway, headers: dict[str, str]) -> None:
    answered = plain.ask(EVALUATION, RULE_1, headers, token=None)
    assert answered.status == 401
    assert answered.headers["WWW-Authenticate"].startswith("Bearer")


def test_whom_the_policy_does_not_name_is_answered_403(plain: Gateway) -> None:
    assert plain.ask(EVALUATION, RULE_1, token=plain.tokens["stranger"]).status == 403


def test_paths_and_methods(plain: Gateway) -> None:
    assert plain.ask("/elsewhere", RULE_1).status == 404
    answered = plain.ask(EVALUATION, method="GET")
    assert (answered.status, answered.headers["Allow"]) == (405, "POST")
    assert plain.ask("/.well-known/authzen-configuration", {}).status == 405


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(RULE_1).replace('"id": "alice"', '"id": "bob", "id": "alice"').encode(),
        json.dumps(RULE_1).replace("alice", "\\ud800").encode(),
        b"\xff\xfe",
        b"[]",
        b'{"a": NaN}',
        b'{"a": ' + b"[" * 1500 + b"]" * 1500 + b"}",
        b'{"a": ' + b"[" * 100 + b"]" * 100 + b"}",
        b'{"a": ' + b"9" * 4000 + b"}",
    ],
    ids=["repeated key", "half a pair", "not UTF-8", "no object", "NaN", "very deep", "deep", "digits"],
)
def test_what_two_readers_could_read_differently_is_answered_400(plain: Gateway, body: bytes) -> None:
    assert plain.ask(EVALUATION, body).status == 400


def test_encoded_bodies_are_not_expanded(plain: Gateway) -> None:
    assert plain.ask(EVALUATION, RULE_1, {"Content-Encoding": "gzip"}).status == 400


def test_too_much_is_answered_413(plain: Gateway) -> None:
    large = {**RULE_1, "context": {"filling": "x" * 5000}}
    assert plain.ask(EVALUATION, large).status == 413
    chunked = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (b"x" * 3000, b"y" * 3000)) + b"0\r\n\r\n"
    assert b" 413 " in _raw(plain, b"Transfer-Encoding: chunked\r\n", chunked).splitlines()[0]
    answered = plain.ask(EVALUATIONS, {**RULE_1, "evaluations": [{}] * 6})
    assert answered.status == 413
    assert b"at most 5" in answered.body


def _raw(gateway: Gateway, headers: bytes, body: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as connection:
        head = f"POST {EVALUATION} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.token}\r\n".encode()
        connection.sendall(head + b"Content-Type: application/json\r\n" + headers + b"\r\n" + body)
        return connection.recv(65536)


def test_whoever_sends_too_slowly_is_not_waited_for(plain: Gateway) -> None:
    """A connection without a request is closed; a body that does not come is answered 408."""
    with socket.create_connection(("127.0.0.1", plain.port), timeout=20) as silent:
        silent.sendall(b"POST /acc")
        assert silent.recv(1) == b""
    assert b" 408 " in _raw(plain, b"Content-Length: 100\r\n", b"{").splitlines()[0]


def test_whoever_asks_too_often_is_answered_429_and_the_others_are_not(plain: Gateway) -> None:
    batch = {**RULE_1, "evaluations": [{}] * 5}

    def ask(_: int) -> Any:
        return plain.ask(EVALUATIONS, batch, token=plain.tokens["slow"])

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(200)))  # 1,000 evaluations, for which they have to take ten seconds
    refused = [answered for answered in answers if answered.status == 429]
    assert refused
    assert all(int(answered.headers["Retry-After"]) >= 1 for answered in refused)
    assert plain.ask(EVALUATION, RULE_1, token=plain.tokens["two"]).status == 200


@pytest.mark.parametrize(
    ("semantic", "actions", "expected"),
    [
        ("execute_all", [READ, WRITE, READ], [True, False, True]),
        ("deny_on_first_deny", [READ, WRITE, READ], [True, False]),
        ("permit_on_first_permit", [WRITE, READ, WRITE], [False, True]),
    ],
)
def test_semantics_of_a_batch(plain: Gateway, semantic: str, actions: list[Any], expected: list[bool]) -> None:
    """What is behind the end of a batch is neither answered nor recorded."""
    before = len(recorded(plain.settings))
    asked = {
        "subject": BOB,
        "resource": RECORD,
        "options": {"evaluations_semantic": semantic},
        "evaluations": [{"action": action} for action in actions],
    }
    answered = plain.ask(EVALUATIONS, asked)
    assert [each["decision"] for each in answered.json["evaluations"]] == expected
    assert len(recorded(plain.settings)) == before + len(expected)


def test_an_unknown_semantic_is_answered_400(plain: Gateway) -> None:
    asked = {**RULE_1, "options": {"evaluations_semantic": "some"}, "evaluations": [{}]}
    assert plain.ask(EVALUATIONS, asked).status == 400


def test_a_decision_is_recorded_where_the_accesses_of_its_person_are(plain: Gateway) -> None:
    answered = plain.ask(
        EVALUATION, {**RULE_1, "context": {"session_id": "s-1", "ip": "192.0.2.7"}}, {"X-Request-ID": "r-7"}
    )
    context = answered.json["context"]
    (found,) = [
        (partition, key, value) for partition, key, value in raw_records(plain.settings)
        if msgspec.json.decode(value)["decision_id"] == context["decision_id"]
    ]  # fmt: skip
    assert found[:2] == (partition_of("alice", PARTITIONS), b"alice")
    record = msgspec.json.decode(found[2])
    assert (record["request_id"], record["gateway_id"], record["session_id"], record["source_ip"]) == (
        "r-7", "one", "s-1", "192.0.2.7",
    )  # fmt: skip
    assert context["uses"] == record["uses"] > 0
    assert len(bytes.fromhex(record["salt"])) == 16
    assert record["salt"] not in answered.body.decode()


def test_a_denial_says_why_to_the_employee_and_to_the_administrator(plain: Gateway) -> None:
    context = plain.ask(EVALUATION, DENIED).json["context"]
    assert context["reason_user"]
    assert context["reason_admin"]
    archived = {"subject": ALICE, "action": WRITE, "resource": {**RECORD, "properties": {"status": "archived"}}}
    context = plain.ask(EVALUATION, archived).json["context"]
    assert {"condition": "archived"} in context["reason_admin"]


def test_a_proxy_asks_by_headers(plain: Gateway) -> None:
    asked = {"X-Cloverwatch-Subject": "bob", "X-Cloverwatch-Dataset": "record-1", "X-Cloverwatch-Method": "GET"}
    answered = plain.ask("/authorize", headers=asked, method="GET")
    assert (answered.status, answered.body) == (200, b"")
    assert answered.headers["X-Cloverwatch-Decision-Id"]
    written = plain.ask("/authorize/as/envoy?asks", headers={**asked, "X-Cloverwatch-Method": "PUT"}, method="PUT")
    assert written.status == 403
    assert written.headers["X-Cloverwatch-Reason"]
    for lacking in asked:
        less = {name: value for name, value in asked.items() if name != lacking}
        assert plain.ask("/authorize", headers=less, method="GET").status == 400, lacking
    assert plain.ask("/authorize", headers={**asked, "X-Cloverwatch-Method": "CONNECT"}, method="GET").status == 400
    assert plain.ask("/authorize", headers=asked, method="GET", token="wrong").status == 401


def test_a_header_that_stands_twice_is_refused(plain: Gateway) -> None:
    """A proxy that lets a client's header through beside its own must not be believed."""
    with socket.create_connection(("127.0.0.1", plain.port), timeout=20) as connection:
        connection.sendall(
            b"GET /authorize HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + plain.token.encode() +
            b"\r\nX-Cloverwatch-Subject: bob\r\nx-cloverwatch-subject: alice\r\nX-Cloverwatch-Dataset: record-1"
            b"\r\nX-Cloverwatch-Method: GET\r\n\r\n"
        )  # fmt: skip
        assert b" 400 " in connection.recv(65536).splitlines()[0]


def test_a_change_of_the_directories_takes_effect_within_a_second(plain: Gateway, tmp_path: Path) -> None:
    """Carol gets a role, asked for all the time: from the acknowledgement of her row to the first allow."""
    asked = {"subject": {"type": "user", "id": "carol"}, "action": READ, "resource": RECORD}
    rows = {
        name: [msgspec.json.decode(line) for line in (FIXTURE / f"directories/{name}.jsonl").read_bytes().splitlines()]
        for name in ("employees", "locations", "roles")
    }
    for name, kept in rows.items():
        (carol,) = [{**row, "employee_id": "carol"} for row in kept if row["employee_id"] == "alice"]
        (tmp_path / f"{name}.jsonl").write_bytes(msgspec.json.encode(carol) + b"\n")
    send(plain.settings, tmp_path / "employees.jsonl", tmp_path / "locations.jsonl")
    assert plain.ask(EVALUATION, asked).json["decision"] is False
    send(plain.settings, tmp_path / "roles.jsonl")
    sent = time.monotonic()
    until(lambda: plain.ask(EVALUATION, asked).json["decision"], "an allow", 10)
    assert time.monotonic() - sent < 1.0
    assert RoleRow.topic == "directory.roles"


def test_a_new_policy_takes_force_without_a_restart_and_a_broken_one_does_not(plain: Gateway) -> None:
    before = plain.policy.read_text()
    try:
        plain.policy.write_text(before.replace('actions = ["read", "write", "delete"]', 'actions = ["write"]'))
        until(lambda: plain.ask(EVALUATION, RULE_1).json["decision"] is False, "the new policy")
        plain.policy.write_text("version = 1\n[gateway")
        until(lambda: plain.metrics()["cloverwatch_gateway_policy_reload_failed"] == 1, "refused")
        assert plain.ask(EVALUATION, RULE_1).json["decision"] is False
    finally:
        plain.policy.write_text(before)
    until(lambda: plain.ask(EVALUATION, RULE_1).json["decision"] is True, "the old policy")


def test_tokens_are_read_again_when_their_file_changes(plain: Gateway) -> None:
    before = plain.tokens_file.read_text()
    token, line = new_token("two")
    try:
        kept = [each for each in before.splitlines() if not each.startswith('"two"')]
        plain.tokens_file.write_text("\n".join([*kept, line]) + "\n")
        until(lambda: plain.ask(EVALUATION, RULE_1, token=token).status == 200, "the new token")
        assert plain.ask(EVALUATION, RULE_1, token=plain.tokens["two"]).status == 401
        plain.tokens_file.write_text("two = 1\n")
        until(lambda: plain.metrics()["cloverwatch_gateway_credentials_reload_failed"] == 1, "refused")
        assert plain.ask(EVALUATION, RULE_1, token=token).status == 200
    finally:
        plain.tokens_file.write_text(before)
    until(lambda: plain.ask(EVALUATION, RULE_1, token=plain.tokens["two"]).status == 200, "the old token")


def test_no_token_and_nobody_is_in_the_log(plain: Gateway) -> None:
    plain.ask(EVALUATION, RULE_1, token="a-token-that-is-wrong")
    plain.ask(EVALUATION, b"{")
    log = plain.log.read_text()
    for secret in (*plain.tokens.values(), "a-token-that-is-wrong", "alice", "carol"):
        assert secret not in log


def test_metrics_count_what_was_answered(plain: Gateway) -> None:
    before = plain.metrics()
    plain.ask(EVALUATION, RULE_1)
    plain.ask(EVALUATION, DENIED)
    plain.ask(EVALUATION, b"")
    after = plain.metrics()

    def more(name: str) -> float:
        return after[name] - before.get(name, 0)

    assert more('cloverwatch_gateway_decisions_total{caller="one",effect="allow"}') == 1
    assert more('cloverwatch_gateway_decisions_total{caller="one",effect="deny"}') == 1
    assert more('cloverwatch_gateway_refused_requests_total{reason="malformed"}') == 1
    assert more("cloverwatch_gateway_answer_seconds_count") == 3
    assert more("cloverwatch_gateway_record_seconds_count") == 2
    assert after["cloverwatch_gateway_ready"] == 1


def test_approvals_are_taken_by_the_same_process_from_the_same_callers(plain: Gateway) -> None:
    """Its routes are mounted, read the topic, and are closed to whoever is not known."""
    base = "/approvals/v1"
    assert plain.ask(f"{base}/request", {}, token="wrong").status == 401
    refused = plain.ask(f"{base}/request", {"record": {"approval_id": "a-1"}})
    assert (refused.status, list(refused.json)) == (400, ["error"])
    unsigned = {
        "approval_id": "a-1", "person": "alice", "datasets": ["record-1"], "actions": ["read"], "until": 2**42,
        "requested": {"by": "nobody", "at": 1, "reason": "mine", "signature": "x"},
    }  # fmt: skip
    refused = plain.ask(f"{base}/request", {"record": unsigned})
    assert refused.status == 409
    assert "nobody" in refused.json["error"]
    assert plain.metrics()["cloverwatch_gateway_approvals"] == 0


def test_a_client_certificate_names_the_caller(prepared: Settings, tmp_path: Path) -> None:
    made = certificates(tmp_path / "certificates")
    with Gateway(prepared, tmp_path, policy_of(tmp_path, OURS), callers=("other",), certificates=made) as process:
        answered = process.ask(EVALUATION, RULE_1, token=None, certificate=True)
        assert answered.json["decision"] is True
        assert process.ask(EVALUATION, RULE_1, token=None).status == 401, "no certificate"
        assert process.ask(EVALUATION, RULE_1, token="wrong", certificate=True).status == 401, "a token must be right"
        assert process.ask(EVALUATION, RULE_1, certificate=True).status == 403, (
            "the token's caller is not in the policy"
        )
        assert process.stop() == 0
    (decision,) = [each for each in recorded(prepared) if each.decision_id == answered.json["context"]["decision_id"]]
    assert decision.gateway_id == OURS

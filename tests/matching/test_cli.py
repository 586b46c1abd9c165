"""`cloverwatch match` on files: alerts on standard output, a summary on standard error, usage errors."""

from __future__ import annotations

from pathlib import Path

import msgspec
import orjson
import pytest

from agents.cli import main
from alerts.approvals import step
from schemas.approval import Approval, Signed
from schemas.codec import encode
from tests.approvals.office import SIGNERS, people_section
from tests.matching.world import POLICY, T, access, decision, rows


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "policy.toml").write_text(POLICY)
    (tmp_path / "people").mkdir()
    for topic, fields in rows():
        with (tmp_path / "people" / f"{topic.rsplit('.', 1)[1]}.jsonl").open("ab") as file:
            file.write(orjson.dumps(fields) + b"\n")
    late = orjson.loads(encode(decision("d-late"))) | {"received_at": T + 1_501}
    made = [encode(decision()), orjson.dumps(late), b"no decision"]
    (tmp_path / "decisions.jsonl").write_bytes(b"\n".join(made) + b"\n")
    events = [access("fine", decision_id="d-1"), access("late", decision_id="d-late"), access("wide", action="export")]
    (tmp_path / "events.jsonl").write_bytes(b"".join(encode(each) + b"\n" for each in events))
    return tmp_path


def arguments(folder: Path) -> list[str]:
    return [
        "match",
        *("--policy", str(folder / "policy.toml"), "--directory", str(folder / "people")),
        *("--decisions", str(folder / "decisions.jsonl"), str(folder / "events.jsonl")),
    ]


def test_findings_are_printed_and_counted(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(folder)) == 0
    said = capfd.readouterr()
    told = {alert["event"]["event_id"]: alert["rule_id"] for alert in map(orjson.loads, said.out.splitlines())}
    assert told == {"late": "gateway.bypass", "wide": "gateway.wider"}
    assert "2 decisions, 3 accesses, 2 matched, 2 findings" in said.err
    assert "decisions.jsonl:3: not_json" in said.err
    assert "row limit" not in said.err, "what there is nothing of is not said"


def test_accesses_that_say_no_rows_under_a_limit_are_counted(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "decisions.jsonl").write_bytes(encode(decision(obligations={"row_limit": 100})))
    (folder / "events.jsonl").write_bytes(encode(access("fine", decision_id="d-1")))
    assert main(arguments(folder)) == 0
    assert "1 under a row limit without a count of records" in capfd.readouterr().err


@pytest.mark.parametrize("signed", [True, False])
def test_approvals_of_a_file_are_verified_by_the_keys_of_the_policy(
    folder: Path, signed: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    with (folder / "policy.toml").open("a") as file:
        file.write(people_section())
    given = Approval(
        approval_id="a-1",
        person="ann",
        datasets=("vault-*",),
        actions=("read",),
        until=T + 3_600_000,
        requested=Signed(by="anna", at=T),
    )
    given = step(given, "requested", SIGNERS["anna"], T, reason="restore")
    given = step(given, "approved", SIGNERS["ben"], T, place="IE")
    if not signed:
        given = msgspec.structs.replace(given, until=T + 7_200_000)
    (folder / "approvals.jsonl").write_bytes(msgspec.json.encode(given) + b"\n")
    rests = encode(decision(approval_id=given.approval_id))
    (folder / "decisions.jsonl").write_bytes(rests + b"\n")
    (folder / "events.jsonl").write_bytes(encode(access("fine", decision_id="d-1")) + b"\n")
    with_approvals = [*arguments(folder), "--approvals", str(folder / "approvals.jsonl")]
    assert main(with_approvals) == 0
    said = capfd.readouterr()
    found = [orjson.loads(line)["rule_id"] for line in said.out.splitlines()]
    assert found == ([] if signed else ["gateway.approval_missing"])
    assert f"{int(signed)} approvals" in said.err
    assert ("approvals.jsonl:1: not_allowed: requested: not signed by 'anna'" in said.err) is not signed
    assert main([*with_approvals, "--unsigned-approvals"]) == 0
    said = capfd.readouterr()
    assert said.out == ""
    assert "NOT VERIFIED" in said.err


@pytest.mark.parametrize(
    ("left_out", "said"),
    [
        ("--policy", "--policy: not given"),
        ("--directory", "--directory: not given"),
        ("--decisions", "--decisions: none"),
    ],
)
def test_what_is_missing_is_named(folder: Path, left_out: str, said: str, capfd: pytest.CaptureFixture[str]) -> None:
    given = arguments(folder)
    at = given.index(left_out)
    assert main([*given[:at], *given[at + 2 :]]) == 2
    assert said in capfd.readouterr().err


def test_a_policy_without_gateway_has_nothing_to_match(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "policy.toml").write_text(POLICY.split("[gateway]")[0])
    assert main(arguments(folder)) == 2
    assert "it has no [gateway]" in capfd.readouterr().err

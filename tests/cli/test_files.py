"""Commands that need no broker: what they say and how they end."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from agents.cli import GROUPS, main
from agents.settings import Settings
from schemas.codec import ALERT
from tests.cli.conftest import OUTSIDE, Run, write
from tests.rules.streams import INDIAN, access

# Usage.


def test_help_lists_every_command_and_every_exit_code(run: Run) -> None:
    said = run("--help")
    assert said.code == 0
    for _, modules in GROUPS:
        for module in modules:
            assert f"  {module.NAME} " in said.out
            assert run(module.NAME, "--help").code == 0
    for code in ("  0 ", "  1 ", "  2 ", "  3 ", "  130 "):
        assert code in said.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "required: COMMAND"),
        (["repaly"], "invalid choice: 'repaly'"),
        (["replay"], "required: --policy, --directory, FILE"),
        (["replay", "--fail-on", "severe"], "invalid choice: 'severe'"),
        (["check"], "required: FILE"),
        (["policy"], "required: action"),
        (["policy", "check"], "required: file"),
        (["alerts", "--severity", "bad"], "invalid choice"),
        (["dead-letters", "--list", "--resend"], "not allowed with"),
        (["dead-letters", "--reason", "because"], "invalid choice: 'because'"),
        (["topics", "--create", "--verify"], "not allowed with"),
        (["send", "--topic", "alerts", "x"], "invalid choice: 'alerts'"),
        (["settings", "--unknown"], "unrecognized arguments: --unknown"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_why(run: Run, arguments: list[str], said: str) -> None:
    found = run(*arguments)
    assert found.code == 2
    assert said in found.err
    assert "Traceback" not in found.err


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"partitions": "many"}, "CLOVERWATCH_PARTITIONS: 'many'; allowed: a whole number, at least 1"),
        ({"partitions": "0"}, "CLOVERWATCH_PARTITIONS: '0'; allowed: a whole number, at least 1"),
        ({"partition": "3"}, "CLOVERWATCH_PARTITION: unknown setting; did you mean 'partitions'?"),
        ({"log_level": "LOUD"}, "CLOVERWATCH_LOG_LEVEL: 'LOUD'"),
        ({"settings": "none.toml"}, "settings: none.toml cannot be read: No such file"),
        ({"security_protocol": "SASL_PLAINTEXT"}, "a password without TLS would travel in clear"),
        ({"sasl_password": "hunter2"}, "would not use the sasl_* settings"),
    ],
)
def test_a_wrong_setting_ends_every_command_with_2(run: Run, settings: dict[str, str], said: str) -> None:
    found = run("settings", **settings)
    assert (found.code, found.out) == (2, "")
    assert found.err.startswith("cloverwatch: ")
    assert said in found.err
    assert "hunter2" not in found.err


def test_a_settings_file_is_named_with_its_line(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text("group = 'g'\nweb_port = 99999\n")
    said = run("--settings", path, "settings")
    assert said.code == 2
    assert f"{path}:2: web_port: 99999; allowed: a whole number, at least 0, at most 65535" in said.err


def test_settings_shows_what_is_in_force_and_no_secret(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text("group = 'from-file'\npartitions = 7\n")
    said = run("--settings", path, "settings", partitions=9, web_host="::1")
    assert said.code == 0
    assert "CLOVERWATCH_GROUP = from-file   (set; default cloverwatch)" in said.out
    assert "CLOVERWATCH_PARTITIONS = 9   (set; default 32)" in said.out
    for name in Settings.__dataclass_fields__:
        assert f"CLOVERWATCH_{name.upper()} = " in said.out
    secret = run("settings", security_protocol="SASL_SSL", sasl_username="u", sasl_password="hunter2")
    assert secret.code == 0
    assert "hunter2" not in secret.out


def test_settings_as_the_reference(run: Run) -> None:
    assert run("settings", "--markdown").out == Path("docs/settings.md").read_text(encoding="utf-8")


# policy check


def test_policy_check(run: Run, policy: Path, tmp_path: Path) -> None:
    said = run("policy", "check", policy)
    assert said.code == 0
    assert "is right: 2 roles, 2 sites, 3 entities, 2 purposes, 0 exemptions" in said.out
    policy.write_text(policy.read_text().replace('sensitivity = ["restricted"', 'sensitivity = ["restrictet"'))
    said = run("policy", "check", policy)
    assert (said.code, said.out) == (2, "")
    assert f"{policy}:25: roles.reader.may[0].sensitivity[0]: 'restrictet' is not allowed" in said.err
    said = run("policy", "check", tmp_path / "none.toml")
    assert said.code == 2
    assert "cannot be read: No such file or directory" in said.err


def test_policy_check_names_who_answers_for_exemptions(run: Run) -> None:
    said = run("policy", "check", "demo/policy.toml")
    assert "exempt: singapore-handover" in said.out
    assert "by dpo@clover.example" in said.out


def test_policy_check_says_who_is_told_and_what_is_not(run: Run, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    silence = 'id = "move"\nowner = "dpo@clover.example"\nreason = "a move"\n'
    silence += "since = 2026-03-01T00:00:00Z\nuntil = 2026-03-08T00:00:00Z\n"
    destination = '[destinations.log]\nkind = "stdout"\nnames = "clear"\n'
    text = Path("demo/policy.toml").read_text(encoding="utf-8") + f"\n{destination}[[silences]]\n{silence}"
    policy.write_text(text, encoding="utf-8")
    said = run("policy", "check", policy)
    assert "tells: log, standard output: JSON lines, with names in clear\n" in said.out
    until = "2026-03-08T00:00:00.000Z"
    assert f"silent: move from 2026-03-01T00:00:00.000Z to {until}, by dpo@clover.example\n" in said.out
    policy.write_text(text.replace("since = 2026-03-01", "since = 2026-01-01"), encoding="utf-8")
    said = run("policy", "check", policy)
    assert (said.code, said.out) == (2, "")
    assert "a silence expires" in said.err


def test_policy_check_refuses_what_deliver_refuses(run: Run, policy: Path) -> None:
    silence = '[[silences]]\nid = "move"\nowner = "dpo"\nreason = "a move"\nuntil = 9999-12-31T00:00:00Z\n'
    policy.write_text(f"{policy.read_text()}\n{silence}")
    said = run("policy", "check", policy)
    assert (said.code, said.out) == (2, "")
    assert "silences[0].until: 9999-12-31T00:00:00+00:00: at most 30 days after now" in said.err
    assert run("deliver", policy=policy).err == said.err


@pytest.mark.parametrize(
    ("section", "said"),
    [
        (
            '[[silences]]\nid = "s"\nowner = "o"\nreason = "r"\nuntil = 2026-01-02T00:00:00Z\nfamily = ["acess"]\n',
            "access",
        ),
        ('[destinations.x]\nkind = "stdout"\n[[routes]]\nto = ["x"]\nrules = ["plce.*"]\n', "place.*"),
    ],
)
def test_policy_check_refuses_what_matches_no_alert(run: Run, policy: Path, section: str, said: str) -> None:
    policy.write_text(f"{policy.read_text()}\n{section}")
    checked = run("policy", "check", policy)
    assert (checked.code, checked.out) == (2, "")
    assert f"did you mean '{said}'?" in checked.err


def test_a_nul_in_a_path_is_an_error_of_its_key(run: Run, policy: Path) -> None:
    policy.write_text(f'{policy.read_text()}\n[destinations.x]\nkind = "file"\npath = "/a\\u0000b"\n')
    said = run("deliver", "--test", "x", policy=policy)
    assert said.code == 2
    assert r"destinations.x.path: '/a\x00b': holds a NUL" in said.err


# replay


def test_replay_prints_alerts_in_order_and_sums_up(run: Run, policy: Path, people: Path, events: Path) -> None:
    said = run("replay", "--policy", policy, "--directory", people, events)
    assert said.code == 0
    (alert,) = said.records
    assert alert["event"] == {"event_id": "from-india", "source": f"{events}:2"} | {
        "topic": None, "partition": None, "offset": None
    }  # fmt: skip
    assert alert["detected_at"] == alert["facts"]["appended_at"]
    assert ALERT.decode(said.out.encode()).rule_id == "place.third_country"
    assert "3 accesses read, 3 judged" in said.err
    assert "found                 1 place.third_country (critical)" in said.err


@pytest.mark.parametrize(("severity", "code"), [("informational", 3), ("high", 3), ("critical", 3)])
def test_fail_on_is_this_severity_and_worse(
    run: Run, policy: Path, people: Path, events: Path, severity: str, code: int
) -> None:
    assert run("replay", "--policy", policy, "--directory", people, "--fail-on", severity, events).code == code


def test_fail_on_lets_pass_what_is_less_severe(run: Run, policy: Path, people: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "e.jsonl", access(purpose=None))
    given = ["replay", "--policy", policy, "--directory", people]
    assert run(*given, "--fail-on", "high", path).code == 0
    assert run(*given, "--fail-on", "medium", path).code == 3


def test_strict_fails_for_a_line_or_a_row_that_cannot_be_used(
    run: Run, policy: Path, people: Path, tmp_path: Path
) -> None:
    path = write(tmp_path / "e.jsonl", access(), b"{", access(event_id="x", **OUTSIDE))
    given = ["replay", "--policy", policy, "--directory", people]
    said = run(*given, path)
    assert said.code == 0
    assert f"{path}:2: not_json: " in said.err
    assert "refused               1 not_json" in said.err
    assert len(said.records) == 1, "the others are judged"
    assert run(*given, "--strict", path).code == 1
    assert run(*given, "--strict", "--fail-on", "low", path).code == 3, "what was found weighs more"
    good = write(tmp_path / "good.jsonl", access())
    assert run(*given, "--strict", good).code == 0
    row = {"employee_id": "e-1", "status": "active", "valid_from": 5, "valid_until": 4}
    with (people / "employees.jsonl").open("ab") as file:
        file.write(orjson.dumps(row) + b"\n")
    said = run(*given, "--strict", good)
    assert said.code == 1
    assert "employees.jsonl:3: contradiction: `valid_until` is before `valid_from`" in said.err
    assert "row refused           1 contradiction" in said.err


def test_replay_of_every_form_of_a_file_is_the_same(
    run: Run, policy: Path, people: Path, events: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ["replay", "--policy", policy, "--directory", people]
    expected = [alert["alert_id"] for alert in run(*given, events).records]
    packed = tmp_path / "events.jsonl.gz"
    packed.write_bytes(gzip.compress(events.read_bytes()))
    assert [alert["alert_id"] for alert in run(*given, packed).records] == expected
    assert [alert["alert_id"] for alert in run(*given, "--no-memo", events).records] == expected
    windows = tmp_path / "crlf.jsonl"
    windows.write_bytes(b"\r\n" + events.read_bytes().replace(b"\n", b"\r\n"))
    assert [alert["alert_id"] for alert in run(*given, windows).records] == expected
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(events.read_bytes()))))
    assert [alert["alert_id"] for alert in run(*given, "-").records] == expected
    for name in ("employees", "datasets"):
        path = people / f"{name}.jsonl"
        (people / f"{name}.jsonl.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    said = run(*given, events, events)
    assert [alert["alert_id"] for alert in said.records] == expected
    assert "duplicates       3" in said.err


def test_rules_in_shadow_are_counted_and_printed_where_asked(
    run: Run, policy: Path, people: Path, events: Path
) -> None:
    with policy.open("a") as file:
        file.write('[rules."place.third_country"]\nshadow = true\n')
    given = ["--policy", policy, "--directory", people]
    said = run("replay", *given, "--fail-on", "low", events)
    assert (said.code, said.out) == (0, ""), "nobody is told"
    assert "shadow                1 place.third_country (critical)" in said.err
    assert "found" not in said.err
    (alert,) = run("replay", *given, "--shadow", events).records
    assert alert["facts"]["shadow"] is True
    said = run("explain", *given, "--event-id", "from-india", events)
    assert "place.third_country        fires in shadow (critical): reached from India" in said.out
    assert said.out.rstrip().endswith("not flagged")
    assert "  in shadow: place.third_country" in run("policy", "check", policy).out


def test_as_known_at_leaves_out_what_was_recorded_later(run: Run, policy: Path, people: Path, events: Path) -> None:
    late = {"employee_id": "e-1", "country": "IE", "evidence": "device", "valid_from": "2026-03-02T10:00:00Z",
            "recorded_at": "2026-03-05T00:00:00Z"}  # fmt: skip
    with (people / "employees.jsonl").open("ab") as file:
        row = {
            "employee_id": "e-1",
            "status": "terminated",
            "valid_from": late["valid_from"],
        }
        file.write(orjson.dumps(row | {"recorded_at": late["recorded_at"]}) + b"\n")
    given = ["replay", "--policy", policy, "--directory", people]
    assert len(run(*given, events).records) == 3, "gone, and each access says so"
    assert len(run(*given, "--as-known-at", "2026-03-04T00:00:00Z", events).records) == 1
    for wrong in ("yesterday", "2026-03-04T00:00:00", "2026-03-04"):
        said = run(*given, "--as-known-at", wrong, events)
        assert said.code == 2
        assert f"--as-known-at: '{wrong}'; a time with an offset is allowed" in said.err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"--policy": "none.toml"}, "policy: none.toml cannot be read"),
        ({"--directory": "nowhere"}, "directory: nowhere is no folder"),
        ({"--directory": "."}, "holds none of the directory files"),
        ({"file": "none.jsonl"}, "none.jsonl cannot be read"),
        ({"file": "tests"}, "tests cannot be read"),
        ({"--geo-mmdb": "pyproject.toml"}, "pyproject.toml"),
        ({"--geo-mmdb": "none.mmdb"}, "none.mmdb"),
    ],
)
def test_what_cannot_be_read_ends_with_2(
    run: Run, policy: Path, people: Path, events: Path, change: dict[str, str], said: str
) -> None:
    given: dict[str, Any] = {"--policy": policy, "--directory": people, "file": events, **change}
    file = given.pop("file")
    for command in ("replay", "explain"):
        found = run(command, *(part for pair in given.items() for part in pair), file)
        assert found.code == 2
        assert said in found.err
        assert "Traceback" not in found.err


def test_a_gzip_file_that_is_cut_off_says_so(run: Run, policy: Path, people: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.gz"
    path.write_bytes(gzip.compress(orjson.dumps(access()) * 500)[:-20])
    said = run("replay", "--policy", policy, "--directory", people, path)
    assert said.code == 2
    assert f"{path} cannot be read: " in said.err


def test_empty_directories_end_with_2_and_say_what_would_come_of_them(
    run: Run, policy: Path, tmp_path: Path, events: Path, people: Path
) -> None:
    folder = tmp_path / "empty"
    for content in ([], [b"nothing"]):
        write(folder / "employees.jsonl", *content)
        said = run("replay", "--policy", policy, "--directory", folder, events)
        assert (said.code, said.out) == (2, "")
        assert f"the files in {folder} hold no row: every access would be judged as unknown" in said.err
        assert ("employees.jsonl:1: not_json" in said.err) is bool(content)
    given = ["replay", "--policy", policy, "--directory", people]
    said = run(*given, "--as-known-at", "1999-01-01T00:00:00Z", events)
    assert said.code == 2
    assert "hold no row that was recorded by then" in said.err
    said = run(*given, write(tmp_path / "none.jsonl"))
    assert (said.code, said.out) == (0, "")
    assert "0 accesses read" in said.err


@pytest.mark.slow
@pytest.mark.parametrize(("more", "ends_with"), [([], 0), (["--fail-on", "critical"], 1)])
def test_a_reader_that_has_enough_is_no_error_but_no_clean_result_either(
    policy: Path, people: Path, tmp_path: Path, more: list[str], ends_with: int
) -> None:
    many = write(tmp_path / "many.jsonl", *(access(event_id=f"ev-{n}", **OUTSIDE) for n in range(400)))
    code = "import sys; from agents.cli import main; sys.exit(main(sys.argv[1:]))"
    with subprocess.Popen(
        [sys.executable, "-c", code, "replay", "--policy", policy, "--directory", people, *more, many],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()
        assert process.wait(20) == ends_with


def test_what_the_system_refuses_ends_with_1_and_names_the_file(run: Run, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    said = run("demo", "--events", "100", "--write", blocked / "month")
    assert said.code == 1
    assert str(blocked) in said.err
    assert "Traceback" not in said.err


def test_ctrl_c_ends_with_130(monkeypatch: pytest.MonkeyPatch, policy: Path) -> None:
    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("agents.cli.policy.read_policy", interrupted)
    assert main(["policy", "check", str(policy)]) == 130


# explain


def test_explain_says_every_fact_and_every_rule(run: Run, policy: Path, people: Path, events: Path) -> None:
    given = ["explain", "--policy", policy, "--directory", people]
    fired = run(*given, "--event-id", "from-india", events)
    assert fired.code == 0
    assert "place.third_country        fires (critical): reached from India" in fired.out
    assert "role.none                  does not fire" in fired.out
    assert "workload.off_place         does not apply (principal): it looks at workload, not at employee" in fired.out
    assert fired.out.rstrip().endswith("\nflagged")
    assert "device_claim" in fired.out
    assert "outranked" in fired.out, "the badge in Ireland is kept"
    fine = run(*given, "--event-id", "fine", events)
    assert fine.out.rstrip().endswith("not flagged")
    denied = run(*given, "--event-id", "denied", events)
    assert "place.third_country        does not apply (outcome): it looks at success, not at denied" in denied.out


def test_explain_tells_what_is_exempted_and_what_is_unknown(
    run: Run, policy: Path, people: Path, tmp_path: Path
) -> None:
    with policy.open("a") as file:
        file.write(
            '[[exemptions]]\nid = "rota"\nrules = ["place.third_country"]\nowner = "dpo"\nreason = "rota"\n'
            "until = 2030-01-01T00:00:00Z\n"
        )
    given = ["explain", "--policy", policy, "--directory", people]
    said = run(*given, write(tmp_path / "e.jsonl", access(**OUTSIDE)))
    assert "place.third_country        exempted by rota: dpo: rota, until 2030-01-01" in said.out
    assert said.out.rstrip().endswith("not flagged")
    said = run(*given, write(tmp_path / "e.jsonl", access(dataset_id="new", employee_id="e-9")))
    assert "nothing_known_of           dataset, employee, place, roles" in said.out
    assert "nothing at all" in said.out


def test_explain_as_json(run: Run, policy: Path, people: Path, events: Path) -> None:
    said = run("explain", "--json", "--policy", policy, "--directory", people, "--event-id", "from-india", events)
    told = orjson.loads(said.out)
    assert told["flagged"] is True
    assert told["event"]["event_id"] == "from-india"
    assert told["rules"]["place.third_country"]["says"] == "fires"
    assert told["facts"]["place"]["country"] == "IN"
    assert told["facts"]["as_of"] == "2026-03-02T10:00:00.000Z"
    assert told["judged_with"].keys() == {"policy", "legal_table"}


def test_explain_agrees_with_replay_on_an_id_used_twice(run: Run, policy: Path, people: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "e.jsonl", access(), access(), access(action="export"))
    given = ["--policy", policy, "--directory", people]
    (alert,) = run("replay", *given, path).records
    assert alert["rule_id"] == "event.id_reused"
    said = run("explain", *given, "--event-id", "ev-1", path)
    assert said.out.count("event.id_reused") == 2
    assert said.out.count("event.id_reused            fires") == 1


def test_explain_finds_an_escaped_id_and_says_where_there_is_none(
    run: Run, policy: Path, people: Path, tmp_path: Path, events: Path
) -> None:
    given = ["explain", "--policy", policy, "--directory", people]
    escaped = write(tmp_path / "e.jsonl", orjson.dumps(access(event_id="odd")).replace(b'"odd"', rb'"\u006fdd"'))
    assert run(*given, "--event-id", "odd", escaped).code == 0
    said = run(*given, "--event-id", "none such", events)
    assert (said.code, said.out) == (1, "")
    assert "no event 'none such' in " in said.err
    said = run(*given, write(tmp_path / "bad.jsonl", b"nothing"))
    assert said.code == 1
    assert "no event that can be read" in said.err
    assert run(*given, "--event-id", "\udcff", events).code == 1


def test_what_came_from_outside_does_not_steer_a_terminal(run: Run, policy: Path, people: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "e.jsonl", access(client="\x1b[2Jnice", source_ip=INDIAN, purpose="\x1b]0;x\x07"))
    said = run("explain", "--policy", policy, "--directory", people, path)
    assert said.code == 0
    assert "\x1b" not in said.out
    assert "\x07" not in said.out
    assert "nice" in said.out


# check


def test_check_names_every_bad_line(run: Run, tmp_path: Path) -> None:
    path = write(
        tmp_path / "employees.jsonl",
        {"employee_id": "e", "status": "active", "valid_from": 1},
        b"",
        {"employee_id": "e", "status": "gone", "valid_from": 1},
        {"employee_id": "e", "status": "active", "valid_from": 5, "valid_until": 4},
        {"employee_id": "e", "status": "active", "valid_from": 1, "home_country": "ZZ"},
        b'{"employee_id": "e", "employee_id": "f", "status": "active", "valid_from": 1}',
        b"\xff",
    )
    said = run("check", path)
    assert said.code == 1
    found = [line.removeprefix(f"{path}:").split(": ")[:2] for line in said.out.splitlines()]
    assert found == [
        ["3", "wrong_type"],
        ["4", "contradiction"],
        ["5", "invalid_value"],
        ["6", "duplicate_key"],
        ["7", "not_utf8"],
    ]
    assert "6 records, 5 wrong" in said.err


def test_check_of_good_files_of_every_kind(run: Run, people: Path, events: Path, tmp_path: Path) -> None:
    said = run("check", *sorted(people.glob("*.jsonl")), events)
    assert (said.code, said.out) == (0, "")
    assert "10 records, 0 wrong" in said.err
    other = tmp_path / "monday.txt"
    other.write_bytes(events.read_bytes())
    assert run("check", "--topic", "access.events", other).code == 0
    said = run("check", other)
    assert said.code == 2
    assert "cannot tell whose records these are; give --topic, or name the file" in said.err
    said = run("check", "-")
    assert said.code == 2
    assert "standard input" in said.err


def test_check_translates_what_other_systems_write(run: Run, tmp_path: Path) -> None:
    path = write(tmp_path / "cloudtrail.jsonl", b"[1]", b"nothing")
    said = run("check", path)
    assert said.code == 1
    assert f"{path}:2: not_json" in said.out


# worker, without a broker


def test_a_worker_without_a_policy_ends_with_2(run: Run) -> None:
    said = run("worker")
    assert said.code == 2
    assert "a worker needs one; name the file with CLOVERWATCH_POLICY" in said.err

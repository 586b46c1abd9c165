"""The real records, replayed, give what was written down by reading them: these alerts and no others."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from schemas.alert import Alert
from tests.replay.slice import DATA, SETS, Found, alerts_of, described, found, labelled, records, replayed, session

EXPECTED = described("expectations.json")


def expected(name: str, *which: str) -> Found:
    return {
        (event, rule)
        for incident in EXPECTED["sets"][name]
        for family in which or ("fires", "behaves")
        for rule, events in incident.get(family, {}).items()
        for event in events
    }


def of_family(alerts: Iterable[Alert], family: str) -> list[Alert]:
    return [alert for alert in alerts if alert.family == family]


@pytest.mark.parametrize("name", SETS)
def test_the_real_records_give_the_alerts_that_were_written_down_and_no_others(name: str) -> None:
    alerts = alerts_of(name)
    assert {alert.family for alert in alerts} <= {"access", "behaviour"}
    about = of_family(alerts, "access")
    assert found(about) == expected(name, "fires")
    assert len({alert.alert_id for alert in about}) == len(about) == len({event for event, _ in found(about)})


@pytest.mark.parametrize("name", SETS)
def test_what_is_told_of_behaviour_is_opened_once_and_amended_in_order(name: str) -> None:
    told = of_family(alerts_of(name), "behaviour")
    assert found(told) == expected(name, "behaves")
    revisions = [
        (event, rule, at)
        for incident in EXPECTED["sets"][name]
        for rule, events in incident.get("behaves", {}).items()
        for at, event in enumerate(events)
    ]
    assert sorted((a.event.event_id, a.rule_id, a.revision) for a in told if a.event) == sorted(revisions)
    assert len({alert.alert_id for alert in told}) == sum("behaves" in each for each in EXPECTED["sets"][name])


@pytest.mark.parametrize("name", SETS)
def test_every_label_is_answered_by_the_expectations(name: str) -> None:
    labels = described("labels.json")["sources"][name]["labels"]
    answered = {each["label"]: each for each in EXPECTED["sets"][name] if "label" in each}
    assert {label["name"] for label in labels} == set(answered)
    for label in labels:
        chosen = {record["eventID"] for record in labelled(name, label["name"])}
        answer = answered[label["name"]]
        by_rule = {**answer["fires"], **answer.get("behaves", {})}
        fires = {event for events in by_rule.values() for event in events}
        assert len(chosen) == label["unique"], "the selector means what it meant when the label was made"
        assert fires <= chosen
        assert bool(fires) == label["kind"].startswith("alert") or label["name"] == "stratus-any"


@pytest.mark.parametrize("name", SETS)
def test_what_must_be_silent_is_there_and_is_expected_nowhere(name: str) -> None:
    ids = {record["eventID"] for record in records(name)}
    fires = {event for event, _ in expected(name)}
    silent = {event for each in EXPECTED["sets"][name] for event in each.get("silent", ())}
    assert fires | silent <= ids
    assert not fires & silent


@pytest.mark.parametrize("name", SETS)
def test_services_and_what_they_assume_are_never_unknown_employees(name: str) -> None:
    """Without any word of the policy on identities: only users and roles of people may be unknown."""
    judge = session()
    mappings = judge.policy.sources
    assert "cloudtrail" in mappings
    people = {
        record["eventID"]
        for record in records(name)
        if record["userIdentity"].get("type") == "IAMUser" or "@" in record["userIdentity"].get("arn", "")
    }
    object.__setattr__(judge.policy, "sources", {"cloudtrail": type(mappings["cloudtrail"])()})
    alerts, _, _ = replayed(DATA / f"{name}.jsonl.gz", judge)
    unknown = {event for event, rule in found(alerts) if rule == "employee.unknown"}
    assert unknown <= people


def test_the_same_records_with_their_user_abroad_are_reached_from_a_third_country() -> None:
    here = found(alerts_of("invictus-aws"))
    abroad = found(replayed(DATA / "invictus-aws.jsonl.gz", session("directory-abroad"))[0]) - here
    assert {rule for _, rule in abroad} == {EXPECTED["abroad"]["rule"]}
    secrets = {record["eventID"] for record in labelled("invictus-aws", EXPECTED["abroad"]["label"])}
    assert secrets <= {event for event, _ in abroad}
    at = {record["eventID"]: record["eventTime"] for record in records("invictus-aws")}
    assert {at[event] for event, _ in abroad} == {"2023-07-10T12:07:57Z"}


@pytest.mark.parametrize("times", [2, 100])
def test_a_record_that_is_delivered_again_and_again_gives_one_alert(times: int, tmp_path: Path) -> None:
    breach = [{"event": record} for record in labelled("otrf", "bank-breach")]
    path = tmp_path / "again.json.gz"
    path.write_bytes(gzip.compress(json.dumps({"Records": breach * times}).encode()))
    alerts, reading, duplicates = replayed(path, session())
    assert not reading.bad
    assert len(alerts) == len(breach) == 11
    assert duplicates == len(breach) * (times - 1)


FORMS: dict[str, Callable[[list[Any]], bytes]] = {
    "delivered.json": lambda rows: json.dumps({"Records": rows}).encode(),
    "delivered.json.gz": lambda rows: gzip.compress(json.dumps({"Records": rows}).encode()),
    "bare.jsonl": lambda rows: b"\n".join(json.dumps(row).encode() for row in rows),
    "bare.jsonl.gz": lambda rows: gzip.compress(b"\n".join(json.dumps(row).encode() for row in rows)),
    "array.json": lambda rows: json.dumps(rows, indent=1).encode(),
    "members.json.gz": lambda rows: b"".join(gzip.compress(json.dumps(row).encode() + b"\n") for row in rows),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_delivery_gives_the_same_alerts(form: str, tmp_path: Path) -> None:
    path = tmp_path / form
    path.write_bytes(FORMS[form](records("otrf")))
    alerts, reading, _ = replayed(path, session())
    assert not reading.bad
    assert found(alerts) == expected("otrf")
    assert sum(reading.skipped.values()) == len(records("otrf")) - len(alerts)


def written(address: str) -> dict[str, Any]:
    return {**labelled("otrf", "bank-breach-reads")[0], "sourceIPAddress": address}


@pytest.mark.parametrize(
    ("address", "fires"),
    [
        ("1.2.3.4", True),
        ("1.2.3.4:51034", True),
        ("[2001:db8::7]:443", True),
        ("2001:db8::7", True),
        ("::ffff:10.0.0.9", False),
        ("10.0.0.9", False),
        ("10.0.0.9:443", False),
        ("253.252.51.07", False),
        ("redacted", False),
        ("AWS Internal", False),
        ("ec2.amazonaws.com", False),
        ("", False),
    ],
)
def test_a_role_is_off_its_place_however_the_address_is_written_and_never_by_one_that_is_none(
    address: str, fires: bool, tmp_path: Path
) -> None:
    path = tmp_path / "one.jsonl"
    path.write_text(json.dumps(written(address)))
    alerts, reading, _ = replayed(path, session())
    assert not reading.bad
    assert {rule for _, rule in found(alerts)} == ({"workload.off_place"} if fires else set())


@pytest.mark.slow
def test_the_command_line_gives_the_same_verdicts() -> None:
    files = [str(DATA / f"{name}.jsonl.gz") for name in SETS]
    program = "import sys; from agents.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "replay", "--source", "cloudtrail", "--strict"]
    command += ["--policy", str(DATA / "policy.toml"), "--directory", str(DATA / "directory"), *files]
    done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    alerts = [json.loads(line) for line in done.stdout.splitlines()]
    said = Counter(reason["rule_id"] for alert in alerts for reason in alert["reasons"])
    assert said == Counter(rule for name in SETS for _, rule in expected(name))

"""`replay --against`: the same events under two policies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from agents.comparing import Run as Judged
from agents.comparing import compare
from rules.habits.report import FAMILY, behaviour_alert_id
from rules.report import digest
from schemas.alert import Alert
from schemas.codec import ALERT
from tests.cli.conftest import OUTSIDE, Run, write
from tests.rules.streams import access
from tests.schemas.records import ALERT_RECORD

HOUR = 3_600_000
DAY = 24 * HOUR
T = 1_772_445_600_000


def alert(name: str, *rules: str, **fields: Any) -> Alert:
    record = {**ALERT_RECORD, "alert_id": name, **fields}
    if rules:
        record["rule_id"] = rules[0]
        record["reasons"] = [{**ALERT_RECORD["reasons"][0], "rule_id": rule} for rule in rules]
    return ALERT.decode(orjson.dumps(record))


def anomaly(since: int, *rules: str, who: str = "e-1", **fields: Any) -> Alert:
    given = {"family": FAMILY, "person": who, "dedup_key": digest(FAMILY, who), "facts": {"since": since}}
    return alert(behaviour_alert_id(who, since), *rules, **{**given, "occurred_at": since, **fields})


def judged(*alerts: Alert, cool_down: int = DAY) -> Judged:
    run = Judged(cool_down)
    run.add(alerts)
    return run


def test_what_appears_vanishes_changes_and_stays() -> None:
    before = judged(alert("gone", "a"), alert("worse", "a", severity="low"), alert("other", "a", "b"), alert("same"))
    after = judged(alert("worse", "a", severity="high"), alert("other", "a", "c"), alert("same"), alert("new", "c"))
    found = compare(before, after)
    assert found.differs
    assert [each.alert_id for each in found.appear] == ["new"]
    assert [each.alert_id for each in found.vanish] == ["gone"]
    assert {pair.after.alert_id: pair.changes for pair in found.changed} == {
        "worse": {"severity": ["low", "high"]},
        "other": {"rules": {"more": ["c"], "less": ["b"]}},
    }
    assert [pair.before.alert_id for pair in found.same] == ["same"]
    counts = found.by_rule()
    assert (counts["a"].before, counts["a"].after, counts["a"].vanish, counts["a"].changed) == (3, 2, 1, 2)
    assert (counts["c"].before, counts["c"].after, counts["c"].appear) == (0, 2, 2)
    for each in counts.values():
        assert each.after == each.before + each.appear - each.vanish
    assert not compare(before, before).differs


def test_revisions_are_counted_and_every_rule_of_them() -> None:
    first, more = anomaly(T, "volume"), anomaly(T, "run", revision=1, severity="high", occurred_at=T + HOUR)
    found = compare(judged(first), judged(first, more))
    (pair,) = found.changed
    assert pair.changes["revisions"] == [1, 2]
    assert pair.changes["rules"] == {"more": ["run"], "less": []}
    assert (pair.after.since, pair.after.until) == (T, T + HOUR)


@pytest.mark.parametrize(
    ("old", "new", "moves"),
    [
        (anomaly(T), anomaly(T + 5 * HOUR), True),
        (anomaly(T + 5 * HOUR), anomaly(T), True),
        (anomaly(T), anomaly(T + 3 * DAY), False),
        (anomaly(T), anomaly(T + HOUR, who="e-2"), False),
        (alert("a", occurred_at=T, dedup_key="k"), alert("b", occurred_at=T, dedup_key="k"), False),
    ],
)
def test_an_anomaly_that_begins_at_another_event_moves(old: Alert, new: Alert, moves: bool) -> None:
    found = compare(judged(old), judged(new))
    assert (len(found.moved), len(found.appear), len(found.vanish)) == ((1, 0, 0) if moves else (0, 1, 1))
    if moves:
        since = [old.facts["since"], new.facts["since"]]
        assert found.moved[0].changes["since"] == since


def test_each_anomaly_moves_to_one_other_at_most() -> None:
    before = judged(anomaly(T), anomaly(T + 10 * HOUR))
    found = compare(before, judged(anomaly(T + 9 * HOUR)))
    assert len(found.moved) == 1
    assert len(found.vanish) == 1


def test_the_length_of_an_anomaly_is_its_own_policys() -> None:
    old, new = anomaly(T), anomaly(T + 3 * DAY)
    assert compare(judged(old, cool_down=5 * DAY), judged(new)).moved
    assert not compare(judged(old), judged(new, cool_down=5 * DAY)).moved


# The command.


@pytest.fixture
def stricter(policy: Path, tmp_path: Path) -> Path:
    """The policy with a perimeter of one country more, another severity and a rule that is off."""
    path = tmp_path / "stricter.toml"
    more = (
        '[rules."place.third_country"]\nseverity = "low"\n'
        '[rules."purpose.not_allowed"]\nenabled = false\n'
        '[rules."role.none"]\nseverity = "high"\n'
    )
    path.write_text(policy.read_text() + more)
    return path


@pytest.fixture
def stream(tmp_path: Path) -> Path:
    return write(
        tmp_path / "stream.jsonl",
        access(event_id="fine"),
        access(event_id="from-india", **OUTSIDE),
        access(event_id="no-purpose", purpose=None),
        access(event_id="both", purpose=None, **OUTSIDE),
    )


def test_it_shows_what_would_be_other(run: Run, policy: Path, stricter: Path, people: Path, stream: Path) -> None:
    given = ["replay", "--policy", policy, "--against", stricter, "--directory", people]
    said = run(*given, stream)
    assert said.code == 0
    lines = said.out.splitlines()
    assert lines[0].split() == ["alert", "severity", "rules", "revisions", "about", "since", "id"]
    assert [line.split()[0] for line in lines[1:4]] == ["vanishes", "changes", "changes"]
    assert "critical → low" in said.out
    assert "place.third_country, -purpose.not_allowed" in said.out
    assert lines[-1] == "0 appear, 1 vanish, 2 change, 0 move, 0 stay as they are"
    assert "4 accesses judged twice" in said.err
    assert "\x1b" not in said.out
    counts = [line.split() for line in lines if line.startswith("purpose.not_allowed")]
    assert counts == [["purpose.not_allowed", "2", "0", "0", "2", "0"]]
    assert run(*given, "--fail-on-change", stream).code == 3
    same = run("replay", "--policy", policy, "--against", policy, "--directory", people, "--fail-on-change", stream)
    assert same.code == 0
    assert same.out.splitlines()[-1] == "0 appear, 0 vanish, 0 change, 0 move, 3 stay as they are"


def test_it_says_so_as_json(run: Run, policy: Path, stricter: Path, people: Path, stream: Path) -> None:
    said = run("replay", "--policy", policy, "--against", stricter, "--directory", people, "--json", stream)
    told = orjson.loads(said.out)
    assert told.keys() == {"before", "after", "judged", "appear", "vanish", "changed", "moved", "same", "rules"}
    assert (told["before"]["file"], told["before"]["alerts"], told["after"]["alerts"]) == (str(policy), 3, 2)
    assert told["vanish"][0]["event_id"] == "no-purpose"
    assert {each["after"]["event_id"]: each["changes"]["severity"] for each in told["changed"]} == {
        "from-india": ["critical", "low"],
        "both": ["critical", "low"],
    }
    assert told["rules"]["place.third_country"] == {"before": 2, "after": 2, "appear": 0, "vanish": 0, "changed": 2}


def test_a_threshold_is_tested_on_a_history_that_is_warm(
    run: Run, watching: Path, people: Path, tmp_path: Path
) -> None:
    looser = tmp_path / "looser.toml"
    looser.write_text(watching.read_text() + "floor_records = 100_000\n")
    monday = T - 60 * DAY
    days = [
        access(event_id=f"d-{day}", occurred_at=monday + day * DAY, record_count=50) for day in range(28) if day % 7 < 5
    ]
    warm = write(tmp_path / "warm.jsonl", *days)
    state = tmp_path / "state"
    common = ["--directory", people, "--state", state]
    assert run("replay", "--policy", watching, *common, warm).out == ""
    kept = state.read_bytes()
    bulk = write(tmp_path / "bulk.jsonl", access(occurred_at=monday + 28 * DAY, record_count=9_000))
    said = run("replay", "--policy", watching, "--against", looser, *common, bulk)
    assert said.code == 0
    assert said.out.splitlines()[1].split()[0] == "vanishes"
    assert "behaviour.volume" in said.out
    assert state.read_bytes() == kept, "read, never written"
    assert "0 and 0 alerts" in run("replay", "--policy", watching, "--against", looser, *common[:2], bulk).err, "cold"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--against", "POLICY", "--fail-on", "high"], "--fail-on: not with --against"),
        (["--against", "POLICY", "--shadow"], "--shadow: not with --against"),
        (["--against", "POLICY", "--no-memo"], "--no-memo: not with --against"),
        (["--against", "POLICY", "-"], "-: --against reads the events twice"),
        (["--against", "none.toml"], "policy: none.toml cannot be read"),
        (["--json"], "--json: only with --against FILE"),
        (["--fail-on-change"], "--fail-on-change: only with --against FILE"),
    ],
)
def test_what_does_not_go_together_is_refused(
    run: Run, policy: Path, people: Path, events: Path, more: list[str], said: str
) -> None:
    given = [policy if part == "POLICY" else part for part in more]
    found = run("replay", "--policy", policy, "--directory", people, *given, events)
    assert (found.code, found.out) == (2, "")
    assert said in found.err


def test_lines_that_cannot_be_used_are_told_once(run: Run, policy: Path, people: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "e.jsonl", access(), b"{")
    given = ["replay", "--policy", policy, "--against", policy, "--directory", people]
    said = run(*given, "--strict", path)
    assert said.code == 1
    assert said.err.count("not_json") == 1
    with (people / "employees.jsonl").open("ab") as file:
        file.write(b"{\n")
    good = write(tmp_path / "good.jsonl", access())
    said = run(*given, "--strict", good)
    assert said.code == 1
    assert said.err.count("employees.jsonl:3: not_json") == 1
    assert run(*given, good).code == 0


def test_a_long_list_is_cut_in_the_table_alone(run: Run, policy: Path, people: Path, tmp_path: Path) -> None:
    quiet = tmp_path / "quiet.toml"
    quiet.write_text(policy.read_text() + '[rules."place.third_country"]\nenabled = false\n')
    many = write(tmp_path / "many.jsonl", *(access(event_id=f"ev-{n}", **OUTSIDE) for n in range(230)))
    given = ["replay", "--policy", policy, "--against", quiet, "--directory", people]
    said = run(*given, many)
    assert "… and 30 more: --json has them all" in said.out
    assert "230 vanish" in said.out
    assert len(orjson.loads(run(*given, "--json", many).out)["vanish"]) == 230

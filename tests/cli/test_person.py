"""`cloverwatch person`: what is known of somebody's habit."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from pathlib import Path

import msgspec
import orjson
import pytest

from agents.cli.person import EXAMPLES
from agents.naming import Unknown
from agents.publisher import Publisher, partition_of
from agents.revealing import envelope_of
from agents.snapshots import bucket_of
from alerts import key_files
from alerts.requests import signed
from alerts.sealing import open_inner, open_outer
from demo.broker import free_port
from rules.cases import POLICY, T
from rules.habits.habit import Episode, Habit, Spot
from rules.habits.saved import save
from schemas.request import Step
from schemas.secret import Secret
from schemas.topics import ALERTS, PRIVACY_REQUESTS, STATE_HABITS
from tests.alerts.test_people import section, signer
from tests.cli.conftest import Run, Said, write
from tests.cli.test_brokers import PARTITIONS, Tool, fresh, tool  # noqa: F401  # fixtures
from tests.rules.streams import access

DAY = 86_400_000
FIRST = T - 60 * DAY


DORA, ANNA, BEN = (signer(name, at) for at, name in enumerate(("dora", "anna", "ben"), 1))
PEOPLE = section("dora", DORA.public, "analyst") + "".join(
    section(each.name, each.public, "officer") for each in (ANNA, BEN)
)


@pytest.fixture
def why(tmp_path: Path) -> list[str | Path]:
    """Who looks, and for what: without it nothing is shown."""
    path = tmp_path / "dora.key"
    path.touch(0o600)
    path.write_bytes(key_files.write(DORA, Secret(b64encode(bytes([1]) * 32).decode()), None))
    return ["--reason", "a drill", "--by", "dora", "--key", path]


@pytest.fixture
def look(run: Run, why: list[str | Path]) -> Run:
    """`cloverwatch person` with a reason."""

    def call(*arguments: str | Path, **settings: object) -> Said:
        return run("person", *arguments, *why, **settings)

    return call


@pytest.fixture
def state(run: Run, watching: Path, people: Path, tmp_path: Path) -> Path:
    """Six weeks of one person's work in Ireland, and one access of another."""
    days = [day for day in range(42) if day % 7 < 5]
    events = [
        access(event_id=f"{day}-{number}", occurred_at=FIRST + day * DAY + number * 3_600_000, record_count=20,
               device_country="IE", subject_ids=[f"s-secret-{day % 2}"], ticket=None, purpose=None)
        for day in days for number in range(4)
    ]  # fmt: skip
    events.append(access(event_id="other", employee_id="e-2", occurred_at=FIRST + 42 * DAY, device_country="IE"))
    path = tmp_path / "state"
    given = ["replay", "--policy", watching, "--directory", people, "--state", path]
    assert run(*given, write(tmp_path / "history.jsonl", *events)).code == 0
    return path


def test_it_shows_what_is_known_and_when_it_would_be_told(look: Run, state: Path, watching: Path, people: Path) -> None:
    said = look("e-1", "--state", state, "--policy", watching, "--directory", people)
    assert said.code == 0, said.err
    for words in (
        "e-1, as of 2026-02-12T10:00:00.000Z, under policy ",
        "history: 29 active days of at most 40",
        "measures: 2026-02-09, their last active day",
        "countries: Ireland (2026-02-09)",
        "last device      IE at 2026-02-09T13:00:00.000Z",
        "datasets: about 1 known, 0 new that day",
        "kept as hashes; who they are is not known here",
        "peers: none known here",
        "behaviour.peer_volume       silent: no peers are known here",
        "behaviour.new_country       from any country but Ireland that nothing announced",
        "behaviour.dormant           after 45 days without an access: if the next is after 26 Mar 2026 13:00 UTC",
    ):
        assert words in said.out, words
    (records,) = [line for line in said.out.splitlines() if line.startswith("  records a day")]
    assert records.split()[3] == "80"
    assert "told from" in records
    assert "s-secret" not in said.out
    assert any(line.startswith("  one on ") for line in said.out.splitlines()), "who comes back, without a name"
    assert max(len(line) for line in said.out.splitlines()) < 240


def test_as_json(look: Run, state: Path, watching: Path) -> None:
    told = orjson.loads(look("e-1", "--json", "--state", state, "--policy", watching).out)
    assert told["history"]["active_days"] == 29
    assert told["history"]["time_zone"] is None
    assert {each["measure"]: each["last_day"] for each in told["measures"]}["records"] == 80
    assert len(told["hours"]["working_day"]) == len(told["hours"]["day_off"]) == 24
    assert told["countries"][0]["country"] == "IE"
    assert {each["state"] for each in told["rules"]} == {"speaks", "silent"}
    assert "s-secret" not in orjson.dumps(told).decode()
    assert told["repeats"][0].keys() == {"days", "last_day"}


def test_what_the_policy_says_of_each_rule(look: Run, state: Path, watching: Path, tmp_path: Path) -> None:
    path = tmp_path / "tuned.toml"
    path.write_text(
        watching.read_text()
        + '[rules."behaviour.volume"]\nenabled = false\n'
        + '[rules."behaviour.canary"]\nshadow = true\nseverity = "low"\n'
        + '[[exemptions]]\nid = "sweep"\nrules = ["behaviour.enumeration"]\nemployees = ["e-1"]\nowner = "dpo"\n'
        + 'reason = "sweeps"\nuntil = 2030-01-01T00:00:00Z\n'
    )
    said = look("e-1", "--json", "--state", state, "--policy", path)
    rules = {each["rule"]: each for each in orjson.loads(said.out)["rules"]}
    assert rules["behaviour.volume"]["state"] == "off"
    assert (rules["behaviour.canary"]["state"], rules["behaviour.canary"]["severity"]) == ("shadow", "low")
    assert rules["behaviour.enumeration"]["state"] == "exempted"
    assert "exempted by sweep until 2030" in rules["behaviour.enumeration"]["when"]
    said = look("e-1", "--state", state, policy=path)
    assert "behaviour.volume            off: switched off by the policy" in said.out, "the policy of the settings"


def test_duties_and_the_time_zone_come_from_the_directories(
    look: Run, state: Path, watching: Path, people: Path
) -> None:
    write(people / "duties.jsonl", {"employee_id": "e-1", "duty": "on_call", "valid_from": FIRST})
    with (people / "employees.jsonl").open("ab") as file:
        row = {"employee_id": "e-1", "status": "active", "valid_from": FIRST, "time_zone": "Europe/Dublin"}
        file.write(orjson.dumps(row) + b"\n")
    said = look("e-1", "--state", state, "--policy", watching, "--directory", people)
    assert "behaviour.off_hours         silent: on call: work at any hour is explained" in said.out
    assert "time zone Europe/Dublin" in said.out


def test_somebody_new_and_somebody_unknown(look: Run, state: Path, policy: Path) -> None:
    said = look("e-2", "--state", state)
    assert said.code == 0
    assert "under the shipped thresholds" in said.out
    assert "behaviour.volume            silent: too little history: 0 of 10 active days" in said.out
    said = look("e-9", "--state", state)
    assert (said.code, said.out) == (1, "")
    assert f"nothing is known of 'e-9' in {state}" in said.err
    for arguments, words in (
        (["--state", "none"], "--state: none cannot be read: No such file"),
        (["--state", state, "--policy", policy], "has no [behaviour]: under it nobody's habit is judged"),
        (["--state", state, "--directory", "nowhere"], "directory: nowhere is no folder"),
        (["--state", policy], "is no state that `cloverwatch replay --state` wrote"),
    ):
        said = look("e-1", *arguments)
        assert said.code == 2
        assert words in said.err


def test_where_no_broker_answers_it_says_so(look: Run, tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(POLICY + "[behaviour]\n" + PEOPLE)
    said = look("e-1", policy=path, broker=f"127.0.0.1:{free_port()}", start_timeout_s=0.1)
    assert (said.code, said.out) == (1, "")
    assert "no broker answers at 127.0.0.1:" in said.err


def test_what_came_from_outside_does_not_steer_a_terminal(look: Run, state: Path) -> None:
    said = look("\x1b[2J", "--state", state)
    assert said.code == 1
    assert "\x1b" not in said.out + said.err


@pytest.mark.broker
def test_out_of_a_cluster_as_the_next_owner_would_read_it(
    tool: Tool,  # noqa: F811
    watching: Path,
    why: list[str | Path],
) -> None:
    """Keys of two terms, of which the newer holds; one that was deleted; somebody else in another bucket."""
    watching.write_text(watching.read_text() + PEOPLE)
    given = ["--policy", watching, *why]
    said = tool("person", "e-1", *given)
    assert said.code == 2
    assert "topic alerts is not there" in said.err
    assert tool("topics", "--create").code == 0
    known = Habit(applied=9, seen_at=T, first_day=739_676, day=739_676, device=Spot("IE", T),
                  episode=Episode(T, 2, T, {"behaviour.volume": 1.5}))  # fmt: skip
    bucket = bucket_of("e-1")

    def packed(*items: tuple[str, Habit]) -> bytes:
        return msgspec.msgpack.encode([(name, save(habit)) for name, habit in items])

    async def publish(publisher: Publisher) -> None:
        for key, value in (
            (f"{bucket}|old", packed(("e-1", Habit(applied=3)))),
            (f"{bucket}|new", packed(("e-1", known), ("e-1x", Habit(applied=50)))),
            (f"{bucket}|gone", packed(("e-1", Habit(applied=99)))),
            (f"{bucket}|gone", None),
            (f"{bucket + 1}|new", b"not even a bucket"),
        ):
            partition = partition_of("e-1", PARTITIONS)
            await (await publisher._send(STATE_HABITS, key=key.encode(), value=value, partition=partition))
            await asyncio.sleep(0)

    tool.publish(publish)
    said = tool("person", "e-1", *given)
    assert said.code == 0, said.err
    assert f"last seen {'2026-03-02T10:00:00.000Z'}" in said.out
    assert "last device      IE" in said.out
    assert "episode (over) since 2026-03-02T10:00:00.000Z, revision 2" in said.out
    assert "behaviour.volume 1.50" in said.out
    said = tool("person", "e-nobody", *given)
    assert (said.code, said.out) == (1, "")
    assert "nothing is known of 'e-nobody' in state.habits at " in said.err
    steps = [msgspec.json.decode(record.value, type=Step) for record in tool.content(PRIVACY_REQUESTS)]
    assert [(step.kind, step.by, step.reason) for step in steps] == [("looked", "dora", "a drill")] * 2
    assert len(tool.content(ALERTS)) == 0


def test_nothing_is_shown_without_a_record_that_stays(run: Run, look: Run, state: Path, tmp_path: Path) -> None:
    assert run("person", "e-1", "--state", state).code == 2, "a reason is required"
    beside = state.with_name("state.looks.jsonl")
    assert not beside.exists()
    assert look("e-1", "--state", state, "--ticket", "SEC-7").code == 0
    assert look("e-9", "--state", state).code == 1, "that nothing is known is told, so it is recorded too"
    steps = [msgspec.json.decode(each, type=Step) for each in beside.read_bytes().splitlines()]
    assert [(step.kind, step.by, step.subject, step.ticket) for step in steps] == [
        ("looked", "dora", "e-1", "SEC-7"),
        ("looked", "dora", "e-9", ""),
    ]
    assert beside.stat().st_mode & 0o777 == 0o600
    for step in steps:
        assert signed(step, DORA) == step, "signed by whoever looked"
    other = tmp_path / "looks"
    assert look("e-1", "--state", state, "--record", other).code == 0
    assert len(other.read_bytes().splitlines()) == 1
    for arguments, words in (
        (["--state", state, "--record", tmp_path / "no" / "folder"], "nothing is shown without a record"),
        (["--record", other], "--record: only with --state"),
    ):
        said = look("e-1", *arguments)
        assert (said.code, said.out) == (2, "")
        assert words in said.err


def test_a_policy_says_who_may_look(look: Run, state: Path, watching: Path) -> None:
    for line, words in (
        (section("ben", BEN.public, "analyst"), "'dora' is not in the policy's [people]"),
        (section("dora", BEN.public, "analyst"), "not signed with the key that the policy names for 'dora'"),
    ):
        path = watching.with_name("people.toml")
        path.write_text(watching.read_text() + line)
        said = look("e-1", "--state", state, "--policy", path)
        assert (said.code, said.out) == (2, "")
        assert words in said.err


@pytest.mark.broker
def test_whom_a_look_was_about_two_officers_see(
    tool: Tool,  # noqa: F811
    watching: Path,
    why: list[str | Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where this machine has no keys of pseudonyms, the record has the id sealed; without officers nothing is shown."""

    async def unknown(_: object) -> Unknown:
        return Unknown()

    monkeypatch.setattr("agents.looking.naming_of", unknown)
    assert tool("topics", "--create").code == 0
    plain = watching.read_text()
    watching.write_text(plain + section("dora", DORA.public, "analyst"))
    said = tool("person", "e-secret", "--policy", watching, *why)
    assert (said.code, said.out) == (2, "")
    assert "no officers are named in [people]" in said.err
    assert tool.content(PRIVACY_REQUESTS) == []
    watching.write_text(plain + PEOPLE)
    assert tool("person", "e-secret", "--policy", watching, *why).code == 1
    (record,) = tool.content(PRIVACY_REQUESTS)
    assert b"e-secret" not in record.value
    step = msgspec.json.decode(record.value, type=Step)
    assert step.subject == f"look:{step.step_id}"
    sealed = asyncio.run(envelope_of(tool.settings, step.subject))
    assert open_inner(sealed, open_outer(sealed, step.subject, ANNA, BEN.public), step.subject, BEN) == "e-secret"


def test_the_help_says_where_looks_are_recorded() -> None:
    assert "privacy.requests" in EXAMPLES
    assert "looks.jsonl" in EXAMPLES

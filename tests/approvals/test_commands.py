"""`cloverwatch approvals` against a broker: what people see, and what each mistake is answered with."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.person_data import held_about
from rules.cases import POLICY
from schemas.codec import encode
from schemas.gateway_topics import GATEWAY_APPROVALS
from tests.approvals.office import GATEWAY, House, now_ms, people_section, rows
from tests.brokers.embedded import EmbeddedBroker, missing
from tests.cli.conftest import Run, run, write  # noqa: F401  # a fixture
from tests.cli.test_brokers import Tool
from tests.conftest import Broker, require
from tests.rules.streams import access

pytestmark = pytest.mark.broker


@pytest.fixture
def house(run: Run, tmp_path: Path) -> Iterator[House]:  # noqa: F811
    require(missing())
    with EmbeddedBroker() as server:
        yield House(Tool(run, Broker("embedded", server.bootstrap, server)), tmp_path)


def test_whoever_asks_and_answers_sees_what_stands(house: House) -> None:
    asked = house.asked("--ticket", "T-7", "--purpose", "support", "--for", "90m")
    said = house("list")
    assert f"{asked}  requested until " in said.out
    assert "  e-1: read of users, purpose support, ticket T-7" in said.out
    assert "requested by anna: restore after incident" in said.out
    for_ben = house.asked("--person", "e-2", by="anna")
    assert house.listed()[for_ben]["person"] == "e-2"
    assert house("refuse", for_ben, "--reason", "no incident", by="dora").code == 0
    assert house("approve", asked, by="ben").code == 0
    assert set(house.listed()) == {asked, for_ben}
    said = house("list")
    assert for_ben not in said.out, "what is over is shown with --all"
    assert f"{asked}  approved until " in said.out
    said = house("withdraw", asked, "--reason", "done", by="anna")
    assert said.code == 0, said.err
    assert (house("list").code, house("list").out) == (0, "")
    steps = house.listed()[asked]["steps"]
    assert [(each["step"], each["by"], each["reason"]) for each in steps] == [
        ("requested", "anna", "restore after incident"),
        ("approved", "ben", ""),
        ("withdrawn", "anna", "done"),
    ]


def test_approvals_from_a_file_are_judged_by_as_the_stream_does(house: House, tmp_path: Path) -> None:
    asked = house.asked()
    assert house("approve", asked, by="ben").code == 0
    house.asked("--dataset", "logs")
    path = tmp_path / "approvals.jsonl"
    path.write_text(house("list", "--records").out)
    assert len(path.read_text().splitlines()) == 2
    folder, events = tmp_path / "people", tmp_path / "events.jsonl"
    for row in rows(now_ms()):
        write(folder / f"{row.topic.rsplit('.', 1)[1]}.jsonl.{row.subject}", encode(row))
    for topic in ("employees", "locations", "roles", "datasets"):
        parts = sorted(folder.glob(f"{topic}.jsonl.*"))
        (folder / f"{topic}.jsonl").write_bytes(b"".join(part.read_bytes() for part in parts))
        for part in parts:
            part.unlink()
    write(events, access(occurred_at=now_ms()))
    given: list[str | Path] = ["--policy", house.policy, "--directory", folder]
    assert len(house.tool("replay", *given, events).records) == 1
    said = house.tool("replay", *given, "--approvals", path, events)
    assert (said.code, said.records) == (0, []), said.err
    assert "approved              1 place.third_country" in said.err
    assert "place.third_country" in house.tool("explain", *given, "--approvals", path, events).out
    path.write_text(path.read_text().replace('"datasets":["users"]', '"datasets":["*"]'))
    said = house.tool("replay", *given, "--approvals", path, events)
    assert len(said.records) == 1
    assert "approvals.jsonl:1: does not count: requested: not signed by 'anna'" in said.err


def test_whom_an_approval_is_for_gets_a_copy_of_it_without_the_others_names(house: House) -> None:
    asked = house.asked()
    assert house("approve", asked, by="ben").code == 0
    house.asked(by="ben")
    held = asyncio.run(held_about(house.tool.settings, "e-1", ()))
    first, second = (each["value"] for each in held.records[GATEWAY_APPROVALS])
    assert (first["approval_id"], first["requested"]["reason"]) == (asked, "restore after incident")
    assert second["approved"].keys() == {"at", "reason"}
    assert "ben" not in str((first, second))


def test_who_may_not_is_told_why_and_nothing_is_stored(house: House) -> None:
    asked = house.asked()
    own = house.asked(by="ben")
    before = house.stored()
    for step, by, words in (
        (("approve", asked), "anna", "'anna' is no approver: roles none"),
        (("approve", own), "ben", "'ben' is the employee whom it is for"),
        (("approve", asked), "cleo", "you are in India (third_country); allowed: inside the perimeter"),
        (("approve", asked), "emil", "nothing is known of where you are; allowed: inside"),
        (("approve", "nothing"), "ben", "'nothing': no such approval"),
        (("withdraw", own), "anna", "'anna' is no approver, did not ask for it, and it is not theirs"),
        (("review", asked, "--reason", "r"), "ben", "only break-glass that was taken is reviewed"),
        (
            ("break-glass", "--dataset", "users", "--action", "read", "--reason", "r", "--for", "10m"),
            "zoe",
            "cannot be read",
        ),
    ):
        said = house(*step, by=by)
        assert (said.code in {1, 2}, said.out) == (True, ""), said
        assert words in said.err
    assert house.stored() == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--for", "13h"), "--for: '13h'; allowed: more than 0, at most 12h (gateway.approvals.longest)"),
        (("--for", "soon"), "--for: "),
        (("--for", "0s"), "allowed: more than 0"),
        (("--reason", " "), "--reason: it is empty"),
        (("--reason", "x" * 2000), "too long"),
        (("--dataset", "x" * 300), "too long"),
    ],
)
def test_what_is_asked_wrongly_is_told_with_what_is_allowed(
    run: Run,  # noqa: F811
    tmp_path: Path,
    arguments: tuple[str, ...],
    words: str,
) -> None:
    """Before any broker is asked."""
    house = _without_a_broker(run, tmp_path)
    wanted = ["--dataset", "users", "--action", "read", "--reason", "r", *arguments]
    said = house("request", *wanted, by="anna")
    assert (said.code, said.out) == (2, "")
    assert words in said.err


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (POLICY + people_section(), "has no [gateway]: nothing can be approved"),
        (POLICY + "[gateway]\n" + people_section(), "has no [gateway.break_glass]: there is none to take"),
        (POLICY + GATEWAY, "do not name 'anna' with this key; named: nobody"),
        (
            POLICY + GATEWAY + people_section().replace('roles = []\nemployee = "e-1"', 'roles = ["analyst"]'),
            "does not say which employee 'anna' is; set people.anna.employee",
        ),
    ],
)
def test_a_policy_that_lets_nobody_says_so(run: Run, tmp_path: Path, policy: str, words: str) -> None:  # noqa: F811
    house = _without_a_broker(run, tmp_path)
    house.policy.write_text(policy)
    said = house("break-glass", "--dataset", "users", "--action", "read", "--reason", "r", by="anna")
    assert (said.code, said.out) == (2, "")
    assert words in said.err


def _without_a_broker(run: Run, folder: Path) -> House:  # noqa: F811
    """A house of which only the policy and the keys are there."""

    class Offline(House):
        def send(self, *records: tuple[str, bytes, bytes | None], partition: int = 0) -> None:
            """Nobody is there."""

    class Silent(Tool):
        def __call__(self, *arguments: str | Path, **settings: object):  # type: ignore[no-untyped-def]
            said = super().__call__(*arguments, **settings, start_timeout_s=0.1)
            return type(said)(0, said.out, said.err) if arguments[0] == "topics" else said

    return Offline(Silent(run, Broker("none", "127.0.0.1:1", None)), folder)

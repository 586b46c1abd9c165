"""`cloverwatch sites` and `cloverwatch transfers`, on files and on brokers."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import time
from pathlib import Path

import msgspec
import pytest

from agents.clients import producer_of
from alerts.approvals import step
from rules.cases import DAY, HOUR, POLICY, T
from schemas.approval import Approval, Signed
from schemas.codec import encode, row_key
from schemas.gateway_topics import GATEWAY_APPROVALS
from schemas.topics import ACCESS_EVENTS
from tests.approvals.office import POLICY_TEXT, SIGNERS
from tests.cli.conftest import OUTSIDE, Run, write
from tests.cli.test_brokers import Tool, fresh, tool
from tests.rules.streams import access, complete, dataset
from tests.where.world import copy

__all__ = ["fresh", "tool"]

DAYS = ["--from", "2026-03-02", "--to", "2026-03-02"]


@pytest.fixture
def files(policy: Path, people: Path, events: Path) -> list[str | Path]:
    """The options that name everything."""
    return ["--policy", policy, "--directory", people, events]


def test_transfers_of_files(run: Run, files: list[str | Path]) -> None:
    said = run("transfers", *DAYS, "--format", "json", "--by", "country,basis", *files)
    assert said.code == 0, said.err
    told = json.loads(said.out)
    rows = {row["country"]: row for row in told["tables"]["transfers"]["rows"]}
    assert rows["IE"]["accesses"] == 1
    assert (rows["IN"]["accesses"], rows["IN"]["refused"]) == (1, 1)
    assert told["said"]["from"] == "2026-03-02"
    assert {row["checked_on"] for row in told["tables"]["law"]["rows"]} > set()
    assert any("No approvals were read" in note for note in told["notes"])


def test_an_access_that_is_delivered_again_counts_once(run: Run, policy: Path, people: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "twice.jsonl", access(), b"{no json", access(), access(event_id="other"))
    said = run("transfers", *DAYS, "--format", "csv", "--policy", policy, "--directory", people, path)
    (row,) = csv.DictReader(io.StringIO(said.out))
    assert row["accesses"] == "2"
    assert f"{path}:2: not_json" in said.err


def granted(approval_id: str, at: int, until: int, by: str = "ben", approved_by: str = "ben") -> Approval:
    """An approval of a policy's people, asked for and given; signed by `by` in the name of `approved_by`."""
    asked = Approval(
        approval_id=approval_id, person="e-1", datasets=("users",), actions=("read",), until=until,
        requested=Signed(by="anna", at=at),
    )  # fmt: skip
    asked = step(asked, "requested", SIGNERS["anna"], at, reason="restore")
    given = step(asked, "approved", SIGNERS[by], at, place="IE")
    assert given.approved is not None
    return msgspec.structs.replace(given, approved=msgspec.structs.replace(given.approved, by=approved_by))


def test_approvals_of_a_file_count_signed_by_the_policys_people(
    run: Run, files: list[str | Path], policy: Path, tmp_path: Path
) -> None:
    path = tmp_path / "approvals.jsonl"
    lines = [granted("ap", T, T + HOUR), granted("forged", T, T + HOUR, by="anna"), granted("long", T, T + 20 * HOUR)]
    path.write_bytes(b"\n".join([encode(lines[0]), b"{}", *map(encode, lines[1:])]))
    asked = ["transfers", *DAYS, "--format", "json", "--approvals", path, *files]
    for text, found in ((POLICY_TEXT, ["ap"]), (POLICY, [])):
        policy.write_text(text)
        said = run(*asked)
        assert said.code == 0, said.err
        told = json.loads(said.out)
        assert [row["approval"] for row in told["tables"]["approvals"]["rows"]] == found
        assert f"{path}:2: does not count: " in said.err
        if found:
            assert told["tables"]["approvals"]["rows"][0]["country"] == "IE (inside)"
            assert told["tables"]["transfers"]["total"]["approvals"] == 1
            assert f"{path}:3: does not count: approved: not signed by 'ben'" in said.err
            assert f"{path}:4: does not count: approved: it holds from" in said.err
            assert any("3 records of approvals do not count under this policy" in note for note in told["notes"])
        else:
            assert any("The policy has no [gateway]: no approval counts" in note for note in told["notes"])


def test_all_tables_go_into_a_folder(run: Run, files: list[str | Path], tmp_path: Path) -> None:
    said = run("transfers", *DAYS, "--format", "csv", "--output", tmp_path, *files)
    assert (said.code, said.out) == (0, "")
    found = {path.stem: path.read_bytes() for path in tmp_path.glob("*.csv")}
    assert set(found) == {"transfers", "exports", "approvals", "law"}
    assert b"\r\n" in found["law"]
    assert b"\r\r" not in found["law"]


@pytest.mark.parametrize("command", [["sites"], ["transfers", *DAYS], ["transfers", *DAYS, "--annul", "US=2026-03-02"]])
def test_a_page(run: Run, command: list[str], files: list[str | Path], tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    given = files if command[0] == "transfers" else files[:-1]
    assert run(*command, "--format", "html", "--output", page, *given).code == 0
    text = page.read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert text.count("<table") >= 2


def test_what_if_of_files(run: Run, files: list[str | Path], tmp_path: Path) -> None:
    law = tmp_path / "law.csv"
    rows = Path("rules/jurisdictions.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    law.write_text("".join(line for line in rows if not line.startswith("EU,US,")), encoding="utf-8")
    for options in (["--add-country", "IN"], ["--what-if-law", law], ["--what-if-policy", files[1]],
                    ["--move-site", "dub-1=BR"], ["--annul", "UK:US=2026-03-02", "--list", "0"]):  # fmt: skip
        said = run("transfers", *DAYS, *options, "--format", "json", *files)
        assert said.code == 0, said.err
        told = json.loads(said.out)
        assert any(name.startswith("what if") for name in told["said"])
        newly = told["tables"]["by-country"]["total"]["newly_flagged"]
        vanish = {row["rule"] for row in told["tables"]["rules"]["rows"] if row["change"] == "vanishes"}
        assert newly == (1 if options[0] == "--move-site" else 0), options
        assert ("place.third_country" in vanish) == (options[0] == "--add-country"), options


def test_an_annulment_inside_the_perimeter_is_said_to_change_nothing(run: Run, files: list[str | Path]) -> None:
    said = run("transfers", *DAYS, "--annul", "GB=2026-03-02", *files)
    assert "United Kingdom is inside the policy's perimeter" in " ".join(said.out.split())


def test_sites_of_files(run: Run, policy: Path, people: Path) -> None:
    with (people / "copies.jsonl").open("ab") as file:
        file.write(encode(copy("tape", site="sin-1")) + b"\n{}\n")
    said = run("sites", "--policy", policy, "--directory", people, "--as-of", "2026-03-02", "--format", "json")
    assert said.code == 0, said.err
    told = json.loads(said.out)
    assert told["said"]["as of"] == "2026-03-02 23:59 UTC"
    (row,) = told["tables"]["outside"]["rows"]
    assert (row["copy"], row["class"]) == ("tape", "third country")
    assert told["tables"]["lacking"]["rows"] == [{"dataset": "users", "sensitivity": "restricted", "lacks": "owner"}]
    assert "copies.jsonl:2: missing_field" in said.err
    assert "Old sites: how far they are emptied: none" in run("sites", "--policy", policy, "--directory", people).out


WRONG: list[tuple[list[str], str]] = [
    (["--from", "2026-3-2", "--to", "2026-03-02"], "--from: '2026-3-2'; allowed: a day from 1970 on, written like"),
    (["--from", "2026-02-30", "--to", "2026-03-02"], "--from: '2026-02-30'; allowed: a day"),
    (["--from", "2026-03-02", "--to", "soon"], "--to: 'soon'; allowed: a day"),
    (["--from", "2026-03-02", "--to", "20260303"], "--to: '20260303'; allowed: a day"),
    (["--from", "2026-03-02", "--to", "9999-12-31"], "--to: '9999-12-31'; allowed: a day"),
    (["--from", "2026-03-02", "--to", "2026-03-01"], "--to: '2026-03-01' is before --from '2026-03-02'; allowed:"),
    ([*DAYS, "--by", "country,shoe"], "--by: 'shoe'; allowed: basis, class, country, dataset"),
    ([*DAYS, "--by", "country,country"], "--by: 'country' stands twice"),
    ([*DAYS, "--by", ""], "--by: ''"),
    ([*DAYS, "--table", "law"], "--table: 'law' with --format text: only with --format csv"),
    ([*DAYS, "--format", "csv", "--table", "lore"], "--table: 'lore'; allowed: approvals, exports, law, transfers"),
    ([*DAYS, "--annul", "US"], "--annul: 'US'; allowed: [REGIME:]CC=DATE"),
    ([*DAYS, "--annul", "ZZ=2026-03-02"], "--annul: 'ZZ' is"),
    ([*DAYS, "--annul", "XX:US=2026-03-02"], "--annul: regime 'XX'; allowed: CH, EEA_EFTA, EU, UK"),
    ([*DAYS, "--annul", "US=never"], "--annul: 'never'; allowed: a day"),
    ([*DAYS, "--annul", "IN=2026-03-02"], "--annul: EU:IN=2026-03-02: no adequacy decision of IN is in force"),
    ([*DAYS, "--add-country", "Japan"], "--add-country: perimeter: 'Japan' is"),
    ([*DAYS, "--move-site", "dub=GB"], "--move-site: 'dub' is no site of the policy; did you mean 'dub-1'?"),
    ([*DAYS, "--move-site", "dub-1=XX"], "--move-site: 'XX' is"),
    ([*DAYS, "--move-site", "dub-1"], "--move-site: 'dub-1'; allowed: SITE=CC"),
    ([*DAYS, "--what-if-law", "nowhere.csv"], "--what-if-law: nowhere.csv cannot be read: No such file"),
    ([*DAYS, "--what-if-policy", "nowhere.toml"], "policy: nowhere.toml cannot be read: No such file"),
    ([*DAYS, "--list", "3"], "--list: 3: only with --annul or another what-if"),
    ([*DAYS, "--annul", "US=2026-03-02", "--list", "-1"], "--list: -1; allowed: 0 or more"),
    ([*DAYS, "--annul", "US=2026-03-02", "--by", "country"], "--by: 'country': not with a what-if"),
    ([*DAYS, "--approvals", "nowhere.jsonl"], "nowhere.jsonl cannot be read: No such file"),
]


@pytest.mark.parametrize(("options", "message"), WRONG, ids=[" ".join(options[-2:]) for options, _ in WRONG])
def test_what_is_wrong_is_named_with_what_is_allowed(
    run: Run, files: list[str | Path], options: list[str], message: str
) -> None:
    said = run("transfers", *options, *files)
    assert (said.code, said.out) == (2, "")
    assert message in said.err


def test_sources_that_do_not_go_together(run: Run, policy: Path, people: Path, events: Path) -> None:
    for arguments, message in (
        (["transfers", *DAYS, "--policy", policy, events], "--directory: required with files"),
        (["transfers", *DAYS, "--policy", policy, "--directory", people], "files: none given"),
        (["transfers", *DAYS, "--policy", policy, "--approvals", events], "--approvals: only with --directory"),
        (["transfers", *DAYS, "--policy", policy, "--source", "ocsf"], "--source: 'ocsf' only with files"),
        (["transfers", *DAYS, "--directory", people, events], "policy: none is named; give --policy FILE or"),
        (["sites", "--policy", policy, "--as-known-at", "x"], "--as-known-at: only with --directory"),
        (["sites", "--policy", policy, "--directory", people, "--as-of", "yesterday-or-so"], "--as-of: 'y"),
        (["sites", "--policy", policy, "--directory", people, "--as-of", "2026-03-02T10:00"], "--as-of: '2026"),
        (["sites", "--policy", policy, "--directory", events], "directory: "),
    ):  # fmt: skip
        said = run(*arguments)
        assert (said.code, said.out) == (2, ""), arguments
        assert message in said.err


def test_a_site_that_retires_on_no_day(run: Run, policy: Path, people: Path) -> None:
    policy.write_text(policy.read_text() + '[sites.old]\ncountry = "NL"\nretires = "soon"\n')
    said = run("sites", "--policy", policy, "--directory", people)
    assert said.code == 2
    assert "sites.old.retires" in said.err
    assert "'soon'" in said.err


# On brokers.


@pytest.mark.broker
def test_a_broker_without_the_topics_is_told_how_they_are_made(tool: Tool, policy: Path) -> None:
    for command in (["sites"], ["transfers", *DAYS]):
        said = tool(*command, policy=policy)
        assert (said.code, said.out) == (2, "")
        assert "directory.copies" in said.err
        assert "create them with `cloverwatch topics --create`" in said.err


@pytest.mark.broker
def test_reports_out_of_kafka(tool: Tool, policy: Path) -> None:
    """Accesses appended now, of today and of before; the same numbers as of files."""
    assert tool("topics", "--create").code == 0
    now = int(time.time() * 1000)
    today = now // DAY * DAY
    rows = [*complete("e-1"), dataset(), copy("tape", site="sin-1")]
    policy.write_text(POLICY_TEXT)
    good = granted("ap", now, now + HOUR)
    assert good.approved is not None
    unsigned = msgspec.structs.replace(good.approved, signature="")
    approvals = [
        good,
        granted("forged", now, now + HOUR, by="anna"),
        granted("own", now, now + HOUR, by="anna", approved_by="anna"),
        msgspec.structs.replace(good, approval_id="moved"),
        msgspec.structs.replace(good, approved=unsigned),  # the last under its key: the good one stands all the same
    ]
    told = [access(event_id=f"e{number}", occurred_at=now, subject_ids=[f"s-{number % 7}"]) for number in range(50)]
    told += [access(event_id="far", occurred_at=now, **OUTSIDE), access(event_id="old", occurred_at=today - 1)]
    told += [told[0]]

    async def fill() -> None:
        producer = producer_of(tool.settings)
        await producer.start()
        try:
            for each in rows:
                await producer.send_and_wait(each.topic, encode(each), key=row_key(each))
            for value in (*told, {"no": "access"}):
                await producer.send(ACCESS_EVENTS, json.dumps(value).encode(), key=b"e-1")
            for given in approvals:
                await producer.send_and_wait(GATEWAY_APPROVALS, encode(given), key=given.approval_id.encode())
            await producer.send_and_wait(GATEWAY_APPROVALS, b"{}", key=b"no approval")
        finally:
            await producer.stop()

    asyncio.run(fill())
    day = time.strftime("%Y-%m-%d", time.gmtime(today / 1000))
    said = tool("transfers", "--from", day, "--to", day, "--by", "country,class", "--format", "json", policy=policy)
    assert said.code == 0, said.err
    found = json.loads(said.out)
    table = {row["country"]: row for row in found["tables"]["transfers"]["rows"]}
    assert table["IN"]["accesses"] == 1
    total = found["tables"]["transfers"]["total"]
    assert (total["accesses"], total["people"], total["approvals"]) == (51, 1, 1)
    assert [row["approval"] for row in found["tables"]["approvals"]["rows"]] == ["ap"]
    assert "gateway.approvals/0/1: does not count: approved: not signed by 'ben'" in said.err
    assert any("5 records of approvals do not count under this policy" in note for note in found["notes"])
    assert total["data_subjects"] == {"count": 7, "low": 7, "high": 7, "exact": True}
    assert found["said"]["accesses"].startswith("52 read from access.events at ")
    assert "1 delivered again" in found["said"]["accesses"]
    assert any("1 records could not be read" in note for note in found["notes"])
    assert not any("no longer reaches back" in note for note in found["notes"])
    said = tool("sites", "--format", "csv", "--table", "outside", policy=policy)
    assert said.code == 0, said.err
    assert [row["copy"] for row in csv.DictReader(io.StringIO(said.out))] == ["tape"]
    # Of days before anything was appended nothing is read.
    said = tool("transfers", "--from", "2020-01-01", "--to", "2020-01-02", "--format", "json", policy=policy)
    assert json.loads(said.out)["tables"]["transfers"]["total"]["accesses"] == 0

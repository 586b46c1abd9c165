"""`audit replay`: accesses judged again from an export, without keys, as the directories were known then."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from agents.audit import doubts
from agents.audit.verdict_part import verdict_hash
from agents.cli import main
from agents.policy_watch import read_policy
from agents.pseudonym_keys import new_keys
from agents.settings import load
from agents.tables import geo_table, legal_table
from alerts.approvals import step
from alerts.pseudonyms import Pseudonyms
from rules.cases import DAY, HOUR, POLICY
from rules.cases import T as NOON
from rules.catalogue import RULES
from rules.haul import Haul
from rules.join import Joiner
from rules.judge import Judge
from rules.knowledge import Knowledge
from rules.session import Session
from schemas.alert import Alert, JudgedWith
from schemas.approval import Approval, Signed
from schemas.codec import encode, row_key
from schemas.coverage import Hole, InForce, Judged, hash_of
from schemas.directory import Row
from schemas.fields import iso
from schemas.topics import DIRECTORY_TOPICS
from tests.approvals.office import POLICY_TEXT, SIGNERS, rows
from tests.approvals.test_steps import then
from tests.audit.making import EVENTS, KEY, World, write_log
from tests.cli.conftest import OUTSIDE
from tests.rules.streams import access, complete, dataset, describe, line, role

MINUTE = 60_000


@dataclass
class Operator:
    """A worker as it would have judged, with pseudonyms, and all that it wrote."""

    folder: Path
    policy_text: str = POLICY

    def __post_init__(self) -> None:
        self.policy_file = self.folder / "policy.toml"
        self.policy_file.write_text(self.policy_text)
        content, policy = read_policy(self.policy_file)
        settings = load({}, None)
        self.world = World(seed=5, partitions=1)
        self.world.now = NOON - DAY
        self.knowledge = Knowledge()
        legal, geo = legal_table(settings), geo_table(settings)
        used = JudgedWith(
            policy=policy.version, legal_table=legal.digest, geo_table=geo.digest, directories="", known={}
        )
        self.session = Session(
            Judge(Joiner(replace(policy, behaviour=None), self.knowledge, legal, geo), RULES),
            describe=describe,
            provenance=lambda: used,
            patient=False,
        )
        self.names = Pseudonyms(new_keys(self.folder / "keys.json"), lambda _: b"k" * 32)
        self.version = policy.version
        self.offsets = dict.fromkeys(DIRECTORY_TOPICS, 0)
        self.world.cover(
            InForce(
                policy=self.version, sha256=sha256(content).hexdigest(), legal_table=legal.digest,
                geo_table=geo.digest, worker=self.world.worker, at=self.world.now,
            )
        )  # fmt: skip
        self.world.start(0, policy=self.version)

    def rows(self, rows: Iterable[Row]) -> None:
        """Directory rows arrive."""
        for row in rows:
            self.world.store(row.topic, 0, row_key(row).decode(), encode(row))
            self.offsets[row.topic] += 1
            self.knowledge.apply(row)

    def approve(self, approval: Approval) -> None:
        """An approval arrives, a moment after it was given."""
        assert approval.approved is not None
        self.world.now = approval.approved.at + 1_000
        value = msgspec.json.encode(approval)
        self.world.store("gateway.approvals", 0, approval.approval_id, value, state=approval.state)
        self.knowledge.approve(approval)

    def judge(self, *events: dict[str, Any]) -> list[Alert]:
        """Events arrive, and are judged as one range."""
        lines = []
        for event in events:
            value = line(event, 0).value
            assert value is not None
            stored = self.world.store(EVENTS, 0, event["employee_id"], value)
            lines.append(line(event, stored.offset, stored.timestamp))
        haul = self.session.take(lines, self.world.now, 0)
        marks: list[tuple[str, int, str]] = []
        verdicts: dict[str, int] = {}
        for alert in haul.alerts:
            hidden, record = self.names.hide(alert)
            self.world.store("alerts", 0, hidden.alert_id, record)
            marks.append((hidden.alert_id, hidden.revision, sha256(record).hexdigest()))
            self.world.receipts(hidden.alert_id, 0)
            for reason in hidden.reasons:
                verdicts[reason.rule_id] = verdicts.get(reason.rule_id, 0) + 1
        first = self.world.judged[0]
        last = first + len(events) - 1
        known = {topic: f"0:{offset}" for topic, offset in sorted(self.offsets.items())}
        self.world.cover(
            Judged(
                topic=EVENTS, partition=0, first=first, last=last, records=len(events), verdicts=verdicts,
                alerts=len(marks), alerts_hash=hash_of(marks),
                alerts_of=tuple(sorted(f"{alert_id}|{revision}" for alert_id, revision, _ in marks)),
                policy=self.version, directories=blake2b(repr(known).encode(), digest_size=8).hexdigest(),
                worker=self.world.worker, at=self.world.now,
            )
        )  # fmt: skip
        self.world.judged[0] = last + 1
        return list(haul.alerts)

    def done(self) -> None:
        """Log and topics onto disk."""
        write_log(self.folder / "log", self.world.entries)
        self.world.export(self.folder / "export")
        for topic in DIRECTORY_TOPICS:  # an export has a file for every partition, also of empty topics
            path = self.folder / "export" / topic / "0.jsonl.gz"
            path.parent.mkdir(exist_ok=True)
            if not path.is_file():
                path.write_bytes(gzip.compress(b""))

    def replay(
        self, capfd: pytest.CaptureFixture[str], *more: str, last: int | None = None
    ) -> tuple[int, dict[str, Any]]:
        """What `audit replay` says."""
        capfd.readouterr()
        code = main(
            [
                "audit", "replay", str(self.folder / "log"), "--key", KEY, "--policy", str(self.policy_file),
                "--events", str(self.folder / "export"), "--partition", "0", "--first", "0",
                "--last", str(self.world.judged[0] - 1 if last is None else last), "--json", *more,
            ]
        )  # fmt: skip
        out, err = capfd.readouterr()
        assert out, err
        return code, json.loads(out)


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Operator:
    """Somebody whose role is known from the second range on only; accesses from abroad in both."""
    made = Operator(tmp_path_factory.mktemp("operator"))
    without_role = [row for row in complete("e-2") if row.topic != "directory.roles"]
    made.rows([*complete("e-1"), *without_role, dataset()])
    first = made.judge(
        access(event_id="fine"),
        access(event_id="abroad", **OUTSIDE),
        access(event_id="no-role", employee_id="e-2"),
    )
    made.rows([role(who="e-2")])
    second = made.judge(access(event_id="role-now", employee_id="e-2"), access(event_id="abroad-too", **OUTSIDE))
    assert (len(first), len(second)) == (2, 1)
    made.done()
    return made


def test_the_same_verdicts_come_again_without_any_key(operator: Operator, capfd: pytest.CaptureFixture[str]) -> None:
    code, said = operator.replay(capfd)
    assert said["differ"] == []
    assert (said["same"], said["events"], said["ranges"], said["exact"]) == (3, 5, 2, 2)
    assert code == 0
    assert said["limits"] == []


def test_a_part_of_a_range_is_compared_alone(operator: Operator, capfd: pytest.CaptureFixture[str]) -> None:
    code, said = operator.replay(capfd, last=1)
    assert (code, said["same"], said["events"]) == (0, 1, 2)


def test_what_became_known_later_is_not_held_against_it(operator: Operator, capfd: pytest.CaptureFixture[str]) -> None:
    """With the directories of today the missing role would be there: only then something differs."""
    code, said = operator.replay(capfd, "--as-known-at", iso(operator.world.now))
    assert code == 1
    assert len(said["differ"]) == 1
    assert "access.events/0 offset 2: there is an alert of" in said["differ"][0]


def test_the_log_itself_holds(operator: Operator) -> None:
    arguments = ["--key", KEY, "--topics", str(operator.folder / "export"), "--grace", "0", "--json"]
    assert main(["audit", "verify", str(operator.folder / "log"), *arguments]) == 0


def test_what_an_approval_let_pass_is_no_difference(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    made = Operator(tmp_path, POLICY_TEXT)
    made.rows(rows(NOON - 1_000))
    assert made.judge(access(event_id="before", **OUTSIDE))
    at = NOON - MINUTE
    asked = Approval(
        approval_id="a-1", person="e-1", datasets=("users",), actions=("read",), until=NOON + HOUR,
        requested=Signed(by="anna", at=at),
    )  # fmt: skip
    made.approve(then(step(asked, "requested", SIGNERS["anna"], at, reason="restore"), "approved", "ben", at))
    assert not made.judge(access(event_id="under it", **OUTSIDE))
    made.done()
    code, said = made.replay(capfd)
    assert (said["differ"], said["limits"], said["same"], code) == ([], [], 1, 0)
    # An approval that nobody signed is none, whoever hands over the export.
    export = tmp_path / "export" / "gateway.approvals" / "0.jsonl.gz"
    lines_ = gzip.decompress(export.read_bytes()).replace(b'\\"until\\":', b'\\"until\\":1')
    export.write_bytes(gzip.compress(lines_))
    code, said = made.replay(capfd)
    assert code == 1
    assert "offset 1: judging again gives" in said["differ"][0]
    export.unlink()
    export.parent.rmdir()
    code, said = made.replay(capfd)
    assert any("gateway.approvals" in each for each in said["limits"])


def test_what_rested_on_an_approval_of_before_there_was_a_record_a_step_is_no_difference(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """It counted then; of what compaction has left of it nothing bears out when it was asked for."""
    made = Operator(tmp_path, POLICY_TEXT)
    made.rows(rows(NOON - HOUR))
    at = NOON - 20 * MINUTE
    asked = Approval(
        approval_id="a-1", person="e-1", datasets=("users",), actions=("read",), until=NOON + HOUR,
        requested=Signed(by="anna", at=at),
    )  # fmt: skip
    asked = step(asked, "requested", SIGNERS["anna"], at, reason="restore")
    made.approve(then(asked, "approved", "ben", NOON - MINUTE))
    assert not made.judge(access(event_id="under it", **OUTSIDE))
    assert made.judge(access(event_id="not covered", action="export", **OUTSIDE))
    made.session.take = lambda *_: Haul()  # type: ignore[method-assign]
    made.judge(access(event_id="not told", action="export", **OUTSIDE))
    made.done()
    code, said = made.replay(capfd)
    counts = said["families"]["access"]
    assert (counts["equal"], counts["missing"], counts["extra"], counts["different"]) == (1, 1, 0, 0)
    assert counts["not_judged"] == {doubts.OLD_FORM: 1}
    assert ["offset 2: judging again gives" in each for each in said["differ"]] == [True]
    assert code == 1


def test_an_alert_that_was_never_made_is_named(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that finds nothing, and tells of its ranges truthfully: the log is right in itself."""
    made = Operator(tmp_path)
    made.rows([*complete("e-1"), dataset()])
    monkeypatch.setattr(made.session, "take", lambda *_: type("Nothing", (), {"alerts": []})())
    made.judge(access(event_id="abroad", **OUTSIDE))
    monkeypatch.undo()
    made.done()
    assert main(["audit", "verify", str(tmp_path / "log"), "--key", KEY, "--grace", "0", "--json"]) == 0
    code, said = made.replay(capfd)
    assert code == 1
    assert "access.events/0 offset 0: judging again gives" in said["differ"][0]


def test_an_edited_alert_is_named_even_where_the_log_agrees(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The operator softened the alert before it was stored: log, topic and receipts all agree."""
    made = Operator(tmp_path)
    hide = made.names.hide

    def softer(alert: Alert) -> tuple[Alert, bytes]:
        soft = msgspec.structs.replace(alert, severity="informational")
        hidden, _ = hide(soft)
        return hidden, encode(hidden)

    made.names.hide = softer  # type: ignore[method-assign]
    made.rows([*complete("e-1"), dataset()])
    made.judge(access(event_id="abroad", **OUTSIDE))
    made.done()
    code, said = made.replay(capfd)
    assert code == 1
    assert "severity informational and again" in said["differ"][0]


def test_an_alert_that_is_younger_than_the_log_is_no_difference(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Log and topics are copied while the monitor runs; one in its midst is another matter."""
    made = Operator(tmp_path)
    made.rows([*complete("e-1"), dataset()])
    made.judge(access(event_id="abroad", **OUTSIDE))
    made.done()
    export = tmp_path / "export" / "alerts" / "0.jsonl.gz"
    (only,) = gzip.decompress(export.read_bytes()).splitlines()
    younger = json.loads(only) | {"offset": 1}
    export.write_bytes(gzip.compress(only + b"\n" + json.dumps(younger).encode() + b"\n"))
    code, said = made.replay(capfd)
    assert (code, said["differ"], said["same"]) == (0, [], 1)
    assert said["limits"] == ["1 alerts of the export were stored after the log's last: they were not compared"]
    other = only.replace(b'\\"severity\\"', b'\\"severity_\\"')
    assert other != only
    export.write_bytes(gzip.compress(other + b"\n"))
    code, said = made.replay(capfd)
    assert code == 1
    assert "alerts/0 offset 0: not the record that the log speaks of" in said["differ"]


def test_another_policy_compares_nothing(
    operator: Operator, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.toml"
    other.write_text(POLICY + "\n# another\n")
    monkeypatch.setattr(operator, "policy_file", other)
    code, said = operator.replay(capfd)
    assert (code, said["same"], said["differ"], said["compared"]) == (1, 0, [], 0)
    assert said["nothing"].startswith("nothing was compared, so nothing is proven: ")
    assert "offsets 0 to 2 were judged under the policy" in said["nothing"]


def test_ranges_without_a_record_compare_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    made = Operator(tmp_path)
    made.rows([*complete("e-1"), dataset()])
    hole = Hole(first=0, last=4, why="control_or_aborted")
    made.world.judge(0, records=0, holes=[hole], policy=made.version)
    made.world.store(EVENTS, 0, "e-1", None)
    made.world.stored[-1].offset = 5  # the markers of a transaction lie before it
    made.done()
    code, said = made.replay(capfd)
    assert (code, said["differ"], said["compared"]) == (1, [], 0)
    assert "the 1 ranges of these offsets hold no record" in said["nothing"]


def test_without_the_alerts_only_what_gave_none_is_compared(
    operator: Operator, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An export without alerts, and a policy file that finds nothing: that both have none is no agreement."""
    shutil.copytree(operator.folder, tmp_path / "theirs")
    shutil.rmtree(tmp_path / "theirs" / "export" / "alerts")
    monkeypatch.setattr(operator, "folder", tmp_path / "theirs")
    monkeypatch.setattr("agents.audit.replaying.Session.take", lambda *_: Haul(alerts=[], judged=0))
    code, said = operator.replay(capfd)
    assert (code, said["differ"], said["compared"]) == (1, [], 0)
    assert "the export holds no alerts, and offsets 0 to 2, 3 to 4 gave some" in said["nothing"]


def test_an_access_that_is_left_out_of_the_export_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing was found on it then, and nobody shall look again."""
    made = Operator(tmp_path)
    made.rows([*complete("e-1"), dataset()])
    made.judge(access(event_id="fine"), access(event_id="hidden"), access(event_id="fine too"))
    made.done()
    path = tmp_path / "export" / "access.events" / "0.jsonl.gz"
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    path.write_bytes(gzip.compress(lines[0] + lines[2]))
    code, said = made.replay(capfd)
    assert code == 1
    assert "1 of offsets 0 to 2, which were judged, are not in the export" in said["differ"][0]


def test_the_verdict_part_names_nobody_and_no_time_of_detection(operator: Operator) -> None:
    """Two workers with other keys, at another time, come to the same hash; another severity to another."""
    alert = orjson.loads(next(each for each in operator.world.stored if each.topic == "alerts").value or b"")
    one = msgspec.convert(alert, Alert)
    two = msgspec.structs.replace(
        one, alert_id="x", person="y", detected_at=1, explanation="z", dedup_key="k", facts={}
    )
    assert verdict_hash(one) == verdict_hash(two)
    assert verdict_hash(one) != verdict_hash(msgspec.structs.replace(one, severity="low"))

"""What an operator who holds the log's key may try so that `audit verify` says nothing: each is a finding."""

# ruff: noqa: F811 - fixtures of another module are named as parameters

from __future__ import annotations

import gzip
from hashlib import sha256
from pathlib import Path

import msgspec
import orjson
import pytest

from agents.cli import main
from schemas.coverage import Judged
from schemas.entry import Entry
from tests.audit.making import KEY, ORIGIN, SIGNER, T, World, write_log
from tests.audit.test_verify import WITNESS, Verify, cosign, verify, world  # noqa: F401 - fixtures

DAY_MS = 86_400_000


def hole(topic: str, first: int, last: int, why: str = "compacted") -> Entry:
    """The entry of offsets that are said to have been gone."""
    about = {"first": first, "last": last, "why": why}
    return Entry(kind="hole", topic=topic, partition=0, offset=first, at=T, about=about)


def test_a_topic_that_is_not_compacted_has_no_compacted_holes(world: World, verify: Verify) -> None:
    world.decide()
    kept = [each for each in world.entries if each.kind != "decision"]
    dropped = next(each for each in world.entries if each.kind == "decision")
    world.entries = [*kept, hole("gateway.decisions", dropped.offset, dropped.offset)]
    verify(world).only("not_covered", "offsets 0 to 0 are not in the log: compacted")


def test_a_witness_that_signed_long_ago_does_not_stand_for_today(
    world: World,
    verify: Verify,
    tmp_path: Path,
) -> None:
    """The beginning was cosigned once; everything behind it was seen by nobody since."""
    log = tmp_path / "log"
    write_log(log, world.entries)
    (log / "checkpoint.witnessed").write_bytes(cosign(log / "checkpoint", WITNESS))
    size = len(world.entries)
    world.now += 400 * DAY_MS
    world.judge(0)
    write_log(log, world.entries[size:])
    said = verify(None, "--witness", str(WITNESS.public), grace=15)
    said.only("witness", "2026-03-03", f"entries {size} to")


@pytest.mark.parametrize("twice", [(WITNESS, WITNESS), (WITNESS, SIGNER)], ids=["one witness twice", "the log's own"])
def test_one_key_does_not_count_twice(
    twice: tuple[object, object],
    world: World,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    write_log(tmp_path / "log", world.entries)
    path = tmp_path / "log" / "checkpoint"
    path.write_bytes(cosign(path, WITNESS))
    named = [each for one in twice for each in ("--witness", str(one.public))]  # type: ignore[attr-defined]
    assert main(["audit", "verify", str(tmp_path / "log"), "--key", KEY, *named]) == 2
    assert "twice" in capfd.readouterr().err


def test_receipts_of_alerts_of_a_partition_that_the_log_leaves_out(world: World, verify: Verify) -> None:
    """A whole partition of `alerts` is not logged: its receipts give it away."""
    alert_id, _, _ = world.alert(family="gateway")
    world.receipts(alert_id, 0)
    world.entries = [each for each in world.entries if each.kind != "alert"]
    said = verify(world)
    assert said.code == 1
    assert all(each["kind"] == "delivery" and alert_id in each["what"] for each in said.found)


def test_a_range_from_the_future_does_not_wait_for_its_alerts(world: World, verify: Verify) -> None:
    world.judge(0, alerts=1)
    at = next(number for number, each in enumerate(world.entries) if each.about.get("type") == "judged")
    edited = msgspec.structs.replace(msgspec.convert(world.entries[at].about, Judged), at=T + 4_000 * DAY_MS)
    raw = msgspec.json.encode(edited)
    world.entries[at] = msgspec.structs.replace(
        world.entries[at], about=orjson.loads(raw), sha256=sha256(raw).hexdigest()
    )
    world.entries = [each for each in world.entries if each.kind not in {"alert", "receipt"}]
    world.now += DAY_MS
    world.decide()
    said = verify(world, grace=15)
    assert said.code == 1
    assert any("was left out" in each["what"] for each in said.found)


def test_a_decision_after_its_approval_was_withdrawn(world: World, verify: Verify) -> None:
    world.approve("ap-1")
    world.decide(approval_id="ap-1")
    world.approve("ap-1", state="withdrawn", until=world.now + 3_600_000)
    world.now += 600_000
    world.decide(approval_id="ap-1")
    verify(world).only("approval", "ap-1", "withdrawn")


def test_a_checkpoint_of_another_log_with_the_same_key(
    world: World, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Two histories under two origins, one key: only one of them is what the witnesses and the auditor follow."""
    write_log(tmp_path / "log", world.entries)
    path = tmp_path / "log" / "checkpoint"
    text = path.read_text(encoding="utf-8").partition("\n\n")[0].replace(ORIGIN, "audit.example/other") + "\n"
    path.write_text(text + "\n" + SIGNER.sign(text).line(), encoding="utf-8")
    assert main(["audit", "verify", str(tmp_path / "log"), "--key", KEY]) == 1
    assert "audit.example/other" in capfd.readouterr().out
    assert main(["audit", "verify", str(tmp_path / "log"), "--key", KEY, "--origin", "audit.example/other"]) == 0


def test_a_topic_that_the_export_says_was_there_and_is_not(world: World, verify: Verify, tmp_path: Path) -> None:
    world.judge(0, alerts=1)
    topics = world.export(tmp_path / "topics")
    for path in (topics / "alerts").iterdir():
        path.unlink()
    (topics / "alerts").rmdir()
    said = verify(world, "--topics", str(topics))
    assert said.code == 1
    assert any(each["topic"] == "alerts" for each in said.found)


def test_retention_explains_only_what_is_old_enough(world: World, verify: Verify, tmp_path: Path) -> None:
    """Who removes the first records of a topic that keeps for 30 days, and says that it begins behind them."""
    for _ in range(3):
        world.decide()
    topics = world.export(tmp_path / "topics")
    path = topics / "gateway.decisions" / "0.jsonl.gz"
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    path.write_bytes(gzip.compress(b"".join(lines[2:])))
    manifest = orjson.loads((topics / "export.json").read_bytes())
    manifest["topics"]["gateway.decisions"]["0"]["first"] = 2
    (topics / "export.json").write_bytes(orjson.dumps(manifest))
    said = verify(world, "--topics", str(topics))
    assert [each["kind"] for each in said.found] == ["topic", "topic"]


def test_a_record_from_the_future_among_those_that_are_logged(world: World, verify: Verify, tmp_path: Path) -> None:
    """An offset that the log has passed over is not younger than the log, whatever time the record says."""
    alert_id, _, _ = world.alert(family="behaviour")
    world.receipts(alert_id, 0)
    alert_id, _, _ = world.alert(family="behaviour")
    hidden = world.stored[-1]
    hidden.timestamp = T + 4_000 * DAY_MS
    world.entries = [each for each in world.entries if each.about.get("alert_id") != alert_id]
    world.entries.append(hole("alerts", hidden.offset, hidden.offset))
    topics = world.export(tmp_path / "topics")
    verify(world, "--topics", str(topics)).only("topic", "does not speak of")


@pytest.mark.parametrize("value", ["[" * 50_000, '{"alert_id": "\\ud800"}'], ids=["deep", "half a character"])
def test_no_record_of_a_topic_crashes_it(value: str, world: World, tmp_path: Path) -> None:
    world.alert(family="behaviour")
    topics = world.export(tmp_path / "topics")
    path = topics / "alerts" / "0.jsonl.gz"
    line = orjson.loads(gzip.decompress(path.read_bytes()))
    path.write_bytes(gzip.compress(orjson.dumps(line | {"value": value}) + b"\n"))
    write_log(tmp_path / "log", world.entries)
    assert main(["audit", "verify", str(tmp_path / "log"), "--key", KEY, "--topics", str(topics)]) == 1


def test_a_log_in_which_nothing_was_judged_is_no_proof(world: World, verify: Verify) -> None:
    world.entries = world.entries[:1]
    assert verify(world).code == 1


def test_a_partition_that_nobody_ever_judged(verify: Verify) -> None:
    """Decisions lie in as many partitions as accesses do; of one of these the log says nothing."""
    made = World(seed=3, partitions=2)
    made.entries[0] = msgspec.structs.replace(
        made.entries[0], about={"version": "0.1.0", "topics": {"gateway.decisions": {"0": 0, "1": 0}}}
    )
    made.in_force()
    made.start(0)
    made.judge(0)
    found = verify(made).only("not_covered", "nobody ever began")
    assert (found["topic"], found["partition"]) == ("access.events", 1)


def test_a_partition_that_was_given_up_for_good(world: World, verify: Verify, tmp_path: Path) -> None:
    world.judge(0)
    world.stop(0)
    world.decide()
    assert verify(world).found == []
    world.now += 3_600_000
    world.decide()
    verify(world, folder=tmp_path / "later").only("not_covered", "given up", "nobody has taken it since")


def test_an_older_policy_put_back_without_a_change(world: World, verify: Verify, tmp_path: Path) -> None:
    world.adopt(b"stricter", "fedcba9876543210")
    world.in_force("fedcba9876543210", b"stricter")
    world.judge(0, policy="fedcba9876543210")
    assert verify(world).found == []
    world.now += 3_600_000
    world.in_force()
    verify(world, folder=tmp_path / "back").only("policy", "adopted after it")

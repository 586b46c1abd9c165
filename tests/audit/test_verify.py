"""`audit verify`: what it takes for whole, what it lists, and what it says of what it cannot know."""

from __future__ import annotations

import random
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.audit.tlog import NoteSigner
from agents.audit.tlog import Tree as WrittenTree
from agents.audit.verifying.log_files import tile_path
from agents.audit.verifying.notes import COSIGNATURE_V1, NoteError, Verifier, checkpoint
from agents.audit.verifying.tree import EMPTY, Tree, leaf_hash, node_hash
from agents.cli import main
from schemas.coverage import Hole, Judged, hash_of
from schemas.entry import Entry
from schemas.errors import ConfigurationError
from tests.audit.making import EVENTS, KEY, POLICY, SIGNER, World, write_log

Found = list[dict[str, Any]]


@dataclass(frozen=True)
class Said:
    """What the command answered."""

    code: int
    document: dict[str, Any]
    text: str = ""

    @property
    def found(self) -> Found:
        """The findings."""
        found: Found = self.document["findings"]
        return found

    def only(self, kind: str, *words: str) -> dict[str, Any]:
        """The one finding there is, of that kind, with these words in it."""
        assert [each["kind"] for each in self.found] == [kind], self.found
        assert all(word in self.found[0]["what"] for word in words), self.found
        assert self.code == 1
        return self.found[0]


Verify = Callable[..., Said]


@pytest.fixture
def verify(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Verify:
    """Writes a world's log, and verifies it."""

    def call(world: World | None, *more: str, folder: Path = tmp_path / "log", grace: int = 0) -> Said:
        if world is not None:
            write_log(folder, world.entries)
        arguments = ["audit", "verify", str(folder), "--key", KEY, "--grace", str(grace), *more]
        capfd.readouterr()
        code = main([*arguments, "--json"])
        document = orjson.loads(capfd.readouterr().out)
        assert main(arguments) == code
        return Said(code, document, capfd.readouterr().out)

    return call


@pytest.fixture
def world() -> World:
    """One partition, begun."""
    made = World(seed=11, partitions=1)
    made.in_force()
    made.start(0)
    return made


# Completeness.


def test_ranges_that_follow_on_each_other_are_whole(world: World, verify: Verify) -> None:
    for _ in range(5):
        world.judge(0, alerts=1, records=100)
    said = verify(world)
    assert said.code == 0
    assert (
        said.document["judged"][0] | {"first": 0, "last": 499, "ranges": 5, "alerts": 5} == said.document["judged"][0]
    )
    assert "access.events/0: offsets 0 to 499" in said.text
    assert "No findings" in said.text


def test_a_gap_between_ranges_is_named_with_its_offsets(world: World, verify: Verify) -> None:
    world.judge(0, records=100)
    world.judged[0] += 7
    world.judge(0, records=100)
    found = verify(world).only("not_covered", "offsets 100 to 106 were judged by nobody")
    assert (found["topic"], found["partition"], found["offset"]) == (EVENTS, 0, 100)


def test_what_is_judged_again_after_a_start_is_told_and_no_finding(world: World, verify: Verify) -> None:
    world.judge(0, records=100)
    world.worker = "another"
    world.in_force()
    world.start(0, offset=60)
    world.judge(0, records=100)
    said = verify(world)
    assert said.found == []
    assert said.document["judged"][0]["again"] == 40
    assert "judged again after a start 40" in said.text


def test_what_is_judged_twice_without_a_start_is_a_finding(world: World, verify: Verify) -> None:
    world.judge(0, records=100)
    world.judged[0] = 60
    world.judge(0, records=100)
    found = verify(world).only("coverage", "offsets 60 to 99 were judged twice")
    assert found["offset"] == 60


def test_a_worker_that_never_began_is_a_finding(world: World, verify: Verify) -> None:
    world.judge(0, records=100)
    world.worker = "nobody"
    world.in_force()
    world.judge(0, records=100)
    verify(world).only("coverage", "worker nobody, which never said that it began")


def test_a_start_behind_the_end_leaves_a_gap_which_a_late_range_fills(
    world: World, verify: Verify, tmp_path: Path
) -> None:
    """Two workers across a hand-over: the second begins before the first one's last range is told."""
    first = world.worker
    world.judge(0, records=100)
    world.worker = "second"
    world.in_force()
    world.start(0, offset=150)
    world.judge(0, records=50)
    assert verify(world).only("not_covered", "offsets 100 to 149")
    world.worker = first
    world.judged[0] = 100
    world.judge(0, records=50)
    assert verify(world, folder=tmp_path / "filled").found == []


def test_a_record_that_was_sent_twice_counts_once(world: World, verify: Verify) -> None:
    world.judge(0, records=100)
    last = world.stored[-1]
    world.store("monitor.coverage", 0, last.key, last.value)
    said = verify(world)
    assert said.found == []
    assert "1 records of coverage were stored twice" in said.text


@pytest.mark.parametrize("why", ["lost_by_retention", "unexplained"])
def test_holes_that_are_losses_are_not_covered(why: Any, world: World, verify: Verify) -> None:
    world.judge(0, records=100)
    world.judge(0, records=50, holes=[Hole(first=120, last=129, why=why)])
    found = verify(world).only("not_covered", f"offsets 120 to 129 were not judged: {why}")
    assert found["offset"] == 120


def test_markers_of_transactions_are_no_loss(world: World, verify: Verify) -> None:
    world.judge(0, records=50, holes=[Hole(first=10, last=19, why="control_or_aborted")])
    said = verify(world)
    assert said.found == []
    assert said.document["judged"][0]["holes"] == {"control_or_aborted": 10}


def test_records_that_are_in_no_count_are_a_finding(world: World, verify: Verify) -> None:
    world.cover(
        Judged(
            topic=EVENTS, partition=0, first=0, last=99, records=98, alerts_hash=hash_of([]), policy=POLICY,
            directories="d", worker=world.worker, at=world.now,
        )
    )  # fmt: skip
    verify(world).only("coverage", "2 are not accounted for")


def test_stops_and_times_without_a_worker_are_told(world: World, verify: Verify) -> None:
    world.judge(0, records=10)
    world.stop(0)
    world.now += 600_000
    world.start(0)
    said = verify(world)
    assert said.found == []
    begin, end = said.document["judged"][0]["without_worker"][0]
    assert end - begin >= 600_000
    assert "2 starts, 1 stops; without a worker 1 times" in said.text


# The log's own records.


def test_holes_of_the_log_are_explained_or_not(world: World, verify: Verify) -> None:
    for topic, why in (("alerts", "compacted"), ("gateway.decisions", "lost_by_retention")):
        first = world.ends[topic, 0]
        about = {"first": first, "last": first + 4, "why": why}
        world.entries.append(Entry(kind="hole", topic=topic, partition=0, offset=first, at=world.now, about=about))
        world.ends[topic, 0] += 5
    found = verify(world).only("not_covered", "offsets 0 to 4 are not in the log: lost_by_retention")
    assert found["topic"] == "gateway.decisions"


def test_a_writer_goes_on_where_the_log_ends(world: World, verify: Verify) -> None:
    world.judge(0, records=10)
    end = world.ends["monitor.coverage", 0]
    about = {"version": "0.1.0", "topics": {"monitor.coverage": {"0": end}}}
    world.entries.append(Entry(kind="opened", at=world.now, about=about))
    world.judge(0, records=10)
    assert verify(world).found == []


def test_a_writer_that_begins_elsewhere_is_a_finding(world: World, verify: Verify) -> None:
    world.judge(0, records=10)
    about = {"version": "0.1.0", "topics": {"monitor.coverage": {"0": 40}}}
    world.entries.append(Entry(kind="opened", at=world.now, about=about))
    verify(world).only("offsets", "a writer began at offset 40")


def test_kinds_of_entries_that_are_not_known_are_told(world: World, verify: Verify, tmp_path: Path) -> None:
    raw = [msgspec.json.encode(each) for each in world.entries]
    write_log(tmp_path / "log", [*raw, b'{"kind":"weather","at":1,"about":{"sun":true}}'])
    said = verify(None)
    assert said.found == []
    assert said.document["unknown"] == {"weather": 1}
    assert "1 of kind weather" in said.text


@pytest.mark.parametrize("entry", [b"", b"[]", b"not json", b'{"kind":"alert"}', b"\xff\xfe", b'{"kind":7}'])
def test_entries_that_are_none_are_named(entry: bytes, world: World, verify: Verify, tmp_path: Path) -> None:
    raw = [msgspec.json.encode(each) for each in world.entries]
    write_log(tmp_path / "log", [*raw, entry])
    assert verify(None).only("entry")["index"] == len(raw)


# Alerts and deliveries.


def test_an_alert_without_receipts_is_listed_and_a_finding(world: World, verify: Verify) -> None:
    world.judge(0, alerts=1)
    alert_id = world.judge(0, alerts=1, deliver=False)[0]
    world.judge(0, alerts=1)
    said = verify(world)
    found = said.only("delivery", alert_id, "no receipt of pager; no receipt of siem")
    assert (found["topic"], found["partition"], found["offset"]) == ("alerts", 0, 1)
    assert [each["alert_id"] for each in said.document["alerts"]["undelivered"]] == [alert_id]
    assert f"{alert_id} revision 0, alerts/0 offset 1" in said.text


def test_what_is_young_may_be_under_way(world: World, verify: Verify) -> None:
    world.judge(0, alerts=1)
    world.judge(0, alerts=1, deliver=False)
    said = verify(world, grace=15)
    assert said.found == []
    assert len(said.document["alerts"]["undelivered"]) == 1


@pytest.mark.parametrize("state", ["grouped", "digested", "silenced", "not_routed", "over"])
def test_states_after_which_nothing_is_owed(state: str, world: World, verify: Verify) -> None:
    alert_id = world.judge(0, alerts=1, deliver=False)[0]
    world.receipts(alert_id, 0, state)
    assert verify(world).found == []


def test_what_every_destination_parked_is_undelivered(world: World, verify: Verify) -> None:
    alert_id = world.judge(0, alerts=1, deliver=False)[0]
    world.receipts(alert_id, 0, "parked")
    verify(world).only("delivery", "parked at pager; parked at siem")


def test_a_later_revision_answers_for_the_former(world: World, verify: Verify) -> None:
    alert_id = world.judge(0, alerts=1, deliver=False)[0]
    world.alert(revision=1, alert_id=alert_id)
    world.receipts(alert_id, 1)
    said = verify(world)
    assert said.found == []
    assert said.document["alerts"]["of_no_range"] == {"access": 1}


def test_an_alert_that_was_stored_twice_is_matched_by_either(world: World, verify: Verify) -> None:
    """A worker killed after storing an alert: it is stored again, with another hash, and told of after the start."""
    alert_id, _, first = world.alert()
    world.alert(alert_id=alert_id)
    world.worker = "second"
    world.in_force()
    world.start(0)
    marks = [(alert_id, 0, sha256(first).hexdigest())]
    rules = [reason["rule_id"] for reason in orjson.loads(first)["reasons"]]
    both = {each["rule_id"]: 1 for at in (0, 1) for each in orjson.loads(_alerts(world)[at])["reasons"]}
    world.cover(
        Judged(
            topic=EVENTS, partition=0, first=0, last=9, records=10, alerts=1, alerts_hash=hash_of(marks),
            alerts_of=(f"{alert_id}|0",), verdicts=both | dict.fromkeys(rules, 1), policy=POLICY, directories="d",
            worker="second", at=world.now,
        )
    )  # fmt: skip
    world.receipts(alert_id, 0)
    assert verify(world).found == []


def test_a_worker_that_was_killed_with_many_alerts_unsaid_is_no_accusation(world: World, verify: Verify) -> None:
    """Twenty alerts are stored, then the worker is killed; another one stores all of them again, and says the range."""
    first = [world.alert() for _ in range(20)]
    world.worker = "second"
    world.in_force()
    world.start(0)
    again = [world.alert(alert_id=alert_id) for alert_id, _, _ in first]
    marks = [(alert_id, revision, sha256(value).hexdigest()) for alert_id, revision, value in again]
    rules = {reason["rule_id"] for _, _, value in (*first, *again) for reason in orjson.loads(value)["reasons"]}
    world.cover(
        Judged(
            topic=EVENTS, partition=0, first=0, last=99, records=100, alerts=20, alerts_hash=hash_of(marks),
            alerts_of=tuple(sorted(f"{alert_id}|0" for alert_id, _, _ in again)),
            verdicts=dict.fromkeys(rules, 40), policy=POLICY, directories="d", worker="second", at=world.now,
        )
    )  # fmt: skip
    for alert_id, _, _ in again:
        world.receipts(alert_id, 0)
    assert verify(world).found == []


def _alerts(world: World) -> list[bytes]:
    return [each.value for each in world.stored if each.topic == "alerts" and each.value is not None]


# Destinations: each that a policy in force names owes a receipt for every alert.


def test_a_destination_without_any_receipt_is_found_by_its_name(world: World, verify: Verify) -> None:
    world.destinations = ("pager",)  # who delivers; the policy names siem too
    (alert_id,) = world.judge(0, alerts=1)
    said = verify(world)
    assert [each["what"] for each in said.found] == [
        f"alert {alert_id} revision 0 was not delivered: no receipt of siem",
        "the policy names the destination siem, and the log holds no receipt of it at all: it owes 1",
    ]
    assert said.code == 1
    assert f"destination siem: named by the policy {POLICY} from" in said.text
    assert "routes and silences are in the policy's file" in said.text


def test_the_last_alert_is_owed_to_every_destination_too(world: World, verify: Verify) -> None:
    world.judge(0, alerts=1)
    world.destinations = ("pager",)
    (last,) = world.judge(0, alerts=1)
    world.destinations = ("pager", "siem")
    verify(world).only("delivery", last, "no receipt of siem")


def test_a_destination_that_a_policy_names_no_more_is_told_and_owes_nothing_then(world: World, verify: Verify) -> None:
    world.judge(0, alerts=1)
    world.destinations = ("pager",)
    world.judge(0, alerts=1)  # delivery took the new policy a moment before the worker
    world.adopt(b"another", "fedcba9876543210")
    world.in_force("fedcba9876543210", b"another")
    world.judge(0, alerts=1, policy="fedcba9876543210")
    said = verify(world)
    assert said.found == []
    pager, siem = said.document["destinations"]
    assert (pager["name"], pager["until"], siem["name"], siem["gone"]) == ("pager", 0, "siem", "fedcba9876543210")
    assert "by fedcba9876543210 no more" in said.text


def test_a_destination_that_stopped_answering_long_before_a_policy_let_it_go_is_found(
    world: World, verify: Verify
) -> None:
    world.judge(0, alerts=1)
    world.destinations = ("pager",)
    (left,) = world.judge(0, alerts=1)
    world.now += 60 * 60_000
    world.adopt(b"another", "fedcba9876543210")
    world.in_force("fedcba9876543210", b"another")
    verify(world).only("delivery", left, "no receipt of siem")


def test_a_log_that_does_not_say_which_destinations_there_were_says_what_it_cannot_find(verify: Verify) -> None:
    world = World(seed=5, partitions=1, named=False)
    world.in_force()
    world.start(0)
    world.destinations = ("pager",)
    world.judge(0, alerts=2)
    said = verify(world)
    assert said.found == []
    assert "which destinations there were is not in all of the log" in said.text


# Policies, approvals.


def test_a_policy_that_no_change_explains_is_a_finding(world: World, verify: Verify) -> None:
    world.judge(0)
    world.in_force("fedcba9876543210", b"another")
    world.judge(0, policy="fedcba9876543210")
    verify(world).only("policy", "fedcba9876543210", "who and why")


def test_a_change_that_was_adopted_explains_it(world: World, verify: Verify) -> None:
    world.judge(0)
    world.adopt(b"another", "fedcba9876543210")
    world.in_force("fedcba9876543210", b"another")
    world.judge(0, policy="fedcba9876543210")
    said = verify(world)
    assert said.found == []
    assert "rule ticket.missing: severity medium, was high" in said.text


def test_judged_under_a_policy_that_was_not_in_force(world: World, verify: Verify) -> None:
    world.judge(0, policy="aaaaaaaaaaaaaaaa")
    verify(world).only("policy", "aaaaaaaaaaaaaaaa", POLICY)


def test_a_gateway_that_decides_by_a_policy_that_nobody_recorded_is_a_finding(world: World, verify: Verify) -> None:
    for policy in (POLICY, "bbbbbbbbbbbbbbbb", "bbbbbbbbbbbbbbbb"):
        world.decide(policy=policy)
    found = verify(world).only("policy", "bbbbbbbbbbbbbbbb")
    assert found["topic"] == "gateway.decisions"


def test_what_a_gateway_took_a_moment_ago_may_be_under_way(world: World, verify: Verify) -> None:
    world.decide(policy="bbbbbbbbbbbbbbbb")
    assert verify(world, grace=15).found == []


def test_a_gateway_may_decide_by_what_was_adopted(world: World, verify: Verify) -> None:
    world.adopt(b"another", "bbbbbbbbbbbbbbbb")
    world.decide(policy="bbbbbbbbbbbbbbbb")
    world.decide(policy="")
    world.judge(0)
    assert verify(world).found == []


def test_a_decision_needs_its_approval(world: World, verify: Verify) -> None:
    world.approve("ap-1")
    world.decide(approval_id="ap-1")
    world.decide(approval_id="ap-2")
    verify(world).only("approval", "ap-2")


def test_a_decision_after_its_approval_ended(world: World, verify: Verify) -> None:
    world.approve("ap-1")
    world.now += 4_000_000
    world.decide(approval_id="ap-1")
    verify(world).only("approval", "ap-1", "ended at")


def test_break_glass_is_counted(world: World, verify: Verify) -> None:
    world.approve("ap-1", break_glass=True)
    world.decide(approval_id="ap-1", break_glass=True)
    said = verify(world)
    assert said.document["acts"]["decisions"] == {"allow": 1, "break_glass": 1, "by approval": 1}


def test_a_decision_that_was_corrected_counts_once_by_its_last_record(verify: Verify) -> None:
    """An allow that was stored too late was answered as a denial; the record that says so follows it."""
    world = World(seed=3, partitions=1)
    world.in_force()
    world.start(0)
    world.approve("ap-1", break_glass=True)
    world.decide(decision_id="d-1", approval_id="ap-1", break_glass=True)
    world.decide("deny", decision_id="d-2")
    world.decide()
    world.decide("deny", decision_id="d-1")
    world.decide("deny", decision_id="d-1")
    world.decide("deny", decision_id="d-2")
    said = verify(world)
    assert said.document["acts"]["decisions"] == {"allow": 1, "deny": 2, "corrected": 1}
    assert "decisions          allow 1, corrected 1, deny 2" in said.text


# Witnesses, and what nobody can know alone.

WITNESS = NoteSigner("witness.example/w1", b"w" * 32, COSIGNATURE_V1)
OTHER = NoteSigner("witness.example/w2", b"x" * 32, COSIGNATURE_V1)


def cosign(path: Path, *signers: NoteSigner) -> bytes:
    """The checkpoint in a file with cosignatures, as a witness makes them (C2SP tlog-cosignature)."""
    raw = path.read_text(encoding="utf-8")
    text = raw.partition("\n\n")[0] + "\n"
    lines = [signer.sign(text, 1_772_500_000).line() for signer in signers]
    return (raw + "".join(lines)).encode()


def test_cosignatures_are_counted_and_dated(world: World, verify: Verify, tmp_path: Path) -> None:
    write_log(tmp_path / "log", world.entries)
    path = tmp_path / "log" / "checkpoint"
    path.write_bytes(cosign(path, WITNESS))
    said = verify(None, "--witness", str(WITNESS.public))
    assert said.found == []
    assert "witness.example/w1 at 2026-03-03T" in said.text
    assert not any("nobody can tell" in each for each in said.document["limits"])
    both = ("--witness", str(WITNESS.public), "--witness", str(OTHER.public))
    assert verify(None, *both, "--witnesses-needed", "1").found == []
    verify(None, *both).only("witness", "1 of 2 witnesses", "witness.example/w2")


def test_a_cosignature_of_another_tree_is_none(world: World, verify: Verify, tmp_path: Path) -> None:
    """Taken from an earlier checkpoint: it signs that one's size and root."""
    write_log(tmp_path / "log", world.entries)
    path = tmp_path / "log" / "checkpoint"
    stolen = cosign(path, WITNESS).decode().rstrip("\n").split("\n")[-1]
    world.judge(0)
    write_log(tmp_path / "grown", world.entries)
    grown = tmp_path / "grown" / "checkpoint"
    grown.write_text(grown.read_text(encoding="utf-8") + stolen + "\n", encoding="utf-8")
    verify(None, "--witness", str(WITNESS.public), folder=tmp_path / "grown").only("witness")


def test_what_a_witness_signed_before_stands_for_the_beginning(world: World, verify: Verify, tmp_path: Path) -> None:
    log = tmp_path / "log"
    write_log(log, world.entries)
    (log / "checkpoint.witnessed").write_bytes(cosign(log / "checkpoint", WITNESS))
    size = len(world.entries)
    world.judge(0)
    write_log(log, world.entries[size:])
    said = verify(None, "--witness", str(WITNESS.public))
    assert said.found == []
    assert said.document["witnesses"][0]["size"] == size
    assert any(f"entries {size} to" in each for each in said.document["limits"])


def test_a_rewritten_log_beside_what_a_witness_signed(world: World, verify: Verify, tmp_path: Path) -> None:
    log, other = tmp_path / "log", tmp_path / "other"
    world.decide("deny")
    write_log(log, world.entries)
    witnessed = cosign(log / "checkpoint", WITNESS)
    world.entries[-1] = msgspec.structs.replace(world.entries[-1], about=world.entries[-1].about | {"effect": "allow"})
    world.decide("deny")
    write_log(other, world.entries)
    (other / "checkpoint.witnessed").write_bytes(witnessed)
    said = verify(None, "--witness", str(WITNESS.public), folder=other)
    said.only("history", "checkpoint.witnessed was signed for", "rewritten")


def test_a_checkpoint_of_another_log_is_refused_as_earlier(world: World, verify: Verify, tmp_path: Path) -> None:
    other = tmp_path / "kept"
    other.write_text("another.example\n5\n" + b64encode(b"r" * 32).decode() + "\n\n— a AAAAAAAA\n", encoding="utf-8")
    verify(world, "--earlier", str(other)).only("checkpoint", "is of the log 'another.example'")


def test_a_wrong_key_or_use_is_a_usage_error(world: World, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_log(tmp_path / "log", world.entries)
    log = str(tmp_path / "log")
    assert main(["audit", "verify", log, "--key", "nonsense"]) == 2
    assert main(["audit", "verify", log, "--key", KEY[:-6] + "AAAAA="]) == 2
    assert main(["audit", "verify", str(tmp_path / "none"), "--key", KEY]) == 2
    assert main(["audit", "verify", log, "--key", KEY, "--witnesses-needed", "1"]) == 2
    assert main(["audit", "verify", log]) == 2
    capfd.readouterr()
    keys = tmp_path / "keys.txt"
    keys.write_text(f"# the operator's\n{KEY}\n")
    assert main(["audit", "verify", log, "--key", str(keys)]) == 0


# Formats.


def naive(leaves: list[bytes]) -> bytes:
    """The root by RFC 6962's own words."""
    if not leaves:
        return EMPTY
    if len(leaves) == 1:
        return leaves[0]
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return node_hash(naive(leaves[:half]), naive(leaves[half:]))


@given(st.integers(0, 700))
def test_the_tree_is_that_of_the_rfc(size: int) -> None:
    leaves = [leaf_hash(b"%d" % number) for number in range(size)]
    tree = Tree()
    for leaf in leaves:
        tree.add(leaf)
    assert tree.root() == naive(leaves)


def test_the_tree_beyond_a_full_tile_of_tiles() -> None:
    tree, leaves = Tree(), [leaf_hash(b"%d" % number) for number in range(66_000)]
    for leaf in leaves:
        tree.add(leaf)
    assert tree.root() == naive(leaves)


def test_paths_of_tiles() -> None:
    assert tile_path(0, 0) == "tile/0/000"
    assert tile_path("entries", 1_234_067, 8) == "tile/entries/x001/x234/067.p/8"


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"x", b"a\n1\nAAAA\n\n", b"a\n1\n" + b64encode(b"r" * 31) + b"\n\n\xe2\x80\x94 a AAAAAAAA\n",
        b"a\n01\n" + b64encode(b"r" * 32) + b"\n\n\xe2\x80\x94 a AAAAAAAA\n",
        b"a\n-1\n" + b64encode(b"r" * 32) + b"\n\n\xe2\x80\x94 a AAAAAAAA\n",
        b"a\n1\n" + b64encode(b"r" * 32) + b"\n\n- a AAAAAAAA\n",
        b"a\n1\n" + b64encode(b"r" * 32) + b"\n\n\xe2\x80\x94 a AAAAAAAA",
        b"\xff" * 100, b"a\n1\n" * 100_000,
    ],
)  # fmt: skip
def test_what_is_no_checkpoint_is_refused(raw: bytes) -> None:
    with pytest.raises(NoteError):
        checkpoint(raw)


@given(st.binary(max_size=300))
def test_no_bytes_crash_the_reader_of_checkpoints(raw: bytes) -> None:
    with suppress(NoteError):
        checkpoint(raw)


@pytest.mark.parametrize("text", ["", "a", "a+b+c", "a b+00000000+AAAA", KEY.replace("+", "+0", 1), KEY + "AAAA"])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        Verifier.read(text)


def test_any_flipped_bit_breaks_the_signature(world: World, tmp_path: Path) -> None:
    write_log(tmp_path / "log", world.entries)
    raw = (tmp_path / "log" / "checkpoint").read_bytes()
    key, rng = Verifier.read(str(SIGNER.public)), random.Random(4)
    assert checkpoint(raw).signed_by(key) is not None
    for _ in range(200):
        changed = bytearray(raw)
        changed[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
        try:
            assert checkpoint(bytes(changed)).signed_by(key) is None
        except NoteError:
            continue


def test_both_readers_agree_on_a_tree(world: World, tmp_path: Path) -> None:
    """What writes logs and what verifies them share no code, and come to the same root."""
    world.live(30)
    write_log(tmp_path / "log", world.entries)
    signed = checkpoint((tmp_path / "log" / "checkpoint").read_bytes())
    tree = Tree()
    for each in world.entries:
        tree.add(leaf_hash(msgspec.json.encode(each)))
    assert tree.root() == signed.root
    read = WrittenTree(lambda name: (tmp_path / "log" / name).read_bytes(), signed.size, signed.root)
    assert read.root_at(signed.size) == tree.root()

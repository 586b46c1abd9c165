"""Where one log goes on from another: what lies on the other side of the beginning is told, and is no finding."""

# ruff: noqa: F811 - fixtures of another module are named as parameters

from __future__ import annotations

from collections import defaultdict
from hashlib import sha256
from pathlib import Path

import pytest

from schemas.coverage import InForce
from schemas.entry import Entry
from tests.audit.making import POLICY, World
from tests.audit.test_passes import Both
from tests.audit.test_signed_policies import ANNA as AUDITS
from tests.audit.test_signed_policies import AUDITOR, P1, Signing, version
from tests.audit.test_verify import Verify, verify  # noqa: F401 - a fixture

SAID = {"origin": "audit.example/before", "size": 9, "root": "00"}
NEW = b"another policy"
NEW_VERSION = sha256(NEW).hexdigest()[:16]


def new_log(world: World, at: int | None = None, *, said: bool = True) -> None:
    """The entries below `at`, or all so far, are in the log before; the new one begins behind them."""
    at = len(world.entries) if at is None else at
    topics: dict[str, dict[str, int]] = defaultdict(dict)
    for each in world.entries[1:at]:
        topics[each.topic][str(each.partition)] = each.offset + 1
    about = {"version": "0.1.0", "part": 1, "parts": 1, "topics": topics} | ({"continues": SAID} if said else {})
    world.entries[:at] = [Entry(kind="opened", at=world.entries[at - 1].at, about=about)]


def restarted(world: World, policy: bytes = b"") -> None:
    """Workers begin as they should: in the new log."""
    if policy:
        world.in_force(version(policy), policy)
    else:
        world.in_force()
    for partition in range(world.partitions):
        world.start(partition)


def decided(world: World) -> None:
    """There are decisions of every partition: the log knows of as many of accesses."""
    while len([place for place in world.ends if place[0] == "gateway.decisions"]) < world.partitions:
        world.decide()


@pytest.fixture
def world() -> World:
    made = World(seed=11, partitions=1)
    made.in_force()
    made.start(0)
    made.judge(0, alerts=1, records=10)
    return made


@pytest.fixture
def both() -> Both:
    """Workers and matching, both in the middle of their work."""
    made = Both(seed=11, partitions=2)
    made.begin()
    made.both()
    return made


# Records of an export that are older than the log.


def _old(world: World) -> None:
    world.adopt(b"policy", POLICY)
    world.approve("ap-1")
    world.stop(0)


def test_records_from_before_the_log_are_counted_apart(world: World, verify: Verify, tmp_path: Path) -> None:
    """Approvals come before an entry of the new log, alerts and changes behind the last of theirs."""
    _old(world)
    older = len(world.stored)
    new_log(world)
    restarted(world)
    world.approve("ap-2")
    said = verify(world, "--topics", str(world.export(tmp_path / "topics")))
    assert said.found == []
    assert f"  older              {older:,} records are from before this log, which goes on from another" in said.text


def test_a_record_behind_the_beginning_that_the_log_leaves_out_is_found(
    world: World, verify: Verify, tmp_path: Path
) -> None:
    _old(world)
    new_log(world)
    restarted(world)
    world.approve("ap-2")
    del world.entries[-1]
    world.decide()
    verify(world, "--topics", str(world.export(tmp_path / "topics"))).only("topic", "does not speak of")


def test_a_log_that_goes_on_from_no_other_leaves_nothing_out_at_its_beginning(
    world: World, verify: Verify, tmp_path: Path
) -> None:
    _old(world)
    new_log(world, said=False)
    restarted(world)
    said = verify(world, "--topics", str(world.export(tmp_path / "topics")))
    assert {each["kind"] for each in said.found} == {"topic"}
    assert all("does not speak of" in each["what"] for each in said.found)


def test_a_partition_of_which_the_first_entry_does_not_say_where_it_begins_is_whole(
    world: World, verify: Verify, tmp_path: Path
) -> None:
    new_log(world)
    restarted(world)
    world.approve("ap-2")
    world.approve("ap-3")
    world.entries = [each for each in world.entries if each.about.get("approval_id") != "ap-2"]
    verify(world, "--topics", str(world.export(tmp_path / "topics"))).only("topic", "does not speak of")


@pytest.mark.parametrize("restart", [True, False])
def test_a_policy_that_was_signed_in_the_year_before_is_found_in_the_export(
    verify: Verify, tmp_path: Path, *, restart: bool
) -> None:
    world = Signing(seed=4, partitions=1)
    world.put(P1, world.change(P1, None, AUDITS))
    new_log(world)
    if restart:
        restarted(world, P1)
    world.judge(0, records=10, policy=version(P1))
    said = verify(world, *AUDITOR, "--topics", str(world.export(tmp_path / "topics")))
    assert said.found == []
    assert [each["policy"] for each in said.document["adopted"]] == [version(P1)]


# Workers and matching that went on while the log was changed.


def test_who_went_on_over_the_beginning_is_told_and_no_finding(both: Both, verify: Verify) -> None:
    new_log(both)
    both.both()
    both.both()
    said = verify(both)
    assert said.found == []
    for prefix in ("", "matching of "):
        line = next(line for line in said.text.splitlines() if line.startswith(f"  {prefix}access.events/0: 0 starts"))
        assert "had it when this log began" in line
    assert f"in force before this log: {POLICY}, by what worker {both.worker} judged" in said.text
    assert {each["carried"] for each in said.document["judged"]} == {both.worker}


@pytest.mark.parametrize("first", ["hold", "stop"])
def test_whatever_comes_first_of_a_worker_that_went_on(world: World, verify: Verify, first: str) -> None:
    new_log(world)
    if first == "hold":
        world.hold()
        world.judge(0, records=10)
    else:
        world.stop(0)
        world.take_over("second", 0)
        world.judge(0, records=10)
    assert verify(world).found == []


def test_the_last_word_of_a_worker_behind_the_start_of_the_next(world: World, verify: Verify) -> None:
    """A hand-over just as the log is changed: the next one's start comes first."""
    first, following = world.worker, world.judged[0]
    new_log(world)
    world.take_over("second", 0)
    world.worker, second = first, world.worker
    world.judge(0, records=10)
    world.stop(0)
    world.worker, world.judged[0] = second, following
    world.judge(0, records=30)
    assert verify(world).found == []


def test_who_never_began_is_found_in_the_new_log_too(world: World, verify: Verify) -> None:
    new_log(world)
    restarted(world)
    world.judge(0, records=10)
    world.worker = "nobody"
    world.in_force()
    world.judge(0, records=10)
    verify(world).only("coverage", "worker nobody, which never said that it began")


def test_in_a_log_that_goes_on_from_no_other_both_are_findings(world: World, verify: Verify) -> None:
    new_log(world, said=False)
    world.judge(0, records=10)
    said = verify(world)
    assert [each["kind"] for each in said.found] == ["coverage", "policy"]


def test_given_up_behind_the_beginning_and_taken_by_nobody_is_found(world: World, verify: Verify) -> None:
    new_log(world)
    world.stop(0)
    world.wait(30, hold=False)
    world.decide()
    found = verify(world).found
    assert any("nobody has taken it since" in each["what"] for each in found), found


def test_one_policy_alone_reaches_over_the_beginning(world: World, verify: Verify) -> None:
    new_log(world)
    world.judge(0, records=10)
    world.judge(0, records=10, policy="feedfeedfeedfeed")
    verify(world).only("policy", "judged under the policy feedfeedfeedfeed; in force for that worker was", POLICY)


def test_a_range_that_reaches_over_names_alerts_of_the_log_before(world: World, verify: Verify) -> None:
    (alert,) = world.judge(0, alerts=1, records=10, deliver=False)
    new_log(world, len(world.entries) - 1)  # between the alert and its range
    world.receipts(alert, 0)
    world.judge(0, alerts=1, records=10)
    world.wait(30)
    said = verify(world)
    assert said.found == []
    assert "of the log before  1 alerts, named by ranges that reach over this log's beginning" in said.text


@pytest.mark.parametrize("begun", [True, False])
def test_other_ranges_name_alerts_of_the_new_log_alone(world: World, verify: Verify, *, begun: bool) -> None:
    """The first range of a worker that begins in the new log, and the second one of a worker that went on."""
    new_log(world)
    if begun:
        restarted(world)
    else:
        world.judge(0, records=10)
    (alert,) = world.judge(0, alerts=1, records=10, deliver=False)
    world.wait(30)
    world.entries = [each for each in world.entries if each.about.get("alert_id") != alert]
    verify(world).only("verdicts", f"gave the alert {alert}|0, and the log holds no such alert")


def test_a_partition_to_which_nothing_came_is_no_finding_of_matching_that_went_on(both: Both, verify: Verify) -> None:
    decided(both)
    new_log(both)
    both.hold()
    both.both()
    assert verify(both).found == []


@pytest.mark.parametrize("after", [0, 20])
def test_matching_that_went_on_and_says_nothing_of_what_workers_judged(
    both: Both, verify: Verify, *, after: int
) -> None:
    """It may have been ahead of workers that were stopped, and have said so in the log before; not for long."""
    decided(both)
    new_log(both)
    both.both()
    both.judge(1, records=7)
    both.wait(after)
    both.judge(1, records=10)
    both.wait(30)
    both.both()
    said = verify(both)
    if not after:
        assert said.found == []
        return
    said.only("not_covered", "offsets 7 to 16 were judged by", "nothing says that they were held against decisions")


# Policies over the beginning.


def test_a_gateway_decides_by_the_policy_that_was_in_force_before(world: World, verify: Verify, tmp_path: Path) -> None:
    """No worker that went on says it in the new log; once another one replaced it, it is found all the same."""
    new_log(world)
    world.judge(0, records=10)
    world.wait(30)
    world.decide()
    world.adopt(NEW, NEW_VERSION)
    world.in_force(NEW_VERSION, NEW)
    world.judge(0, records=10, policy=NEW_VERSION)
    assert verify(world).found == []
    world.wait(30)
    world.decide()
    found = verify(world, folder=tmp_path / "later")
    found.only("policy", f"by the policy {POLICY} from", f"{NEW_VERSION} had replaced it")


def test_a_policy_that_was_changed_as_the_log_was_is_no_finding(world: World, verify: Verify) -> None:
    """Its change, and what was in force until then, stand in the log before."""
    world.adopt(NEW, NEW_VERSION)
    new_log(world)
    world.decide()  # a gateway that has not read it yet
    world.in_force(NEW_VERSION, NEW)
    world.in_force()  # nor has the second worker
    world.worker = "second"
    world.in_force(NEW_VERSION, NEW)
    world.start(0)
    world.judge(0, records=10, policy=NEW_VERSION)
    assert verify(world).found == []


@pytest.mark.parametrize("restart", [True, False])
def test_a_policy_that_nobody_adopted_is_found_in_the_new_log_too(
    world: World, verify: Verify, *, restart: bool
) -> None:
    new_log(world)
    if restart:
        restarted(world)
    world.judge(0, records=10)
    then = world.now  # as the worker says; when it was stored counts
    world.wait(30)
    world.cover(
        InForce(
            policy=NEW_VERSION, sha256=sha256(NEW).hexdigest(), legal_table="legal-1", geo_table="geo-1",
            destinations=world.destinations, worker=world.worker, at=then,
        )
    )  # fmt: skip
    world.judge(0, records=10, policy=NEW_VERSION)
    verify(world).only("policy", NEW_VERSION, "holds no change that was adopted")


def test_a_gateway_that_stays_with_the_policy_of_the_log_before_is_found(world: World, verify: Verify) -> None:
    new_log(world)
    restarted(world)
    world.judge(0, records=10)
    world.decide(policy=NEW_VERSION)
    world.wait(30)
    world.decide(policy=NEW_VERSION)
    found = verify(world).only("policy", "a gateway decided by the policy", NEW_VERSION)
    assert found["index"] == len(world.entries) - 1

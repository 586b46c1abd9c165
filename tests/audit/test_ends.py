"""What nothing follows: ends of partitions, workers that were killed, a log that was frozen; and who wrote an alert."""

# ruff: noqa: F811 - fixtures of another module are named as parameters

from __future__ import annotations

import time
from pathlib import Path

import pytest

from agents.audit.verifying.tenure import SILENT_MS
from tests.audit.making import EVENTS, World, write_log
from tests.audit.test_verify import OTHER, WITNESS, Verify, cosign, verify, world  # noqa: F401 - fixtures

HOUR_MS = 3_600_000


# Ends of partitions.


def test_an_idle_worker_that_says_so_is_no_finding(world: World, verify: Verify) -> None:
    world.judge(0)
    world.wait(120)
    said = verify(world)
    assert said.found == []
    assert not any("do not say what they hold" in each for each in said.document["limits"])


def test_a_worker_that_falls_silent_is_missed(world: World, verify: Verify) -> None:
    world.judge(0, records=100)
    world.hold()
    world.wait(30, hold=False)
    world.decide()
    found = verify(world, grace=15).only("not_covered", "from offset 100 on", world.worker, "killed, or what was said")
    assert (found["topic"], found["partition"], found["offset"]) == (EVENTS, 0, 100)


def test_a_worker_that_is_silent_for_less_than_the_grace_may_be_busy(world: World, verify: Verify) -> None:
    world.judge(0)
    world.hold()
    world.wait(14, hold=False)
    world.decide()
    assert verify(world, grace=15).found == []
    assert verify(None).found != [], f"with --grace 0 {SILENT_MS} ms are enough"


def test_workers_of_earlier_versions_are_not_missed_and_it_is_said_that_nobody_can_know(
    world: World, verify: Verify
) -> None:
    world.judge(0)
    world.wait(600, hold=False)
    world.decide()
    said = verify(world)
    assert said.found == []
    assert any("1 of 1 partitions do not say what they hold" in each for each in said.document["limits"])


def test_a_worker_that_was_killed_before_it_said_what_it_holds_is_missed_where_others_say_it(
    world: World, verify: Verify
) -> None:
    world.judge(0)
    world.hold()
    world.take_over("second", 0)
    world.wait(60, hold=False)
    world.decide()
    verify(world, grace=15).only("not_covered", "worker second")


def test_what_is_there_and_is_not_judged_past_the_grace_is_named(world: World, verify: Verify, tmp_path: Path) -> None:
    world.judge(0, records=100)
    world.hold(p0=500)
    assert verify(world, grace=15).found == []
    for _ in range(20):
        world.wait(1)
        world.hold(p0=900)
    found = verify(world, folder=tmp_path / "later", grace=15).only(
        "not_covered", "offsets 100 to 499", "20 minutes later"
    )
    assert found["offset"] == 100


def test_a_backlog_that_was_judged_is_no_finding(world: World, verify: Verify) -> None:
    world.judge(0, records=100)
    world.hold(p0=500)
    world.judge(0, records=400)
    world.wait(60)
    assert verify(world).found == []


def test_ranges_that_are_left_out_below_what_a_worker_says_it_judged(world: World, verify: Verify) -> None:
    world.judge(0, records=100)
    world.judged[0] = 250
    world.wait(2.5)
    found = verify(world).only("coverage", "judged to 249", "end at 99")
    assert found["offset"] == 100


# Workers that were killed.


def test_a_worker_that_was_killed_does_not_stay_the_owner(world: World, verify: Verify) -> None:
    """Killed; two days of nothing; a new worker; an orderly stop; eight hours with nobody."""
    world.judge(0, records=100)
    world.wait(5)
    world.wait(48 * 60, hold=False)
    world.take_over("second", 0)
    world.judge(0, records=100)
    world.stop(0)
    world.wait(8 * 60, hold=False)
    world.decide()
    said = verify(world, grace=15)
    said.only("not_covered", "from offset 200 on", "given up", "nobody has taken it since")
    ((begin, end),) = said.document["judged"][0]["without_worker"]
    assert 47.9 * HOUR_MS < end - begin <= 48.1 * HOUR_MS
    assert "without a worker 1 times, 172," in said.text
    assert "1 times its worker did not say that it stopped" in said.text


def test_a_stop_that_comes_late_says_more_exactly_since_when_nobody_had_it(world: World, verify: Verify) -> None:
    world.judge(0, records=100)
    first = world.worker
    world.wait(10, hold=False)
    stopped_at = world.now
    world.wait(1, hold=False)
    world.take_over("second", 0)
    second, world.worker, now, world.now = world.worker, first, world.now, stopped_at
    world.stop(0)
    world.worker, world.now = second, now
    world.judge(0, records=100)
    said = verify(world)
    assert said.found == []
    ((begin, end),) = said.document["judged"][0]["without_worker"]
    assert (begin, 60_000 <= end - begin < 70_000) == (stopped_at, True)


def test_a_start_that_is_stored_late_does_not_take_the_partition_back(world: World, verify: Verify) -> None:
    world.judge(0, records=100)
    world.hold()
    before = world.now
    world.wait(2, hold=False)
    world.take_over("third", 0)
    now, world.now, world.worker = world.now, before, "second"
    world.in_force()
    world.start(0)
    world.now, world.worker = now, "third"
    world.judge(0, records=100)
    world.stop(0)
    world.wait(60, hold=False)
    world.decide()
    verify(world, grace=15).only("not_covered", "given up")


# Who wrote an alert.


def test_an_alert_about_an_access_that_no_range_gave(world: World, verify: Verify, tmp_path: Path) -> None:
    world.judge(0, alerts=1)
    alert_id, _, _ = world.alert()
    world.receipts(alert_id, 0)
    world.judge(0, alerts=1)
    found = verify(world).only("verdicts", alert_id, "is of no range")
    assert (found["topic"], found["partition"], found["offset"]) == ("alerts", 0, 1)
    assert verify(None, grace=15).found == [], "its range may be under way"


def test_a_first_revision_is_asked_for_where_a_later_one_is(world: World, verify: Verify) -> None:
    alert_id, _, _ = world.alert(revision=3)
    world.receipts(alert_id, 3)
    world.judge(0)
    verify(world).only("verdicts", alert_id, "revision 3")


@pytest.mark.parametrize("family", ["gateway", "silence", "privacy"])
def test_alerts_that_others_write_need_no_range(family: str, world: World, verify: Verify) -> None:
    alert_id, _, _ = world.alert(family=family)
    world.receipts(alert_id, 0)
    said = verify(world)
    assert said.found == []
    assert f"of no range        {family} 1" in said.text


def test_what_a_killed_worker_stored_is_told_and_no_finding(world: World, verify: Verify) -> None:
    world.judge(0)
    world.hold()
    alert_id, _, _ = world.alert()
    world.receipts(alert_id, 0)
    world.wait(5, hold=False)
    world.take_over("second", 0)
    world.judge(0)
    said = verify(world)
    assert said.found == []
    assert said.document["alerts"]["of_killed"] == 1
    assert "of killed workers  1 about accesses" in said.text


# Decisions and the clock.


def test_a_decision_before_its_approval(world: World, verify: Verify) -> None:
    world.decide(approval_id="ap-1")
    world.now += 3 * HOUR_MS
    world.approve("ap-1")
    world.decide(approval_id="ap-1")
    found = verify(world).only("approval", "ap-1", "before its approval")
    assert (found["topic"], found["offset"]) == ("gateway.decisions", 0)


def test_an_approval_that_is_dated_back_does_not_explain_a_decision(world: World, verify: Verify) -> None:
    world.decide(approval_id="ap-1")
    since = world.now - HOUR_MS
    world.now += 3 * HOUR_MS
    world.approve("ap-1", since=since)
    verify(world).only("approval", "ap-1", "was stored at")


def test_clocks_that_differ_a_little_are_no_finding(world: World, verify: Verify) -> None:
    world.decide(approval_id="ap-1")
    world.now += 30_000
    world.approve("ap-1")
    assert verify(world).found == []


def test_a_decision_by_a_policy_that_was_replaced(world: World, verify: Verify, tmp_path: Path) -> None:
    world.decide()
    world.adopt(b"stricter", "fedcba9876543210")
    world.in_force("fedcba9876543210", b"stricter")
    world.wait(14, hold=False)
    world.decide()
    world.judge(0, policy="fedcba9876543210")
    assert verify(world).found == []
    for _ in range(30):
        world.wait(24 * 60, hold=False)
        world.decide()
    where = world.stored[-30]
    world.judge(0, policy="fedcba9876543210")
    found = verify(world, folder=tmp_path / "later").only("policy", "gateway gw-1", "fedcba9876543210 had replaced it")
    assert (found["topic"], found["offset"]) == (where.topic, where.offset)


def test_a_policy_that_was_adopted_again_may_be_decided_by_again(world: World, verify: Verify) -> None:
    world.adopt(b"stricter", "fedcba9876543210")
    world.in_force("fedcba9876543210", b"stricter")
    world.decide(policy="fedcba9876543210")
    world.wait(60, hold=False)
    world.adopt(b"policy", "0123456789abcdef", before=b"stricter")
    world.in_force()
    world.decide()
    world.wait(60, hold=False)
    world.decide()
    world.judge(0)
    assert verify(world).found == []


# How old a log is.


def test_a_log_says_how_old_it_is_and_may_not_be_older_than_asked(world: World, verify: Verify, tmp_path: Path) -> None:
    world.judge(0)
    days = (time.time() * 1000 - world.now) / 24 / HOUR_MS
    said = verify(world)
    assert f"ends               {days:,.1f} days before this verification" in said.text
    assert said.found == []
    verify(None, "--not-older-than", "24").only("age", "days before this verification", "24 hours", "withheld")
    fresh = World(seed=1, partitions=1, now=int(time.time() * 1000) - HOUR_MS)
    fresh.in_force()
    fresh.start(0)
    fresh.judge(0)
    folder = tmp_path / "fresh"
    assert verify(fresh, "--not-older-than", "2", folder=folder).found == []
    verify(None, "--not-older-than", "0.5", folder=folder).only("age", "1.0 hours before")
    ahead = World(seed=1, partitions=1, now=int(time.time() * 1000) + 10 * HOUR_MS)
    ahead.in_force()
    ahead.start(0)
    verify(ahead, "--not-older-than", "2", folder=tmp_path / "ahead").only("age", "AFTER this verification")


def test_witnesses_that_signed_long_ago_are_named_with_their_age(verify: Verify, tmp_path: Path) -> None:
    """`cosign` signs in March 2026: whoever holds the log's key goes on by themselves."""
    fresh = World(seed=1, partitions=1, now=int(time.time() * 1000) - HOUR_MS)
    fresh.in_force()
    fresh.start(0)
    write_log(tmp_path / "log", fresh.entries)
    path = tmp_path / "log" / "checkpoint"
    path.write_bytes(cosign(path, WITNESS, OTHER))
    both = ("--witness", str(WITNESS.public), "--witness", str(OTHER.public))
    assert verify(None, *both).found == []
    verify(None, *both, "--not-older-than", "24").only("age", "what 2 witnesses have signed is from 2026-03-03")


@pytest.mark.parametrize("hours", ["0", "-1", "nan", "1e12"])
def test_an_age_that_is_none_is_refused(
    hours: str, verify: Verify, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from agents.cli import main

    assert main(["audit", "verify", str(tmp_path), "--key", str(WITNESS.public), "--not-older-than", hours]) == 2
    assert "--not-older-than" in capfd.readouterr().err

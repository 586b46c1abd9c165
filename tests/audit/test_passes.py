"""Two passes over the same accesses, workers' and matching's: each is whole by itself, and a witness to the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import msgspec
import orjson
import pytest

from agents.audit.replay_log import Log
from schemas.coverage import Coverage, Holding, Hole, Pass, Process, decode
from tests.audit.making import EVENTS, ORIGIN, World, write_log
from tests.audit.tamper import Disk, operator_drops_alert
from tests.audit.test_verify import Verify, verify  # noqa: F401 - a fixture

# ruff: noqa: F811 - the fixture is named as a parameter

MINUTE = 60_000
QUARTER = 15 * MINUTE


class Both(World):
    """A world in which accesses are held against decisions too."""

    by: Pass = "judge"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.matcher, self.matched = f"{self.rng.getrandbits(64):016x}", dict[int, int]()

    def cover(self, record: Coverage) -> None:
        super().cover(record if isinstance(record, Holding | Process) else msgspec.structs.replace(record, by=self.by))

    def alert(self, revision: int = 0, alert_id: str | None = None, family: str = "") -> tuple[str, int, bytes]:
        return super().alert(revision, alert_id, family or ("gateway" if self.by == "match" else "access"))

    @contextmanager
    def matching(self) -> Iterator[None]:
        """What is done within is matching's."""
        mine = self.by, self.worker, self.judged
        self.by, self.worker, self.judged = "match", self.matcher, self.matched
        try:
            yield
        finally:
            self.by, self.worker, self.judged = mine

    def begin(self) -> None:
        """Both begin with every partition."""
        self.in_force()
        with self.matching():
            self.in_force()
        for partition in range(self.partitions):
            self.start(partition)
            with self.matching():
                self.start(partition)

    def both(self, alerts: int = 1) -> None:
        """A range of 100 is judged, and held against decisions, with so many alerts each."""
        self.judge(0, alerts=alerts, records=100)
        with self.matching():
            self.judge(0, alerts=alerts, records=100)


@pytest.fixture
def world() -> Both:
    """One partition, begun by both."""
    made = Both(seed=11, partitions=1)
    made.begin()
    return made


def test_both_are_whole_each_for_itself(world: Both, verify: Verify) -> None:
    for _ in range(4):
        world.both()
    with world.matching():
        world.stop(0)
        world.start(0)
    said = verify(world)
    assert said.found == []
    (judged,), (matched,) = said.document["judged"], said.document["matched"]
    assert (judged["ranges"], judged["last"], judged["stops"]) == (4, 399, 0)
    assert (matched["ranges"], matched["last"], matched["alerts"], matched["stops"]) == (4, 399, 4, 1)
    assert said.document["alerts"]["of_no_range"] == {}, "matching names its own"
    _, _, ours = said.text.partition("Held against gateways' decisions, by partition\n")
    assert ours.startswith("  access.events/0: offsets 0 to 399")
    assert "never ran" not in said.text


def test_a_log_in_which_matching_never_ran_says_so(verify: Verify) -> None:
    world = World(seed=3, partitions=1)
    world.in_force()
    world.start(0)
    world.judge(0)
    world.decide()
    said = verify(world)
    assert said.found == []
    assert said.text.count("`cloverwatch match` never ran; the log holds 1 decisions") == 2, "there and in limits"
    assert any("never ran" in each for each in said.document["limits"])


def test_a_log_with_alerts_of_matching_and_nothing_else_of_it_says_so(verify: Verify) -> None:
    """An older program's, or somebody left out all that matching said of itself."""
    world = World(seed=3, partitions=1)
    world.in_force()
    world.start(0)
    world.judge(0)
    alert_id, revision, _ = world.alert(family="gateway")
    world.receipts(alert_id, revision)
    assert "never ran, or does not say so; the log holds 1 alerts of matching" in verify(world).text


def test_records_from_before_there_was_matching_are_the_workers(world: Both) -> None:
    world.judge(0)
    (raw,) = [each.value for each in world.stored if each.value is not None and b'"judged"' in each.value]
    old = orjson.loads(raw)
    del old["by"]
    assert decode.decode(orjson.dumps(old)) == decode.decode(raw)


def test_a_range_that_matching_passed_over(world: Both, verify: Verify) -> None:
    world.both()
    world.judge(0, records=107)
    world.matched[0] += 7
    with world.matching():
        world.judge(0, records=100)
    found = verify(world).only("not_covered", "matching: offsets 100 to 106 were judged by nobody")
    assert (found["topic"], found["partition"], found["offset"]) == (EVENTS, 0, 100)


def test_offsets_that_matching_was_not_shown(world: Both, verify: Verify) -> None:
    world.judge(0, records=105)
    with world.matching():
        world.judge(0, records=100, holes=[Hole(first=10, last=14, why="unexplained")])
    verify(world).only("not_covered", "matching: offsets 10 to 14 were not judged: unexplained")


def test_an_alert_of_matching_left_out_by_whoever_holds_the_key(world: Both, verify: Verify, tmp_path: Path) -> None:
    """It and its receipts, and the offsets behind close up: from the files alone only its range tells."""
    for _ in range(6):
        world.judge(0, records=100)
        with world.matching():
            world.judge(0, alerts=1, records=100)
    world.now += QUARTER
    world.decide()
    write_log(tmp_path / "log", world.entries)
    did = operator_drops_alert(
        Disk(tmp_path / "log", tmp_path / "topics", 5, b"operator's key, 32 bytes long ..", ORIGIN)
    )
    said = verify(None)
    assert said.code == 1
    named = f"of matching gave the alert {did['alert']}"
    assert any(each["kind"] == "verdicts" and named in each["what"] for each in said.found), said.found


def test_matching_that_was_stopped_for_good(world: Both, verify: Verify, tmp_path: Path) -> None:
    world.both()
    with world.matching():
        world.stop(0)
    assert verify(world).found == []
    world.now += 20 * MINUTE
    world.judge(0, records=100)
    verify(world, folder=tmp_path / "later").only("not_covered", "matching: from offset 100 on: given up", "nobody")


@pytest.mark.parametrize("silent", ["match", "judge"])
def test_one_pass_tells_of_the_end_of_the_other(silent: str, world: Both, verify: Verify, tmp_path: Path) -> None:
    """What the one said last is left out, and no stop says so: the other went on."""
    world.both(alerts=0)
    with world.matching() if silent == "judge" else nullcontext():
        world.judge(0, records=60)
        assert verify(world).found == [], "one may be behind"
        world.now += QUARTER
        world.judge(0, records=40)
    done = "judged" if silent == "judge" else "held against decisions"
    found = verify(world, folder=tmp_path / "later").only(
        "not_covered", "offsets 100 to 159 were", f"nothing says that they were {done}"
    )
    assert found["offset"] == 100


def test_a_partition_that_matching_never_began_with(verify: Verify) -> None:
    world = Both(seed=3, partitions=2)
    opened = {"version": "0.1.0", "topics": {"gateway.decisions": {"0": 0, "1": 0}}}
    world.entries[0] = msgspec.structs.replace(world.entries[0], about=opened)
    world.in_force()
    with world.matching():
        world.in_force()
        world.start(0)
    world.start(0)
    world.start(1)
    found = verify(world).only("not_covered", "nothing of it was held against decisions")
    assert found["partition"] == 1


def test_matching_that_began_later_than_the_workers(verify: Verify) -> None:
    world = Both(seed=4, partitions=1)
    world.in_force()
    world.start(0)
    world.judge(0, records=100)
    with world.matching():
        world.in_force()
        world.start(0, offset=60)
        world.judge(0, records=40)
    said = verify(world)
    assert said.found == []
    assert "nothing says that offsets 0 to 59 were held against decisions" in said.text


def test_matching_under_a_policy_that_was_replaced(world: Both, verify: Verify, tmp_path: Path) -> None:
    world.adopt(b"stricter", "fedcba9876543210")
    world.in_force("fedcba9876543210", b"stricter")
    with world.matching():
        world.in_force("fedcba9876543210", b"stricter")
    assert verify(world).found == []
    world.now += 60 * MINUTE
    with world.matching():
        world.in_force()
    verify(world, folder=tmp_path / "back").only("policy", "adopted after it")


def test_matching_under_a_policy_that_it_did_not_name(world: Both, verify: Verify) -> None:
    with world.matching():
        world.judge(0, policy="another")
    verify(world).only("policy", "matching: ", "were judged under the policy another")


def test_who_judges_again_looks_at_what_workers_say(world: Both) -> None:
    log = Log(EVENTS, 0, 0, 10_000)
    world.both()
    for index, entry in enumerate(world.entries):
        log.seen(index, entry)
    assert [each.by for each in log.ranges] == ["judge"]

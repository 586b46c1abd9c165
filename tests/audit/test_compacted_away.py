"""Approvals that compaction took from their topic: written again, or deleted; and those that somebody else took."""

# ruff: noqa: F811 - fixtures of another module are named as parameters

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from tests.audit.making import World
from tests.audit.test_verify import Said, Verify, verify  # noqa: F401 - a fixture

ID = "ap-1"
STEPS = ("requested", "approved", "withdrawn")

Left = Callable[..., Said]


@pytest.fixture
def world() -> World:
    made = World(seed=11, partitions=1)
    made.in_force()
    made.start(0)
    made.judge(0, records=10)
    return made


@pytest.fixture
def left(world: World, verify: Verify, tmp_path: Path) -> Left:
    """Verifies with an export in which of `gateway.approvals` these offsets are left, and another approval."""

    def call(*offsets: int) -> Said:
        gone = {each for each in range(world.ends["gateway.approvals", 0]) if each not in offsets}
        world.approve("ap-9")
        world.stored = [each for each in world.stored if each.topic != "gateway.approvals" or each.offset not in gone]
        return verify(world, "--topics", str(world.export(tmp_path / "topics")))

    return call


def write(world: World, key: str, step: str) -> None:
    """A record of a step; its entry says which step it is, under whatever key it stands."""
    value = orjson.dumps({"approval_id": ID, "until": world.now + 3_600_000, "break_glass": False})
    world.store("gateway.approvals", 0, key, value, step=step, state=step, since=world.now)


def delete(world: World, key: str) -> None:
    """A tombstone; its entry says what its key does."""
    approval_id, _, step = key.partition("|")
    world.store("gateway.approvals", 0, key, None, approval_id=approval_id, **({"step": step} if step else {}))


def test_a_record_under_the_id_alone_that_was_written_again(world: World, left: Left) -> None:
    write(world, ID, "requested")
    write(world, ID, "approved")
    assert left(1).found == []


def test_a_record_of_a_step_that_was_written_again(world: World, left: Left) -> None:
    write(world, f"{ID}|approved", "approved")
    write(world, f"{ID}|approved", "approved")
    assert left(1).found == []


def test_a_record_that_nothing_replaced_was_removed(world: World, left: Left) -> None:
    write(world, f"{ID}|requested", "requested")
    write(world, f"{ID}|withdrawn", "withdrawn")
    write(world, "ap-2", "approved")
    left(0, 2).only("topic", f"a record of {ID}|withdrawn that the topic does not hold: it was removed")


def test_an_approval_that_was_deleted_and_its_tombstones_too(world: World, left: Left) -> None:
    """As `docs/approvals.md` says: under its id, then a gateway deletes the records of its steps."""
    write(world, ID, "requested")  # of before: under the id alone
    for step in STEPS:
        write(world, f"{ID}|{step}", step)
    delete(world, ID)
    for step in STEPS:
        delete(world, f"{ID}|{step}")
    said = left()
    assert said.found == []
    assert "gone since         8 by retention or compaction" in said.text


def test_a_tombstone_that_is_there_yet_explains_what_is_gone(world: World, left: Left) -> None:
    for step in STEPS:
        write(world, f"{ID}|{step}", step)
    delete(world, ID)
    assert left(3).found == []


def test_a_record_that_came_behind_the_tombstone_was_removed(world: World, left: Left) -> None:
    delete(world, f"{ID}|approved")
    write(world, f"{ID}|approved", "approved")
    left().only("topic", f"a record of {ID}|approved that the topic does not hold: it was removed")


def test_a_tombstone_of_another_approval_or_step_explains_nothing(world: World, left: Left) -> None:
    write(world, f"{ID}|withdrawn", "withdrawn")
    delete(world, "ap-2")
    delete(world, f"{ID}|requested")
    left().only("topic", f"a record of {ID}|withdrawn that the topic does not hold: it was removed")


def test_a_tombstone_without_a_name_explains_nothing(world: World, left: Left) -> None:
    """Entries of earlier versions do not say of what it was; an entry without a name is not of the same key."""
    world.store("gateway.approvals", 0, ID, b"{}")
    world.store("gateway.approvals", 0, ID, None)
    left().only("topic", "it was removed")

"""A crash at any step of an append, and at any step of what follows it, loses nothing and signs no second history."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.audit.tlog import Folder, Log, LogBrokenError, LogReader
from tests.audit.tlog import naive
from tests.audit.tlog.disks import LOSSES, Disk, Loss, PowerLossError, RecordingSigner, clock

SEED = b"k" * 32
SCRIPT = (3, 252, 3, 257, 1)
"""Entries of each append: to within, to just below, over and far over the ends of tiles."""


def batches(label: str) -> list[list[bytes]]:
    return [[f"{label} {at} {n}".encode() for n in range(count)] for at, count in enumerate(SCRIPT)]


def run(log: Log, given: list[list[bytes]], acknowledged: list[bytes]) -> list[bytes]:
    """Append all; return the batch that was under way when the disk stopped, none where it did not."""
    for batch in given:
        try:
            assert log.append(batch) == range(len(acknowledged), len(acknowledged) + len(batch))
        except (PowerLossError, LogBrokenError):
            return batch
        acknowledged += batch
    return []


def signed_one_history(signer: RecordingSigner, entries: list[bytes]) -> None:
    """All that was ever signed is a beginning of these entries."""
    assert signer.signed
    roots: dict[int, bytes] = {}
    for size, root in signer.signed:
        assert size <= len(entries)
        if size not in roots:
            roots[size] = naive.root(entries[:size])
        assert root == roots[size], f"another history of {size} entries was signed"


def stops() -> Iterator[tuple[int, bool]]:
    """Every operation of the script, with its effect and without."""
    disk = Disk()
    with Log(disk, RecordingSigner("example.com/log", SEED), clock) as log:
        run(log, batches("first"), [])
    assert disk.operations > 30
    return ((at, before) for at in range(1, disk.operations + 1) for before in (True, False))


@pytest.mark.parametrize("how", LOSSES)
def test_a_power_loss_at_every_operation(how: Loss) -> None:
    for at, before in stops():
        disk, signer, acknowledged = Disk(), RecordingSigner("example.com/log", SEED), list[bytes]()
        disk.stop_at, disk.before = at, before
        try:
            log = Log(disk, signer, clock)
        except PowerLossError:
            under_way = []
        else:
            under_way = run(log, batches("first"), acknowledged)
        disk.power_loss(how, seed=at)
        with Log(disk, signer, clock) as log:
            assert log.size in {len(acknowledged), len(acknowledged) + len(under_way)}, (at, before)
            if log.size > len(acknowledged):
                acknowledged += under_way
            assert run(log, batches("second"), acknowledged) == []
        reader = LogReader(disk.read)
        found = reader.checkpoint([signer.public])
        assert found.size == len(acknowledged)
        assert list(reader.entries()) == acknowledged
        assert list(reader.tree(found).problems()) == []
        signed_one_history(signer, acknowledged)


@pytest.mark.slow
@pytest.mark.parametrize("how", LOSSES)
def test_a_second_power_loss_at_every_operation_after_the_first(how: Loss) -> None:
    """Also while the log is opened again."""
    script = batches("first")[:3]
    for at, before in list(stops())[::7]:
        for again in range(1, 9):
            disk, signer, acknowledged = Disk(), RecordingSigner("example.com/log", SEED), list[bytes]()
            disk.stop_at, disk.before = at, before
            under_way: list[bytes] = []
            for label in ("first", "second"):
                try:
                    log = Log(disk, signer, clock)
                except PowerLossError:
                    pass
                else:
                    if log.size > len(acknowledged):
                        acknowledged += under_way
                    under_way = run(log, script if label == "first" else batches(label)[:3], acknowledged)
                disk.power_loss(how, seed=at)
                disk.stop_at = disk.operations + again if label == "first" else None
            with Log(disk, signer, clock) as log:
                if log.size > len(acknowledged):
                    acknowledged += under_way
                assert log.size == len(acknowledged)
                assert run(log, [[b"at last"]], acknowledged) == []
            reader = LogReader(disk.read)
            reader.checkpoint([signer.public])
            assert list(reader.entries()) == acknowledged
            signed_one_history(signer, acknowledged)


class Failing(Folder):
    """A folder whose file system refuses at the n-th write, having written half of it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.writes = 0
        self.refuse_at: int | None = None

    def write(self, path: str, data: bytes) -> None:
        self.writes += 1
        if self.writes == self.refuse_at:
            (self.path / ".state" / "writing-0").write_bytes(data[: len(data) // 2])
            raise OSError(28, "No space left on device")
        super().write(path, data)


def test_a_full_disk_at_every_write_of_a_folder(tmp_path: Path) -> None:
    """Before the tree is signed the log goes on by itself; after it, it has to be opened again."""
    outcomes = set()
    for at in range(1, 45):
        folder, signer, acknowledged = (
            Failing(tmp_path / str(at)),
            RecordingSigner("example.com/log", SEED),
            list[bytes](),
        )
        log = Log(folder, signer, clock)
        folder.refuse_at = folder.writes + at
        for batch in batches("first"):
            try:
                log.append(batch)
            except LogBrokenError:
                outcomes.add("broken")
                with pytest.raises(LogBrokenError):
                    log.append(batch)
                log.close()
                log = Log(folder, signer, clock)
                if log.size == len(acknowledged):
                    log.append(batch)
            except OSError:
                outcomes.add("refused")
                log.append(batch)
            acknowledged += batch
        log.close()
        reader = LogReader(tmp_path / str(at))
        reader.checkpoint([signer.public])
        assert list(reader.entries()) == acknowledged
        signed_one_history(signer, acknowledged)
    assert outcomes == {"broken", "refused"}

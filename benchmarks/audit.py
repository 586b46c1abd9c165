"""`python -m benchmarks.audit`: how fast the audit log appends, and how long proofs take at a hundred million entries.

The large log is simulated: all its entries are the same, so that every full subtree of a height has the same hash and a
tile can be made when it is asked for. Proofs read, check and hash what they would of a real one.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from agents.audit.tlog import Log, LogReader, NoteSigner, Tree, leaf_hash, merkle, verify_consistency, verify_inclusion
from agents.audit.tlog.merkle import node_hash, subtrees
from agents.audit.tlog.tiles import HEIGHT, WIDTH

ENTRY: Final = 300
"""Bytes of an entry: what those of alerts and deliveries have."""

BATCH: Final = 5_000
"""Entries of an append: a quarter of a second's at the goal."""

GOAL: Final = 20_000
"""Entries a second on one core (the issue)."""

LARGE: Final = 100_000_000
PROOFS: Final = 200
SMALL_BATCHES: Final = (1, 100, 1_000)


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured; times in milliseconds, rates in entries a second."""

    appended: float
    appended_cpu: float
    """Entries a second of processor time: what one core does when the disk does not keep it waiting."""
    small: dict[int, float]
    """By entries of an append: milliseconds until it lasts."""
    verified: float
    """Entries a second that a reader checks against the root."""
    inclusion: tuple[float, float]
    """A proof with an empty cache and its verification: median and largest."""
    inclusion_warm: float
    consistency: tuple[float, float]


def appending(count: int, folder: Path) -> tuple[float, float, dict[int, float], float]:
    """Append, then read all of it back."""
    chance = Random(0)
    batches = [[chance.randbytes(ENTRY) for _ in range(BATCH)] for _ in range(4)]
    signer = NoteSigner.new("bench.invalid/log")
    with Log(folder, signer, time.time) as log:
        began, cpu = time.perf_counter(), time.process_time()
        for at in range(count // BATCH):
            log.append(batches[at % 4])
        wall, cpu = time.perf_counter() - began, time.process_time() - cpu
        small: dict[int, float] = {}
        for size in SMALL_BATCHES:
            took = []
            for _ in range(10):
                began = time.perf_counter()
                log.append(batches[0][:size])
                took.append(time.perf_counter() - began)
            small[size] = sorted(took)[5] * 1_000
        size = log.size
    reader = LogReader(folder)
    reader.checkpoint([signer.public])
    began = time.process_time()
    read = sum(1 for _ in reader.entries())
    if read != size:
        raise RuntimeError(f"{read} of {size} entries were read")
    done = count // BATCH * BATCH
    return done / wall, done / cpu, small, read / (time.process_time() - began)


def _heights() -> Iterator[bytes]:
    found = leaf_hash(b"\x2a" * ENTRY)
    while True:
        yield found
        found = node_hash(found, found)


class Large:
    """A log of so many equal entries, whose tiles are made as they are read."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.hashes = [each for each, _ in zip(_heights(), range(64), strict=False)]
        self.root = merkle.join([self.hashes[level] for level, _ in subtrees(size)])

    def fetch(self, path: str) -> bytes:
        """Return a tile; there are no entries."""
        if path.startswith("tile/entries/"):
            raise FileNotFoundError(path)
        level = int(path.split("/")[1])
        width = int(path.rpartition(".p/")[2]) if ".p/" in path else WIDTH
        return self.hashes[level * HEIGHT] * width

    def tree(self) -> Tree:
        """Return its tree, with nothing read but its edge."""
        return Tree(self.fetch, self.size, self.root)


def proving(size: int, count: int) -> tuple[tuple[float, float], float, tuple[float, float]]:
    """Make and verify proofs at random places."""
    large, chance = Large(size), Random(1)
    leaf = large.hashes[0]

    def inclusion(tree: Tree, index: int) -> None:
        verify_inclusion(leaf, index, size, tree.inclusion_proof(index), large.root)

    cold, warm, consistent = [], [], []
    kept = large.tree()
    for _ in range(count):
        index, old = chance.randrange(size), chance.randrange(1, size)
        began = time.process_time()
        inclusion(large.tree(), index)
        cold.append(time.process_time() - began)
        began = time.process_time()
        inclusion(kept, index)
        warm.append(time.process_time() - began)
        root = kept.root_at(old)
        began = time.process_time()
        tree = large.tree()
        verify_consistency(old, root, size, large.root, tree.consistency_proof(old))
        consistent.append(time.process_time() - began)
    return _spread(cold), _spread(warm)[0], _spread(consistent)


def _spread(took: list[float]) -> tuple[float, float]:
    return sorted(took)[len(took) // 2] * 1_000, max(took) * 1_000


def measure(entries: int, size: int, proofs: int, folder: Path | None = None) -> Figures:
    """Measure all of it."""
    with tempfile.TemporaryDirectory(dir=folder) as made:
        appended, cpu, small, verified = appending(entries, Path(made))
    inclusion, warm, consistency = proving(size, proofs)
    return Figures(appended, cpu, small, verified, inclusion, warm, consistency)


def main(arguments: list[str]) -> int:
    """Measure and print; exit 1 where the goal for appending is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.audit")
    parser.add_argument("--entries", type=int, default=400_000, help="to append")
    parser.add_argument("--size", type=int, default=LARGE, help="entries of the simulated log")
    parser.add_argument("--folder", type=Path, help="where the log is written (default: the temporary folder)")
    given = parser.parse_args(arguments)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    found = measure(given.entries, given.size, PROOFS, given.folder)
    print(f"append, {ENTRY} bytes in batches of {BATCH:,}, on one core, each flushed to disk:")
    print(f"  {found.appended:>10,.0f} entries/s ({found.appended_cpu:,.0f} per second of CPU); goal {GOAL:,}")
    for size, took in found.small.items():
        print(f"  {took:>10.1f} ms until an append of {size:,} lasts (median)")
    print(f"read and checked against the root:\n  {found.verified:>10,.0f} entries/s of CPU")
    print(
        f"proofs at {given.size:,} entries (simulated tiles), made and verified, CPU, median and largest of {PROOFS}:"
    )
    print(f"  {found.inclusion[0]:>10.2f} ms, {found.inclusion[1]:.2f} ms inclusion, nothing cached")
    print(f"  {found.inclusion_warm:>10.2f} ms inclusion, from a tree that was used before")
    print(f"  {found.consistency[0]:>10.2f} ms, {found.consistency[1]:.2f} ms consistency, nothing cached")
    return 0 if found.appended_cpu >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

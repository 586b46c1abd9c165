"""What it would cost a worker to commit to the accesses that it judges. `python -m benchmarks.commitments`.

`monitor.coverage` commits to alerts, not to accesses. Measured are the ways to do so in CPU microseconds an event, over
the demo's accesses as they are sent and as record batches: a hash of every value, a hash of whole batches, and a hash
over each batch's offsets and CRC-32C, which the client reads anyway. What may be spent is the goal of
`benchmarks.coverage` without what coverage costs now.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from hashlib import blake2b, sha256
from struct import Struct
from typing import Any, Final

from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder

from agents.settings import Settings
from benchmarks.coverage import GOAL_US, hauls_of, measure
from demo.broker import EmbeddedBroker

REPEATS: Final = 5
"""The least of so many is taken: what else the machine does only ever adds."""

A_BATCH: Final = 5_000
"""Values hashed at once."""

BATCH_SIZES: Final = (1, 10, 100, 1_000)
"""Records in a producer's batch: without lingering one; with some milliseconds of it tens to hundreds."""

GZIP: Final = DefaultRecordBatch.CODEC_GZIP
"""A codec that every client has; those that compress better or faster leave a quarter as well, more or less."""

_place: Final = Struct(">qqI").pack
"""Base offset, next offset, CRC."""


def main(arguments: list[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.commitments")
    parser.add_argument("--events", type=int, default=100_000)
    given = parser.parse_args(arguments)
    hauls, events = hauls_of(given.events)
    with EmbeddedBroker() as broker:
        batches, commits, _ = asyncio.run(measure(hauls, Settings(broker=broker.bootstrap, replication_factor=1)))
    now = (batches + commits) / events
    values = [line.value for _, some in hauls for line in some]
    size = sum(map(len, values)) / len(values)
    print(f"{len(values)} accesses, {size:.0f} bytes each")
    _tell("coverage costs now", now)
    _tell(f"left of the goal, {GOAL_US} µs", GOAL_US - now)

    for name, new in (("SHA-256", sha256), ("BLAKE2b", blake2b)):
        took = _least(partial(_joined, values, new), len(values))
        _tell(f"{name} of the values, joined", took, f"{took * 1_000 / size:.2f} ns a byte")
    for compression, name in ((0, "as they are"), (GZIP, "compressed")):
        whole = [_batch(values[at : at + 100], at, compression) for at in range(0, len(values), 100)]
        bytes_each = sum(map(len, whole)) / len(values)
        took = _least(partial(_each, whole), len(values))
        _tell(f"SHA-256 of batches of 100, {name}", took, f"{bytes_each:.0f} bytes an event")
    for count in BATCH_SIZES:
        some = values[: A_BATCH * count]
        read = [DefaultRecordBatch(_batch(some[at : at + count], at, 0)) for at in range(0, len(some), count)]
        took = _least(partial(_places, read), len(some))
        _tell(f"SHA-256 of offsets and CRC of batches of {count}", took)
    return 0


def _batch(values: Sequence[bytes], base: int, compression: int) -> bytes:
    """Return a record batch as a producer makes it."""
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=compression, is_transactional=0, producer_id=-1, producer_epoch=-1, base_sequence=-1,
        batch_size=64 * 1024 * 1024,
    )  # fmt: skip
    for number, value in enumerate(values):
        builder.append(number, timestamp=1_772_409_600_000 + base, key=b"e-1000", value=value, headers=[])
    return bytes(builder.build())


def _joined(values: Sequence[bytes], new: Callable[[bytes], Any]) -> None:
    """Hash values, as many at once as a worker's batch has."""
    for at in range(0, len(values), A_BATCH):
        new(b"".join(values[at : at + A_BATCH]))


def _each(batches: Sequence[bytes]) -> None:
    """Hash whole batches."""
    for each in batches:
        sha256(each)


def _places(batches: Sequence[Any]) -> bytes:
    """Return the hash over where batches are and their CRCs."""
    whole = sha256()
    for each in batches:
        whole.update(_place(each.base_offset, each.next_offset, each.crc))
    return whole.digest()


def _least(what: Callable[[], object], events: int) -> float:
    """Return how long something takes, CPU microseconds an event."""
    took = []
    for _ in range(REPEATS):
        began = time.process_time()
        what()
        took.append(time.process_time() - began)
    return min(took) * 1e6 / events


def _tell(what: str, took: float, more: str = "") -> None:
    print(f"{what:<48} {took:8.4f} µs an event{f'  ({more})' if more else ''}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What habits of 100,000 employees weigh, saved and resident, and how long they and the directories take to load.

A sample of people works for 57 days, 40 of them working days, through the same observer and rules as in a worker; a
state of every person is a copy of one of the sample's, restored from bytes, so that no two share an object. Resident
bytes are what the process grows by (`/proc/self/statm`) while they are restored, in a process of its own that does
nothing else. Prints JSON.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import cycle
from pathlib import Path
from typing import Final
from zlib import crc32

import msgspec

from agents.cli.send import Outgoing
from agents.publisher import partition_of
from agents.settings import Settings
from agents.snapshots import BUCKETS
from benchmarks.behaviour import Lived
from benchmarks.brokers import broker, fill
from benchmarks.process import Worker, program, usage
from benchmarks.stream import PARTITIONS, Load, crowd
from benchmarks.throughput import READ
from rules.habits.saved import restore, save
from rules.habits.shelf import HabitShelf
from rules.knowledge import Knowledge, Person
from schemas.codec import DIRECTORY
from schemas.topics import STATE_HABITS

EMPLOYEES: Final = 100_000
SAMPLE: Final = 1_000
"""People who really work: enough that the mean of their states is within a percent or two of any other sample's."""

DAYS: Final = 57
"""Calendar days of theirs: 40 working days and a holiday."""

ACCESSES: Final = 1_000
"""In the topic when the worker starts: the first verdict is when it is ready."""

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(list[bytes]).decode


@dataclass(frozen=True, slots=True)
class State:
    """What was measured, of so many employees."""

    employees: int
    sample: int
    saved_mean: float
    """Bytes of a person, as saved."""
    saved_most: int
    resident: float
    """Bytes of a person, in memory."""
    save_s: float
    """CPU seconds to make bytes of all of them."""
    restore_s: float
    """CPU seconds to make habits of the bytes again, in process."""
    rows: int
    rows_s: float
    """CPU seconds to decode and apply the rows of their directories, in process."""
    worker_s: float
    """Seconds from the start of a worker, over full topics, to its first verdict."""
    worker_cpu_s: float
    """CPU seconds that it used until then."""


def main(arguments: list[str]) -> int:
    """Measure and print; `--resident` is the part that needs a process of its own."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.state")
    parser.add_argument("--broker", choices=("auto", "kafka", "embedded"), default="auto")
    parser.add_argument("--employees", type=int, default=EMPLOYEES)
    parser.add_argument("--sample", type=int, default=SAMPLE)
    parser.add_argument(
        "--resident", type=Path, metavar="FILE", help="a sample's states: print what restoring them takes"
    )
    given = parser.parse_args(arguments)
    if given.resident is not None:
        found = resident(_unpack(given.resident.read_bytes()), given.employees)
    else:
        found = asdict(measure(given.broker, given.employees, given.sample, Path("build")))
    print(json.dumps(found))
    return 0


def measure(kind: str, employees: int, sample: int, build: Path) -> State:
    """Measure everything."""
    life = Lived(sample, DAYS)
    life.live(DAYS)
    states = [save(habit) for habit in life.habits.values()]
    build.mkdir(parents=True, exist_ok=True)
    file = build / "bench-states.msgpack"
    file.write_bytes(_pack(states))
    inside = program("benchmarks.state", "--resident", str(file), "--employees", str(employees))
    load = crowd(employees, employees, ACCESSES)
    rows, rows_s = len(load.rows), applied(load)
    load.rows.extend(buckets(states, employees))
    with broker(kind) as (_, settings):
        fill(settings, load)
        worker_s, worker_cpu_s = start(settings, build / "bench-state.log")
    sizes = [len(each) for each in states]
    return State(
        employees=employees,
        sample=sample,
        saved_mean=sum(sizes) / len(sizes),
        saved_most=max(sizes),
        rows=rows,
        rows_s=rows_s,
        worker_s=worker_s,
        worker_cpu_s=worker_cpu_s,
        **inside,
    )


def resident(states: list[bytes], employees: int) -> dict[str, float]:
    """Return what so many habits, restored from bytes, take of memory and time."""
    knowledge = Knowledge()
    shelf = HabitShelf(knowledge, lambda: 0)
    names = [_name(number) for number in range(employees)]
    knowledge.people.update((name, Person()) for name in names)
    gc.collect()
    before = _resident_bytes()
    began = time.process_time()
    for name, saved in zip(names, cycle(states), strict=False):
        shelf.restore(name, 0, saved)
    restore_s = time.process_time() - began
    gc.collect()
    grown = _resident_bytes() - before
    began = time.process_time()
    for name in names:
        shelf.save(name)
    return {"resident": grown / employees, "restore_s": restore_s, "save_s": time.process_time() - began}


def applied(load: Load) -> float:
    """Return the CPU seconds that decoding and applying the directories' rows takes in process."""
    knowledge = Knowledge()
    began = time.process_time()
    for topic, message in load.rows:
        knowledge.apply(DIRECTORY[topic].decode(message.value))
    return time.process_time() - began


def buckets(states: list[bytes], employees: int) -> Iterator[tuple[str, Outgoing]]:
    """Yield a state for everybody as the messages that a worker's commits would have left."""
    unread = []
    for saved in states:
        habit = restore(saved)
        habit.applied = -1  # of another topic: here nothing is counted in it
        unread.append(save(habit))
    items: dict[tuple[int, int], list[tuple[str, bytes]]] = defaultdict(list)
    for number, saved in zip(range(employees), cycle(unread), strict=False):
        name = _name(number)
        items[partition_of(name, PARTITIONS), crc32(name.encode()) % BUCKETS].append((name, saved))
    for (partition, bucket), people in items.items():
        yield STATE_HABITS, Outgoing(f"{bucket}|bench".encode(), _pack(people), partition)


def start(settings: Settings, log: Path) -> tuple[float, float]:
    """Return the seconds from the start of a worker to its first verdict, and the CPU seconds that it took."""
    began = time.monotonic()
    process = Worker(settings, log)
    try:
        first, _ = process.until("judging", lambda found: found.get(READ, 0) > 0)
        return first - began, usage(process.pid).cpu_s
    finally:
        process.end()


def _name(number: int) -> str:
    return f"e-{number:07d}"


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The hot path in process, without a broker: microseconds an event for each step. `python -m benchmarks.hot`.

The steps are those of judging accesses; what behaviour adds to them is measured on the demo's whole month, as it goes
by once (`benchmarks/behaviour.py`): a month that is judged again is too late for anybody's habit.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec
import orjson

from agents.files import Line, load_directory
from agents.offline import session_of
from agents.settings import Settings
from benchmarks import behaviour
from benchmarks.stream import SEED, without_behaviour
from demo.files import EVENTS
from demo.run import write_files
from rules.session import Session
from schemas.access import AccessEvent
from schemas.codec import ACCESS

REPEATS: Final = 3
"""The least of so many is taken: what else the machine does only ever adds."""

BATCH: Final = 5_000
"""As many records as a worker's batch has."""


def main(arguments: list[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hot")
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--month", type=int, default=EVENTS, help="ordinary accesses of the month for behaviour")
    given = parser.parse_args(arguments)
    for what, cost in measure(given.events).items():
        print(f"{what:<44} {cost:8.2f} µs an event")
    spent = behaviour.cost(given.month)
    print(f"{'a month without [behaviour]':<44} {spent.without:8.2f} µs an event")
    print(f"{'the same month with it':<44} {spent.with_behaviour:8.2f} µs an event")
    between = f"median of pairs, 95 % [{spent.low:.2f} {spent.high:.2f}]"
    print(f"{'behaviour costs':<44} {spent.difference:8.2f} µs an event, {between}")
    flat = behaviour.flat(behaviour.LONG_PEOPLE, behaviour.LONG_DAYS)
    for which, us, size in zip(("first", "second", "last"), flat.us, flat.bytes_saved, strict=True):
        print(f"{f'the {which} third of a long stream':<44} {us:8.2f} µs an event, {size:,.0f} bytes saved a person")
    return 0


def measure(events: int) -> dict[str, float]:
    """Return microseconds an event by step."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_files(folder, seed=SEED, events=events, conduct=False)
        lines = (folder / "events.jsonl").read_bytes().splitlines()
        policy = without_behaviour(folder)
        new = session_of(policy, load_directory(folder / "directory"), Settings())
        full = session_of(policy, load_directory(folder / "directory"), Settings(), memo=False)
    batches = [_batches(lines, number) for number in range(REPEATS + 1)]
    plain = msgspec.json.Decoder(AccessEvent).decode
    return {
        "decode alone (msgspec, typed)": _cost(lines, lambda: [plain(line) for line in lines]),
        "decode with every check": _cost(lines, lambda: [ACCESS.decode_canonical(line) for line in lines]),
        "a month as it comes, nothing remembered yet": _cost(lines, lambda: _take(new, batches[0])),
        "the month again: habits are known": min(
            _cost(lines, lambda again=again: _take(new, again))  # type: ignore[misc]  # bound at once
            for again in batches[1:]
        ),
        "judged in full, memo off": _cost(lines, lambda: _take(full, batches[0])),
    }


def _batches(lines: Sequence[bytes], number: int) -> list[list[Line]]:
    """Return the lines as batches; from the second time on under new ids, or they would be repetitions."""
    if number:
        lines = [line.replace(b'"event_id":"', b'"event_id":"again-%d-' % number, 1) for line in lines]
    messages = [Line(line, 0, at, "hot") for at, line in enumerate(lines)]
    times = [orjson.loads(line)["occurred_at"] for line in lines]
    messages = [msgspec.structs.replace(message, timestamp=at) for message, at in zip(messages, times, strict=True)]
    return [messages[at : at + BATCH] for at in range(0, len(messages), BATCH)]


def _take(session: Session, batches: Sequence[Sequence[Line]]) -> None:
    for batch in batches:
        session.take(batch, batch[-1].timestamp)


def _cost(lines: Sequence[bytes], work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return (time.process_time() - began) * 1e6 / len(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

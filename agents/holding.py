"""What a worker says of the partitions that it holds, each minute, whether or not anything comes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from agents.ledger import TP
from schemas.coverage import Holding, Place

PLACES_MAX: Final = 900
"""Places of one record, at most 65 bytes each with names of topics: it stays below the 65,535 bytes of an entry of the
audit log. A worker that holds more says so in several."""

FIRST_AFTER_S: Final = 10.0
"""When it is said first: by then the brokers have told where the logs end (`agents/transport/lag.py`)."""


def holdings(worker: str, nexts: Mapping[TP, int], ends: Mapping[TP, int], at: int) -> Iterator[Holding]:
    """Yield the records that say what a worker holds.

    Args:
        worker: its id.
        nexts: of each partition that it holds, the first offset of which it has said nothing.
        ends: where logs end. A partition of which that is not known yet is left out: it has just come.
        at: the wall clock, milliseconds.
    """
    known = [
        (topic, Place(partition, following, max(ends[topic, partition], following)))
        for (topic, partition), following in sorted(nexts.items())
        if (topic, partition) in ends
    ]
    for begin in range(0, len(known), PLACES_MAX):
        held: dict[str, list[Place]] = {}
        for topic, place in known[begin : begin + PLACES_MAX]:
            held.setdefault(topic, []).append(place)
        yield Holding(held={topic: tuple(places) for topic, places in held.items()}, worker=worker, at=at)

"""`[behaviour]` of the policy: where what is usual ends. Every key with its reason."""

from __future__ import annotations

from functools import cached_property
from math import log
from typing import Annotated

import msgspec
from msgspec import Meta

from rules.habits.history import STEPS, code, least

Factor = Annotated[float, Meta(gt=1.0, le=1e6)]
Positive = Annotated[float, Meta(gt=0.0, le=1e6)]
Part = Annotated[float, Meta(ge=0.1, le=0.95)]
Count = Annotated[int, Meta(ge=1, le=1 << 40)]
Days = Annotated[int, Meta(ge=2, le=365)]


class Behaviour(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """Numbers by which the behaviour rules tell the unusual from the usual. A measure is told in `Measure`'s units."""

    factor: Factor = 3.0
    """A sum is far above a person's habit from so many times the 95th percentile of their days on."""
    sigmas: Positive = 3.7
    """And from so many standard deviations above their median day (of the logarithm), where days differ much."""
    weak: Part = 0.6
    """From this part of the way to its limit on, a signal counts for `composite`, and the rules look closer."""
    peer_factor: Factor = 2.0
    """A sum is far above the peers' from so many times the 99th percentile of their days on."""
    peers_least: Count = 5
    """People with a history in a group below which it says nothing of its members."""
    floor_records: Count = 200
    """Records an hour or day that are never many."""
    floor_bytes: Count = 50_000_000
    """Bytes an hour or day that are never many."""
    floor_subjects: Count = 30
    """Data subjects an hour or day that are never many."""
    floor_off_hours: Count = 5
    """Accesses out of hours that are never many."""
    floor_novel: Count = 4
    """Datasets never touched before that are never many."""
    floor_run: Count = 25
    """Data subjects in a row that are never many."""
    floor_denied: Count = 5
    """Denials within ten minutes that are never many."""
    drift: Positive = 30.0
    """How far days may add up beyond the usual, in codes (`history.code`): ten days of twice the usual."""
    repeat_days: Days = 4
    """Days within two weeks on which the same data subject is looked up without a ticket: snooping."""
    split_people: Count = 4
    """People who look up the same data subject within two days, all without a ticket: one does, two may."""
    silence_least_min: Positive = 10.0
    """Minutes of silence of a source that are never long: logs are shipped in batches."""
    silence_factor: Factor = 3.0
    """A silence is long from so many times the longest one at this hour of the week on."""
    silence_missing: Positive = 30.0
    """Records that must be missing in a silence: by chance so many are not."""
    dormant_days: Days = 45
    """Days of silence after which an account wakes."""
    travel_kmh: Positive = 900.0
    """Nobody travels faster: an airliner's cruise."""
    cool_down: str = "24h"
    """So long after the last signal an anomaly is over; the next one is an alert of its own."""
    composite: Positive = 2.2
    """Sum of a day's weak signals, of three rules at least, that together are strong."""
    floor_pace: Count = 50
    """Records read at a machine's pace that are never many: more than a page shows."""
    automation: tuple[str, ...] = ()
    """Clients that read much, fast, by their nature (globs of user agents); with none named, a pace says nothing."""

    @cached_property
    def floors(self) -> tuple[int, ...]:
        """The amounts that are never many, by measure."""
        records, size, subjects = self.floor_records, self.floor_bytes, self.floor_subjects
        return (
            records,
            size,
            subjects,
            1 << 40,  # accesses are remembered, and no rule is about their number
            records,
            size,
            subjects,
            self.floor_off_hours,
            self.floor_novel,
            self.floor_run,
            self.floor_denied,
        )

    @cached_property
    def floor_codes(self) -> tuple[int, ...]:
        """The same as codes."""
        return tuple(code(each) for each in self.floors)

    @cached_property
    def floor_wires(self) -> tuple[int, ...]:
        """The least amounts with these codes."""
        return tuple(least(each) for each in self.floor_codes)

    @cached_property
    def reach(self) -> float:
        """`factor` in codes."""
        return log(self.factor) * STEPS

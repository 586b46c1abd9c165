"""What is remembered of how one person works: bounded, saved and restored whole, changed by one event at a time.

Nothing here looks at a clock or scans a window: sums belong to the person's present local hour and day, and are put
away when an event shows that the hour or the day is over. `rules/habits/observer.py` changes it; the rules in
`rules/behaviour/` only read it.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import msgspec


class Measure(IntEnum):
    """What is remembered of every active day, one byte each (`history.code`)."""

    RECORDS = 0
    BYTES = 1
    SUBJECTS = 2
    """Different data subjects."""
    ACCESSES = 3
    HOUR_RECORDS = 4
    """The most of any hour of the day."""
    HOUR_BYTES = 5
    HOUR_SUBJECTS = 6
    """The most data subjects, new that day, in any of its hours."""
    OFF_HOURS = 7
    """Accesses in hours in which the person does not usually work."""
    NOVEL = 8
    """Datasets never touched before."""
    RUN = 9
    """The longest run of data subjects, none of them coming back soon."""
    DENIED = 10


MEASURES: Final = len(Measure)

SLOTS: Final = 48
"""The hours of a working day and those of a day off, in local time."""

ACCOUNTS_MAX: Final = 8
"""Service accounts told apart in a day: beyond so many it does not matter how many more."""

COUNTRIES_MAX: Final = 8
"""Countries remembered of one person; the one not seen longest goes first."""

REPEATS_MAX: Final = 12
"""Data subjects whose return is watched; a new one takes the place of the one that came back least (Space-Saving,
Metwally et al. 2005), so that whoever is looked up often is among them."""


class Repeat(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A data subject who is looked up without a ticket, on so many days."""

    subject: int
    days: int
    last_day: int


class Seen(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """When somebody was last in a country, as a local day's number."""

    country: str
    day: int


class Spot(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The last country that one kind of evidence named, and when, in milliseconds."""

    country: str
    at: int


class Run(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Accesses in a row, none of them to one of the last few data subjects."""

    length: int = 0
    since: int = 0
    last_at: int = 0
    number: int = -1
    """The number at the end of the last token; -1 where it has none."""
    steps: int = 0
    """How many of them had the number after the one before."""
    pace: float = 0.0
    """Milliseconds between two of them, as a moving mean."""
    jitter: float = 0.0
    """How far a pause is from the mean, as a moving mean."""
    recent: tuple[int, ...] = ()
    """The last data subjects, marked: whoever works on a case comes back to one of them."""


class Pace(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Reads in a row at a pace that no person keeps (`pace.kept_on`)."""

    last_at: int = 0
    calls: int = 0
    records: int = 0
    again: int = 0
    """Records from which on the rules look again."""


class Episode(msgspec.Struct, array_like=True):
    """An anomaly that goes on: one alert, amended."""

    since: int
    """Milliseconds: when it was first told; part of the alert's id."""
    revision: int
    last_at: int
    """The last signal; a cool-down after it, the episode is over."""
    told: dict[str, float]
    """Rule id → its score when it was last told."""


class Habit(msgspec.Struct, array_like=True):
    """Everything remembered of one person. Fields are only ever added at the end: an older state lacks them."""

    applied: int = -1
    """Offset of the last event that is counted in here: on a replay what lies at or below it is skipped."""
    seen_at: int = 0
    """Time of the last event, milliseconds; 0 before the first."""
    first_day: int = 0
    """Local day of the first event, as `date.toordinal` counts; 0 before it."""
    group: int = 0
    """Hash of the peers' group (team and roles)."""
    group_day: int = 0
    """Local day on which the group was joined."""

    # The present local hour and day: [from, until) in milliseconds, and what was summed up in them.
    hour_from: int = 0
    hour_until: int = 0
    day_from: int = 0
    day_until: int = 0
    day: int = 0
    day_off: bool = False
    slot: int = 0
    usual_slot: bool = True
    hours: int = 0
    """A bit for each slot worked in today."""
    hour_records: int = 0
    hour_bytes: int = 0
    hour_subjects: int = 0
    accesses: int = 0
    records: int = 0
    volume: int = 0
    """Bytes."""
    subject_bits: int = 0
    subjects: int = 0
    peak_records: int = 0
    peak_bytes: int = 0
    peak_subjects: int = 0
    off_hours: int = 0
    novel: int = 0
    longest_run: int = 0
    denials: int = 0
    accounts: tuple[int, ...] = ()
    run: Run = Run()
    denied: int = 0
    """Denials of the present burst."""
    denied_from: int = 0

    # The days behind.
    days: bytes = b""
    """`MEASURES` codes a day, the oldest day first."""
    anchors: tuple[int, ...] = ()
    """By measure the most that counts as usual, in sixteenths of a code; it rises slowly, whatever the days say."""
    anchor_day: int = 0
    wires: tuple[int, ...] = (0,) * MEASURES
    """By measure, the sum from which the rules about it look closer."""
    wires_age: int = 0
    """Active days since they were laid."""
    drift: float = 0.0
    """How far the days of late add up beyond what is usual (CUSUM, Page 1954), in codes."""
    slots: bytes = bytes(SLOTS)
    """By slot, on how many days it was worked in; halved now and then."""
    slot_days: int = 0
    """On how many days they were counted."""

    # What was seen before.
    datasets: tuple[int, int] = (0, 0)
    """Two Bloom filters of datasets: of this period and of the one before."""
    datasets_day: int = 0
    countries: tuple[Seen, ...] = ()
    device: Spot | None = None
    address: Spot | None = None
    repeats: tuple[Repeat, ...] = ()

    # What was said.
    weak: dict[str, float] = {}
    """Rule id → the strongest signal of the day that alone says nothing."""
    episode: Episode | None = None
    shadow_episode: Episode | None = None
    """The same of rules in shadow: neither knows of the other."""

    # Of the present burst of denials, and of what is too new to have habits.
    denied_things: int = 0
    """A bit for each dataset that was refused (`thing_of`)."""
    let_through: bool = False
    """Whether anything was let through since the last denial."""
    settled: bool = False
    """Whether there were days enough when the present one began."""
    pace: Pace | None = None
    """None: nothing was read that could have one; of most it stays so."""
    usual_slots: int = (1 << SLOTS) - 1
    """A bit for each slot that is usual, as of the last day; of somebody hardly known all are."""
    team: int = 0
    """Hash of the team."""
    heavy_day: bool = False
    """Whether a duty explains far more work than usual today."""

    @property
    def active_days(self) -> int:
        """How many active days are behind and remembered."""
        return len(self.days) // MEASURES

    def of(self, measure: Measure) -> bytes:
        """Return the codes of one measure, one a day."""
        return self.days[measure::MEASURES]

    def sums(self) -> tuple[int, ...]:
        """Return what the present day came to so far, by measure."""
        return (
            self.records,
            self.volume,
            self.subjects,
            self.accesses,
            max(self.peak_records, self.hour_records),
            max(self.peak_bytes, self.hour_bytes),
            max(self.peak_subjects, self.hour_subjects),
            self.off_hours,
            self.novel,
            self.longest_run,
            self.denials,
        )

"""Applying events to a habit, one by one: sums move, hours and days end, and what may be unusual is pointed at.

`Observer.apply` costs some additions and comparisons for the usual event. It decides nothing: it says which kinds of
rules should look (`Look`), by comparing sums with wires that were laid when a day began.

Events of one person are applied in the order of their partition. An event of an earlier hour of the present day counts
in the day's sums and not in the hour's; one of an earlier day is too late for a habit: it is judged, and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from msgspec import UNSET

from rules.habits.days import Ended, Standing, next_day, next_hour
from rules.habits.firsts import Look, moved, new_account, new_dataset
from rules.habits.habit import Habit, Measure, Spot
from rules.habits.pace import kept_on, named_by
from rules.habits.runs import came_back, ran_on
from rules.habits.sketch import bit_of, distinct, mark
from rules.habits.thresholds import Behaviour
from schemas.access import AccessEvent

DAY_MS: Final = 86_400_000

DENIED_WINDOW_MS: Final = 10 * 60_000
"""Denials within so long are one burst."""

STAYED_MS: Final = 60_000
"""How exactly it is remembered when somebody was last where they are: to a minute."""

EXACT: Final = 64
"""Different data subjects up to which bits are counted one by one; beyond, two may share one, and it is estimated."""

SUM_MOST: Final = 1 << 60
"""Records or bytes of a day beyond which no more are counted: a source that writes the greatest number for an unknown
size must not carry a sum out of 64 bits."""

LOOKED_UP_MOST: Final = 3
"""Data subjects of one read up to which it is a look-up of them; more come of a list or a search."""


THINGS: Final = 61
"""Datasets told apart within a burst of denials: a prime, so that marks spread evenly, and a signed word when saved."""


def thing_of(dataset: int) -> int:
    """Return the bit of a dataset (`Setting.dataset`) in `Habit.denied_things`."""
    return 1 << dataset % THINGS


class Setting(NamedTuple):
    """What an access was to, and from where: the same for every access of a person to a dataset from an address."""

    dataset: int
    """`sketch.bloom_of` the marked id of the dataset."""
    sensitivity: str
    canary: bool
    country: str | None
    """Where the person is believed to be."""
    device: str | None
    """The country that the device names."""
    address: str | None
    """The country that the address names; None where it says nothing of a place."""


class Before(NamedTuple):
    """What an event found, for rules that compare."""

    seen_at: int
    day: int
    device: Spot | None
    address: Spot | None
    denied: int
    """Denials of the burst before it."""
    ended: Ended | None
    """The day that this event ended."""
    returned: int = 0
    """On how many days the data subject was looked up without a ticket that came back by this event."""


class Observer:
    """Applies events to habits under one policy."""

    def __init__(self, to: Behaviour, subjects: Mapping[str, object]) -> None:
        """Take the thresholds, and the tokens of data subjects of whom the directory speaks."""
        self._to = to
        self._dormant_ms = to.dormant_days * DAY_MS
        self._drift = to.weak * to.drift
        self._subjects = subjects.keys()
        self._returned = 0
        """Of the event at hand."""
        self._automation = named_by(to.automation) if to.automation else None

    def apply(
        self, habit: Habit, event: AccessEvent, setting: Setting, standing: Callable[[], Standing]
    ) -> tuple[int, Before | None]:
        """Apply one event; return which rules should look (`Look`), and what it found where any should.

        Args:
            habit: is changed.
            event: the next of its person.
            setting: what it was to, and from where.
            standing: asked when an hour begins.
        """
        at = event.occurred_at
        look = self._returned = 0
        ended = None
        found = habit.seen_at, habit.day, habit.device, habit.address, habit.denied
        if not habit.hour_from <= at < habit.hour_until:
            if at < habit.day_from:
                look = Look.LATE | (Look.CANARY if setting.canary else 0) | self._spoken_of(event)
                return look, Before(*found, None)
            if at >= habit.hour_until:
                if at >= habit.day_until:
                    awake = habit.seen_at and at - habit.seen_at >= self._dormant_ms
                    ended = next_day(habit, at, setting.country, standing, self._to)
                    if awake or (ended is not None and habit.drift >= self._drift):
                        look = Look.DAY
                next_hour(habit, at, setting.country)
        habit.seen_at = max(habit.seen_at, at)
        if setting.device is not None:
            device = habit.device
            if device is None or setting.device != device.country:
                look |= moved(habit, "device", setting.device, at)
            elif at - device.at > STAYED_MS:
                habit.device = Spot(device.country, at)
        if setting.address is not None:
            address = habit.address
            if address is None or setting.address != address.country:
                look |= moved(habit, "address", setting.address, at)
            elif at - address.at > STAYED_MS:
                habit.address = Spot(address.country, at)
        if setting.canary:
            look |= Look.CANARY
        wires = habit.wires
        if event.outcome == "denied":
            if at - habit.denied_from > DENIED_WINDOW_MS:
                habit.denied, habit.denied_from, habit.denied_things = 0, at, 0
            habit.denied += 1
            habit.denied_things |= thing_of(setting.dataset)
            habit.let_through = False
            habit.denials += 1
            if habit.denied >= wires[Measure.DENIED]:
                look |= Look.DENIED
            return look, Before(*found, ended, self._returned) if look or ended else None
        if habit.denied:
            if at - habit.denied_from > DENIED_WINDOW_MS:
                habit.denied = 0
            elif not habit.let_through:
                habit.let_through = True
                look |= Look.DENIED
        habit.accesses += 1
        in_hour = at >= habit.hour_from
        records = event.record_count
        if records is UNSET:
            records = 1
        habit.records += records
        if in_hour:
            habit.hour_records += records
        size = event.bytes
        if size is not UNSET:
            habit.volume += size
            if in_hour:
                habit.hour_bytes += size
        subjects = event.subject_ids
        if subjects is not UNSET and subjects:
            look |= self._data_subjects(habit, event, subjects, in_hour=in_hour)
        if habit.datasets[0] & setting.dataset != setting.dataset:
            look |= new_dataset(habit, setting.dataset)
        if event.service_account is not UNSET:
            look |= new_account(habit, event.service_account)
        if (
            self._automation is not None
            and not habit.settled
            and kept_on(habit, event, setting.sensitivity, records, self._automation, self._to)
        ):
            look |= Look.PACE
        if not habit.usual_slot:
            habit.off_hours += 1
            if habit.off_hours >= wires[Measure.OFF_HOURS]:
                look |= Look.OFF_HOURS
        if habit.records > SUM_MOST or habit.volume > SUM_MOST:
            _saturate(habit)
        if (
            habit.records >= wires[0]
            or habit.hour_records >= wires[4]
            or habit.volume >= wires[1]
            or habit.hour_bytes >= wires[5]
            or habit.subjects >= wires[2]
            or habit.hour_subjects >= wires[6]
        ):
            look |= Look.VOLUME
        return look, Before(*found, ended, self._returned) if look or ended else None

    def _spoken_of(self, event: AccessEvent) -> int:
        subjects = event.subject_ids
        if subjects is UNSET:
            return 0
        known = self._subjects
        return Look.SUBJECT if any(token in known for token in subjects) else 0

    def _data_subjects(self, habit: Habit, event: AccessEvent, subjects: Any, *, in_hour: bool) -> int:
        """Count different data subjects, their run, and those that come back on several days without a ticket."""
        look = 0
        known = self._subjects
        bits = habit.subject_bits
        new = 0
        if len(subjects) == 1:
            marks: Sequence[int] = (mark(subjects[0]),)
        else:
            marks = [mark(token) for token in subjects]
        if known and not known.isdisjoint(subjects):
            look = Look.SUBJECT
        looked_up = event.ticket is UNSET and len(subjects) <= LOOKED_UP_MOST and event.action == "read"
        for subject in marks:
            bit = bit_of(subject)
            if bits & bit:
                continue
            bits |= bit
            new += 1
            if looked_up and (days := came_back(habit, subject)):
                look |= Look.SUBJECT
                self._returned = max(self._returned, days)
        if new:
            habit.subject_bits = bits
            habit.subjects += new
            if habit.subjects > EXACT:
                habit.subjects = max(habit.subjects, distinct(bits))
            if in_hour:
                habit.hour_subjects += new
        run = habit.run = ran_on(habit.run, subjects, marks, event.occurred_at)
        if run.length > habit.longest_run:
            habit.longest_run = run.length
            if run.length >= habit.wires[Measure.RUN]:
                look |= Look.RUN
        return look


def _saturate(habit: Habit) -> None:
    habit.records, habit.hour_records = min(habit.records, SUM_MOST), min(habit.hour_records, SUM_MOST)
    habit.volume, habit.hour_bytes = min(habit.volume, SUM_MOST), min(habit.hour_bytes, SUM_MOST)

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
from rules.habits.habit import ACCOUNTS_MAX, COUNTRIES_MAX, Habit, Measure, Seen, Spot
from rules.habits.pace import kept_on, named_by
from rules.habits.runs import came_back, ran_on
from rules.habits.sketch import bit_of, distinct, mark
from rules.habits.thresholds import Behaviour
from schemas.access import AccessEvent

FORGET_COUNTRY_DAYS: Final = 90
"""How long a country counts as known after a stay: a quarter."""

DAY_MS: Final = 86_400_000

DENIED_WINDOW_MS: Final = 10 * 60_000
"""Denials within so long are one burst."""

STAYED_MS: Final = 60_000
"""How exactly it is remembered when somebody was last where they are: to a minute."""

EXACT: Final = 64
"""Different data subjects up to which bits are counted one by one; beyond, two may share one, and it is estimated."""

LOOKED_UP_MOST: Final = 3
"""Data subjects of one read up to which it is a look-up of them; more come of a list or a search."""


class Look:
    """Which kinds of rules should look at an event."""

    DAY: Final = 1
    """It is the first of a local day, after a long silence or days that were all above the usual."""
    VOLUME: Final = 2
    """A sum of the hour or the day crossed its wire."""
    NOVEL: Final = 4
    """A dataset not touched before, and enough of them today."""
    COUNTRY: Final = 8
    """A country not seen before, or not for long."""
    MOVED: Final = 16
    """Evidence names another country than the last of its kind."""
    DENIED: Final = 32
    RUN: Final = 64
    SUBJECT: Final = 128
    """A data subject of whom the directory speaks, or one looked up on several days."""
    OFF_HOURS: Final = 256
    CANARY: Final = 512
    ACCOUNTS: Final = 1024
    """Another service account than before today."""
    LATE: Final = 2048
    """Too late for the habit."""
    PACE: Final = 4096
    """Somebody without a history reads much, faster than a person can."""


NOTHING: Final = 0

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


class Observer:
    """Applies events to habits under one policy."""

    def __init__(self, to: Behaviour, subjects: Mapping[str, object]) -> None:
        """Take the thresholds, and the tokens of data subjects of whom the directory speaks."""
        self._to = to
        self._dormant_ms = to.dormant_days * DAY_MS
        self._drift = to.weak * to.drift
        self._subjects = subjects.keys()
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
        look = 0
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
                look |= _moved(habit, "device", setting.device, at)
            elif at - device.at > STAYED_MS:
                habit.device = Spot(device.country, at)
        if setting.address is not None:
            address = habit.address
            if address is None or setting.address != address.country:
                look |= _moved(habit, "address", setting.address, at)
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
            return look, Before(*found, ended) if look or ended else None
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
            look |= _dataset(habit, setting.dataset)
        if event.service_account is not UNSET:
            look |= _account(habit, event.service_account)
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
        if (
            habit.records >= wires[0]
            or habit.hour_records >= wires[4]
            or habit.volume >= wires[1]
            or habit.hour_bytes >= wires[5]
            or habit.subjects >= wires[2]
            or habit.hour_subjects >= wires[6]
        ):
            look |= Look.VOLUME
        return look, Before(*found, ended) if look or ended else None

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
            if looked_up and came_back(habit, subject):
                look |= Look.SUBJECT
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


def _moved(habit: Habit, kind: str, country: str, at: int) -> int:
    """Take note of another country; a late event moves nobody."""
    last: Spot | None = getattr(habit, kind)
    if last is None or at >= last.at:
        setattr(habit, kind, Spot(country, at))
    days = {seen.country: seen.day for seen in habit.countries}
    if last is not None:
        days[last.country] = habit.day  # where they were until now
    fresh = country not in days or habit.day - days[country] > FORGET_COUNTRY_DAYS
    days[country] = habit.day
    kept = sorted(days.items(), key=lambda each: each[1])[-COUNTRIES_MAX:]
    habit.countries = tuple(Seen(name, day) for name, day in kept)
    return Look.MOVED | (Look.COUNTRY if fresh else 0)


def _dataset(habit: Habit, bloom: int) -> int:
    known = habit.datasets[1] & bloom == bloom
    habit.datasets = habit.datasets[0] | bloom, habit.datasets[1]
    if known or not habit.settled:
        return 0  # in the first weeks everything is new
    habit.novel += 1
    return Look.NOVEL if habit.novel >= habit.wires[Measure.NOVEL] else 0


def _account(habit: Habit, account: str) -> int:
    which = mark(account)
    if which in habit.accounts or len(habit.accounts) >= ACCOUNTS_MAX:
        return 0
    habit.accounts = (*habit.accounts, which)
    return Look.ACCOUNTS

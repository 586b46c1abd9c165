"""How hours and days end and begin: sums are put away, wires are laid anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from rules.habits.calendar import HOUR_MS, day_off, local_hour, span_at, zones_of
from rules.habits.habit import SLOTS, Habit, Measure, Run
from rules.habits.history import ENOUGH, STEPS, appended, code, quantile, spread
from rules.habits.limits import ANCHOR_UNITS, lay_wires, raise_anchors
from rules.habits.thresholds import Behaviour

WIRES_DAYS: Final = 5
"""Active days for which wires stand: a working week. They only say when to look closer."""

FORGET_DATASETS_DAYS: Final = 60
"""How long a dataset counts as known at least: two months; at most twice that, as two filters take turns."""

REPEAT_FORGET_DAYS: Final = 14
"""A data subject who was not looked up for so long is not watched any more."""

HALVE_SLOTS_DAYS: Final = 40
"""Days after which the counts of hours are halved: habits of half a year ago say little."""

USUAL_SLOT_SHARE: Final = 0.05
"""An hour in which somebody works on one day in twenty, or in one beside it, is one of their hours."""

DRIFT_SLACK: Final = STEPS * 0.35
"""Codes by which a day may lie above the median without adding to a drift: half of a doubling, so that a lasting
doubling is told soonest (the reference of a CUSUM is half of the shift that it looks for)."""

DRIFT_STEP_MOST: Final = STEPS * 1.0
"""Codes that one day may add at most: a single wild day is not a drift."""


SPREAD_USUAL: Final = STEPS * 0.4
"""The spread of days, in codes, up to which a drift is told alike of everybody."""


class Standing(NamedTuple):
    """What the directories say of a person, as of a moment."""

    zone: str
    group: int
    """Hash of team and roles: people of one group are peers."""
    heavy: bool = False
    """A duty explains far more work than usual: such days say nothing of what is."""


class Ended(NamedTuple):
    """A day that is over."""

    group: int
    """The peers' group on that day."""
    day: int
    codes: bytes
    """By measure."""


def roll(habit: Habit, at: int, country: str | None, standing: Callable[[], Standing], to: Behaviour) -> Ended | None:
    """End the hour that is over, and the day, and begin those of `at`; return what a day that ended came to."""
    habit.peak_records = max(habit.peak_records, habit.hour_records)
    habit.peak_bytes = max(habit.peak_bytes, habit.hour_bytes)
    habit.peak_subjects = max(habit.peak_subjects, habit.hour_subjects)
    habit.hour_records = habit.hour_bytes = habit.hour_subjects = 0
    ended = None
    if at >= habit.day_until:
        who = standing()
        span = span_at(who.zone, at)
        if habit.first_day:
            codes = _end_day(habit)
            ended = None if codes is None else Ended(habit.group, habit.day, codes)
        _begin_day(habit, who, span.day, country, to)
        habit.day_from, habit.day_until = span.day_from, span.day_until
    # On the two days a year on which clocks change, hours after the change are told by the old time.
    hour = (at - habit.day_from) // HOUR_MS
    habit.hour_from = habit.day_from + hour * HOUR_MS
    habit.hour_until = min(habit.hour_from + HOUR_MS, habit.day_until)
    habit.slot = min(hour, SLOTS // 2 - 1) + (SLOTS // 2 if habit.day_off else 0)
    habit.hours |= 1 << habit.slot
    habit.usual_slot = usual_slot(habit, habit.slot) or _usual_elsewhere(habit, at, country)
    return ended


def usual_slot(habit: Habit, slot: int) -> bool:
    """Whether a person usually works in an hour, or in one beside it; of somebody hardly known everything is usual."""
    if habit.slot_days < ENOUGH:
        return True
    half = SLOTS // 2
    base = slot - slot % half
    near = (slot, base + (slot - 1) % half, base + (slot + 1) % half)
    return max(habit.slots[each] for each in near) >= max(1.0, USUAL_SLOT_SHARE * habit.slot_days)


def _usual_elsewhere(habit: Habit, at: int, country: str | None) -> bool:
    """Whether it would be one of their hours on the clocks of where they are: a traveller keeps the hours there."""
    base = habit.slot - habit.slot % (SLOTS // 2)
    return any(usual_slot(habit, base + local_hour(zone, at)) for zone in zones_of(country)[:4])


def _end_day(habit: Habit) -> bytes | None:
    """Put the day away and return its codes; a day on which nothing was done is none."""
    if not habit.accesses and not habit.denials:
        return None
    codes = bytes([code(amount) for amount in habit.sums()])
    if not habit.heavy_day:
        _drift(habit, codes[Measure.SUBJECTS], codes[Measure.RECORDS])
        habit.days = tuple([appended(each, coded) for each, coded in zip(habit.days, codes, strict=True)])
        habit.wires_age += 1
    counts = bytearray(habit.slots)
    for slot in range(SLOTS):
        if habit.hours >> slot & 1 and counts[slot] < 255:
            counts[slot] += 1
    habit.slot_days += 1
    if habit.slot_days >= 2 * HALVE_SLOTS_DAYS:
        counts = bytearray(each // 2 for each in counts)
        habit.slot_days //= 2
    habit.slots = bytes(counts)
    return codes


def _drift(habit: Habit, subjects: int, records: int) -> None:
    """Add up how far days lie above the usual, for weeks (CUSUM); days below take away again."""
    days = habit.days[Measure.SUBJECTS]
    which, today = (Measure.SUBJECTS, subjects) if any(days) else (Measure.RECORDS, records)
    days = habit.days[which]
    if len(days) < ENOUGH:
        return
    usual = quantile(days, 0.5)
    if habit.anchors:
        # As far as the days have pulled what is usual beyond its anchor, it is not: a drift would hide itself.
        usual -= max(0.0, quantile(days, 0.95) - habit.anchors[which] / ANCHOR_UNITS)
    # Whose days differ more may differ more.
    wide = max(1.0, spread(days) / SPREAD_USUAL)
    step = (today - usual) / wide - DRIFT_SLACK
    habit.drift = max(0.0, habit.drift + min(step, DRIFT_STEP_MOST))


def _begin_day(habit: Habit, who: Standing, day: int, country: str | None, to: Behaviour) -> None:
    if not habit.first_day:
        habit.first_day = habit.group_day = habit.datasets_day = day
        habit.group = who.group
    elif who.group != habit.group:
        # Other work: what was usual before says nothing of it, and the peers speak until days have passed.
        habit.group, habit.group_day = who.group, day
        habit.days = (b"",) * len(habit.days)
        habit.anchors, habit.anchor_day, habit.drift, habit.wires_age = (), 0, 0.0, WIRES_DAYS
    if day - habit.datasets_day > FORGET_DATASETS_DAYS:
        habit.datasets, habit.datasets_day = (0, habit.datasets[0]), day
    if habit.repeats:
        habit.repeats = tuple([each for each in habit.repeats if day - each.last_day <= REPEAT_FORGET_DAYS])
    if habit.weak:
        habit.weak = {}
    habit.day, habit.heavy_day = day, who.heavy
    habit.day_off = day_off(country, day)
    habit.settled = habit.active_days >= ENOUGH
    if habit.wires_age >= WIRES_DAYS or habit.active_days == ENOUGH or not any(habit.wires):
        raise_anchors(habit)
        lay_wires(habit, to)
    habit.accesses = habit.records = habit.volume = habit.subjects = habit.subject_bits = 0
    habit.peak_records = habit.peak_bytes = habit.peak_subjects = 0
    habit.off_hours = habit.novel = habit.longest_run = habit.denials = habit.hours = 0
    habit.accounts = ()
    if habit.run.length:
        habit.run = Run()

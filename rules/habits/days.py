"""How hours and days end and begin: sums are put away, wires are laid anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from rules.habits.calendar import HOUR_MS, day_off, local_hour, span_at, zones_of
from rules.habits.habit import MEASURES, SLOTS, Habit, Measure, Run
from rules.habits.history import DAYS, ENOUGH, STEPS, code, codes_of
from rules.habits.limits import ANCHOR_UNITS, ANCHOR_YOUNG, lay_wires, raise_anchors
from rules.habits.thresholds import Behaviour

WIRES_DAYS: Final = 10
"""Active days for which wires and usual hours stand: two working weeks. Wires only say when to look closer."""

FORGET_DATASETS_DAYS: Final = 60
"""How long a dataset counts as known at least: two months; at most twice that, as two filters take turns."""

REPEAT_FORGET_DAYS: Final = 14
"""A data subject who was not looked up for so long is not watched any more."""

HALVE_SLOTS_DAYS: Final = 40
"""Days after which the counts of hours are halved: habits of half a year ago say little."""

USUAL_SLOT_SHARE: Final = 0.05
"""An hour in which somebody works on one day in twenty, or in one beside it, is one of their hours."""

NEW_WORK_DAYS: Final = 30
"""Days between two beginnings of a new habit: roles that come and go by the day must not keep somebody unknown."""

DRIFT_SLACK: Final = STEPS * 0.35
"""Codes by which a day may lie above the median without adding to a drift: half of a doubling, so that a lasting
doubling is told soonest (the reference of a CUSUM is half of the shift that it looks for)."""

DRIFT_STEP_MOST: Final = STEPS * 1.0
"""Codes that one day may add at most: a single wild day is not a drift."""


DRIFT_STEP_LEAST: Final = STEPS * -0.8
"""Codes that one day may take away at most: idle days between heavy ones must not hide them."""

DRIFT_SPREAD: Final = STEPS * 0.4 * 1.2816
"""From the median to the 90th percentile of the days, in codes: up to so much a drift is told alike of everybody."""

DRIFT_LEAST: Final = code(10)
"""A day of fewer data subjects or records adds to no drift: from one to two is no doubling."""

DAY_SLOTS: Final = SLOTS // 2


class Standing(NamedTuple):
    """What the directories say of a person, as of a moment."""

    zone: str
    group: int
    """Hash of team and roles: people of one group are peers."""
    team: int = 0
    """Hash of the team alone, whose people are the peers where too few hold the same roles; 0 without one."""
    heavy: bool = False
    """A duty explains far more work than usual: such days say nothing of what is."""


class Ended(NamedTuple):
    """A day that is over."""

    group: int
    """The peers' group on that day."""
    team: int
    day: int
    codes: bytes
    """By measure."""


def next_day(
    habit: Habit, at: int, country: str | None, standing: Callable[[], Standing], to: Behaviour
) -> Ended | None:
    """End the day that is over, and begin that of `at`; return what it came to, None where nothing was done."""
    who = standing()
    span = span_at(who.zone, at)
    ended = None
    if habit.first_day:
        _end_hour(habit)
        codes = _end_day(habit)
        ended = None if codes is None else Ended(habit.group, habit.team, habit.day, codes)
    _begin_day(habit, who, span.day, country, to)
    habit.day_from, habit.day_until = span.day_from, span.day_until
    return ended


def next_hour(habit: Habit, at: int, country: str | None) -> None:
    """End the hour that is over, and begin that of `at`, of the present day.

    On the two days a year on which clocks change, hours after the change are told by the old time.
    """
    _end_hour(habit)
    hour = (at - habit.day_from) // HOUR_MS
    habit.hour_from = begins = habit.day_from + hour * HOUR_MS
    ends = begins + HOUR_MS
    habit.hour_until = min(habit.day_until, ends)
    slot = min(hour, DAY_SLOTS - 1)
    if habit.day_off:
        slot += DAY_SLOTS
    habit.slot = slot
    habit.hours |= 1 << slot
    habit.usual_slot = bool(habit.usual_slots >> slot & 1) or _usual_elsewhere(habit, at, country)


def usual_slot(habit: Habit, slot: int) -> bool:
    """Whether a person usually works in an hour, or in one beside it; of somebody hardly known everything is usual."""
    return bool(habit.usual_slots >> slot & 1)


def _usual_elsewhere(habit: Habit, at: int, country: str | None) -> bool:
    """Whether it would be one of their hours on the clocks of where they are: a traveller keeps the hours there."""
    base = habit.slot - habit.slot % DAY_SLOTS
    return any(usual_slot(habit, base + local_hour(zone, at)) for zone in zones_of(country)[:4])


def _usual_slots(habit: Habit) -> int:
    """Return the slots worked in often enough, and those beside them."""
    if habit.slot_days < ENOUGH:
        return (1 << SLOTS) - 1
    need = max(1.0, USUAL_SLOT_SHARE * habit.slot_days)
    found = 0
    for base in (0, DAY_SLOTS):
        often = 0
        for hour, count in enumerate(habit.slots[base : base + DAY_SLOTS]):
            if count >= need:
                often |= 1 << hour
        near = often | often << 1 | often >> 1 | often >> DAY_SLOTS - 1 | often << DAY_SLOTS - 1
        found |= (near & (1 << DAY_SLOTS) - 1) << base
    return found


def _end_hour(habit: Habit) -> None:
    if habit.hour_records:
        habit.peak_records = max(habit.peak_records, habit.hour_records)
        habit.hour_records = 0
    if habit.hour_bytes:
        habit.peak_bytes = max(habit.peak_bytes, habit.hour_bytes)
        habit.hour_bytes = 0
    if habit.hour_subjects:
        habit.peak_subjects = max(habit.peak_subjects, habit.hour_subjects)
        habit.hour_subjects = 0


def _end_day(habit: Habit) -> bytes | None:
    """Put the day away and return its codes.

    None for a day on which nothing was done, or whose work a duty explains: the peers learn nothing of it.
    """
    if not habit.accesses and not habit.denials:
        return None
    codes = codes_of(habit.sums())
    heavy = habit.heavy_day
    if not heavy:
        _drift(habit, codes[Measure.SUBJECTS], codes[Measure.RECORDS])
        habit.days = (habit.days + codes)[-DAYS * MEASURES :]
        habit.wires_age += 1
    counts = bytearray(habit.slots)
    hours = habit.hours
    while hours:
        slot = (hours & -hours).bit_length() - 1
        hours &= hours - 1
        if counts[slot] < 255:
            counts[slot] += 1
    habit.slot_days += 1
    if habit.slot_days >= 2 * HALVE_SLOTS_DAYS:
        counts = bytearray(each // 2 for each in counts)
        habit.slot_days //= 2
    habit.slots = bytes(counts)
    return None if heavy else codes


def _drift(habit: Habit, subjects: int, records: int) -> None:
    """Add up how far days lie above the usual, for weeks (CUSUM); days below take away again."""
    if habit.active_days < ENOUGH:
        return
    which, today = Measure.SUBJECTS, subjects
    ordered = sorted(habit.of(which))
    if not ordered[len(ordered) // 2]:  # data subjects are no part of most of their days
        which, today = Measure.RECORDS, records
        ordered = sorted(habit.of(which))
    last = len(ordered) - 1
    usual = float(ordered[last // 2])
    if habit.anchors and last >= ANCHOR_YOUNG:
        # As far as the days have pulled what is usual beyond its anchor, it is not: a drift would hide itself.
        usual = max(0.0, usual - max(0.0, ordered[last * 19 // 20] - habit.anchors[which] / ANCHOR_UNITS))
    # Whose days differ more may differ more.
    wide = max(1.0, (ordered[last * 9 // 10] - ordered[last // 2]) / DRIFT_SPREAD)
    step = (today - usual) / wide - DRIFT_SLACK if today >= DRIFT_LEAST else -DRIFT_SLACK
    habit.drift = max(0.0, habit.drift + max(DRIFT_STEP_LEAST, min(step, DRIFT_STEP_MOST)))


def _begin_day(habit: Habit, who: Standing, day: int, country: str | None, to: Behaviour) -> None:
    if not habit.first_day:
        habit.first_day = habit.group_day = habit.datasets_day = day
        habit.group = who.group
    elif who.group != habit.group:
        habit.group = who.group
        if day - habit.group_day >= NEW_WORK_DAYS:
            # Other work: what was usual before says nothing of it, and the peers speak until days have passed.
            habit.group_day = day
            habit.days = b""
            habit.anchors, habit.anchor_day, habit.drift, habit.wires_age = (), 0, 0.0, WIRES_DAYS
    habit.team = who.team
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
        habit.usual_slots = _usual_slots(habit)
    habit.accesses = habit.records = habit.volume = habit.subjects = habit.subject_bits = 0
    habit.peak_records = habit.peak_bytes = habit.peak_subjects = 0
    habit.off_hours = habit.novel = habit.longest_run = habit.denials = habit.hours = 0
    habit.accounts = ()
    if habit.run.length:
        habit.run = Run()

"""Data subjects one after the other, and the same ones again and again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rules.habits.habit import REPEATS_MAX, Habit, Repeat, Run

RUN_BREAKS_MS: Final = 15 * 60_000
"""A pause that ends a run of new data subjects: case work pauses, a script does not."""


RUN_SWAPS_MS: Final = 60_000
"""How far two accesses may come in the other order without ending a run: gateways' logs are a little apart."""

RECENT_SUBJECTS: Final = 4
"""Data subjects one of whom comes back in case work: a few cases are open at a time."""


def came_back(habit: Habit, subject: int) -> int:
    """Watch a data subject looked up without a ticket; return on how many days it was, 0 where this is no new one."""
    day, repeats = habit.day, habit.repeats
    once = -1
    for at, each in enumerate(repeats):
        if each.subject == subject:
            if each.last_day == day:
                return 0
            habit.repeats = (*repeats[:at], Repeat(subject, each.days + 1, day), *repeats[at + 1 :])
            return each.days + 1
        if once < 0 and each.days == 1:
            once = at
    if len(repeats) >= REPEATS_MAX:
        # The one that came back least, and of these the one not seen longest: new ones are put at the end.
        if once < 0:
            once = min(range(REPEATS_MAX), key=lambda at: (repeats[at].days, repeats[at].last_day))
        repeats = repeats[:once] + repeats[once + 1 :]
    habit.repeats = (*repeats, Repeat(subject, 1, day))
    return 0


def ran_on(run: Run, subjects: Sequence[str], marks: Sequence[int], at: int) -> Run:
    """Return a run that goes on with data subjects (tokens, and the same marked), or begins with them."""
    number, count = _number(subjects[-1]), len(subjects)
    before = run.recent
    recent = (*before, *marks)[-RECENT_SUBJECTS:]
    came_soon = marks[0] in before if count == 1 else not set(before).isdisjoint(marks)
    if came_soon or not run.length or not -RUN_SWAPS_MS <= at - run.last_at <= RUN_BREAKS_MS:
        return Run(count, at, at, number, 0, 0.0, 0.0, recent)
    gap = float(abs(at - run.last_at))
    pace = run.pace + (gap - run.pace) / 8 if run.pace else gap
    jitter = run.jitter + (abs(gap - pace) - run.jitter) / 8
    steps = run.steps + (1 if 0 < number - run.number <= count else 0)
    return Run(run.length + count, run.since, max(at, run.last_at), number, steps, pace, jitter, recent)


def _number(token: str) -> int:
    """Return the number at the end of a token, -1 where it has none; of a long one its last nine digits."""
    digits = token[len(token.rstrip("0123456789")) :][-9:]
    return int(digits) if digits else -1

"""What is seen of somebody for the first time: a country, a dataset, a service account; and which rules should look."""

from __future__ import annotations

from typing import Final

from rules.habits.habit import ACCOUNTS_MAX, COUNTRIES_MAX, Habit, Measure, Seen, Spot
from rules.habits.sketch import mark

FORGET_COUNTRY_DAYS: Final = 90
"""How long a country counts as known after a stay: a quarter."""


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


def moved(habit: Habit, kind: str, country: str, at: int) -> int:
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


def new_dataset(habit: Habit, bloom: int) -> int:
    """Take note of a dataset that is not of this period's; return `Look.NOVEL` where enough of the day's are new."""
    known = habit.datasets[1] & bloom == bloom
    habit.datasets = habit.datasets[0] | bloom, habit.datasets[1]
    if known or not habit.settled:
        return 0  # in the first weeks everything is new
    habit.novel += 1
    return Look.NOVEL if habit.novel >= habit.wires[Measure.NOVEL] else 0


def new_account(habit: Habit, account: str) -> int:
    """Take note of a service account; return `Look.ACCOUNTS` where it is another one than before today."""
    which = mark(account)
    if which in habit.accounts or len(habit.accounts) >= ACCOUNTS_MAX:
        return 0
    habit.accounts = (*habit.accounts, which)
    return Look.ACCOUNTS

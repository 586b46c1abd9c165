"""Who works in a population: trades, places, and what happens to each person in a quarter.

Sources, as far as there are any. That people differ widely in how much they do, and that a person's activity follows
the clock: Radicchi, "Human activity in the web", Phys. Rev. E 80 (2009); Gandica et al., PLOS ONE (2017),
doi:10.1371/journal.pone.0174509. That such quantities are lognormal rather than power laws: Blenn and Van Mieghem, "Are
human interactivity times lognormal?", arXiv:1607.02952. A week of 38.1 hours and 25.3 days of paid leave a year:
Eurofound, "Working time developments – 2011". That one in three has a day of ten hours or more in a month, and one in
ten works in their free time several times a week: Eurofound, "Sixth European Working Conditions Survey" (2015). A
background of ordinary life with incidents planted into it follows Glasser and Lindauer, "Bridging the gap", IEEE SPW
2013 (the CERT data sets). Every other number is an assumption and is called one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

PLACES: Final = {
    "IE": ("Europe/Dublin", 24),
    "NO": ("Europe/Oslo", 14),
    "DE": ("Europe/Berlin", 14),
    "ES": ("Europe/Madrid", 8),
    "PL": ("Europe/Warsaw", 10),
    "IN": ("Asia/Kolkata", 10),
    "US": ("America/New_York", 12),
    "SG": ("Asia/Singapore", 5),
    "BR": ("America/Sao_Paulo", 3),
}
"""Country → its zone, and its share of the staff in hundredths. An assumption."""

PER_TEAM: Final = 25
"""People of a team, about. An assumption."""

PER_GATEWAY: Final = 60
"""People of one country who share a gateway, about. An assumption."""

LEAVE_SHARE: Final = 0.6
"""Who takes two weeks off within a quarter: 25.3 days a year (Eurofound) are 6 working days a quarter."""

# Assumptions: shares of the people to whom it happens within the days that are simulated.
NEW_SHARE: Final = 0.08
LEAVER_SHARE: Final = 0.06
"""Twice what 15 % a year would be, so that there are enough for incidents."""
RARE_SHARE: Final = 0.05
"""Who looks at data on one day in seven only: managers, auditors."""
RARE_DAYS: Final = 0.15
WEEKEND_SHARE: Final = 0.08
"""Who works on every other day off (one in ten several times a week in their free time, Eurofound 2015)."""
ON_CALL_SHARE: Final = 0.10
TRAVEL_SHARE: Final = 0.08
ANNOUNCED_SHARE: Final = 0.85
"""Of the journeys. The others are in no directory."""
LEAVE_KNOWN_SHARE: Final = 0.8
LONG_LEAVE_SHARE: Final = 0.01
"""Who is away for seven weeks: parents, the sick."""
TEAM_MOVE_SHARE: Final = 0.03
PROJECT_SHARE: Final = 0.015
"""Who takes on other work that no directory tells of."""
MIGRATION_SHARE: Final = 0.03
"""Of the engineers, who moves data for some days: three to ten times the usual records."""
VPN_SHARE: Final = 0.01
"""Who now and then leaves through a foreign VPN exit that nobody mapped, while the device stays where it is."""
ACCOUNT_SHARE: Final = 0.10
"""Of the engineers, who works through service accounts."""


@dataclass(frozen=True, slots=True)
class Trade:
    """A kind of work. Numbers are medians and standard deviations of the logarithm; assumptions."""

    name: str
    share: float
    accesses: float
    """A day."""
    among: float
    """Spread among people."""
    between: float
    """Spread between one person's days."""
    records: float
    """An access."""
    records_spread: float
    case_work: bool
    """Whether accesses are about data subjects, case by case."""


TRADES: Final = (
    Trade("support", 0.55, 16, 0.5, 0.35, 1, 0.0, case_work=True),
    Trade("engineer", 0.25, 7, 0.6, 0.5, 120, 1.1, case_work=False),
    Trade("analyst", 0.20, 6, 0.6, 0.45, 900, 0.9, case_work=False),
)


@dataclass(slots=True)
class Worker:
    """One person and how they work. Days count from the beginning of the simulation; an empty range: never."""

    name: str
    trade: Trade
    team: str
    country: str
    zone: ZoneInfo
    gateway: str
    starts: float
    hours: float
    accesses: float
    datasets: list[str]
    joined: int
    leaves: int | None
    """The first day on which they are employed no more; it may lie behind the last one simulated."""
    rare: bool
    weekends: bool
    on_call: range
    away: range
    leave_known: bool
    travels: range
    """The first and the last day are spent on the way."""
    travels_to: str
    announced: bool
    moves_team: int | None
    project: int | None
    migration: range
    quarter_end: bool
    """Whether they have the duty, and its load."""
    exit_country: str | None
    """Of a VPN that nobody mapped."""
    accounts: tuple[str, ...]


def hire(random: Random, number: int, people: int, days: int) -> Worker:
    """Return a person, made up."""
    trade = random.choices(TRADES, [each.share for each in TRADES])[0]
    country = random.choices(list(PLACES), [share for _, share in PLACES.values()])[0]
    team = f"{trade.name}-{random.randrange(max(1, round(people * trade.share / PER_TEAM)))}"
    gateways = max(1, round(people * PLACES[country][1] / 100 / PER_GATEWAY))
    pool = [f"{team}-d{each}" for each in range(24)]
    others = [each for each in PLACES if each != country]
    engineer, analyst = trade.name == "engineer", trade.name == "analyst"
    joined = random.randrange(20, days - 5) if random.random() < NEW_SHARE else 0
    last = random.randrange(days // 2, days + 14)
    trip, call, moved = random.randrange(10, days), random.randrange(5, days), random.randrange(10, days)
    return Worker(
        name=f"w-{number:05d}",
        trade=trade,
        team=team,
        country=country,
        zone=ZoneInfo(PLACES[country][0]),
        gateway=f"gw-{country.lower()}-{random.randrange(gateways)}",
        starts=random.gauss(8.6, 0.7),
        hours=random.uniform(7.2, 9.2),  # 38.1 hours in five days (Eurofound), and a break
        accesses=trade.accesses * math.exp(random.gauss(0, trade.among)),
        datasets=random.sample(pool, random.randint(4, 10)),
        joined=joined,
        leaves=last if random.random() < LEAVER_SHARE and not joined else None,
        rare=random.random() < RARE_SHARE,
        weekends=random.random() < WEEKEND_SHARE,
        on_call=range(call, call + 7) if not analyst and random.random() < ON_CALL_SHARE else range(0),
        away=_away(random, days),
        leave_known=random.random() < LEAVE_KNOWN_SHARE,
        travels=range(trip, trip + random.randint(4, 9)) if random.random() < TRAVEL_SHARE else range(0),
        travels_to=random.choice(others),
        announced=random.random() < ANNOUNCED_SHARE,
        moves_team=random.randrange(15, days - 15) if random.random() < TEAM_MOVE_SHARE else None,
        project=random.randrange(15, days) if random.random() < PROJECT_SHARE else None,
        migration=range(moved, moved + 5) if engineer and random.random() < MIGRATION_SHARE else range(0),
        quarter_end=analyst and random.random() < 0.6,
        exit_country=random.choice(others) if random.random() < VPN_SHARE else None,
        accounts=tuple(f"svc-{team}-{each}" for each in range(random.randint(1, 2)))
        if engineer and random.random() < ACCOUNT_SHARE
        else (),
    )


def _away(random: Random, days: int) -> range:
    if random.random() < LONG_LEAVE_SHARE:
        start = random.randrange(10, max(11, days - 60))
        return range(start, start + 50)
    start = random.randrange(10, days)
    return range(start, start + 14) if random.random() < LEAVE_SHARE else range(0)
